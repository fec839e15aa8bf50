//! TLS 1.2 as a presentation needs it: what the server showed and signed is kept, so that others can check it later.
//!
//! There is one version and one group for the key exchange, because the format knows no others, and sessions are never
//! resumed, because then the server signs nothing.

use std::sync::{Arc, Mutex};

use loom_tlsnotary::presentation::{Binding, EphemeralKey, HandshakeAlgorithm, HandshakeSignature};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    server::ParsedCertificate,
    time_provider::TimeProvider,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, alg_id};

use crate::{InvalidSettings, limits::CERTIFICATES_MAX};

/// What comes before the server's key in the signed parameters: a named curve, secp256r1, and the key's length.
const SECP256R1: [u8; 4] = [3, 0, 23, 65];

/// What a server showed in a handshake.
#[derive(Clone, Debug)]
pub(crate) struct Handshake {
    /// The server's chain, its own certificate first.
    pub(crate) certificates: Vec<Vec<u8>>,
    /// The server's signature over the key exchange.
    pub(crate) signature: HandshakeSignature,
    /// What it signed.
    pub(crate) binding: Binding,
}

/// Makes configurations, one a connection.
pub(crate) struct Tls {
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl Tls {
    pub(crate) fn new(roots: RootCertStore) -> Result<Self, InvalidSettings> {
        let provider = CryptoProvider { kx_groups: vec![ring::kx_group::SECP256R1], ..ring::default_provider() };
        let provider = Arc::new(provider);
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        Ok(Self { provider, verifier: verifier.map_err(|_| InvalidSettings::NoRoots)? })
    }

    /// A configuration for one connection, and where its handshake will be found.
    pub(crate) fn connection(&self, now_seconds: u64) -> Result<(ClientConfig, Arc<Recorder>), Error> {
        let recorder = Arc::new(Recorder { verifier: self.verifier.clone(), seen: Mutex::default() });
        let builder = ClientConfig::builder_with_details(self.provider.clone(), Arc::new(At(now_seconds)));
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS12])?;
        let builder = builder.dangerous().with_custom_certificate_verifier(recorder.clone());
        let mut config = builder.with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok((config, recorder))
    }
}

/// One moment: certificates are checked for the very time that the attestation will have.
#[derive(Debug)]
struct At(u64);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(self.0)))
    }
}

/// Checks certificates and signatures as every client does, and keeps them.
#[derive(Debug)]
pub(crate) struct Recorder {
    verifier: Arc<WebPkiServerVerifier>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    certificates: Vec<Vec<u8>>,
    signed: Option<(HandshakeSignature, Binding)>,
}

