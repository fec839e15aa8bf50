//! What the node's activities can reach, and where secrets come from.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use loom_http::{HttpClient, SystemResolver};
use loom_runtime::{Outside, SECRET_BYTES_MAX, SECRET_BYTES_MIN, SecretString, Secrets, causes};

use crate::{CliError, settings::NodeSettings};

/// What the names of environment variables with secrets begin with.
const VARIABLE: &str = "LOOM_SECRET_";

/// Reads the files and puts the outside together.
pub(crate) fn open(settings: &NodeSettings) -> Result<Outside, CliError> {
    let extra_ca = match &settings.extra_ca {
        Some(path) => std::fs::read(path).map_err(|error| CliError::file(path, error))?,
        None => Vec::new(),
    };
    let http = &settings.http;
    let private_hosts = http.private_hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
    let http = loom_http::Settings { private_hosts, extra_ca, ..http.clone() };
    let http = HttpClient::new(http, Arc::new(SystemResolver));
    let http = http.map_err(|error| CliError::new("settings-invalid", causes(&error)))?;
    let mut secrets = NodeSecrets::of_environment()?;
    if let Some(folder) = &settings.secrets {
        secrets.add_folder(folder)?;
    }
    Ok(Outside { http: Arc::new(http), secrets: Arc::new(secrets) })
}

/// Secrets as they were when the node started.
#[derive(Default)]
struct NodeSecrets(BTreeMap<String, SecretString>);

impl NodeSecrets {
    fn of_environment() -> Result<Self, CliError> {
        let mut secrets = Self::default();
        for (variable, value) in std::env::vars_os() {
            if let Some(name) = variable.to_str().and_then(|variable| variable.strip_prefix(VARIABLE)) {
                secrets.add(name, value.into_encoded_bytes())?;
            }
        }
        Ok(secrets)
    }

    fn add_folder(&mut self, folder: &Path) -> Result<(), CliError> {
        let unreadable = |error: std::io::Error| CliError::file(folder, error);
        for file in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = file.map_err(unreadable)?.path();
            // Mounted secrets come with hidden folders beside them.
            let name = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.'));
            if let Some(name) = name.filter(|_| path.is_file()) {
                self.add(name, std::fs::read(&path).map_err(|error| CliError::file(&path, error))?)?;
            }
        }
        Ok(())
    }

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
        let mut secrets = NodeSecrets::default();
        secrets.add_folder(folder.path()).unwrap();
        assert_eq!(secrets.get("API_KEY").unwrap().expose_secret(), "12345678");
        assert!(secrets.get(".hidden").is_none());
        std::fs::write(folder.path().join("SHORT"), "1234").unwrap();
        let error = format!("{:?}", secrets.add_folder(folder.path()).unwrap_err());
        assert!(error.contains("SHORT has 4 bytes") && !error.contains("1234"), "{error}");
    }
}
