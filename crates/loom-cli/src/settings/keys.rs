//! Every setting of a node, once.

use std::time::Duration;

use loom_types::limits::{BLOB_BYTES_MAX, PAYLOAD_BYTES_MAX};

use super::{
    NodeSettings,
    value::{Value, within},
    witness::witnesses,
};

/// A setting.
pub(crate) struct Key {
    /// Its name in the file, with its section.
    pub(crate) name: &'static str,
    /// What it is, in a few words.
    pub(crate) about: &'static str,
    /// Reads it from text. The error says what is expected.
    pub(crate) set: fn(&mut NodeSettings, &str) -> Result<(), String>,
    /// Shows it as text; empty if it is not set.
    pub(crate) show: fn(&NodeSettings) -> String,
}

impl Key {
    /// The environment variable that sets it.
    pub(crate) fn variable(&self) -> String {
        format!("LOOM_{}", self.name.replace('.', "_").to_uppercase())
    }
}

/// A setting that is a field, with a range if it has one.
macro_rules! key {
    ($name:literal, $($field:ident).+, $about:literal) => {
        key!($name, $($field).+, $about, Ok)
    };
    ($name:literal, $($field:ident).+, $about:literal, $check:expr) => {
        Key {
            name: $name,
            about: $about,
            set: |settings, text| {
                let check: fn(_) -> Result<_, String> = $check;
                settings.$($field).+ = check(Value::parse(text)?)?;
                Ok(())
            },
            show: |settings| settings.$($field).+.show(),
        }
    };
}

/// Smallest header buffer that ordinary clients get along with.
const HEADER_BYTES_MIN: usize = 1024;

fn positive(n: usize) -> Result<usize, String> {
    within(n, 1, usize::MAX)
}

/// The store counts so many rows for each message.
fn mailbox_depth(n: u64) -> Result<u64, String> {
    within(n, 1, 100_000)
}

fn segment(po2: Option<u32>) -> Result<Option<u32>, String> {
    let (first, last) = (*loom_prover::SEGMENT_PO2.start(), *loom_prover::SEGMENT_PO2.end());
    po2.map(|po2| within(po2, first, last)).transpose()
}

fn some_time(duration: Duration) -> Result<Duration, String> {
    if duration.is_zero() { Err("must be more than nothing".to_owned()) } else { Ok(duration) }
}