impl Recorder {
    /// What the server showed, once the handshake is over.
    pub(crate) fn handshake(&self) -> Option<Handshake> {
        let seen = self.seen.lock().expect("nothing panics under this lock");
        let (signature, binding) = seen.signed.clone()?;
        Some(Handshake { certificates: seen.certificates.clone(), signature, binding })
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        if intermediates.len() >= CERTIFICATES_MAX {
            return Err(Error::General(format!("the server shows more than {CERTIFICATES_MAX} certificates")));
        }
        let chain = std::iter::once(end_entity).chain(intermediates).map(|certificate| certificate.to_vec());
        self.seen.lock().expect("nothing panics under this lock").certificates = chain.collect();
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid = self.verifier.verify_tls12_signature(message, cert, dss)?;
        let unknown = |what: &str| Error::General(format!("{what} is not one that presentations know"));
        let algorithm = algorithm(dss.scheme, cert)?.ok_or_else(|| unknown("the server's signature"))?;
        let binding = binding(message).ok_or_else(|| unknown("the server's key exchange"))?;
        let signature = HandshakeSignature { algorithm, data: dss.signature().to_vec() };
        self.seen.lock().expect("nothing panics under this lock").signed = Some((signature, binding));
        Ok(valid)
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 is not spoken here".to_owned()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// What a server signs in TLS 1.2: both sides' random bytes, and the parameters of the key exchange.
fn binding(message: &[u8]) -> Option<Binding> {
    let (client_random, rest) = message.split_first_chunk()?;
    let (server_random, parameters) = rest.split_first_chunk()?;
    let key = parameters.strip_prefix(&SECP256R1)?.try_into().ok()?;
    Some(Binding {
        client_random: *client_random,
        server_random: *server_random,
        server_ephemeral_key: EphemeralKey(key),
    })
}

/// How the server signed. In TLS 1.2 a scheme of ECDSA names the hash alone; the curve is the certificate's.
fn algorithm(scheme: SignatureScheme, certificate: &CertificateDer<'_>) -> Result<Option<HandshakeAlgorithm>, Error> {
    use HandshakeAlgorithm::*;
    let has_p384_key = has_p384_key(certificate)?;
    Ok(Some(match (scheme, has_p384_key) {
        (SignatureScheme::ECDSA_NISTP256_SHA256, false) => EcdsaP256Sha256,
        (SignatureScheme::ECDSA_NISTP256_SHA256, true) => EcdsaP384Sha256,
        (SignatureScheme::ECDSA_NISTP384_SHA384, false) => EcdsaP256Sha384,
        (SignatureScheme::ECDSA_NISTP384_SHA384, true) => EcdsaP384Sha384,
        (SignatureScheme::ED25519, _) => Ed25519,
        (SignatureScheme::RSA_PKCS1_SHA256, _) => RsaPkcs1Sha256,
        (SignatureScheme::RSA_PKCS1_SHA384, _) => RsaPkcs1Sha384,
        (SignatureScheme::RSA_PKCS1_SHA512, _) => RsaPkcs1Sha512,
        (SignatureScheme::RSA_PSS_SHA256, _) => RsaPssSha256,
        (SignatureScheme::RSA_PSS_SHA384, _) => RsaPssSha384,
        (SignatureScheme::RSA_PSS_SHA512, _) => RsaPssSha512,
        _ => return Ok(None),
    }))
}

fn has_p384_key(certificate: &CertificateDer<'_>) -> Result<bool, Error> {
    let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
    // Two headers, the algorithm, and then the key: of an elliptic curve all of them are short.
    Ok(key.get(4..).is_some_and(|rest| rest.starts_with(&alg_id::ECDSA_P384)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_curve_is_understood() {
        let message = |parameters: &[u8]| [&[1; 32], &[2; 32], parameters, &[4; 65]].concat();
        let found = binding(&message(&SECP256R1)).unwrap();
        assert_eq!((found.client_random, found.server_random), ([1; 32], [2; 32]));
        assert_eq!(found.server_ephemeral_key, EphemeralKey([4; 65]));
        for parameters in [&[3, 0, 24, 97][..], &[3, 0, 29, 32], &[], &[3, 0, 23, 65, 0]] {
            assert_eq!(binding(&message(parameters)), None);
        }
        assert_eq!(binding(&[0; 63]), None);
    }

    #[test]
    fn the_curve_is_the_certificates() {
        let certificate = |algorithm| {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().der().clone()
        };
        let p256 = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        let p384 = certificate(&rcgen::PKCS_ECDSA_P384_SHA384);
        for (scheme, certificate, expected) in [
            (SignatureScheme::ECDSA_NISTP256_SHA256, &p256, HandshakeAlgorithm::EcdsaP256Sha256),
            (SignatureScheme::ECDSA_NISTP256_SHA256, &p384, HandshakeAlgorithm::EcdsaP384Sha256),
            (SignatureScheme::ECDSA_NISTP384_SHA384, &p256, HandshakeAlgorithm::EcdsaP256Sha384),
            (SignatureScheme::ECDSA_NISTP384_SHA384, &p384, HandshakeAlgorithm::EcdsaP384Sha384),
        ] {
            assert_eq!(algorithm(scheme, certificate), Ok(Some(expected)));
        }
        assert_eq!(algorithm(SignatureScheme::ECDSA_NISTP521_SHA512, &p256), Ok(None));
    }
}
