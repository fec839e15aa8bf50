// The committed AssemblyScript guests, each in a fresh instance as a node runs them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { project, run } from "../../../sdk/assemblyscript/tests/guest.mjs";

const load = (name) => {
  return new WebAssembly.Module(readFileSync(join(project, "guests/prebuilt", `${name}.wasm`)));
};
const noHost = () => assert.fail("this guest has no steps");
const imports = (module) => WebAssembly.Module.imports(module).map((i) => `${i.module}.${i.name}`);

test("echo returns what it gets", () => {
  const echo = load("echo");
  assert.deepEqual(imports(echo), ["env.abort"]);
  assert.equal(run(echo, '{"a": "😀"}', noHost), '{"a": "😀"}');
});

test("counter-actor counts", () => {
  const counter = load("counter-actor");
  assert.deepEqual(imports(counter), ["env.abort"]);
  const check = (input, output) => assert.equal(run(counter, input, noHost), output, input);
  check('{"count":41,"increment":1}', '{"count":42}');
  check(' { "increment" : -50 , "count" : 8 } ', '{"count":-42}');
  check('{"count":5}', '{"count":6}');
  check("{}", '{"count":1}');
  check('{"other":{"count":9},"list":["count",7],"text":"\\"count\\":3","count":1,"increment":2}', '{"count":3}');
  check('{"count":9007199254740993,"increment":0}', '{"count":9007199254740993}');
  assert.throws(() => run(counter, '{"count":"x"}', noHost), /expected an integer/);
});

test("greeter greets and counts visits", () => {
  const requests = [];
  const answers = ['{"ok":"Hello, Ada!"}', '{"ok":2}', '{"ok":null}', '{"ok":null}'];
  const output = run(load("greeter"), '{"name":"Ada"}', (request) => {
    requests.push(JSON.parse(request));
    return answers[requests.length - 1];
  });
  assert.equal(output, '{"greeting":"Hello, Ada!","visits":3}');
  assert.deepEqual(requests, [
    { op: "activity", name: "greeting", input: { name: "Ada" } },
    { op: "state.get", pointer: "/visits" },
    { op: "state.set", pointer: "/visits", value: 3 },
    { op: "log", level: "info", message: "greeted", fields: { visits: 3 } },
  ]);
});

test("greeter passes failures on", () => {
  const greeter = load("greeter");
  const failed = '{"err":{"kind":"busy","message":"later","retryable":true}}';
  assert.equal(run(greeter, '{"name":"Ada"}', () => failed), failed);
  assert.match(run(greeter, "[]", noHost), /"kind":"invalid-input"/);
  assert.match(run(greeter, "{", noHost), /"kind":"invalid-input"/);
});
