#!/usr/bin/env bash
# Fresh-instance calls of one module: Loom's runtime, bare Wasmtime, and Node, in turn, three rounds in one run.
#   bench/activity.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-3}
target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --release --package loom-cli
echo "machine: $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1); load $(cut -d' ' -f1-3 /proc/loadavg); node $(node --version)"
for round in 1 2 3; do
    loom=$("$target/release/loom" bench activity --seconds "$seconds" --json)
    node=$(node bench/activity.mjs guests/prebuilt/counter-actor.wasm '{"count":41,"increment":1}' "$seconds")
    LOOM=$loom NODE=$node ROUND=$round node -e '
        const loom = JSON.parse(process.env.LOOM), node = JSON.parse(process.env.NODE);
        const n = (x) => Math.round(x).toLocaleString("en");
        const ratio = loom.calls_per_second_per_core / node.calls_per_second_per_core;
        console.log(`round ${process.env.ROUND}: loom ${n(loom.calls_per_second_per_core)}/s per core, ` +
            `bare wasmtime ${n(loom.bare_wasmtime_per_core)}/s, node ${n(node.calls_per_second_per_core)}/s, ` +
            `loom/node ${ratio.toFixed(1)}x, loom on all cores ${n(loom.calls_per_second)}/s`);'
done
