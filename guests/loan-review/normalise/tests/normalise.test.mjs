// Builds the activity and runs it over cases.json: `node --test` in this folder, once `npm install`
// has run in guests/assemblyscript. Each case changes some columns of the base application (null
// takes one away) and says which members of the output differ from the base output, or which
// failure comes instead.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "node:test";

const folder = fileURLToPath(new URL(".", import.meta.url));
const packages = fileURLToPath(new URL("../../../assemblyscript/", import.meta.url));

const wasm = build();
const { base, output, cases } = JSON.parse(readFileSync(folder + "cases.json", "utf8"));

test("the base application", () => {
  assert.deepEqual(run(JSON.stringify(base)), output);
});

for (const { name, columns, changes, err } of cases) {
  test(name, () => {
    const application = Object.fromEntries(
      Object.entries({ ...base, ...columns }).filter(([, value]) => value !== null),
    );
    const expected = err ? { err: { ...err, retryable: false } } : { ...output, ...changes };
    assert.deepEqual(run(JSON.stringify(application)), expected);
  });
}

test("input that is no object of columns", () => {
  for (const input of ["", "[]", "7", "null", '{"a":', '{"a":1}x', "[".repeat(5000)]) {
    assert.equal(run(input).err.kind, "malformed-application", input.slice(0, 20));
  }
});

test("more columns than any application has", () => {
  const columns = Object.fromEntries(Array.from({ length: 300 }, (_, n) => ["c" + n, "1"]));
  assert.match(run(JSON.stringify(columns)).err.message, /^300 columns, at most 256$/);
});

function build() {
  const out = join(mkdtempSync(join(tmpdir(), "normalise-")), "normalise.wasm");
  const asc = "node_modules/assemblyscript/bin/asc.js";
  const source = "../loan-review/normalise/index.ts";
  const options = ["-O3s", "--exportRuntime", "--path", "node_modules", "--outFile", out];
  execFileSync(process.execPath, [asc, source, ...options], { cwd: packages, stdio: "inherit" });
  return new WebAssembly.Module(readFileSync(out));
}

/** One call in a fresh instance, as a node does it. */
function run(input) {
  const text = (pointer) => {
    const length = new Uint32Array(memory.buffer)[(pointer - 4) >>> 2];
    return new TextDecoder("utf-16le", { fatal: true }).decode(new Uint8Array(memory.buffer, pointer, length));
  };
  const instance = new WebAssembly.Instance(wasm, {
    env: { abort: (message) => assert.fail("abort: " + (message ? text(message) : "")) },
  });
  const { memory, __new, __pin, execute } = instance.exports;
  const pointer = __pin(__new(input.length * 2, 2));
  const units = new Uint16Array(memory.buffer, pointer, input.length);
  for (let i = 0; i < input.length; i++) units[i] = input.charCodeAt(i);
  return JSON.parse(text(execute(pointer)));
}
