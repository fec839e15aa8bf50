//! Which logs a witness watches, and where it remembers them.

use std::{collections::BTreeMap, path::PathBuf};

use loom_evidence::{KeyKind, PublicKey};
use secrecy::SecretString;
use url::Url;

use crate::limits::LOGS_MAX;

/// What a witness is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder with its key and its memory; made if missing.
    pub data: PathBuf,
    /// The name of its key. Without one a new key gets a random name, and a key that is there keeps its own.
    pub name: Option<String>,
    /// The logs that it cosigns.
    pub logs: Vec<WatchedLog>,
    /// Insist on reading the leaves of every log. Without it, those of the logs that have a `url` are read.
    pub monitor: bool,
}

/// A key of a log. The key's name is the log's origin; a log whose key was changed stands here once with each key.
#[derive(Clone, Debug)]
pub struct WatchedLog {
    /// What its checkpoints are signed with.
    pub key: PublicKey,
    /// Where its leaves are read, as tlog-tiles lays them out: `{url}/tile/entries/…`.
    pub url: Option<String>,
    /// A bearer token for reading them.
    pub token: Option<SecretString>,
}

/// Why settings make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSettings {
    /// A witness's key in the place of a log's.
    #[error("{key} is a witness's key, and no log's")]
    NotALog {
        /// The key.
        key: String,
    },
    /// A log without an address where every log's leaves are to be read.
    #[error("the log '{origin}' has no url to read its leaves from")]
    NoUrl {
        /// The log.
        origin: String,
    },
    /// An address that leaves cannot be read from.
    #[error("the url of the log '{origin}' is not one of http or https without a query")]
    Url {
        /// The log.
        origin: String,
    },
    /// Two addresses for one log.
    #[error("the log '{origin}' has two urls")]
    TwoUrls {
        /// The log.
        origin: String,
    },
    /// More logs than a witness watches.
    #[error("a witness watches at most {LOGS_MAX} logs")]
    TooMany,
}

/// A log under all its keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched {
    pub(crate) keys: Vec<PublicKey>,
    pub(crate) source: Option<Source>,
}

/// Where leaves are read.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) url: Url,
    pub(crate) token: Option<SecretString>,
}

impl Settings {
    /// The logs by origin.
    pub(crate) fn watched(&self) -> Result<BTreeMap<String, Watched>, InvalidSettings> {
        let mut all: BTreeMap<String, Watched> = BTreeMap::new();
        for log in &self.logs {
            if log.key.kind() != KeyKind::Log {
                return Err(InvalidSettings::NotALog { key: log.key.to_string() });
            }
            let origin = log.key.name();
            let watched = all.entry(origin.to_owned()).or_default();
            if !watched.keys.contains(&log.key) {
                watched.keys.push(log.key.clone());
            }
            let Some(text) = &log.url else { continue };
            let url = url(text).ok_or_else(|| InvalidSettings::Url { origin: origin.to_owned() })?;
            match &mut watched.source {
                Some(known) if known.url != url => {
                    return Err(InvalidSettings::TwoUrls { origin: origin.to_owned() });
                }
                Some(known) => known.token = known.token.take().or_else(|| log.token.clone()),
                None => watched.source = Some(Source { url, token: log.token.clone() }),
            }
        }
        if all.len() > LOGS_MAX {
            return Err(InvalidSettings::TooMany);
        }
        let unread = all.iter().find(|(_, watched)| self.monitor && watched.source.is_none());
        match unread {
            Some((origin, _)) => Err(InvalidSettings::NoUrl { origin: origin.clone() }),
            None => Ok(all),
        }
    }
}

/// An address to which paths are appended, with a slash at its end.
pub(crate) fn url(text: &str) -> Option<Url> {
    let url = Url::parse(&format!("{}/", text.trim_end_matches('/'))).ok()?;
    let is_plain = matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
    (is_plain && url.has_host()).then_some(url)
}

#[cfg(test)]
mod tests {
    use loom_evidence::SigningKey;

    use super::*;

    fn check(monitor: bool, logs: &[(&str, u8, Option<&str>)]) -> Result<Vec<(String, usize, Option<String>)>, String> {
        let log = |(name, secret, url): &(&str, u8, Option<&str>)| WatchedLog {
            key: SigningKey::from_secret(name, &[*secret; 32]).unwrap().public(),
            url: url.map(str::to_owned),
            token: None,
        };
        let settings = Settings { data: PathBuf::new(), name: None, logs: logs.iter().map(log).collect(), monitor };
        let watched = settings.watched().map_err(|error| error.to_string())?;
        let shown = |(origin, log): (String, Watched)| (origin, log.keys.len(), log.source.map(|it| it.url.into()));
        Ok(watched.into_iter().map(shown).collect())
    }

    #[test]
    fn keys_of_one_origin_are_one_log() {
        let log = |keys, url: Option<&str>| vec![("a".to_owned(), keys, url.map(str::to_owned))];
        assert_eq!(check(false, &[("a", 1, None), ("a", 2, None), ("a", 1, None)]), Ok(log(2, None)));
        let there = Some("https://a.example/log/");
        assert_eq!(check(true, &[("a", 1, Some("https://a.example/log")), ("a", 2, there)]), Ok(log(2, there)));
        assert_eq!(check(true, &[("a", 1, None), ("a", 2, there)]), Ok(log(2, there)));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused = |monitor, logs: &[_]| check(monitor, logs).unwrap_err();
        assert_eq!(refused(true, &[("a", 1, None)]), "the log 'a' has no url to read its leaves from");
        let two = [("a", 1, Some("https://a.example")), ("a", 2, Some("https://b.example"))];
        assert_eq!(refused(false, &two), "the log 'a' has two urls");
        for url in ["a.example", "ftp://a.example", "https://a.example/?q=1", "https://", "file:///etc", ""] {
            assert!(refused(false, &[("a", 1, Some(url))]).contains("is not one of http or https"), "{url}");
        }
        let witness = SigningKey::witness_from_secret("w", &[1; 32]).unwrap().public();
        let logs = vec![WatchedLog { key: witness.clone(), url: None, token: None }];
        let settings = Settings { data: PathBuf::new(), name: None, logs, monitor: false };
        assert_eq!(settings.watched().unwrap_err(), InvalidSettings::NotALog { key: witness.to_string() });
    }
}
