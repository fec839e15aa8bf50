//! What the node's activities can reach, and where secrets come from.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use loom_http::{HttpClient, SystemResolver};
use loom_runtime::{Outside, SECRET_BYTES_MAX, SECRET_BYTES_MIN, SecretString, Secrets, causes};
use loom_types::Namespace;

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
    let http = HttpClient::new(http, Arc::new(SystemResolver::default()));
    let http = http.map_err(|error| CliError::new("settings-invalid", causes(&error)))?;
    let mut secrets = NodeSecrets::of_environment()?;
    if let Some(folder) = &settings.secrets {
        secrets.add_folder(folder)?;
    }
    Ok(Outside { http: Arc::new(http), secrets: Arc::new(secrets) })
}

/// Secrets as they were when the node started, by namespace and name.
#[derive(Default)]
struct NodeSecrets(BTreeMap<String, BTreeMap<String, SecretString>>);

impl NodeSecrets {
    /// The environment's are those of the default namespace.
    fn of_environment() -> Result<Self, CliError> {
        let mut secrets = Self::default();
        let namespace = Namespace::default();
        for (variable, value) in std::env::vars_os() {
            if let Some(name) = variable.to_str().and_then(|variable| variable.strip_prefix(VARIABLE)) {
                secrets.add(&namespace, name, value.into_encoded_bytes())?;
            }
        }
        Ok(secrets)
    }

    /// Files are secrets of the default namespace; a folder inside holds those of the namespace it is named after.
    fn add_folder(&mut self, folder: &Path) -> Result<(), CliError> {
        for folder in self.add_files(&Namespace::default(), folder)? {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            let namespace = name.parse().map_err(|_| {
                let problem = format!("{}: '{name}' is no name of a namespace", folder.display());
                CliError::new("secret-invalid", problem)
            })?;
            if let Some(inner) = self.add_files(&namespace, &folder)?.first() {
                let problem = format!("{}: a namespace's folder has files only", inner.display());
                return Err(CliError::new("secret-invalid", problem));
            }
        }
        Ok(())
    }

    /// Adds what files hold, and names the folders that are beside them.
    fn add_files(&mut self, namespace: &Namespace, folder: &Path) -> Result<Vec<PathBuf>, CliError> {
        let mut folders = Vec::new();
        let unreadable = |error: std::io::Error| CliError::file(folder, error);
        for file in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = file.map_err(unreadable)?.path();
            // Mounted secrets come with hidden folders beside them.
            let name = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.'));
            match name {
                Some(_) if path.is_dir() => folders.push(path),
                Some(name) if path.is_file() => {
                    let value = std::fs::read(&path).map_err(|error| CliError::file(&path, error))?;
                    self.add(namespace, name, value)?;
                }
                _ => {}
            }
        }
        Ok(folders)
    }

    /// Adds one. Files end with a line feed that is none of theirs. The error does not show the value.
    fn add(&mut self, namespace: &Namespace, name: &str, mut value: Vec<u8>) -> Result<(), CliError> {
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
        self.0.entry(namespace.to_string()).or_default().insert(name.to_owned(), value.into());
        Ok(())
    }
}

impl Secrets for NodeSecrets {
    fn get(&self, namespace: &str, name: &str) -> Option<SecretString> {
        self.0.get(namespace)?.get(name).cloned()
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
        std::fs::create_dir(folder.path().join("tenant-a")).unwrap();
        std::fs::write(folder.path().join("tenant-a/API_KEY"), "abcdefgh").unwrap();
        let mut secrets = NodeSecrets::default();
        secrets.add_folder(folder.path()).unwrap();
        assert_eq!(secrets.get("default", "API_KEY").unwrap().expose_secret(), "12345678");
        assert_eq!(secrets.get("tenant-a", "API_KEY").unwrap().expose_secret(), "abcdefgh");
        assert!(secrets.get("tenant-b", "API_KEY").is_none());
        assert!(secrets.get("default", ".hidden").is_none());
        std::fs::write(folder.path().join("SHORT"), "1234").unwrap();
        let error = format!("{:?}", secrets.add_folder(folder.path()).unwrap_err());
        assert!(error.contains("SHORT has 4 bytes") && !error.contains("1234"), "{error}");
    }
}
