//! Arguments of `loom notary` and `loom notarize`.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use loom_client::Secret;
use loom_notary::{Allowed, KeyAlgorithm, Layout, Pointer};

/// `loom notary`
#[derive(Debug, Subcommand)]
pub enum Notary {
    /// Fetch for others what is allowed, and sign what was said. The notary sees all of it, credentials included
    Serve(ServeNotary),
    /// Make the notary's key if there is none yet, and print its public half
    Key {
        /// The file with the secret half
        #[arg(long, value_name = "FILE", default_value = "notary.key")]
        key: PathBuf,
        /// The curve of a new key
        #[arg(long, default_value = "secp256k1")]
        curve: Curve,
    },
    /// Make a token for a client, and print it. The notary knows it from its next start on
    Token {
        /// Whose it is
        name: String,
        /// The notary's tokens
        #[arg(long, value_name = "FILE", default_value = "notary.tokens")]
        tokens: PathBuf,
    },
}

/// `loom notary serve`
#[derive(Debug, Args)]
pub struct ServeNotary {
    /// What is fetched, `[METHOD ]https://HOST[:PORT][/PATH]`, with everything below the path. Repeat for more
    #[arg(long = "allow", value_name = "PATTERN", required = true)]
    pub allowed: Vec<Allowed>,
    /// A host that may be in a network that is not public, as HOST or HOST:PORT. Repeat for more
    #[arg(long = "allow-private", value_name = "HOST")]
    pub private_hosts: Vec<String>,
    /// The file with the secret half of the notary's key; made by `loom notary key`
    #[arg(long, value_name = "FILE", default_value = "notary.key")]
    pub key: PathBuf,
    /// An authority that is trusted instead of Mozilla's list: a file in PEM or DER; give it again for each
    #[arg(long = "root", value_name = "FILE")]
    pub roots: Vec<PathBuf>,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:4102")]
    pub listen: SocketAddr,
    /// The tokens of clients; made by `loom notary token`
    #[arg(long, value_name = "FILE", default_value = "notary.tokens")]
    pub tokens: PathBuf,
    /// Certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Serve other machines without TLS, because something else encrypts
    #[arg(long)]
    pub insecure_plaintext: bool,
}

/// `loom notarize`
#[derive(Debug, Args)]
pub struct Notarize {
    /// What to fetch: https, from a host with a name
    pub url: String,
    /// A notary to ask
    #[arg(long, value_name = "URL", env = "LOOM_NOTARY", required_unless_present = "key")]
    pub notary: Option<String>,
    /// Be the notary, with this key, and ask no other
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Bearer token for the notary; better @FILE, for other processes of this machine can read arguments
    #[arg(long, env = "LOOM_NOTARY_TOKEN", hide_env_values = true, value_name = "@FILE|TOKEN")]
    pub notary_token: Option<Secret<String>>,
    /// Certificates (PEM) to trust for reaching the notary instead of the system's
    #[arg(long, value_name = "FILE", requires = "notary")]
    pub notary_ca: Option<PathBuf>,
    /// The public key that the notary must have, in hexadecimal
    #[arg(long, value_name = "HEX", requires = "notary")]
    pub notary_key: Option<String>,
    /// A header field, `NAME: VALUE`. Those that are known to hold credentials are never disclosed. Repeat for more
    #[arg(long = "header", value_name = "FIELD")]
    pub headers: Vec<Secret<String>>,
    /// A header field whose value is in a variable of the environment, NAME=VARIABLE. It is never disclosed
    #[arg(long = "header-env", value_name = "NAME=VARIABLE")]
    pub env_headers: Vec<String>,
    /// Send this with POST: text, @FILE, or - for standard input
    #[arg(long, value_name = "TEXT")]
    pub body: Option<Secret<String>>,
    /// Never disclose what stands after the question mark of the URL
    #[arg(long)]
    pub seal_query: bool,
    /// Never disclose the body that is sent
    #[arg(long, requires = "body")]
    pub seal_body: bool,
    /// Of the answer's values disclose only what is at this JSON pointer. Repeat for more
    #[arg(long = "disclose", value_name = "POINTER", conflicts_with = "hidden")]
    pub disclosed: Vec<Pointer>,
    /// Do not disclose what is at this JSON pointer. Repeat for more
    #[arg(long = "hide", value_name = "POINTER")]
    pub hidden: Vec<Pointer>,
    /// Leave out the server's certificates, which show who it was
    #[arg(long)]
    pub hide_server: bool,
    /// Whose verifiers are to read the file
    #[arg(long, default_value = "alpha.15")]
    pub layout: LayoutName,
    /// An authority that is trusted instead of Mozilla's list: a file in PEM or DER; give it again for each
    #[arg(long = "root", value_name = "FILE")]
    pub roots: Vec<PathBuf>,
    /// With --key: the host may be in a network that is not public
    #[arg(long, requires = "key")]
    pub allow_private: bool,
    /// File to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Curves of keys.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Curve {
    /// What most notaries use
    Secp256k1,
    /// NIST's P-256
    Secp256r1,
}

impl From<Curve> for KeyAlgorithm {
    fn from(curve: Curve) -> Self {
        match curve {
            Curve::Secp256k1 => KeyAlgorithm::K256,
            Curve::Secp256r1 => KeyAlgorithm::P256,
        }
    }
}

/// Layouts of files.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LayoutName {
    /// TLSNotary 0.1.0-alpha.15, which `loom tlsn` reads
    #[value(name = "alpha.15")]
    Alpha15,
    /// TLSNotary 0.1.0-alpha.12
    #[value(name = "alpha.12")]
    Alpha12,
}

impl From<LayoutName> for Layout {
    fn from(name: LayoutName) -> Self {
        match name {
            LayoutName::Alpha15 => Layout::Alpha15,
            LayoutName::Alpha12 => Layout::Alpha12,
        }
    }
}
