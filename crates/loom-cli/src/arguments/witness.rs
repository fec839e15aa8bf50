//! Arguments of `loom witness`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Subcommand;

/// `loom witness`
#[derive(Debug, Subcommand)]
pub enum Witness {
    /// Cosign the checkpoints of logs, as long as each extends the one before (C2SP tlog-witness)
    Serve {
        /// A log to watch, with commas between: its public key, or a file that holds it; where its leaves are read, of
        /// a node NODE/v1/log; and a file with a token for that. Repeat for more
        #[arg(long = "log", value_name = "KEY[,URL[,@FILE]]", required = true)]
        logs: Vec<String>,
        /// Read the leaves of every log, so every log needs a URL. Without, those of logs with a URL are read
        #[arg(long)]
        monitor: bool,
        /// The name of the witness's key, best a host name and a path. A random one without
        #[arg(long)]
        name: Option<String>,
        /// Address to listen on
        #[arg(long, default_value = "127.0.0.1:4101")]
        listen: SocketAddr,
        /// The witness's folder, with its key and its memory
        #[arg(long, value_name = "DIR", default_value = ".loom-witness")]
        data: PathBuf,
    },
    /// Show what a witness has cosigned and what it refused
    Status {
        /// The witness's folder
        #[arg(long, value_name = "DIR", default_value = ".loom-witness")]
        data: PathBuf,
        /// Print one JSON object per log
        #[arg(long)]
        json: bool,
    },
}
