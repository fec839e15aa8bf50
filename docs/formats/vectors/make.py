#!/usr/bin/env python3
"""Writes vectors.json, derived.json and refused.json: one short journal, and what it needs.

Run this after a change to the story below; the formats themselves do not change within a version.
"""

import hashlib
import json

from check import DAG_CBOR, HERE, RAW, cid_of, encode, random_bytes, uuid_text, value_of

JSON, MESSAGE, SEED = "application/json", "application/vnd.loom.message+json", "application/vnd.loom.seed"
ACTOR, PORTFOLIO = "default/loan-review/A00001", "default/portfolio/LEI1"
ENGINE = "wasmtime-48.0.8/0123456789abcdef"
START = 1_700_000_000_000
SEED_1, SEED_2 = bytes([7]) * 32, bytes(range(32))
TOKEN = "prm-abcdefghijklmnopqrstuvwxyz234567"

vectors, by_name = [], {}


def add(vector):
    data = encode(value_of(vector, by_name))
    vector |= {"hex": data.hex(), "cid": None if vector["kind"] == "segment" else cid_of(DAG_CBOR, data)}
    vectors.append(vector)
    by_name[vector["name"]] = vector
    return vector["cid"]


def payload(name, value, media_type=JSON):
    """A payload whose salt follows from its name. Real salts are random."""
    data = value if isinstance(value, bytes) else value.encode()
    vector = {"name": name, "kind": "payload", "salt": hashlib.sha256(name.encode()).hexdigest()[:32], "media_type": media_type}
    vector["value"] = data.hex()
    if not isinstance(value, bytes):
        vector["text"] = value
    return add(vector)


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def envelope(name, **members):
    return payload(name, compact(members), MESSAGE)


def entry(name, seq, prev, turn, at, body):
    return add({"name": name, "kind": "entry", "actor": ACTOR, "seq": seq, "prev": prev, "turn": turn, "at": at, "body": body})


class Journal:
    def __init__(self):
        self.seq, self.head = 0, None

    def append(self, what, turn, body):
        name = f"journal-{self.seq:02}-{what}"
        self.head = entry(name, self.seq, self.head, turn, START + 5 * self.seq, body)
        self.seq += 1


def module(name):
    return cid_of(RAW, name.encode())


