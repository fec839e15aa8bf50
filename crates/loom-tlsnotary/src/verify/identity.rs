//! Who the server was: certificates that a trusted authority vouches for, whose key signed this very key exchange.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, DnsName, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::{Rejected, Roots};
use crate::{
    certificates::{ALGORITHMS, has_signed},
    encode::Layout,
    hashing::certificate_commitment,
    presentation::{Binding, Body, CertificateOpening, EphemeralKey, Identity, TlsVersion},
};

/// A server that is known.
pub(super) struct Known {
    /// In lower case.
    pub(super) name: String,
    /// The certificate has a pattern that the name fits, and not the name itself.
    pub(super) is_by_wildcard: bool,
}

pub(super) fn check(identity: Identity, body: &Body, roots: &Roots) -> Result<Known, Rejected> {
    let Identity { name, opening } = identity;
    let committed = body.certificate_commitment.data.0;
    if certificate_commitment(committed.algorithm, &opening, Layout::Alpha15) != committed {
        return Err(Rejected::CertificateCommitment);
    }
    if opening.binding.server_ephemeral_key != body.server_ephemeral_key.data {
        return Err(Rejected::EphemeralKey);
    }
    if body.connection.data.version != TlsVersion::V12 {
        return Err(Rejected::TlsVersion);
    }
    let name = normalised(name)?;
    let [server, intermediates @ ..] = &opening.certificates[..] else { return Err(Rejected::NoCertificate) };
    let server = CertificateDer::from(&server[..]);
    let server = EndEntityCert::try_from(&server).map_err(certificate)?;
    check_path(&server, intermediates, body.connection.data.time, roots)?;
    let is_by_wildcard = check_name(&server, &name)?;
    check_handshake(&server, &opening)?;
    Ok(Known { name, is_by_wildcard })
}

/// Names are compared without regard to case. A dot at the end would be a second way to write one.
fn normalised(name: String) -> Result<String, Rejected> {
    if name.ends_with('.') || DnsName::try_from(name.as_str()).is_err() {
        return Err(Rejected::NameInvalid { name });
    }
    Ok(name.to_ascii_lowercase())
}

fn certificate(error: webpki::Error) -> Rejected {
    Rejected::Certificate { problem: error.to_string() }
}

/// At the session's time, not now: the claim is about then.
fn check_path(server: &EndEntityCert<'_>, intermediates: &[Vec<u8>], time: u64, roots: &Roots) -> Result<(), Rejected> {
    let intermediates: Vec<_> = intermediates.iter().map(|der| CertificateDer::from(&der[..])).collect();
    let time = UnixTime::since_unix_epoch(Duration::from_secs(time));
    let usage = KeyUsage::server_auth();
    server
        .verify_for_usage(ALGORITHMS, roots.as_slice(), &intermediates, time, usage, None, None)
        .map(|_| ())
        .map_err(certificate)
}

/// Whether it is a pattern of the certificate that covers the name.
fn check_name(server: &EndEntityCert<'_>, name: &str) -> Result<bool, Rejected> {
    let not_covered = || Rejected::NameNotCovered { name: name.to_owned() };
    let wanted = DnsName::try_from(name).map_err(|_| not_covered())?;
    server.verify_is_valid_for_subject_name(&ServerName::DnsName(wanted)).map_err(|_| not_covered())?;
    Ok(!server.valid_dns_names().any(|known| known.eq_ignore_ascii_case(name)))
}

fn check_handshake(server: &EndEntityCert<'_>, opening: &CertificateOpening) -> Result<(), Rejected> {
    let signature = &opening.signature;
    let message = signed_key_exchange(&opening.binding);
    let is_signed = has_signed(server, signature.algorithm, &message, &signature.data);
    if is_signed { Ok(()) } else { Err(Rejected::HandshakeSignature) }
}

/// What a server signs in TLS 1.2 (RFC 8422 §5.4): both randoms, and its half of the exchange on a named curve.
fn signed_key_exchange(binding: &Binding) -> Vec<u8> {
    /// `named_curve`, secp256r1.
    const CURVE: [u8; 3] = [3, 0, 23];
    let Binding { client_random, server_random, server_ephemeral_key: EphemeralKey(key) } = binding;
    [&client_random[..], server_random, &CURVE, &[key.len() as u8], key].concat()
}
