#!/usr/bin/env python3
"""Checks vectors.json, derived.json and refused.json without any code of Loom's.

Needs Python 3.9 and nothing else. The DAG-CBOR below is written from the specification and knows only what
Loom's formats use: non-negative integers, byte strings, text, lists, maps with text keys, null and links. Anything
else, and anything that is not the one encoding of its value, is an error.

    python3 docs/formats/vectors/check.py
"""

import base64
import hashlib
import json
import pathlib
import re
import struct
import sys

HERE = pathlib.Path(__file__).parent
RAW, DAG_CBOR = 0x55, 0x71
NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+=~-]{0,199}")
IMAGE_ID = re.compile(r"[0-9a-f]{64}")


class Refused(Exception):
    """These bytes are not what they should be."""


class Link:
    """A CID where DAG-CBOR has a link."""

    def __init__(self, text):
        self.text = text

    def __eq__(self, other):
        return isinstance(other, Link) and self.text == other.text


# CIDs: version 1, raw or dag-cbor, sha2-256, written in base32.


def cid_of(codec, data):
    return cid_text(bytes([1, codec, 0x12, 32]) + hashlib.sha256(data).digest())


def cid_text(binary):
    return "b" + base64.b32encode(binary).decode().rstrip("=").lower()


def cid_bytes(text):
    if not text.startswith("b"):
        raise Refused(f"{text!r} is not base32")
    body = text[1:].upper()
    binary = base64.b32decode(body + "=" * (-len(body) % 8))
    if len(binary) != 36 or binary[0] != 1 or binary[1] not in (RAW, DAG_CBOR) or binary[2:4] != b"\x12\x20":
        raise Refused(f"{text!r} is not a CIDv1 of raw or dag-cbor bytes under sha2-256")
    if cid_text(binary) != text:
        raise Refused(f"{text!r} is not in canonical form")
    return binary


# DAG-CBOR.


def head(major, number):
    for limit, code, form in ((24, number, ""), (1 << 8, 24, ">B"), (1 << 16, 25, ">H"), (1 << 32, 26, ">I"), (1 << 64, 27, ">Q")):
        if number < limit:
            return bytes([major << 5 | code]) + (struct.pack(form, number) if form else b"")
    raise ValueError("a number has more than 64 bits")


def encode(value):
    if value is None:
        return b"\xf6"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        data = value.encode()
        return head(3, len(data)) + data
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(encode, value))
    if isinstance(value, dict):
        # Shorter keys first, then by bytes: the order of the encoded keys.
        pairs = sorted((encode(key), encode(item)) for key, item in value.items())
        return head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
    if isinstance(value, Link):
        return b"\xd8\x2a" + encode(b"\0" + cid_bytes(value.text))
    raise TypeError(f"{value!r} has no encoding here")


def decode(data):
    value, rest = item(data)
    if rest:
        raise Refused(f"{len(rest)} bytes too many")
    if encode(value) != data:
        raise Refused("not in canonical form")
    return value


def take(data, count):
    if len(data) < count:
        raise Refused("cut off")
    return data[:count], data[count:]


def item(data):
    (first,), data = take(data, 1)
    major, number = first >> 5, first & 31
    if first == 0xF6:
        return None, data
    if major == 7 or major == 1 or number > 27:
        raise Refused(f"byte {first:#04x} is not allowed here")
    if number >= 24:
        size = 1 << number - 24
        raw, data = take(data, size)
        number = int.from_bytes(raw, "big")
    if major == 0:
        return number, data
    if major == 2:
        return take(data, number)
    if major == 3:
        raw, data = take(data, number)
        try:
            return raw.decode(), data
        except UnicodeDecodeError as error:
            raise Refused("text is not UTF-8") from error
    if major == 6:
        binary, data = item(data)
        if number != 42 or not isinstance(binary, bytes) or binary[:1] != b"\0":
            raise Refused("only links are tagged")
        text = cid_text(binary[1:])
        cid_bytes(text)
        return Link(text), data
    items = []
    for _ in range(number * (2 if major == 5 else 1)):
        value, data = item(data)
        items.append(value)
    if major == 4:
        return items, data
    keys = items[::2]
    if not all(isinstance(key, str) for key in keys) or len(set(keys)) != len(keys):
        raise Refused("a map needs keys that are text and differ")
    return dict(zip(keys, items[1::2])), data


# What each kind of bytes must look like. A shape is a type, or a dict or tuple of shapes.

