//! Arguments of commands that run a node, or show how one would run.

use std::path::PathBuf;

use clap::Args;

use crate::{
    CliError,
    settings::{self, Sourced},
};

/// How a node is configured. Each setting also has a variable (`LOOM_…`) and a line in the configuration file;
/// `loom config show` lists them.
#[derive(Debug, Default, Args)]
pub struct NodeArguments {
    /// The node's configuration, TOML (not a deployment's loom.toml)
    #[arg(long, env = "LOOM_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data folder; made if missing [env: LOOM_DATA=] [default: .loom]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Address to listen on [env: LOOM_LISTEN=] [default: 127.0.0.1:4100]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Certificate chain, PEM [env: LOOM_TLS_CERT=]
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// Private key of the certificate, PEM [env: LOOM_TLS_KEY=]
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Serve other machines without TLS: whoever is on the way reads tokens and data
    #[arg(long)]
    insecure_plaintext: bool,
    /// Send traces to this OpenTelemetry collector (OTLP over HTTP), such as http://127.0.0.1:4318
    /// [env: LOOM_OTLP_ENDPOINT=]
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// Threads that run actors [default: one per core]
    #[arg(long, value_name = "N")]
    shards: Option<String>,
    /// Waiting instances kept in memory; 0 replays every one that is needed again [default: 1000]
    #[arg(long, value_name = "N")]
    resident_instances_max: Option<String>,
    /// Folder with secrets for activities: the file NAME holds the secret NAME. Variables LOOM_SECRET_NAME of the
    /// environment are secrets too [env: LOOM_SECRETS=]
    #[arg(long, value_name = "DIR")]
    secrets: Option<String>,
    /// Let activities reach this host though it is in a private network (for development); may be repeated
    #[arg(long = "private-host", value_name = "HOST[:PORT]")]
    private_hosts: Vec<String>,
    /// Certificates (PEM) of further authorities that activities trust
    #[arg(long, value_name = "FILE")]
    extra_ca: Option<String>,
    /// Any setting, by its name in the configuration file; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
}

impl NodeArguments {
    /// The settings they lead to, with file, environment and defaults.
    pub(crate) fn settings(&self) -> Result<Sourced, CliError> {
        let environment =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        settings::read(self.config.as_deref(), environment, self.flags()?)
    }

    /// Name, value and the flag as it was written.
    fn flags(&self) -> Result<Vec<(String, String, String)>, CliError> {
        let mut flags = Vec::new();
        for set in &self.set {
            let invalid = || CliError::new("settings-invalid", format!("--set {set}: is not of the form NAME=VALUE"));
            let (name, value) = set.split_once('=').ok_or_else(invalid)?;
            flags.push((name.to_owned(), value.to_owned(), "--set".to_owned()));
        }
        let insecure_plaintext = self.insecure_plaintext.then(|| "true".to_owned());
        let private_hosts = (!self.private_hosts.is_empty()).then(|| self.private_hosts.join(","));
        for (name, value, flag) in [
            ("data", &self.data, "--data"),
            ("listen", &self.listen, "--listen"),
            ("tls_cert", &self.tls_cert, "--tls-cert"),
            ("tls_key", &self.tls_key, "--tls-key"),
            ("secrets", &self.secrets, "--secrets"),
            ("http.private_hosts", &private_hosts, "--private-host"),
            ("http.extra_ca", &self.extra_ca, "--extra-ca"),
            ("insecure_plaintext", &insecure_plaintext, "--insecure-plaintext"),
            ("otlp_endpoint", &self.otlp_endpoint, "--otlp-endpoint"),
            ("runtime.shards", &self.shards, "--shards"),
            ("runtime.resident_instances_max", &self.resident_instances_max, "--resident-instances-max"),
        ] {
            flags.extend(value.iter().map(|value| (name.to_owned(), value.clone(), flag.to_owned())));
        }
        Ok(flags)
    }
}
