// A host small enough to test against: compiles a guest, gives it strings, answers its requests.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const STRING_CLASS = 2;
const sdk = dirname(dirname(fileURLToPath(import.meta.url)));

export const project = join(sdk, "../..");

/** Compiles an AssemblyScript guest the way guests are built. */
export function compile(source) {
  const folder = mkdtempSync(join(tmpdir(), "loom-guest-"));
  try {
    const wasm = join(folder, "guest.wasm");
    const flags = ["-O3s", "--exportRuntime", "--path", "node_modules", "--outFile", wasm];
    const asc = "node_modules/assemblyscript/bin/asc.js";
    execFileSync(process.execPath, [asc, source, ...flags], { cwd: sdk, stdio: "inherit" });
    return new WebAssembly.Module(readFileSync(wasm));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs an AssemblyScript guest in a fresh instance. `answer` maps a request to its answer. */
export function run(module, input, answer) {
  let instance;
  const memory = () => instance.exports.memory.buffer;
  const read = (pointer) => {
    const bytes = new DataView(memory()).getUint32(pointer - 4, true);
    return Buffer.from(memory(), pointer, bytes).toString("utf16le");
  };
  const write = (text) => {
    const pointer = instance.exports.__new(2 * text.length, STRING_CLASS);
    Buffer.from(memory(), pointer, 2 * text.length).write(text, "utf16le");
    return pointer;
  };
  instance = new WebAssembly.Instance(module, {
    env: {
      abort(message, file, line, column) {
        const text = (pointer) => (pointer ? read(pointer) : "");
        throw new Error(`guest aborted: ${text(message)} at ${text(file)}:${line}:${column}`);
      },
    },
    loom: { call: (request) => write(answer(read(request))) },
  });
  return read(instance.exports.execute(instance.exports.__pin(write(input))));
}

/** Runs a guest of the bytes encoding in a fresh instance. */
export function runBytes(module, input) {
  const { exports } = new WebAssembly.Instance(module, { env: { abort() {} } });
  const bytes = Buffer.from(input, "utf8");
  const pointer = exports.loom_alloc(bytes.length) >>> 0;
  Buffer.from(exports.memory.buffer, pointer, bytes.length).set(bytes);
  const packed = BigInt.asUintN(64, exports.execute(pointer, bytes.length));
  const at = Number(packed >> 32n);
  return Buffer.from(exports.memory.buffer, at, Number(packed & 0xffffffffn)).toString("utf8");
}
