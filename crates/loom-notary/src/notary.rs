//! The notary: from a request to an attestation.

use std::sync::Arc;

use loom_tlsnotary::{Layout, Presentation, presentation::VerifyingKey};
use tokio::sync::Semaphore;

use crate::{
    Allowed, InvalidSettings, NotarizeError, Outside, Request, Settings, SigningKey,
    attest::{Said, Session, attest},
    fetch, limits, pieces,
    tls::Tls,
};

/// A notary that makes the connection itself. Cheap to clone.
#[derive(Clone)]
pub struct Notary(Arc<Inner>);

struct Inner {
    key: SigningKey,
    settings: Settings,
    outside: Outside,
    tls: Tls,
    permits: Semaphore,
}

impl Notary {
    /// A notary with this key.
    pub fn new(key: SigningKey, settings: Settings, outside: Outside) -> Result<Self, InvalidSettings> {
        settings.check()?;
        let tls = Tls::new(settings.roots.store()?)?;
        let permits = Semaphore::new(limits::FETCHES_MAX);
        Ok(Self(Arc::new(Inner { key, settings, outside, tls, permits })))
    }

    /// What its signatures are verified with.
    pub fn public_key(&self) -> VerifyingKey {
        self.0.key.public()
    }

    /// The same in hexadecimal.
    pub fn public_key_text(&self) -> String {
        self.0.key.public_text()
    }

    /// What it fetches.
    pub fn allowed(&self) -> &[Allowed] {
        &self.0.settings.allowed
    }

    /// Fetches, and attests to what was said. All of it is disclosed, but for credentials, which nothing can disclose
    /// any more.
    pub async fn notarize(&self, request: &Request, layout: Layout) -> Result<Presentation, NotarizeError> {
        let Inner { key, settings, outside, tls, permits } = &*self.0;
        let target = request.target()?;
        let draft = request.draft(&target)?;
        if !settings.allowed.iter().any(|allowed| allowed.matches(&target)) {
            return Err(NotarizeError::NotAllowed { method: target.method.name(), url: target.shown() });
        }
        let _permit = permits.try_acquire().map_err(|_| NotarizeError::Busy)?;
        let fetched = fetch::fetch(tls, settings, outside, &target, draft.bytes()).await;
        let fetched = fetched.map_err(|source| NotarizeError::Fetch { url: target.shown(), source })?;
        let sealed = request.sealed(&target);
        let session = Session {
            time: fetched.time,
            server_name: &target.host,
            sent: Said { bytes: draft.bytes(), pieces: pieces::of_request(&draft, &sealed) },
            received: Said {
                pieces: pieces::of_response(&fetched.received, &fetched.response, &sealed),
                bytes: &fetched.received,
            },
            handshake: fetched.handshake,
        };
        Ok(attest(session, key, layout, &*outside.random))
    }
}
