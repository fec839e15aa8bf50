//! From what was said to what is signed: commitments, fields, a root and the notary's signature.
//!
//! What comes out discloses every piece. Its holder leaves out what is nobody's business
//! ([`disclose`](crate::disclose())); the openings that go are all that would show it.

use loom_tlsnotary::{
    Layout, RangeSet, hashing,
    presentation::{
        Body, CertificateOpening, Commitment, ConnectionInfo, Direction, Extension, Field, HashAlgorithm, Header,
        Identity, MerkleProof, Opening, Presentation, TlsVersion, TranscriptProof, TypedHash,
    },
};

use crate::{Random, SigningKey, disclose::gather, tls::Handshake};

/// The extension that says how the notary knows what it attests to.
pub const MODE: &str = "loom.mode";
/// The notary made the connection itself: it read everything, and could have written anything.
pub const TRUSTED_FETCH: &str = "trusted-fetch";

/// How everything is hashed.
const HASH: HashAlgorithm = HashAlgorithm::Sha256;

/// A session, as the notary saw it.
pub(crate) struct Session<'a> {
    pub(crate) time: u64,
    pub(crate) server_name: &'a str,
    pub(crate) handshake: Handshake,
    pub(crate) sent: Said<'a>,
    pub(crate) received: Said<'a>,
}

/// One direction of a session.
pub(crate) struct Said<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) pieces: Vec<RangeSet>,
}

/// Signs what the session was, and discloses all of its pieces.
pub(crate) fn attest(session: Session<'_>, key: &SigningKey, layout: Layout, random: &dyn Random) -> Presentation {
    let Session { time, server_name, handshake, sent, received } = session;
    let opening = CertificateOpening {
        certificates: handshake.certificates,
        signature: handshake.signature,
        binding: handshake.binding,
        blinder: random.draw(),
    };
    let (mut commitments, mut openings) = (Vec::new(), Vec::new());
    for (direction, said) in [(Direction::Sent, &sent), (Direction::Received, &received)] {
        for ranges in &said.pieces {
            let (commitment, opening) = commit(direction, said.bytes, ranges, random.draw());
            commitments.push(commitment);
            openings.push(opening);
        }
    }
    let length = |said: &Said<'_>| u32::try_from(said.bytes.len()).expect("requests and responses are bounded");
    let mut fields = Fields(0);
    let body = Body {
        verifying_key: fields.next(key.public()),
        connection: fields.next(ConnectionInfo {
            time,
            version: TlsVersion::V12,
            sent: length(&sent),
            received: length(&received),
        }),
        server_ephemeral_key: fields.next(opening.binding.server_ephemeral_key.clone()),
        certificate_commitment: fields.next(loom_tlsnotary::presentation::CertificateCommitment(
            hashing::certificate_commitment(HASH, &opening, layout),
        )),
        extensions: vec![fields.next(Extension { id: MODE.into(), value: TRUSTED_FETCH.into() })],
        commitments: commitments.into_iter().map(|commitment| fields.next(commitment)).collect(),
    };
    let header = Header { id: random.draw(), version: 0, root: hashing::root(HASH, &body, layout) };
    Presentation {
        signature: key.sign(&hashing::signed_message(&header)),
        header,
        body,
        proof: MerkleProof { algorithm: HASH, leaf_count: u64::from(fields.0), hashes: Vec::new() },
        identity: Some(Identity { name: server_name.to_owned(), opening }),
        transcript: Some(disclosed(&sent, &received, openings)),
    }
}

/// Numbers fields in their order.
struct Fields(u32);

impl Fields {
    fn next<T>(&mut self, data: T) -> Field<T> {
        let id = self.0;
        self.0 += 1;
        Field { id, data }
    }
}

fn commit(direction: Direction, bytes: &[u8], ranges: &RangeSet, blinder: [u8; 16]) -> (Commitment, Opening) {
    let value = hashing::hash(HASH, &[&gather(bytes, ranges), &blinder]);
    let hash = TypedHash { algorithm: HASH, value };
    let opening = Opening { direction, ranges: ranges.clone(), algorithm: HASH, blinder };
    (Commitment { direction, ranges: ranges.clone(), hash }, opening)
}

/// Everything that is in a piece.
fn disclosed(sent: &Said<'_>, received: &Said<'_>, openings: Vec<Opening>) -> TranscriptProof {
    let all = |said: &Said<'_>| RangeSet::union(said.pieces.iter().flat_map(|piece| piece.as_slice()).cloned());
    let (sent_ranges, received_ranges) = (all(sent), all(received));
    TranscriptProof {
        sent: gather(sent.bytes, &sent_ranges),
        received: gather(received.bytes, &received_ranges),
        sent_ranges,
        received_ranges,
        sent_total: sent.bytes.len() as u64,
        received_total: received.bytes.len() as u64,
        openings,
    }
}
