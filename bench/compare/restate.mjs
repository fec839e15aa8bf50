// Restate as its users run it: one server with its defaults (24 partitions, every write-ahead log synced), one
// Node worker.

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { histogram } from "./crash.mjs";
import { Connection } from "./http.mjs";
import { STEPS } from "./loads.mjs";
import { Process, freePorts, until } from "./process.mjs";

const HERE = import.meta.dirname;

/** Installs the pinned packages beside the worker; scripts of packages are not run. */
export function install(folder) {
    mkdirSync(folder, { recursive: true });
    for (const file of ["package.json", "package-lock.json"]) copyFileSync(join(HERE, "..", file), join(folder, file));
    copyFileSync(join(HERE, "restate-worker.mjs"), join(folder, "restate-worker.mjs"));
    if (!existsSync(join(folder, "node_modules/@restatedev/restate-server"))) {
        execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: folder, stdio: "ignore" });
    }
    return folder;
}

export class Restate {
    name = "Restate";

    constructor(installed, folder) {
        this.installed = installed;
        this.binary = join(installed, "node_modules/@restatedev/restate-server-linux-x64/bin/restate-server");
        this.data = join(folder, "data");
        this.ledger = join(folder, "ledger");
        this.log = join(folder, "log");
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(folder, { recursive: true });
    }

    version() {
        return execFileSync(this.binary, ["--version"], { encoding: "utf8" }).trim();
    }

    async start() {
        [this.port, this.adminPort, this.nodePort, this.workerPort] = await freePorts(4);
        await this.#startWorker("");
        const ms = await this.restart();
        const deployment = { uri: `http://127.0.0.1:${this.workerPort}` };
        const registered = await this.#admin({ path: "/deployments", body: JSON.stringify(deployment) });
        if (registered.status >= 300) throw new Error(`registering the worker: ${registered.body}`);
        return ms;
    }

    async #startWorker(ledger) {
        const log = join(this.log, "worker");
        this.worker = new Process("node", [join(this.installed, "restate-worker.mjs"), this.workerPort, ledger], { log });
        this.workerPid = this.worker.pid;
        await until(() => listens(this.workerPort), { what: "Restate's worker" });
    }

    /** Starts the server on the data there is; milliseconds until it is healthy. */
    async restart() {
        const address = (port) => `127.0.0.1:${port}`;
        const env = {
            RESTATE_INGRESS__BIND_ADDRESS: address(this.port),
            RESTATE_ADMIN__BIND_ADDRESS: address(this.adminPort),
            RESTATE_BIND_ADDRESS: address(this.nodePort),
            RESTATE_ADVERTISED_ADDRESS: `http://${address(this.nodePort)}/`,
            RESTATE_LISTEN_MODE: "tcp",
            RESTATE_NODE_NAME: "bench",
            RESTATE_DISABLE_TELEMETRY: "true",
            RESTATE_LOG_FILTER: "warn",
        };
        const log = join(this.log, "server");
        this.server = new Process(this.binary, ["--no-logo", "--base-dir", this.data], { env, log });
        this.pid = this.server.pid;
        const healthy = async (port, path) => {
            const connection = new Connection(port);
            const response = await connection.request({ method: "GET", path }).finally(() => connection.close());
            return response.status === 200;
        };
        const both = async () => (await healthy(this.port, "/restate/health")) && healthy(this.adminPort, "/health");
        const { ms } = await until(both, { what: "Restate" });
        return ms;
    }

    /** From now on the steps' bodies write the ledger. */
    async beginLedger() {
        await this.worker.end("SIGKILL");
        await this.#startWorker(this.ledger);
    }

    async kill() {
        await this.server.end("SIGKILL");
    }

    async stop() {
        await this.server.end("SIGKILL");
        await this.worker.end("SIGKILL");
    }

    workflow(_flavour, id, n) {
        return { path: "/steps/run", headers: { "idempotency-key": id }, body: JSON.stringify({ id, n }) };
    }

    addition(key, id, value = 1) {
        return { path: `/counter/${key}/add`, headers: { "idempotency-key": id }, body: String(value) };
    }

    /** Finished workflows, by the engine's own table. */
    async finished() {
        const query = "SELECT count(*) AS n FROM sys_invocation " +
            "WHERE target_service_name = 'steps' AND status = 'completed' AND completion_result = 'success'";
        const headers = { accept: "application/json" };
        const response = await this.#admin({ path: "/query", headers, body: JSON.stringify({ query }) });
        return JSON.parse(response.body).rows[0].n;
    }

    /** How often the bodies of the steps ran, by the worker's ledger. */
    async executions(_flavour, prefix, count) {
        const seen = new Map();
        for (const line of readFileSync(this.ledger, "utf8").split("\n")) {
            if (line.startsWith(`step ${prefix}`)) seen.set(line, (seen.get(line) ?? 0) + 1);
        }
        return histogram([...seen.values()], count * STEPS);
    }

    async #admin(request) {
        const connection = new Connection(this.adminPort);
        return connection.request(request).finally(() => connection.close());
    }
}

async function listens(port) {
    // The worker speaks HTTP/2 only; that it hangs up on this is answer enough.
    const { connect } = await import("node:net");
    return new Promise((resolve) => {
        const socket = connect(port, "127.0.0.1", () => resolve(socket.destroy()));
        socket.on("error", () => resolve(false));
    });
}
