//! What the node's activities can reach: settings, and where secrets come from.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use clap::Args;
use loom_http::{HttpClient, SystemResolver};
use loom_runtime::{Outside, SECRET_BYTES_MAX, SECRET_BYTES_MIN, SecretString, Secrets, causes};

use crate::CliError;

/// What the names of environment variables with secrets begin with.
const VARIABLE: &str = "LOOM_SECRET_";

/// The outside of a node.
#[derive(Args, Clone, Debug, Default)]
pub struct OutsideSettings {
    /// Folder with secrets for activities: the file NAME holds the secret NAME. Variables LOOM_SECRET_NAME of the
    /// environment are secrets too
    #[arg(long = "secrets", env = "LOOM_SECRETS", value_name = "DIR")]
    pub secrets_folder: Option<PathBuf>,
    /// Let activities reach this host though it is in a private network, as HOST or HOST:PORT (for development)
    #[arg(long = "private-host", env = "LOOM_PRIVATE_HOSTS", value_name = "HOST", value_delimiter = ',')]
    pub private_hosts: Vec<String>,
    /// File with certificates (PEM) of further authorities that activities trust
    #[arg(long = "extra-ca", env = "LOOM_EXTRA_CA", value_name = "FILE")]
    pub extra_ca: Option<PathBuf>,
}

impl OutsideSettings {
    /// Reads the files and puts the outside together.
    pub(crate) fn open(&self) -> Result<Outside, CliError> {
        let extra_ca = match &self.extra_ca {
            Some(path) => std::fs::read(path).map_err(|error| CliError::file(path, error))?,
            None => Vec::new(),
        };
        let private_hosts = self.private_hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        let settings = loom_http::Settings { private_hosts, extra_ca, ..loom_http::Settings::default() };
        let http = HttpClient::new(settings, Arc::new(SystemResolver));
        let http = http.map_err(|error| CliError::new("config-invalid", causes(&error)))?;
        Ok(Outside { http: Arc::new(http), secrets: Arc::new(self.secrets()?) })
    }

    fn secrets(&self) -> Result<NodeSecrets, CliError> {
        let mut secrets = NodeSecrets::default();
        for (variable, value) in std::env::vars_os() {
            if let Some(name) = variable.to_str().and_then(|variable| variable.strip_prefix(VARIABLE)) {
                secrets.add(name, value.into_encoded_bytes())?;
            }
        }
        let Some(folder) = &self.secrets_folder else { return Ok(secrets) };
        let unreadable = |error: std::io::Error| CliError::file(folder, error);
        for file in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = file.map_err(unreadable)?.path();
            // Mounted secrets come with hidden folders beside them.
            let name = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.'));
            if let Some(name) = name.filter(|_| path.is_file()) {
                secrets.add(name, std::fs::read(&path).map_err(|error| CliError::file(&path, error))?)?;
            }
        }
        Ok(secrets)
    }
}

/// Secrets as they were when the node started.
#[derive(Default)]
struct NodeSecrets(BTreeMap<String, SecretString>);

impl NodeSecrets {
    /// Adds one. Files end with a line feed that is none of theirs. The error does not show the value.
    fn add(&mut self, name: &str, mut value: Vec<u8>) -> Result<(), CliError> {
        while value.last().is_some_and(|last| b"\r\n".contains(last)) {
            value.pop();
        }
        let invalid = |problem: String| CliError::new("secret-invalid", format!("the secret {name} {problem}"));
        let value = String::from_utf8(value).map_err(|_| invalid("is not UTF-8 text".into()))?;
        if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&value.len()) {
            let bytes = value.len();
            let range = format!("has {bytes} bytes; from {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} can be kept secret");
            return Err(invalid(range));
        }
        self.0.insert(name.to_owned(), value.into());
        Ok(())
    }
}

impl Secrets for NodeSecrets {
    fn get(&self, name: &str) -> Option<SecretString> {
        self.0.get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use loom_runtime::ExposeSecret as _;

    use super::*;

    #[test]
    fn files_of_a_folder_are_secrets() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("API_KEY"), "12345678\n").unwrap();
        std::fs::write(folder.path().join(".hidden"), "x").unwrap();
        std::fs::create_dir(folder.path().join("..data")).unwrap();
        let settings = OutsideSettings { secrets_folder: Some(folder.path().into()), ..OutsideSettings::default() };
        let secrets = settings.secrets().unwrap();
        assert_eq!(secrets.get("API_KEY").unwrap().expose_secret(), "12345678");
        assert!(secrets.get(".hidden").is_none());
        std::fs::write(folder.path().join("SHORT"), "1234").unwrap();
        let error = format!("{:?}", settings.secrets().map(drop).unwrap_err());
        assert!(error.contains("SHORT has 4 bytes") && !error.contains("1234"), "{error}");
    }
}