def story():
    # What the unit tests of the entry model have known from the start. (The runtime writes turn 0 here.)
    entry("opened-in-turn-1", 0, None, 1, START, {"opened": {}})

    # Payloads with values of every size of length prefix that fits here.
    add({"name": "payload-counting-salt", "kind": "payload", "salt": bytes(range(16)).hex(), "media_type": JSON, "value": b"{}".hex(), "text": "{}"})
    payload("payload-empty", b"", SEED)
    payload("payload-24-bytes", compact("x" * 22))
    payload("payload-300-bytes", compact("y" * 298))
    payload("payload-not-ascii", compact({"name": "Zoë", "note": "€ 5"}))

    limits = {"fuel": 1_000_000_000, "memory_bytes": 16 << 20, "table_elements": 10_000, "stack_bytes": 512 << 10, "output_bytes": 1 << 20}
    retry = {"attempts_max": 10, "backoff_ms_min": 200, "backoff_ms_max": 60_000}
    actors = {name: {"module": module(name), "limits": limits} for name in ("loan-review", "portfolio")}
    activities = {
        "normalise": {"module": module("normalise"), "limits": limits, "capabilities": [], "retry": retry},
        "notify": {
            "module": module("notify"),
            "limits": {**limits, "fuel": 50_000_000},
            "capabilities": ["http"],
            "retry": {"attempts_max": 3, "backoff_ms_min": 0, "backoff_ms_max": 1},
        },
    }
    manifest = {"name": "loan-review", "actors": actors, "activities": activities}
    deployment = add({"name": "deployment", "kind": "deployment", "manifest": manifest})
    small = {"name": "tiny", "actors": {}, "activities": {"normalise": activities["normalise"]}}
    add({"name": "deployment-one-activity", "kind": "deployment", "manifest": small})

    program = {"image_id": "07" * 32, "binary": module("dti")}
    add({"name": "deployment-one-program", "kind": "deployment", "manifest": {**small, "programs": {"dti": program}}})

    journal = Journal()
    started = lambda name, message, seed: {
        "turn-started": {"message": message, "deployment": deployment, "module": module(name), "engine": ENGINE, "seed": seed}
    }

    def step(n, op, request, outcome=None):
        journal.append(f"step-{op}", turn, {"step": {"n": n, "op": op, "request": request, "outcome": outcome}})

    def outcome(n, what, result, attempts=1, worker=""):
        body = {"n": n, "result": result, "attempts": attempts, "worker": worker, "evidence": []}
        journal.append(f"outcome-{what}", turn, {"outcome": body})

    journal.append("opened", 0, {"opened": {}})
    turn = 1
    body = {"type": "review", "application": {"application_id": "A00001"}}
    message = envelope("message-from-client", id="m-order-7", kind="call", sender=None, to=ACTOR, body=body)
    seed = payload("seed-1", SEED_1, SEED)
    journal.append("turn-started", turn, started("loan-review", message, seed))

    step(0, "now", payload("now-request", compact({"op": "now"})), {"ok": payload("now-outcome", str(START + 10))})
    random = random_bytes(SEED_1, 1, 8).hex()
    step(1, "random", payload("random-request", compact({"op": "random"})), {"ok": payload("random-outcome", compact(random))})
    uuid = uuid_text(SEED_1, 2)
    step(2, "uuid", payload("uuid-request", compact({"op": "uuid"})), {"ok": payload("uuid-outcome", compact(uuid))})
    request = compact({"op": "activity", "name": "normalise", "input": {"loan_amount": "105000"}})
    step(3, "activity", payload("activity-request", request), {"ok": payload("activity-outcome", compact({"loan_amount_cents": 10_500_000}))})
    failure = {
        "kind": "unknown-activity",
        "message": "deployment 'loan-review' has no activity 'normalize'; it has: normalise, notify",
        "retryable": False,
    }
    request = compact({"op": "activity", "name": "normalize", "input": None})
    step(4, "activity", payload("activity-unknown-request", request), {"err": payload("activity-unknown-failure", compact(failure))})
    blob = cid_of(RAW, b"rules")
    step(5, "blob.put", payload("blob-put-request", compact({"op": "blob.put", "text": "rules"})), {"ok": payload("blob-put-outcome", compact(blob))})
    step(6, "blob.get", payload("blob-get-request", compact({"op": "blob.get", "cid": blob})))
    sent = f"{ACTOR}#1.7"
    delayed = envelope("message-send", id=sent, kind="send", sender=ACTOR, to=PORTFOLIO, delay_ms=1500, body={"type": "referred"})
    step(7, "send", delayed, {"ok": payload("send-outcome", compact(sent))})
    call = envelope("message-call", id=f"{ACTOR}#1.8", kind="call", sender=ACTOR, to=PORTFOLIO, deadline_ms=30_000, body={"type": "totals"})
    step(8, "call", call)
    outcome(8, "call", {"ok": payload("call-reply", compact({"decided_by_program": 2}))})
    request = compact({"op": "promise.create", "label": "loan-review", "data": {"application_id": "A00001"}})
    step(9, "promise.create", payload("promise-request", request), {"ok": payload("promise-outcome", compact({"handle": 9, "token": TOKEN}))})
    request = compact({"op": "activity.start", "name": "notify", "input": {"to": "ada"}, "retry": {"attempts_max": 3}})
    step(10, "activity.start", payload("activity-start-request", request))
    failure = {"kind": "busy", "message": "try later", "retryable": True}
    outcome(10, "activity-failed", {"err": payload("activity-start-failure", compact(failure))}, attempts=3, worker="local")
    answer = payload("promise-value", compact({"decision": "approve", "by": "Ada"}))
    outcome(9, "promise", {"ok": answer})
    reply = payload("reply", compact({"application_id": "A00001", "decision": "approve", "by": "person"}))
    state = payload("state", compact({"application_id": "A00001", "decision": "approve"}))
    journal.append("turn-ended-reply", turn, {"turn-ended": {"result": {"reply": reply}, "state": state, "fuel": 8_123_456}})

    journal.append("control", 0, {"control": {"what": "pause", "by": "admin"}})

    turn = 2
    message = envelope("message-from-actor", id=f"{PORTFOLIO}#4.0", kind="send", sender=PORTFOLIO, to=ACTOR, body="remind")
    journal.append("turn-started", turn, started("loan-review", message, payload("seed-2", SEED_2, SEED)))
    step(0, "sleep", payload("sleep-request", compact({"op": "sleep", "ms": 86_400_000})))
    outcome(0, "timer", {"ok": payload("timer-outcome", "null")})
    step(1, "promise.await", payload("refused-request", compact({"op": "promise.await"})), {"err": payload("refused-failure", compact({
        "kind": "invalid-request", "message": "promise.await: missing field `handle` at line 1 column 22", "retryable": False,
    }))})
    trap = {
        "kind": "trap",
        "message": "wasm trap: wasm `unreachable` instruction executed",
        "retryable": False,
        "backtrace": ["core::panicking::panic_fmt+0x1c", "function 12+0x7"],
    }
    failure = payload("turn-failure", compact(trap))
    journal.append("turn-ended-failure", turn, {"turn-ended": {"result": {"failure": failure}, "state": state, "fuel": 0}})

    # Shapes the story does not have.
    evidence = {"n": 3, "result": {"ok": reply}, "attempts": 1, "worker": "prover-1", "evidence": [cid_of(RAW, b"receipt"), cid_of(RAW, b"quote")]}
    entry("outcome-with-evidence", 40, journal.head, 3, (1 << 53) + 1, {"outcome": evidence})
    asked = {"op": "prove.start", "program": "dti", "image_id": "07" * 32, "public": "AQI="}
    request, given = payload("prove-request", compact(asked)), payload("prove-input", "5000", "text/plain")
    body = {"n": 4, "op": "prove.start", "request": request, "outcome": None, "input": given}
    entry("step-with-input", 41, journal.head, 3, START, {"step": body})
    ended = {"result": {"failure": failure}, "state": None, "fuel": (1 << 63) - 1}
    entry("turn-ended-without-state", 4_294_967_295, journal.head, 70_000, 0, {"turn-ended": ended})

    names = [vector["name"] for vector in vectors if vector["name"].startswith("journal-")]
    segment = lambda name, entries, payloads: add({"name": name, "kind": "segment", "entries": entries, "payloads": payloads})
    segment("segment-first", names[:3], ["message-from-client", "seed-1", "now-request", "now-outcome"])
    segment("segment-one-outcome", [names[20]], ["timer-outcome"])
    segment("segment-without-payloads", [names[17]], [])


