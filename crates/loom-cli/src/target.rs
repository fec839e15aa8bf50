//! Whom a command talks to: a running node, or a data folder that nobody has open.

use std::path::PathBuf;

use clap::Args;
use loom_client::Client;

use crate::{
    CliError,
    node::{NodeSettings, ServingNode},
};

/// Which node.
#[derive(Clone, Debug, Args)]
pub struct TargetArguments {
    /// Address of a running node
    #[arg(long, env = "LOOM_URL", default_value = "http://127.0.0.1:4100", global = true)]
    url: String,
    /// Open this data folder instead of talking to a running node
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
}

/// A client, and the node behind it if it is our own.
pub(crate) struct Target {
    pub(crate) client: Client,
    own: Option<ServingNode>,
}

impl Target {
    pub(crate) async fn open(arguments: &TargetArguments) -> Result<Self, CliError> {
        let Some(data) = &arguments.data else {
            return Ok(Self { client: Client::new(&arguments.url), own: None });
        };
        if !data.join("loom.db").exists() {
            return Err(CliError::new("data-folder", format!("{} is not a data folder of loom", data.display())));
        }
        // The same interface over a port of our own: one way to do everything.
        let listen = "127.0.0.1:0".parse().expect("an address");
        let own = ServingNode::start(NodeSettings::new(data), listen).await?;
        Ok(Self { client: Client::new(&format!("http://{}", own.address)), own: Some(own) })
    }

    pub(crate) async fn close(self) {
        if let Some(own) = self.own {
            own.shutdown().await;
        }
    }
}
