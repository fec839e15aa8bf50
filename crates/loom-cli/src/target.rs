//! Whom a command talks to: a running node, or a data folder that nobody has open.

use std::path::{Path, PathBuf};

use clap::Args;
use loom_client::{Client, Connection, Secret};

use crate::{
    CliError,
    node::{Exposure, ServingNode},
    settings::NodeSettings,
};

/// Which node, as whom, about which namespace.
#[derive(Clone, Debug, Args)]
pub struct TargetArguments {
    /// Address of a running node
    #[arg(long, env = "LOOM_URL", default_value = "http://127.0.0.1:4100", global = true)]
    url: String,
    /// Open this data folder instead of talking to a running node
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
    /// Namespace to work in
    #[arg(long, env = "LOOM_NAMESPACE", value_name = "NAME", global = true)]
    namespace: Option<String>,
    /// Bearer token; better @FILE, for other processes of this machine can read arguments
    #[arg(
        id = "bearer",
        long = "token",
        env = "LOOM_TOKEN",
        hide_env_values = true,
        value_name = "@FILE|TOKEN",
        global = true
    )]
    token: Option<Secret<String>>,
    /// Certificates (PEM) to trust instead of the system's
    #[arg(long, env = "LOOM_CA", value_name = "FILE", global = true)]
    ca: Option<PathBuf>,
}

/// A client, and the node behind it if it is our own.
pub(crate) struct Target {
    pub(crate) client: Client,
    own: Option<ServingNode>,
}

impl Target {
    pub(crate) async fn open(arguments: &TargetArguments) -> Result<Self, CliError> {
        match &arguments.data {
            None => Self::remote(arguments),
            Some(data) if !data.join("loom.db").exists() => {
                Err(CliError::new("data-folder", format!("{} is not a data folder of loom", data.display())))
            }
            Some(data) => Self::folder(data, arguments).await,
        }
    }

    /// The same, but a data folder that is missing is made.
    pub(crate) async fn open_or_make(arguments: &TargetArguments) -> Result<Self, CliError> {
        match &arguments.data {
            None => Self::remote(arguments),
            Some(data) => Self::folder(data, arguments).await,
        }
    }

    fn remote(arguments: &TargetArguments) -> Result<Self, CliError> {
        let ca = arguments.ca.as_deref().map(read).transpose()?;
        let token = arguments.token.as_ref().map(token).transpose()?;
        let connection = Connection { url: arguments.url.clone(), namespace: arguments.namespace.clone(), token, ca };
        Ok(Self { client: Client::connect(connection)?, own: None })
    }

    /// The same interface over a port of our own: one way to do everything. Whoever can open the folder needs no
    /// token of it; the port asks for one that only this process knows.
    async fn folder(data: &Path, arguments: &TargetArguments) -> Result<Self, CliError> {
        let mut settings = NodeSettings::new(data);
        settings.listen.set_port(0);
        let own = ServingNode::start(settings, Exposure::ThisProcess).await?;
        let connection = Connection {
            url: own.url(),
            namespace: arguments.namespace.clone(),
            token: own.own_token.clone(),
            ca: None,
        };
        Ok(Self { client: Client::connect(connection)?, own: Some(own) })
    }

    pub(crate) async fn close(self) {
        if let Some(own) = self.own {
            own.shutdown().await;
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|error| CliError::file(path, error))
}

/// `@FILE` names a file with the token; anything else is one.
fn token(argument: &Secret<String>) -> Result<Secret<String>, CliError> {
    match argument.expose().strip_prefix('@') {
        Some(path) => token_of(Path::new(path)),
        None => Ok(argument.clone()),
    }
}

/// The token in a file.
pub(crate) fn token_of(path: &Path) -> Result<Secret<String>, CliError> {
    let text = String::from_utf8(read(path)?).map_err(|_| CliError::file(path, "is not text"))?;
    Ok(Secret::new(text.trim().to_owned()))
}
