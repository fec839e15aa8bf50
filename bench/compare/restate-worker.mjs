// Restate's side of the loads: the same workflow and counter as guests/steps-rust, guests/step-rust and guests/counter.
//
//   node restate-worker.mjs PORT LEDGER      an empty LEDGER writes none

import { closeSync, openSync, writeSync } from "node:fs";

// The SDK needs a newer Node for this one function.
Promise.withResolvers ??= function withResolvers() {
    let resolve, reject;
    const promise = new Promise((accept, refuse) => {
        resolve = accept;
        reject = refuse;
    });
    return { promise, resolve, reject };
};

const restate = await import("@restatedev/restate-sdk");

const [port, ledgerFile] = process.argv.slice(2);
const ledger = ledgerFile ? openSync(ledgerFile, "a") : null;
const BALLAST = "x".repeat(64);

function step(id, i) {
    if (ledger !== null) writeSync(ledger, `step ${id} ${i}\n`);
    return { v: i, p: BALLAST };
}

const steps = restate.service({
    name: "steps",
    handlers: {
        run: async (ctx, { id, n }) => {
            let acc = 0;
            for (let i = 0; i < n; i++) acc += (await ctx.run(`s${i}`, () => step(id, i))).v;
            return { id, acc };
        },
    },
});

const counter = restate.object({
    name: "counter",
    handlers: {
        add: async (ctx, value) => {
            const sum = ((await ctx.get("value")) ?? 0) + value;
            ctx.set("value", sum);
            return sum;
        },
    },
});

await restate.serve({ services: [steps, counter], port: Number(port) });
process.on("exit", () => ledger !== null && closeSync(ledger));
