//! What is true of a presentation that holds, and that its reader should know before relying on it.

use super::{Transcript, identity::Known};
use crate::{
    http::{Host, host},
    presentation::Extension,
};

/// Extension that says how a notary of Loom's came to know what it states.
pub const MODE_EXTENSION: &str = "loom.mode";
/// The notary made the connection itself.
pub const MODE_TRUSTED_FETCH: &str = "trusted-fetch";

/// What a reader should know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// The server is not known.
    #[error("it does not disclose who the server was")]
    NoIdentity,
    /// Any host that the pattern fits can have been asked.
    #[error("the certificate covers the name by a pattern only (*.…): the server was one of those that it fits")]
    WildcardCertificate,
    /// The server was asked as another.
    #[error("the request's Host is {host:?}, another than the server's name")]
    HostDiffers {
        /// What the request says.
        host: String,
    },
    /// As which host the server was asked is hidden, or stands after something hidden.
    #[error("the request's Host is not disclosed: the certificate's owner may have been asked as another host")]
    HostUndisclosed,
    /// There is no transcript.
    #[error("nothing of what was said is disclosed")]
    NothingDisclosed,
    /// The notary knows the text and the credentials, and is believed for every byte.
    #[error("trusted-fetch: the notary made the connection itself and is believed for every byte; this is no MPC-TLS")]
    TrustedFetch,
    /// A mode that is not known here.
    #[error("the notary says that it worked in a mode that is not known here: {mode:?}")]
    UnknownMode {
        /// What it says.
        mode: String,
    },
}

impl Finding {
    /// A word that stays the same.
    pub fn code(&self) -> &'static str {
        match self {
            Finding::NoIdentity => "no-identity",
            Finding::WildcardCertificate => "wildcard-certificate",
            Finding::HostDiffers { .. } => "host-differs",
            Finding::HostUndisclosed => "host-undisclosed",
            Finding::NothingDisclosed => "nothing-disclosed",
            Finding::TrustedFetch => "trusted-fetch",
            Finding::UnknownMode { .. } => "unknown-mode",
        }
    }
}

pub(super) fn of(identity: Option<&Known>, transcript: Option<&Transcript>, extensions: &[Extension]) -> Vec<Finding> {
    let mut findings = Vec::new();
    match identity {
        None => findings.push(Finding::NoIdentity),
        Some(known) => {
            if known.is_by_wildcard {
                findings.push(Finding::WildcardCertificate);
            }
            findings.extend(transcript.and_then(|transcript| asked_as(transcript, &known.name)));
        }
    }
    let is_disclosed =
        |transcript: &Transcript| !(transcript.sent.ranges().is_empty() && transcript.received.ranges().is_empty());
    if !transcript.is_some_and(is_disclosed) {
        findings.push(Finding::NothingDisclosed);
    }
    let modes = extensions.iter().filter(|extension| extension.id == MODE_EXTENSION.as_bytes());
    findings.extend(modes.map(|extension| match &extension.value[..] {
        value if value == MODE_TRUSTED_FETCH.as_bytes() => Finding::TrustedFetch,
        value => Finding::UnknownMode { mode: String::from_utf8_lossy(value).chars().take(64).collect() },
    }));
    findings
}

fn asked_as(transcript: &Transcript, name: &str) -> Option<Finding> {
    match host(&transcript.sent, name) {
        Host::Same => None,
        Host::Other(host) => Some(Finding::HostDiffers { host }),
        Host::Undisclosed => Some(Finding::HostUndisclosed),
    }
}
