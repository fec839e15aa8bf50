// What signing the node's log costs the turns beside it: two nodes with the same load in turn, one of which signs every
// five seconds, as by default, the other once a day.
//
//   node bench/signing.mjs [--pairs N] [--seconds N] [--control] [--binary LOOM] [--json FILE]
//
// Every pair has new processes on new stores, for two processes of one program differ too; only one has a load at any
// time, and which one is first changes with every pair, so that a machine that gets slower favours neither. With
// --control neither signs, and the ratios show what this measurement cannot tell. Prints, per load, the mean of the pairs'
// ratios (signing over not signing) and its standard error.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { measure, workflows } from "./compare/loads.mjs";
import { Loom, build } from "./compare/loom.mjs";
import { machine } from "./compare/process.mjs";

const LOADS = [["pure", 128], ["effect", 16], ["effect", 128]];
const WARM_UP_SECONDS = 1;

const { values: options } = parseArgs({
    options: {
        pairs: { type: "string", default: "12" },
        seconds: { type: "string", default: "10" },
        control: { type: "boolean", default: false },
        binary: { type: "string" },
        json: { type: "string" },
    },
});
const pairs = Number(options.pairs);
const folder = join(import.meta.dirname, "../target/bench");
mkdirSync(folder, { recursive: true });
const binary = options.binary ?? build();

async function node(name, interval) {
    const loom = new Loom(binary, join(folder, `signing/${name}`), { LOOM_LOG_CHECKPOINT_INTERVAL: interval });
    await loom.start();
    return loom;
}

/** Mean of the ratios and its standard error; of logarithms, so that a half and a double are as far from one. */
function ratio(signing, silent) {
    const logs = signing.map((value, pair) => Math.log(value / silent[pair]));
    const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
    const squares = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0);
    return { mean: Math.exp(mean), error: Math.sqrt(squares / (logs.length - 1) / logs.length) };
}

const figures = LOADS.map(([flavour, clients]) => ({ flavour, clients, signing: [], silent: [] }));
let version;
for (let pair = 0; pair < pairs; pair++) {
    const signing = await node("signing", options.control ? "24h" : "5s");
    const silent = await node("silent", "24h");
    version = signing.version();
    for (const { flavour, clients, ...taken } of figures) {
        const order = [[signing, taken.signing], [silent, taken.silent]];
        for (const [loom, into] of pair % 2 === 0 ? order : order.toReversed()) {
            const size = { clients, seconds: Number(options.seconds), warmUpSeconds: WARM_UP_SECONDS };
            into.push(await measure(loom, workflows(loom, flavour), size));
        }
    }
    await Promise.all([signing.stop(), silent.stop()]);
    process.stderr.write(`pair ${pair + 1} of ${pairs}\n`);
}
rmSync(join(folder, "signing"), { recursive: true, force: true });
const { cores, model, kernel, fdatasync_ms } = machine(folder);
console.log(`${cores} cores, ${model}, Linux ${kernel}; fdatasync of 4 KiB ${fdatasync_ms.toFixed(2)} ms`);
console.log(`${version}; ${pairs} pairs of ${options.seconds} s${options.control ? ", neither signs" : ""}\n`);

console.log("| load | clients | steps/s signing / not | ratio | CPU per step, ratio |\n| --- | --- | --- | --- | --- |");
for (const { flavour, clients, ...taken } of figures) {
    const of = (what) => [taken.signing, taken.silent].map((figures) => figures.map((figure) => figure[what]));
    const shown = ({ mean, error }) => `${mean.toFixed(3)} ± ${error.toFixed(3)}`;
    const [on, off] = of("per_second").map((values) => values.reduce((sum, value) => sum + value, 0) / pairs);
    const rates = [on, off].map((rate) => Math.round(rate).toLocaleString("en")).join(" / ");
    console.log(`| A-${flavour} | ${clients} | ${rates} | ${shown(ratio(...of("per_second")))} | `
        + `${shown(ratio(...of("engine_cpu_ms")))} |`);
}
if (options.json) writeFileSync(options.json, `${JSON.stringify(figures, null, 2)}\n`);
