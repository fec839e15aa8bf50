// Loom beside Restate: the same loads, from the same clients, in turn, in one run.
//
//   node bench/compare.mjs [--quick] [--only restate,fresh,history] [--loads A,B,C] [--binary LOOM] [--json FILE]
//
// Prints Markdown on stdout and progress on stderr. Builds Loom in release unless a binary is named. Needs cargo, Node
// and npm; everything it makes is under target/bench.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { killNine } from "./compare/crash.mjs";
import { additions, measure, workflows } from "./compare/loads.mjs";
import { Loom, build } from "./compare/loom.mjs";
import { fdatasyncMs, loadAverage, machine } from "./compare/process.mjs";
import { render } from "./compare/report.mjs";
import { Restate, install } from "./compare/restate.mjs";

const FULL = { seconds: 10, warmUpSeconds: 2, history: 100_000, crash: 6000 };
const QUICK = { seconds: 3, warmUpSeconds: 1, history: 20_000, crash: 1500 };
const CLIENTS = [1, 16, 128];
const KEYS = 64;

const { values: options } = parseArgs({
    options: {
        quick: { type: "boolean", default: false },
        only: { type: "string", default: "restate,fresh,history" },
        loads: { type: "string", default: "A,B,C" },
        binary: { type: "string" },
        json: { type: "string" },
    },
});
const sizes = options.quick ? QUICK : FULL;
const wanted = { subjects: options.only.split(","), loads: options.loads.split(",") };
const folder = join(import.meta.dirname, "../target/bench");
mkdirSync(folder, { recursive: true });

const say = (text) => process.stderr.write(`${text}\n`);
const versions = [];
const results = [];
const crashes = [];

async function run(engine, name, flavours) {
    versions.push(`${name}: ${engine.version()}`);
    say(`${name}: starting; load average ${loadAverage()}`);
    const started = await engine.start();
    if (name === "Loom, history") {
        say(`${name}: finishing ${sizes.history.toLocaleString("en")} turns first`);
        await engine.prefill(sizes.history);
    }
    const take = async (load, what, clients) => {
        say(`${name}: ${load}, ${clients} clients`);
        const fdatasync_ms = fdatasyncMs(folder);
        const figures = await measure(engine, what, { ...sizes, clients });
        results.push({ engine: name, load, clients, figures: { ...figures, fdatasync_ms } });
    };
    if (wanted.loads.includes("A")) {
        for (const { flavour, load } of flavours) {
            for (const clients of CLIENTS) await take(load, workflows(engine, flavour), clients);
        }
    }
    if (wanted.loads.includes("B")) {
        for (const clients of CLIENTS) await take(`B, ${KEYS} keys`, additions(engine, KEYS), clients);
        await take("B, one key", additions(engine, 1), 16);
    }
    if (wanted.loads.includes("C")) {
        const { flavour, load } = flavours.at(-1);
        say(`${name}: kill -9`);
        await engine.beginLedger();
        const figures = { start_ms: started, ...(await killNine(engine, flavour, sizes.crash)) };
        crashes.push({ engine: name, load, figures });
    }
    await engine.stop();
}

const pure = { flavour: "pure", load: "A-pure" };
const effect = { flavour: "effect", load: "A-effect" };
const subjects = {
    restate: () => run(new Restate(install(join(folder, "restate")), join(folder, "run/restate")), "Restate",
        [{ flavour: "", load: "A" }]),
    fresh: () => run(new Loom(binary, join(folder, "run/fresh")), "Loom, fresh", [pure, effect]),
    history: () => run(new Loom(binary, join(folder, "run/history")), "Loom, history", [pure, effect]),
};
const binary = options.binary ?? (options.only === "restate" ? null : build());

const measured = machine(folder);
for (const subject of wanted.subjects) await subjects[subject]();
const report = { machine: measured, versions, sizes, results, crashes };
if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
console.log(render(report));
rmSync(join(folder, "run"), { recursive: true, force: true });