/// All of them, in the order in which they are shown.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "data",
        about: "data folder; made if missing",
        set: |settings, text| Value::parse(text).map(|data| settings.keep_data_in(data)),
        show: |settings| settings.data.show(),
    },
    key!("listen", listen, "address to listen on"),
    key!("tls_cert", tls_cert, "certificate chain, PEM"),
    key!("tls_key", tls_key, "private key of the certificate, PEM"),
    key!("otlp_endpoint", otlp_endpoint, "OpenTelemetry collector that traces go to, OTLP over HTTP"),
    key!("secrets", secrets, "folder with secrets for activities"),
    key!("insecure_plaintext", insecure_plaintext, "serve other machines without TLS"),
    key!("server.connections_max", server.connections_max, "connections open at once", |n| within(n, 1, 1 << 20)),
    key!("server.headers_max", server.headers_max, "header fields of a request", |n| within(n, 1, 1000)),
    key!("server.header_bytes_max", server.header_bytes_max, "request line and header fields, in bytes", |n| {
        within(n, HEADER_BYTES_MIN, 1 << 20)
    }),
    key!("server.write_timeout", server.write_timeout, "time a client may let an answer wait", some_time),
    key!("server.header_timeout", server.header_timeout, "time to send a header, and to be idle", some_time),
    key!("server.body_bytes_max", server.body_bytes_max, "body of a request, in bytes", |n| {
        within(n, 1, PAYLOAD_BYTES_MAX)
    }),
    key!("server.blob_bytes_max", server.blob_bytes_max, "a blob, in bytes", |n| within(n, 1, BLOB_BYTES_MAX)),
    key!("server.body_timeout", server.body_timeout, "time to send a body", some_time),
    key!("server.shutdown_grace", server.shutdown_grace, "time for requests under way when the node stops"),
    key!("runtime.worker", runtime.worker, "name of this worker in outcomes", |name: String| {
        name.parse::<loom_types::Name>().map(|_| name).map_err(|error| error.to_string())
    }),
    key!("runtime.shards", runtime.shards, "threads that run actors", |n| within(n, 1, 1024)),
    key!("runtime.resident_instances_max", runtime.resident_instances_max, "waiting guests kept in memory"),
    key!("runtime.resident_time", runtime.resident_time, "how long a waiting guest is kept"),
    key!("runtime.actors_cached_max", runtime.actors_cached_max, "resting actors kept in memory"),
    key!("runtime.module_cache_bytes", runtime.module_cache_bytes, "compiled code kept in memory, in bytes"),
    key!(
        "runtime.mailbox_depth_max",
        runtime.mailbox_depth_max,
        "messages that wait for one actor before clients are refused",
        mailbox_depth
    ),
    key!("runtime.requests_max", runtime.requests_max, "clients' requests in flight at once", positive),
    key!("runtime.queries_max", runtime.queries_max, "queries that run at once", positive),
    key!("runtime.fault_backoff_min", runtime.fault_backoff_min, "pause after a host fault", some_time),
    key!("runtime.fault_backoff_max", runtime.fault_backoff_max, "longest pause after host faults", some_time),
    key!("runtime.fault_patience", runtime.fault_patience, "host faults alone park a turn after this time", some_time),
    key!("log.checkpoint_interval", runtime.checkpoint_interval, "how often the log is signed", some_time),
    key!("log.witnesses", witnesses, "who cosigns the log: KEY URL; with commas between", witnesses),
    key!("runtime.upkeep_interval", runtime.upkeep_interval, "how often old things are let go of", some_time),
    key!("runtime.payloads_kept", runtime.payloads_kept, "how long payloads of ended turns are kept; else for ever"),
    key!("runtime.message_ids_kept", runtime.message_ids_kept, "how long idempotency keys of ended turns are known"),
    key!("runtime.blobs_kept", runtime.blobs_kept, "how long blobs to which nothing leads are kept; else until asked"),
    key!("prover.processes", prover.processes, "proofs made at once, each by a process of its own", positive),
    key!("prover.threads", prover.threads, "threads of each; as many as processors if not set"),
    key!("prover.memory_mib", prover.limits.memory_mib, "memory of each, in MiB; it decides how large segments are"),
    key!("prover.cycles_max", prover.limits.cycles_max, "cycles of a program that is proved", |n| within(
        n,
        1,
        1 << 40
    )),
    key!("prover.segments_at_once", prover.limits.segments_at_once, "segments that each proves at once", |n| {
        within(n, 1, 256)
    }),
    key!(
        "prover.segment_po2",
        prover.limits.segment_po2,
        "log2 of the cycles of a segment; chosen if not set",
        segment
    ),
    key!("prover.workers", prover.workers, "leave proofs to `loom worker --only prove` on this data folder"),
    key!("prover.bonsai_url", prover.bonsai.url, "server that proves instead; private input goes to it"),
    key!("prover.bonsai_key", prover.bonsai.key, "file with that server's key"),
    key!("prover.bonsai_poll", prover.bonsai.poll_interval, "how often that server is asked how it stands", some_time),
    key!("prover.bonsai_groth16", prover.bonsai.groth16, "have that server make a few hundred bytes of each receipt"),
    key!("http.private_hosts", http.private_hosts, "hosts in private networks that activities may reach"),
    key!("http.extra_ca", extra_ca, "certificates of further authorities that activities trust, PEM"),
    key!("http.connections_max", http.connections_max, "connections of activities at once", positive),
    key!("http.connect_timeout", http.connect_timeout, "time to connect to one address, TLS included", some_time),
    key!("runtime.namespace_turns_max", runtime.namespace_turns_max, "turns of a namespace at once; 0: no limit"),
    key!(
        "runtime.namespace_turns_per_second",
        runtime.namespace_turns_per_second,
        "turns of a namespace that begin in a second; 0: no limit"
    ),
    key!("sandbox.instances_max", sandbox.instances_max, "instances at once"),
    key!("sandbox.fuel_max", sandbox.fuel_max, "most fuel a deployment may pin"),
    key!("sandbox.memory_bytes_max", sandbox.memory_bytes_max, "largest memory a deployment may pin, in bytes"),
    key!("sandbox.table_elements_max", sandbox.table_elements_max, "largest table a deployment may pin"),
    key!("sandbox.stack_bytes", sandbox.stack_bytes, "stack of a guest, in bytes; part of the engine's identity"),
    key!("sandbox.slice_fuel", sandbox.slice_fuel, "fuel after which a guest lets others run"),
    key!("store.group_commit_max", store.group_commit_max, "operations of one transaction", positive),
    key!("store.cache_kib", store.cache_kib, "page cache of the writer, in KiB"),
];

#[cfg(test)]
mod tests {
    use super::{super::WitnessAddress, *};

    #[test]
    fn every_setting_reads_what_it_shows() {
        let mut settings = NodeSettings::new("folder");
        settings.tls_cert = Some("cert.pem".into());
        settings.tls_key = Some("key.pem".into());
        settings.secrets = Some("secrets".into());
        settings.extra_ca = Some("ca.pem".into());
        settings.prover.bonsai.url = Some("https://api.example.org".into());
        settings.prover.bonsai.key = Some("bonsai.key".into());
        settings.witnesses = WitnessAddress::examples();
        (settings.prover.threads, settings.prover.limits.segment_po2) = (Some(2), Some(16));
        let some_time = Some(std::time::Duration::from_secs(30));
        settings.runtime.payloads_kept = some_time;
        settings.runtime.blobs_kept = some_time;
        for key in KEYS {
            let shown = (key.show)(&settings);
            (key.set)(&mut settings, &shown).unwrap_or_else(|error| panic!("{}: {error}", key.name));
            assert_eq!((key.show)(&settings), shown, "{}", key.name);
        }
    }

    #[test]
    fn one_folder_holds_everything() {
        let mut settings = NodeSettings::new("first");
        (KEYS[0].set)(&mut settings, "second").unwrap();
        assert_eq!(settings.store.folder, std::path::Path::new("second"));
        assert_eq!(settings.sandbox.cache_folder.as_deref(), Some(std::path::Path::new("second/compiled")));
    }
}
