// The figures as tables.

const number = (value, digits = 0) =>
    value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

function table(head, rows) {
    const line = (cells) => `| ${cells.join(" | ")} |`;
    return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

const sum = (engine, worker, digits) => number(engine, digits) + (worker > 0 ? ` + ${number(worker, digits)}` : "");

function loadRow({ engine, load, clients, figures: f }) {
    return [
        load, clients, engine, number(f.per_second), `${number(f.p50_ms, 1)} / ${number(f.p99_ms, 1)}`,
        sum(f.engine_cpu_ms, f.worker_cpu_ms, 3), number(f.client_cpu_ms, 3), sum(f.engine_rss_mib, f.worker_rss_mib),
        `${number(f.disk_bytes)} / ${number(f.written_bytes)}`, number(f.fdatasync_ms, 2), f.load_average.split(" ")[0],
    ];
}

function crashRow({ engine, load, figures: f }) {
    const executions = Object.entries(f.executions).map(([times, bodies]) => `${times}×: ${number(bodies)}`).join(", ");
    return [
        load, engine, number(f.start_ms), number(f.healthy_ms), number(f.first_ms),
        number(f.hundred_and_twenty_eighth_ms), `${number(f.requests)} of ${number(f.requests)}`, executions,
        f.load_average.split(" ")[0],
    ];
}

/** One run's Markdown. */
export function render({ machine: m, versions, results, crashes }) {
    const loads = table(
        ["load", "clients", "engine", "per second", "p50 / p99 ms", "CPU-ms per step, engine + worker", "client",
            "MiB resident", "bytes per step, disk / written", "fdatasync ms before", "load average"],
        results.map(loadRow),
    );
    const kills = table(
        ["load C", "engine", "first start ms", "healthy ms", "1st done ms", "128th done ms", "done once",
            "bodies begun", "load average"],
        crashes.map(crashRow),
    );
    return [
        `${m.cores} cores, ${m.model}, Linux ${m.kernel}, Node ${m.node}; fdatasync of 4 KiB ${number(m.fdatasync_ms, 2)} ms`,
        versions.join("; "), "", loads, "", kills, "", goals(results, crashes),
    ].join("\n");
}

/** What Loom aims at beside the peer of the same run. */
function goals(results, crashes) {
    const find = (engine, load, clients) =>
        results.find((row) => row.engine === engine && row.load === load && row.clients === clients)?.figures;
    const rows = [];
    const goal = (what, wanted, measured, met) => rows.push([what, wanted, measured, met ? "met" : "missed"]);
    const ratio = (what, loom, peer, of, wanted) => {
        if (!loom || !peer) return;
        const value = of(loom) / of(peer);
        goal(what, `≥ ${wanted}×`, `${number(value, 1)}×`, value >= wanted);
    };
    const perSecond = (figures) => figures.per_second;
    for (const engine of new Set(results.map((row) => row.engine).filter((name) => name !== "Restate"))) {
        const [pure, effect] = [find(engine, "A-pure", 128), find(engine, "A-effect", 128)];
        const peer = find("Restate", "A", 128);
        ratio(`${engine}: A-pure, 128 clients`, pure, peer, perSecond, 5);
        ratio(`${engine}: A-effect, 128 clients`, effect, peer, perSecond, 2);
        const cpu = (figures) => 1 / (figures.engine_cpu_ms + figures.worker_cpu_ms);
        ratio(`${engine}: A-effect, 128 clients, steps per CPU-ms`, effect, peer, cpu, 1);
        ratio(`${engine}: hot key`, find(engine, "B, one key", 16), find("Restate", "B, one key", 16), perSecond, 5);
        const speed = (figures) => 1 / figures.p50_ms;
        for (const load of ["A-pure", "A-effect"]) {
            ratio(`${engine}: ${load}, one client, p50`, find(engine, load, 1), find("Restate", "A", 1), speed, 3);
        }
        const peaks = results.filter((row) => row.engine === engine).map((row) => row.figures.engine_peak_rss_mib);
        const peak = Math.max(...peaks);
        goal(`${engine}: peak resident`, "< 150 MiB", `${number(peak)} MiB`, peak < 150);
    }
    for (const { engine, load, figures } of crashes.filter((row) => row.engine !== "Restate")) {
        const { healthy_ms: ms } = figures;
        goal(`${engine}: healthy after kill -9, ${load}`, "< 1,000 ms", `${number(ms)} ms`, ms < 1000);
    }
    for (const { engine, load, clients, figures } of results) {
        const fresh = engine === "Loom, history" ? find("Loom, fresh", load, clients) : null;
        if (fresh && clients === 128) ratio(`${engine}: ${load}, beside a fresh store`, figures, fresh, perSecond, 0.9);
    }
    return table(["goal", "wanted", "measured", ""], rows);
}
