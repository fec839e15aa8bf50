// The loads: closed loops of clients that submit and wait, the same for every engine.

import { performance } from "node:perf_hooks";

import { Connection } from "./http.mjs";
import { folderBytes, loadAverage, pause, usage } from "./process.mjs";

/** Steps of one workflow. */
export const STEPS = 10;
/** Pause between attempts under the same idempotency key. */
const RETRY_MS = 50;

let run = 0;

/** Ten durable steps per request; every request is a workflow of its own. */
export const workflows = (engine, flavour) => ({
    steps: STEPS,
    request: (n) => engine.workflow(flavour, `w${run}-${n}`, STEPS),
    check: (response, n) => expect(JSON.parse(response).acc === 45, `workflow ${n} answered ${response}`),
});

/** One addition per request, over so many keys. */
export const additions = (engine, keys) => ({
    steps: 1,
    request: (n) => engine.addition(`c${run}-${n % keys}`, `a${run}-${n}`),
    check: () => {},
    verify: (acknowledged) => verifySum(engine, keys, acknowledged),
});

function expect(holds, otherwise) {
    if (!holds) throw new Error(otherwise);
}

/** The sum of the counters is the number of acknowledged additions: adding nothing reads each. */
async function verifySum(engine, keys, acknowledged) {
    const connection = new Connection(engine.port);
    let sum = 0;
    for (let key = 0; key < Math.min(keys, acknowledged); key++) {
        const response = await connection.request(engine.addition(`c${run}-${key}`, `r${run}-${key}`, 0));
        sum += Number(response.body);
    }
    connection.close();
    expect(sum === acknowledged, `${engine.name}: ${acknowledged} additions acknowledged, the counters hold ${sum}`);
}

/** Requests from so many clients until `more(n)` says no; latencies in milliseconds, in order of completion. */
export async function closedLoop(engine, load, clients, more, onDone = () => {}) {
    const latencies = [];
    let next = 0;
    await Promise.all(Array.from({ length: clients }, async () => {
        const connection = new Connection(engine.port);
        while (more(next)) {
            const n = next++;
            const start = performance.now();
            const { body, sentAt } = await untilAnswered(connection, load.request(n));
            load.check(body, n);
            latencies.push(performance.now() - start);
            onDone(latencies.length, sentAt);
        }
        connection.close();
    }));
    return latencies;
}

/** The answer, and when the attempt began that brought it. */
async function untilAnswered(connection, request) {
    for (;;) {
        const sentAt = performance.now();
        const response = await connection.request(request).catch(() => null);
        if (response?.status === 200) return { body: response.body, sentAt };
        if (response && response.status < 500 && response.status !== 429 && response.status !== 202) {
            throw new Error(`HTTP ${response.status}: ${response.body}`);
        }
        await pause(RETRY_MS);
    }
}

/** A new run: ids and keys of earlier ones do not come back. */
export const nextRun = () => ++run;

/** Runs a load for so many seconds after a warm-up, and reports what it cost. */
export async function measure(engine, load, { clients, seconds, warmUpSeconds }) {
    nextRun();
    const within = (duration) => {
        const end = performance.now() + duration * 1000;
        return () => performance.now() < end;
    };
    await closedLoop(engine, load, clients, within(warmUpSeconds));
    nextRun();
    const before = snapshot(engine);
    const start = performance.now();
    const latencies = await closedLoop(engine, load, clients, within(seconds));
    const elapsed = (performance.now() - start) / 1000;
    const after = snapshot(engine);
    await load.verify?.(latencies.length);
    return { clients, ...report(latencies, elapsed, load.steps, before, after), load_average: loadAverage() };
}

function snapshot(engine) {
    const { user, system } = process.cpuUsage();
    return {
        engine: usage(engine.pid),
        worker: engine.workerPid ? usage(engine.workerPid) : null,
        client_cpu_ms: (user + system) / 1000,
        data_bytes: folderBytes(engine.data),
    };
}

function report(latencies, seconds, stepsEach, before, after) {
    const steps = latencies.length * stepsEach;
    const sorted = latencies.toSorted((a, b) => a - b);
    const percentile = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    const grown = (side, what) => (after[side] ? after[side][what] - before[side][what] : 0);
    return {
        requests: latencies.length,
        seconds,
        per_second: steps / seconds,
        p50_ms: percentile(0.5),
        p90_ms: percentile(0.9),
        p99_ms: percentile(0.99),
        max_ms: sorted.at(-1),
        engine_cpu_ms: grown("engine", "cpu_ms") / steps,
        worker_cpu_ms: grown("worker", "cpu_ms") / steps,
        client_cpu_ms: (after.client_cpu_ms - before.client_cpu_ms) / steps,
        engine_rss_mib: after.engine.rss_mib,
        engine_peak_rss_mib: after.engine.peak_rss_mib,
        worker_rss_mib: after.worker?.rss_mib ?? 0,
        disk_bytes: (after.data_bytes - before.data_bytes) / steps,
        written_bytes: grown("engine", "write_bytes") / steps,
    };
}
