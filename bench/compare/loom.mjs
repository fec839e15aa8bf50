// Loom as its users run it: one `loom dev` with its defaults (SQLite, write-ahead log, synchronous=FULL).

import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { histogram } from "./crash.mjs";
import { Connection } from "./http.mjs";
import { STEPS, closedLoop, nextRun } from "./loads.mjs";
import { Process, freePorts, until } from "./process.mjs";

const ROOT = join(import.meta.dirname, "../..");
const HISTORY_CLIENTS = 128;

export function build() {
    execFileSync("cargo", ["build", "--quiet", "--release", "--package", "loom-cli"], { cwd: ROOT, stdio: "inherit" });
    return join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "release/loom");
}

export class Loom {
    name = "Loom";
    workerPid = null;

    constructor(binary, folder, settings = {}) {
        this.binary = binary;
        this.settings = settings;
        this.data = join(folder, "data");
        this.log = join(folder, "log");
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(folder, { recursive: true });
    }

    version() {
        const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: ROOT, encoding: "utf8" }).trim();
        return `${execFileSync(this.binary, ["--version"], { encoding: "utf8" }).trim()} at ${commit}`;
    }

    async start() {
        [this.port] = await freePorts(1);
        const ms = await this.restart();
        for (const name of ["pure", "effect", "counter"]) {
            const folder = join(import.meta.dirname, "loom", name);
            execFileSync(this.binary, ["deploy", folder, "--url", `http://127.0.0.1:${this.port}`], { stdio: "ignore" });
        }
        return ms;
    }

    /** Starts the node on the data there is; milliseconds until it is healthy. */
    async restart() {
        const args = ["dev", "--listen", `127.0.0.1:${this.port}`, "--data", this.data];
        const env = { LOOM_LOG: "warn", ...this.settings };
        this.server = new Process(this.binary, args, { env, log: this.log });
        this.pid = this.server.pid;
        const healthy = async () => (await this.#get("/readyz")).status === 200;
        const { ms } = await until(healthy, { what: "Loom" });
        return ms;
    }

    /** Finishes so many turns of ten steps, so that the store has a history. */
    async prefill(turns) {
        const run = nextRun();
        const load = { request: (n) => this.workflow("pure", `h${run}-${n}`, STEPS), check: () => {} };
        await closedLoop(this, load, HISTORY_CLIENTS, (n) => n < turns);
    }

    /** A guest has no file to write to; `executions` reads the journals instead. */
    async beginLedger() {}

    async kill() {
        await this.server.end("SIGKILL");
    }

    async stop() {
        await this.server.end("SIGTERM");
    }

    workflow(flavour, id, n) {
        const path = `/v1/actors/steps-${flavour}/${id}/messages?wait=60s`;
        return { path, headers: { "idempotency-key": id }, body: JSON.stringify({ n }) };
    }

    addition(key, id, value = 1) {
        const path = `/v1/actors/counter/${key}/messages?wait=60s`;
        return { path, headers: { "idempotency-key": id }, body: JSON.stringify({ add: value }) };
    }

    /** Finished workflows, by the engine's own list of actors. */
    async finished(flavour) {
        let finished = 0;
        for (let next = ""; next !== null;) {
            const after = next === "" ? "" : `&after=${encodeURIComponent(next)}`;
            const page = JSON.parse((await this.#get(`/v1/actors?type=steps-${flavour}&limit=1000${after}`)).body);
            finished += page.items.filter((actor) => actor.status === "idle" && actor.turns === 1).length;
            next = page.next ?? null;
        }
        return finished;
    }

    /** How often the bodies of the steps were begun, by the attempts in the journals. */
    async executions(flavour, prefix, count) {
        const connection = new Connection(this.port);
        const attempts = [];
        for (let n = 0; n < count; n++) {
            const path = `/v1/actors/steps-${flavour}/${prefix}${n}/journal`;
            const entries = JSON.parse((await connection.request({ method: "GET", path })).body);
            attempts.push(...entries.filter((entry) => entry.kind === "outcome").map((entry) => entry.body.attempts));
        }
        connection.close();
        return histogram(attempts, count * STEPS);
    }

    async #get(path) {
        const connection = new Connection(this.port);
        return connection.request({ method: "GET", path }).finally(() => connection.close());
    }
}
