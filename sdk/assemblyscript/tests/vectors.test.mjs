// The SDK against the shared vectors of the guest contract, `sdk/abi/vectors.json`, and strings
// through both encodings.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { compile, project, run, runBytes } from "./guest.mjs";

const vectors = JSON.parse(readFileSync(join(project, "sdk/abi/vectors.json"), "utf8"));

test("requests and answers, byte for byte", async (t) => {
  const guest = compile("tests/vectors.ts");
  for (const vector of vectors.operations) {
    await t.test(vector.name, () => {
      const requests = [];
      const output = run(guest, JSON.stringify(vector.name), (request) => {
        requests.push(request);
        return vector.answer;
      });
      assert.deepEqual(requests, [vector.request]);
      assertResult(output, vector);
    });
  }
});

// Compared as text where numbers are beyond what JavaScript can tell apart.
function assertResult(output, vector) {
  const actual = JSON.parse(output);
  const expected = vector.result;
  if (expected.err && !("message" in expected.err)) {
    assert.equal(actual.err.kind, expected.err.kind);
    return;
  }
  assert.deepEqual(actual, expected);
  if (vector.name === "answer-with-large-integers") assert.equal(output, vector.answer);
}

const strings = vectors.strings.map(({ name, text, repeat }) => {
  return { name, text: text ?? repeat.text.repeat(repeat.count) };
});

test("strings survive the round trip in UTF-16", async (t) => {
  const echo = compile("../../guests/assemblyscript/echo.ts");
  for (const { name, text } of strings) {
    await t.test(name, () => assert.ok(run(echo, text) === text));
  }
});

test("strings survive the round trip in UTF-8", async (t) => {
  const echo = new WebAssembly.Module(readFileSync(join(project, "guests/prebuilt/echo-rust.wasm")));
  for (const { name, text } of strings) {
    await t.test(name, () => assert.ok(runBytes(echo, text) === text));
  }
});
