//! Reading a log's leaves, in the bundles of C2SP tlog-tiles.
//!
//! Nothing that is read here is believed: whoever reads hashes the leaves up to a root that the log signed.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use loom_evidence::{Leaf, TILE_HASHES, TileName};
use reqwest::{Client, StatusCode, header::AUTHORIZATION};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::limits::{BUNDLE_BYTES_MAX, BUNDLE_TIMEOUT};

/// How long it may take until a connection to a log stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Where a log's leaves come from.
#[async_trait]
pub trait Leaves: Send + Sync + 'static {
    /// The bundle of the leaves from `256 * index` on, as long as a log of a certain size has it: `width` leaves, 256
    /// or fewer. A log that has grown since may give all 256.
    async fn bundle(&self, index: u64, width: u32) -> Result<Bytes, LeavesError>;
}

/// Why leaves could not be read. Nothing is known about the log then, and asking again may help.
#[derive(Debug, thiserror::Error)]
pub enum LeavesError {
    /// Nobody answers, or not in time, or not to the end.
    #[error("there is no answer")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is no.
    #[error("the answer has status {0}")]
    Status(u16),
    /// More than a bundle can have.
    #[error("a bundle has more than {BUNDLE_BYTES_MAX} bytes")]
    TooLarge,
    /// Not the leaves that it should hold.
    #[error("bundle {index} is not {width} leaves, each after its length")]
    Malformed {
        /// The bundle.
        index: u64,
        /// How many leaves were asked for.
        width: u32,
    },
}

/// Splits a bundle. One with all 256 leaves will do where fewer were asked for.
pub(crate) fn split(bundle: &[u8], index: u64, width: u32) -> Result<Vec<Leaf>, LeavesError> {
    let malformed = || LeavesError::Malformed { index, width };
    let (mut leaves, mut rest) = (Vec::new(), bundle);
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length));
        let (bytes, behind) = behind.split_at_checked(length).ok_or_else(malformed)?;
        leaves.push(Leaf::decode(bytes).map_err(|_| malformed())?);
        rest = behind;
    }
    let count = leaves.len() as u64;
    if !rest.is_empty() || (count != u64::from(width) && count != TILE_HASHES) {
        return Err(malformed());
    }
    leaves.truncate(width as usize);
    Ok(leaves)
}

/// A log's leaves over HTTP.
#[derive(Clone, Debug)]
pub struct HttpLeaves {
    http: Client,
    /// With a slash at its end.
    url: Url,
    token: Option<SecretString>,
}

impl HttpLeaves {
    /// Reads below `url`, whose path ends in a slash.
    pub(crate) fn new(url: Url, token: Option<SecretString>) -> Self {
        crate::client::use_ring();
        let http = Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(BUNDLE_TIMEOUT);
        // A redirect could carry the token elsewhere.
        let http = http.redirect(reqwest::redirect::Policy::none());
        let http = http.build().expect("a client without certificates can be built");
        Self { http, url, token }
    }

    async fn get(&self, index: u64, width: u32) -> Result<Bytes, LeavesError> {
        let path = TileName { level: None, index, width }.path();
        let url = self.url.join(&path).expect("a path of digits can be appended");
        let mut request = self.http.get(url);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose_secret()));
        }
        // Addresses may hold passwords: errors do without.
        let unreachable = |error: reqwest::Error| LeavesError::Unreachable(error.without_url().into());
        let mut response = request.send().await.map_err(unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(LeavesError::Status(response.status().as_u16()));
        }
        let mut bytes = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > BUNDLE_BYTES_MAX {
                return Err(LeavesError::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }
}

#[async_trait]
impl Leaves for HttpLeaves {
    async fn bundle(&self, index: u64, width: u32) -> Result<Bytes, LeavesError> {
        let full = TILE_HASHES as u32;
        match self.get(index, width).await {
            // Once a bundle is full, its beginnings need not be served any more.
            Err(LeavesError::Status(404)) if width < full => self.get(index, full).await,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use loom_types::{Cid, Codec, SequenceNumber};

    use super::*;

    fn bundle(count: u64) -> Vec<u8> {
        let head = Cid::of(Codec::DagCbor, b"head");
        let leaf = |seq| Leaf { actor: [7; 32], seq: SequenceNumber(seq), head }.encode();
        let framed = |bytes: Vec<u8>| [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat();
        (0..count).flat_map(|seq| framed(leaf(seq))).collect()
    }

    #[test]
    fn a_bundle_has_as_many_leaves_as_it_should() {
        assert_eq!(split(&bundle(3), 0, 3).unwrap().len(), 3);
        assert_eq!(split(&bundle(256), 0, 256).unwrap().len(), 256);
        assert_eq!(split(&bundle(256), 0, 3).unwrap().len(), 3, "it became full meanwhile");
        for (bytes, width) in [(bundle(2), 3), (bundle(4), 3), (bundle(257), 256), (bundle(0), 1), (bundle(255), 256)] {
            assert!(split(&bytes, 0, width).is_err(), "{} for {width}", bytes.len());
        }
    }

    #[test]
    fn a_bundle_that_is_cut_or_changed_anywhere_is_no_bundle() {
        let whole = bundle(2);
        for end in 0..whole.len() {
            assert!(split(&whole[..end], 0, 2).is_err(), "{end}");
        }
        assert!(split(&[&whole[..], &[0]].concat(), 0, 2).is_err());
        let mut longer = whole.clone();
        longer[1] += 1;
        assert!(split(&longer, 0, 2).is_err());
    }
}
