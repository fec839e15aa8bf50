// Has upstream's own verifier, unmodified, read presentations that Loom's notary wrote in the layout of alpha.12.
//
// `node verify.mjs FOLDER`: the folder has NAME.tlsn and, for each, NAME.json with what it says. The server's identity is
// left out of them, because upstream's list of authorities is fixed.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

// The package is made for browsers' workers, and registers itself as one.
globalThis.self = globalThis;
globalThis.addEventListener ??= () => {};

const { default: init, Presentation } = await import('tlsn-wasm');
const wasm = createRequire(import.meta.url).resolve('tlsn-wasm/tlsn_wasm_bg.wasm');
await init({ module_or_path: readFileSync(wasm) });

const folder = process.argv[2];
const names = readdirSync(folder).filter((name) => name.endsWith('.tlsn')).map((name) => name.slice(0, -5));
assert(names.length > 0, `${folder} has no presentations`);

/** What upstream says of a file; throws if it does not accept it. */
function verified(bytes) {
  const presentation = Presentation.deserialize(bytes);
  const key = Buffer.from(presentation.verifying_key().data).toString('hex');
  return { key, ...presentation.verify() };
}

for (const name of names) {
  const bytes = readFileSync(join(folder, `${name}.tlsn`));
  const expected = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));
  const found = verified(bytes);
  assert.equal(found.key, expected.key);
  assert.equal(Number(found.connection_info.time), expected.time);
  assert.equal(found.server_name, undefined);
  for (const [bytes, ranges, side] of [
    [found.transcript.sent, found.transcript.sent_authed, expected.sent],
    [found.transcript.recv, found.transcript.recv_authed, expected.received],
  ]) {
    assert.deepEqual(ranges.map(({ start, end }) => [Number(start), Number(end)]), side.ranges);
    const shown = Buffer.alloc(bytes.length, 'X');
    for (const [start, end] of side.ranges) Buffer.from(bytes.slice(start, end)).copy(shown, start);
    assert.equal(shown.toString('utf8'), side.text);
  }
  // And it is no verifier that accepts everything.
  for (const at of [70, bytes.length >> 1, bytes.length - 20]) {
    const changed = Buffer.from(bytes);
    changed[at] ^= 1;
    assert.throws(() => verified(changed), `${name}: byte ${at} of ${bytes.length} counts`);
  }
  console.log(`${name}: accepted by tlsn-wasm, ${bytes.length} bytes`);
}