def derived():
    cases = [(SEED_1, 0, 8), (SEED_1, 1, 8), (SEED_1, 3, 40), (SEED_1, 4, 40), (SEED_2, 255, 32), (SEED_2, 65_536, 33), (SEED_2, 0, 0)]
    made = [
        {"name": f"random-{n}-{length}", "kind": "random", "seed": seed.hex(), "n": n, "bytes": length, "result": random_bytes(seed, n, length).hex()}
        for seed, n, length in cases
    ]
    uuids = [(SEED_1, 0), (SEED_1, 2), (SEED_2, 0), (SEED_2, 4_294_967_295)]
    made += [
        {"name": f"uuid-{seed[0]}-{n}", "kind": "uuid", "seed": seed.hex(), "n": n, "result": uuid_text(seed, n)} for seed, n in uuids
    ]
    return made


def refused():
    opened, block = by_name["journal-00-opened"]["hex"], by_name["payload-counting-salt"]["hex"]
    segment = by_name["segment-without-payloads"]["hex"]
    step = by_name["journal-02-step-now"]
    base = value_of(step, by_name)
    changed = lambda **members: encode({**base, **members}).hex()
    body = lambda kind, **members: {kind: {**base["body"]["step"], **members}}
    unordered = opened.replace("617601626174", "626174", 1) + "617601"
    cases = [
        ("entry-empty", "entry", "no bytes", ""),
        ("entry-cut-off", "entry", "the last byte is missing", opened[:-2]),
        ("entry-one-byte-more", "entry", "a byte follows", opened + "00"),
        ("entry-version-2", "entry", "unknown version", opened.replace("617601", "617602", 1)),
        ("entry-long-integer", "entry", "seq 0 in two bytes", opened.replace("6373657100", "637365711800", 1)),
        ("entry-members-out-of-order", "entry", "v stands last", unordered),
        ("entry-indefinite-map", "entry", "a map without a length", "bf" + opened[2:] + "ff"),
        ("entry-opened-later", "entry", "opened at seq 1", opened.replace("6373657100", "6373657101", 1)),
        ("entry-first-is-no-opened", "entry", "seq 0 is a step", changed(seq=0, prev=None)),
        ("entry-without-link", "entry", "seq 2 links to nothing", changed(prev=None)),
        ("entry-unknown-member", "entry", "a member too many", changed(note="x")),
        ("entry-unknown-kind", "entry", "an unknown body", changed(body={"jumped": {}})),
        ("entry-two-bodies", "entry", "two bodies", changed(body={**base["body"], "opened": {}})),
        ("entry-unknown-member-in-body", "entry", "a member too many", changed(body=body("step", note="x"))),
        ("entry-outcome-left-out", "entry", "an absent outcome is null, not missing", changed(body={"step": {
            key: part for key, part in base["body"]["step"].items() if key != "outcome"}})),
        ("entry-input-null", "entry", "an absent input is missing, not null", changed(body=body("step", input=None))),
        ("entry-negative-turn", "entry", "turn is -1", opened.replace("647475726e00", "647475726e20", 1)),
        ("entry-float-time", "entry", "at is a float", opened.replace("1b0000018bcfe56800", "fb4278bcfe56800000", 1)),
        ("entry-bad-address", "entry", "the type begins with a digit", changed(actor="default/1oan/A1")),
        ("entry-sha512-link", "entry", "prev is no CID of sha2-256", changed().replace("d82a58250001711220", "d82a58250001711320", 1)),
        ("payload-empty-list", "payload", "an empty list", "80"),
        ("payload-long-list", "payload", "the list's length in two bytes", "9803" + block[2:]),
        ("payload-short-salt", "payload", "15 bytes of salt", block.replace("8350000102", "834f0102", 1)),
        ("payload-text-value", "payload", "the value is text", block[:-6] + "62" + block[-4:]),
        ("payload-one-byte-more", "payload", "a byte follows", block + "00"),
        ("segment-version-2", "segment", "unknown version", "8302" + segment[4:]),
        ("segment-cut-off", "segment", "the last byte is missing", segment[:-2]),
        ("segment-not-entries", "segment", "an entry that is no entry", "8301" + "81" + "4100" + "80"),
        ("deployment-no-programs", "deployment", "what says nothing is left out", encode({
            **value_of(by_name["deployment-one-program"], by_name), "programs": {}}).hex()),
        ("deployment-image-id-in-capitals", "deployment", "an image id has one spelling", by_name["deployment-one-program"]["hex"].replace(
            b"0707".hex(), b"0A07".hex(), 1)),
        ("deployment-version-2", "deployment", "unknown version", by_name["deployment"]["hex"].replace("617601", "617602", 1)),
    ]
    return [{"name": name, "kind": kind, "why": why, "hex": hexes} for name, kind, why, hexes in cases]


def write(name, items):
    (HERE / f"{name}.json").write_text(json.dumps(items, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    story()
    write("vectors", vectors)
    write("derived", derived())
    write("refused", refused())
