//! The node's settings: defaults, then a file, then the environment, then the command line.
//!
//! `keys.rs` has every setting once, with how it is read and shown; file, environment, `--set` and `loom config show`
//! all go through that table. No setting is a secret: keys, tokens and secrets are named by file.

mod keys;
mod sources;
mod value;
mod witness;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

pub(crate) use self::witness::WitnessAddress;
pub(crate) use self::{
    keys::KEYS,
    sources::{Sourced, read},
};

/// Name of the node's tokens in its data folder.
const TOKENS_FILE: &str = "tokens.json";

/// What a node is made of.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// Folder with the database, the blobs, tokens and compiled code.
    pub data: PathBuf,
    /// Address to listen on.
    pub listen: std::net::SocketAddr,
    /// Certificate chain, PEM.
    pub tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    pub tls_key: Option<PathBuf>,
    /// Serve other machines without TLS: tokens and data can be read on the way.
    pub insecure_plaintext: bool,
    /// OpenTelemetry collector that traces go to, OTLP over HTTP.
    pub otlp_endpoint: Option<String>,
    /// Folder with secrets for activities.
    pub secrets: Option<PathBuf>,
    /// Who is asked to cosign the node's log.
    pub witnesses: Vec<WitnessAddress>,
    /// Certificates of further authorities that activities trust, PEM.
    pub extra_ca: Option<PathBuf>,
    /// How activities reach other systems.
    pub http: loom_http::Settings,
    /// Proofs.
    pub prover: ProverSettings,
    /// The HTTP side's settings.
    pub server: loom_server::Settings,
    /// The runtime's settings.
    pub runtime: loom_runtime::Settings,
    /// The sandbox's settings.
    pub sandbox: loom_wasmtime::Settings,
    /// The store's settings.
    pub store: loom_store_sqlite::Settings,
}

/// How a node proves, if it is built with a prover.
#[derive(Clone, Debug)]
pub struct ProverSettings {
    /// Proofs that are made at once; each is a process.
    pub processes: usize,
    /// Threads of each; all processors if not given.
    pub threads: Option<usize>,
    /// What one may use.
    pub limits: loom_prover::Limits,
    /// Leave proofs to workers that look for them in the data folder.
    pub workers: bool,
    /// A server that proves in their place.
    pub bonsai: BonsaiSettings,
}

impl Default for ProverSettings {
    fn default() -> Self {
        Self {
            processes: 1,
            threads: None,
            limits: loom_prover::Limits::default(),
            workers: false,
            bonsai: BonsaiSettings::default(),
        }
    }
}

/// A proving server, which sees the private input.
#[derive(Clone, Debug)]
pub struct BonsaiSettings {
    /// Its address; nothing is proved elsewhere without one.
    pub url: Option<String>,
    /// File with its key.
    pub key: Option<PathBuf>,
    /// How often it is asked how a proof stands.
    pub poll_interval: Duration,
    /// Have it make the short form of receipt.
    pub groth16: bool,
}

impl Default for BonsaiSettings {
    fn default() -> Self {
        Self { url: None, key: None, poll_interval: Duration::from_secs(5), groth16: false }
    }
}

impl NodeSettings {
    /// Defaults for a data folder.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        let data = data.into();
        let mut settings = Self {
            store: loom_store_sqlite::Settings::new(&data),
            data: PathBuf::new(),
            listen: "127.0.0.1:4100".parse().expect("an address"),
            tls_cert: None,
            tls_key: None,
            insecure_plaintext: false,
            otlp_endpoint: None,
            secrets: None,
            witnesses: Vec::new(),
            extra_ca: None,
            http: loom_http::Settings::default(),
            prover: ProverSettings::default(),
            server: loom_server::Settings::default(),
            runtime: loom_runtime::Settings::default(),
            sandbox: loom_wasmtime::Settings::default(),
        };
        settings.keep_data_in(data);
        settings
    }

    /// Puts everything that is kept into one folder.
    fn keep_data_in(&mut self, data: PathBuf) {
        self.store.folder.clone_from(&data);
        self.sandbox.cache_folder = Some(data.join("compiled"));
        self.data = data;
    }

    /// Where the tokens are kept.
    pub(crate) fn tokens_file(&self) -> PathBuf {
        self.data.join(TOKENS_FILE)
    }

    /// Certificate and key, if there are both.
    pub(crate) fn tls_files(&self) -> Option<(&Path, &Path)> {
        self.tls_cert.as_deref().zip(self.tls_key.as_deref())
    }
}
