// Fresh-instance calls of the same AssemblyScript module in Node: compile once, then instantiate, pass a JSON
// string, run `execute`, read the JSON string, drop. The counterpart of `loom bench activity`.
//
//   node bench/activity.mjs [MODULE] [INPUT] [SECONDS]      prints one JSON object

import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";

const file = process.argv[2] ?? new URL("../guests/prebuilt/counter-actor.wasm", import.meta.url);
const input = process.argv[3] ?? '{"count":41,"increment":1}';
const seconds = Number(process.argv[4] ?? 3);
const module = new WebAssembly.Module(readFileSync(file));
const imports = { env: { abort() { throw new Error("the guest aborted"); } } };

function call() {
    const { memory, __new, __pin, execute } = new WebAssembly.Instance(module, imports).exports;
    const at = __new(input.length * 2, 2) >>> 0;
    new Uint16Array(memory.buffer, at, input.length).set(Array.from(input, (c) => c.charCodeAt(0)));
    __pin(at);
    const output = execute(at) >>> 0;
    const length = new Uint32Array(memory.buffer)[(output - 4) >>> 2] >>> 1;
    return String.fromCharCode(...new Uint16Array(memory.buffer, output, length));
}

JSON.parse(call());
for (const end = performance.now() + 300 * seconds; performance.now() < end;) call();
const start = performance.now();
let calls = 0;
while (performance.now() - start < 1000 * seconds) {
    for (let i = 0; i < 100; i++) call();
    calls += 100;
}
const elapsed = (performance.now() - start) / 1000;
console.log(JSON.stringify({ runtime: `node ${process.version}`, output: call(), calls_per_second_per_core: calls / elapsed }));
