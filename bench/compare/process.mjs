// Processes under measurement, and what the kernel knows of them.

import { execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, fdatasyncSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import { cpus, release } from "node:os";
import { dirname, join } from "node:path";
import { performance } from "node:perf_hooks";

/** Kernel clock ticks are hundredths of a second on every Linux this runs on. */
const MS_PER_TICK = 10;

/** A child process that logs to a file and can be killed and waited for. */
export class Process {
    constructor(command, args, { env = {}, log }) {
        mkdirSync(dirname(log), { recursive: true });
        const file = openSync(log, "a");
        this.child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", file, file] });
        closeSync(file);
        this.pid = this.child.pid;
        this.gone = new Promise((resolve) => this.child.once("exit", resolve));
        running.add(this);
        this.gone.then(() => running.delete(this));
    }

    async end(signal) {
        this.child.kill(signal);
        await this.gone;
    }
}

const running = new Set();

// Whatever ends this program, nothing it started outlives it.
process.on("exit", () => running.forEach((started) => started.child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/** CPU time and disk writes so far, memory now. */
export function usage(pid) {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const mib = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0) / 1024;
    const io = readFileSync(`/proc/${pid}/io`, "utf8");
    return {
        cpu_ms: (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK,
        rss_mib: mib("VmRSS"),
        peak_rss_mib: mib("VmHWM"),
        write_bytes: Number(/^write_bytes: (\d+)/m.exec(io)?.[1] ?? 0),
    };
}

/** Apparent size of a folder. */
export function folderBytes(folder) {
    return existsSync(folder) ? Number(execFileSync("du", ["-sb", folder], { encoding: "utf8" }).split("\t")[0]) : 0;
}

export async function freePorts(count) {
    const servers = await Promise.all(Array.from({ length: count }, () => new Promise((resolve) => {
        const server = createServer().listen(0, "127.0.0.1", () => resolve(server));
    })));
    const ports = servers.map((server) => server.address().port);
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    return ports;
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Tries until it gives something; the answer and how long it took. */
export async function until(attempt, { every = 5, patience = 120_000, what }) {
    const start = performance.now();
    while (performance.now() - start < patience) {
        const answer = await attempt().catch(() => null);
        if (answer) return { answer, ms: performance.now() - start };
        await pause(every);
    }
    throw new Error(`${what}: nothing within ${patience / 1000} s`);
}

export const loadAverage = () => readFileSync("/proc/loadavg", "utf8").split(" ").slice(0, 3).join(" ");

/** What the figures were taken on. */
export function machine(folder) {
    return {
        cores: cpus().length,
        model: cpus()[0].model,
        kernel: release(),
        node: process.version,
        fdatasync_ms: fdatasyncMs(folder),
    };
}

/** Median time of making 4 KiB durable: what every durable step pays at least, alone. */
export function fdatasyncMs(folder) {
    const file = openSync(join(folder, "fdatasync.probe"), "w");
    const block = Buffer.alloc(4096, 1);
    const times = Array.from({ length: 200 }, () => {
        const start = performance.now();
        writeSync(file, block);
        fdatasyncSync(file);
        return performance.now() - start;
    });
    closeSync(file);
    return times.sort((a, b) => a - b)[100];
}