LIMITS = dict.fromkeys(("fuel", "memory_bytes", "table_elements", "stack_bytes", "output_bytes"), int)
RETRY = dict.fromkeys(("attempts_max", "backoff_ms_min", "backoff_ms_max"), int)
HTTP_LIMITS = ("request_bytes_max", "response_bytes_max", "timeout_ms", "redirects_max", "requests_max")
HTTP = {"hosts": [str], "methods": [str], **dict.fromkeys(HTTP_LIMITS, int)}
TURNS = dict.fromkeys(("concurrency_max", "rate_per_second"), int)
SCHEDULE = {"cron": str, "to": str, "body": str, "catch_up": str}
RESOLUTION = ({"ok": Link}, {"err": Link})
BODIES = {
    "opened": {},
    "turn-started": {"message": Link, "deployment": Link, "module": Link, "engine": str, "seed": Link},
    "step": {"n": int, "op": str, "request": Link, "outcome": (None, *RESOLUTION)},
    "outcome": {"n": int, "result": RESOLUTION, "attempts": int, "worker": str, "evidence": [Link]},
    "turn-ended": {"result": ({"reply": Link}, {"failure": Link}, {"restarted": Link}), "state": (None, Link), "fuel": int},
    "control": {"what": str, "by": str},
}
# Members that are left out where they say nothing, instead of being null.
OPTIONAL = {"control": {"detail": Link, "state": Link}, "step": {"input": Link}}


def fits(value, shape):
    if isinstance(shape, tuple):
        return any(fits(value, one) for one in shape)
    if isinstance(shape, dict):
        return isinstance(value, dict) and value.keys() == shape.keys() and all(fits(value[key], shape[key]) for key in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(one, shape[0]) for one in value)
    return value is None if shape is None else isinstance(value, shape)


def with_given(shape, optional, value):
    return {**shape, **{member: kind for member, kind in optional.items() if member in value}}


def read_entry(data):
    entry = decode(data)
    shape = {"v": int, "actor": str, "seq": int, "prev": (None, Link), "turn": int, "at": int, "body": dict}
    if not fits(entry, shape) or entry["v"] != 1 or len(entry["body"]) != 1:
        raise Refused("no entry of version 1")
    (kind, body), = entry["body"].items()
    if kind not in BODIES or not isinstance(body, dict):
        raise Refused(f"no body of kind {kind!r}")
    if not fits(body, with_given(BODIES[kind], OPTIONAL.get(kind, {}), body)):
        raise Refused(f"no body of kind {kind!r}")
    if any(entry[member] >= 1 << 63 for member in ("seq", "turn", "at")):
        raise Refused("a number is not below 2^63")
    parts = entry["actor"].split("/")
    if len(parts) != 3 or not (NAME.fullmatch(parts[0]) and NAME.fullmatch(parts[1]) and KEY.fullmatch(parts[2])):
        raise Refused(f"{entry['actor']!r} is no address")
    if {kind == "opened", entry["seq"] == 0, entry["prev"] is None} not in ({True}, {False}):
        raise Refused("the first entry, and only it, is `opened` with no link back")
    return entry


def read_payload(data):
    block = decode(data)
    if not isinstance(block, list) or [type(one) for one in block] != [bytes, str, bytes] or len(block[0]) != 16:
        raise Refused("no payload block")
    return block


def read_segment(data):
    segment = decode(data)
    if not isinstance(segment, list) or len(segment) != 3 or segment[0] != 1:
        raise Refused("no segment of version 1")
    for blocks, read in ((segment[1], read_entry), (segment[2], read_payload)):
        if not fits(blocks, [bytes]):
            raise Refused("a segment holds byte strings")
        for block in blocks:
            read(block)
    return segment


def read_deployment(data):
    deployment = decode(data)
    shape = {"v": int, "name": str, "actors": dict, "activities": dict}
    if not isinstance(deployment, dict) or not fits(deployment, with_given(shape, {"schedules": dict, "programs": dict}, deployment)):
        raise Refused("no deployment")
    if deployment["v"] != 1:
        raise Refused("no deployment of version 1")
    parts = {part: deployment.get(part, {}) for part in ("actors", "activities", "schedules", "programs")}
    if not all(isinstance(spec, dict) for specs in parts.values() for spec in specs.values()):
        raise Refused("an actor, activity or schedule is malformed")
    actor = {"module": Link, "limits": LIMITS}
    activity = {**actor, "capabilities": [str], "retry": RETRY}
    optional = {"http": HTTP, "secrets": [str], "deadline_ms": int}
    shapes = (
        ("actors", actor, {"turns": dict}),
        ("activities", activity, optional),
        ("schedules", SCHEDULE, {"timezone": str}),
        ("programs", {"image_id": str, "binary": Link}, {}),
    )
    for part, shape, more in shapes:
        if not all(NAME.fullmatch(name) and fits(spec, with_given(shape, more, spec)) for name, spec in parts[part].items()):
            raise Refused("an actor, activity, schedule or program is malformed")
    if not all(IMAGE_ID.fullmatch(spec["image_id"]) for spec in parts["programs"].values()):
        raise Refused("an image id is malformed")
    turns = [spec["turns"] for spec in parts["actors"].values() if "turns" in spec]
    secrets = [spec["secrets"] for spec in parts["activities"].values() if "secrets" in spec]
    if not all(fits(limits, with_given({}, TURNS, limits)) for limits in turns):
        raise Refused("the limits of an actor's turns are malformed")
    if not all([*turns, *secrets, *(deployment.get(part, True) for part in ("schedules", "programs"))]):
        raise Refused("what says nothing is left out")
    if not NAME.fullmatch(deployment["name"]):
        raise Refused("the name is malformed")
    return deployment


