// Load C: kill -9 in the middle of a hundred and twenty-eight workflows, start again at once on the same data.

import { performance } from "node:perf_hooks";

import { closedLoop, nextRun, workflows } from "./loads.mjs";
import { loadAverage } from "./process.mjs";

const CLIENTS = 128;

/** `count` workflows with a kill when a third is done. Times are in milliseconds after the kill. */
export async function killNine(engine, flavour, count) {
    const before = await engine.finished(flavour);
    const id = nextRun();
    const crash = new Crash(engine, count / 3);
    const onDone = (done, sentAt) => crash.onDone(done, sentAt);
    await closedLoop(engine, workflows(engine, flavour), CLIENTS, (n) => n < count, onDone);
    await crash.restarted;
    const finished = (await engine.finished(flavour)) - before;
    if (finished !== count) {
        throw new Error(`${engine.name}: ${count} workflows were answered, the engine knows of ${finished}`);
    }
    const executions = await engine.executions(flavour, `w${id}-`, count);
    return { clients: CLIENTS, requests: count, ...crash.marks, executions, load_average: loadAverage() };
}

class Crash {
    marks = {};
    restarted = null;
    #killedAt = Infinity;
    #goneAt = Infinity;
    #doneSince = 0;

    constructor(engine, when) {
        this.engine = engine;
        this.when = when;
    }

    onDone(done, sentAt) {
        if (this.restarted === null && done >= this.when) this.restarted = this.#kill();
        // Answers that had left the engine before it died are no sign of life.
        if (sentAt < this.#goneAt) return;
        this.#doneSince += 1;
        if (this.#doneSince === 1) this.marks.first_ms = this.#sinceKill();
        if (this.#doneSince === CLIENTS) this.marks.hundred_and_twenty_eighth_ms = this.#sinceKill();
    }

    #sinceKill() {
        return performance.now() - this.#killedAt;
    }

    async #kill() {
        this.#killedAt = performance.now();
        await this.engine.kill();
        this.#goneAt = performance.now();
        await this.engine.restart();
        this.marks.healthy_ms = this.#sinceKill();
    }
}

/** How many of `steps` bodies ran once, twice, …, given how often each that ran did. */
export function histogram(counts, steps) {
    const seen = {};
    for (const count of counts) seen[count] = (seen[count] ?? 0) + 1;
    const missing = steps - counts.length;
    return missing > 0 ? { 0: missing, ...seen } : seen;
}
