//! Whether a presentation holds, and what it says.

mod disclosed;
mod findings;
mod identity;
mod policy;
mod rejected;
mod signature;
mod transcript;

pub use self::{
    disclosed::{Disclosed, Transcript},
    findings::{Finding, MODE_EXTENSION, MODE_TRUSTED_FETCH},
    policy::{InvalidNotaryKey, InvalidRoot, NotaryKey, Policy, Roots, TimeWindow, certificates_of},
    rejected::Rejected,
};
use crate::{
    decode::decode,
    encode::Layout,
    hashing,
    limits::FIELDS_MAX,
    presentation::{Commitment, Extension, Presentation, TlsVersion},
};

/// What a presentation says that holds under a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whose word it is.
    pub notary_key: NotaryKey,
    /// The attestation's id. It is the notary's choice, and the same in all presentations of one attestation.
    pub attestation_id: [u8; 16],
    /// When the connection began by the notary's clock, in seconds since 1970.
    pub time: u64,
    /// TLS' version.
    pub tls_version: TlsVersion,
    /// Who the server was, in lower case, if that is disclosed.
    pub server_name: Option<String>,
    /// What the notary or the session's owner added.
    pub extensions: Vec<Extension>,
    /// What the notary committed to, opened or not.
    pub commitments: Vec<Commitment>,
    /// What was said, if a transcript is there.
    pub transcript: Option<Transcript>,
    /// What a reader should know before relying on it.
    pub findings: Vec<Finding>,
}

/// Verifies a presentation's file.
pub fn verify(bytes: &[u8], policy: &Policy<'_>) -> Result<Verified, Rejected> {
    let presentation = decode(bytes)?;
    check_root(&presentation)?;
    let Presentation { signature: signed, header, body, identity, transcript, .. } = presentation;
    let notary_key = NotaryKey::of(&body.verifying_key.data)?;
    signature::check(&notary_key, &signed, &hashing::signed_message(&header))?;
    if !policy.notary_keys.contains(&notary_key) {
        return Err(Rejected::NotaryUntrusted { key: notary_key.to_string() });
    }
    let identity = identity.map(|identity| identity::check(identity, &body, policy.roots)).transpose()?;
    let transcript = transcript.map(|proof| transcript::check(proof, &body)).transpose()?;
    let connection = body.connection.data;
    policy.check_time(connection.time)?;
    policy.check_name(identity.as_ref().map(|identity| identity.name.as_str()))?;
    let extensions: Vec<_> = body.extensions.into_iter().map(|field| field.data).collect();
    let commitments = body.commitments.into_iter().map(|field| field.data).collect();
    let findings = findings::of(identity.as_ref(), transcript.as_ref(), &extensions);
    Ok(Verified {
        notary_key,
        attestation_id: header.id,
        time: connection.time,
        tls_version: connection.version,
        server_name: identity.map(|identity| identity.name),
        extensions,
        commitments,
        transcript,
        findings,
    })
}

/// Builds the whole tree again. What a partial proof could hide, or another order of fields, has no place in it.
fn check_root(presentation: &Presentation) -> Result<(), Rejected> {
    let Presentation { header, body, proof, .. } = presentation;
    if header.version != 0 {
        return Err(Rejected::Version { found: header.version });
    }
    let fixed =
        [body.verifying_key.id, body.connection.id, body.server_ephemeral_key.id, body.certificate_commitment.id];
    let ids = fixed.into_iter();
    let ids = ids.chain(body.extensions.iter().map(|field| field.id));
    let ids = ids.chain(body.commitments.iter().map(|field| field.id));
    let mut count = 0;
    for id in ids {
        if id != count {
            return Err(Rejected::FieldId { place: count, found: id });
        }
        count += 1;
    }
    if count as usize > FIELDS_MAX {
        return Err(Rejected::TooManyFields);
    }
    if proof.leaf_count != u64::from(count) {
        return Err(Rejected::LeafCount { expected: count, found: proof.leaf_count });
    }
    if !proof.hashes.is_empty() {
        return Err(Rejected::ProofHashes { count: proof.hashes.len() });
    }
    if proof.algorithm != header.root.algorithm {
        return Err(Rejected::ProofAlgorithm);
    }
    if hashing::root(header.root.algorithm, body, Layout::Alpha15) != header.root {
        return Err(Rejected::Root);
    }
    Ok(())
}