READ = {"entry": read_entry, "payload": read_payload, "segment": read_segment, "deployment": read_deployment}


# Vectors to values.


def linked(value):
    """JSON to DAG-CBOR: text that is a CID of ours is a link, except where the format has text."""
    if isinstance(value, dict):
        return {key: part if key in ("engine", "op", "worker", "what", "by") else linked(part) for key, part in value.items()}
    if isinstance(value, list):
        return [linked(part) for part in value]
    return Link(value) if isinstance(value, str) else value


def value_of(vector, by_name):
    kind = vector["kind"]
    if kind == "entry":
        prev = None if vector["prev"] is None else Link(vector["prev"])
        plain = {key: vector[key] for key in ("actor", "seq", "turn", "at")}
        return {"v": 1, **plain, "prev": prev, "body": linked(vector["body"])}
    if kind == "payload":
        return [bytes.fromhex(vector["salt"]), vector["media_type"], bytes.fromhex(vector["value"])]
    if kind == "segment":
        blocks = [[bytes.fromhex(by_name[name]["hex"]) for name in vector[part]] for part in ("entries", "payloads")]
        return [1, *blocks]
    manifest = vector["manifest"]
    specs = lambda part: {name: {**spec, "module": Link(spec["module"])} for name, spec in manifest[part].items()}
    given = {part: manifest[part] for part in ("schedules",) if part in manifest}
    if "programs" in manifest:
        programs = manifest["programs"].items()
        given["programs"] = {name: {**spec, "binary": Link(spec["binary"])} for name, spec in programs}
    return {"v": 1, "name": manifest["name"], "actors": specs("actors"), "activities": specs("activities"), **given}


def random_bytes(seed, n, length):
    blocks = range((length + 31) // 32)
    prefix = b"loom.random.v1" + seed + struct.pack(">I", n)
    return b"".join(hashlib.sha256(prefix + struct.pack(">I", block)).digest() for block in blocks)[:length]


def uuid_text(seed, n):
    raw = bytearray(random_bytes(seed, n, 16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def check_vector(vector, by_name):
    data = encode(value_of(vector, by_name))
    assert data.hex() == vector["hex"], "the fields have another encoding"
    assert READ[vector["kind"]](data) == value_of(vector, by_name), "the bytes are read as another value"
    expected = None if vector["kind"] == "segment" else cid_of(DAG_CBOR, data)
    assert vector["cid"] == expected, f"the CID is {expected}"
    if "text" in vector:
        assert vector["text"].encode().hex() == vector["value"], "text and value differ"


def check_journal(vectors):
    """The vectors named journal-N are one journal, and every payload it names is a vector."""
    named = {vector["cid"] for vector in vectors}
    journal = [vector for vector in vectors if vector["name"].startswith("journal-")]
    before = None
    for seq, entry in enumerate(journal):
        assert (entry["seq"], entry["prev"]) == (seq, before), f"{entry['name']} does not follow the entry before it"
        before = entry["cid"]
        for cid in re.findall(r"bafy[a-z2-7]{55}", json.dumps(entry["body"])):
            assert cid in named, f"{entry['name']} names {cid}, which is no vector"


def check_derived(vector):
    seed = bytes.fromhex(vector["seed"])
    if vector["kind"] == "random":
        actual = random_bytes(seed, vector["n"], vector["bytes"]).hex()
    else:
        actual = uuid_text(seed, vector["n"])
    assert actual == vector["result"], f"the result is {actual}"


def check_refused(vector):
    try:
        READ[vector["kind"]](bytes.fromhex(vector["hex"]))
    except Refused:
        return
    raise AssertionError("the bytes were accepted")


def main():
    vectors, derived, refused = (
        json.loads((HERE / f"{name}.json").read_text()) for name in ("vectors", "derived", "refused")
    )
    by_name = {vector["name"]: vector for vector in vectors}
    assert len(by_name) == len(vectors), "two vectors have one name"
    checks = [(vector, lambda vector: check_vector(vector, by_name)) for vector in vectors]
    checks += [(vector, check_derived) for vector in derived] + [(vector, check_refused) for vector in refused]
    failed = 0
    for vector, check in checks:
        try:
            check(vector)
        except (AssertionError, Refused) as error:
            failed += 1
            print(f"{vector['name']}: {error}", file=sys.stderr)
    check_journal(vectors)
    print(f"{len(checks) - failed} of {len(checks)} vectors hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
