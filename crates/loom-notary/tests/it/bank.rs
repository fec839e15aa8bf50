//! A bank on a port of its own, with certificates of an authority of its own, and a notary that knows it.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use loom_http::Resolve;
use loom_notary::{
    Clock, KeyAlgorithm, Layout, NotarizeError, Notary, OsRandom, Outside, Request, Roots, Settings, SigningKey,
};
use loom_tlsnotary::{NotaryKey, Policy, Presentation, Rejected, TimeWindow, Verified};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// Longest wait for anything. Passing tests never get near it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The bank's name; it resolves to this machine.
pub(crate) const HOST: &str = "statements.bank.test";
/// What time it is: the certificates of tests are good for ages.
pub(crate) const NOW: u64 = 1_800_000_000;

/// What the bank's key is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key {
    P256,
    P384,
    Rsa,
}

/// What the bank is like.
pub(crate) struct Terms {
    pub(crate) answer: Vec<u8>,
    pub(crate) key: Key,
    pub(crate) version: &'static SupportedProtocolVersion,
}

impl Terms {
    pub(crate) fn answering(answer: impl Into<Vec<u8>>) -> Self {
        Self { answer: answer.into(), key: Key::P256, version: &rustls::version::TLS12 }
    }
}

/// A server that gives every request the same answer.
pub(crate) struct Bank {
    pub(crate) address: SocketAddr,
    pub(crate) authority: CertificateDer<'static>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Bank {
    pub(crate) async fn open(answer: impl Into<Vec<u8>>) -> Self {
        Self::with(Terms::answering(answer)).await
    }

    pub(crate) async fn with(terms: Terms) -> Self {
        let (authority, config) = certified(&terms);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (requests.clone(), Arc::new(terms.answer));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen, answer) = (acceptor.clone(), seen.clone(), answer.clone());
                tokio::spawn(async move {
                    // What becomes of a connection is the client's matter.
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let _ = serve(stream, &answer, &seen).await;
                });
            }
        });
        Self { address, authority, requests }
    }

    /// The requests so far, as they came over the wire.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.address.port())
    }

    /// A notary that fetches everything from this bank.
    pub(crate) fn notary(&self) -> Notary {
        self.notary_with(key(), |_| {})
    }

    pub(crate) fn notary_with(&self, key: SigningKey, change: impl FnOnce(&mut Settings)) -> Notary {
        let everything = format!("https://{HOST}:{}", self.address.port());
        let allowed = [everything.clone(), format!("POST {everything}")].map(|pattern| pattern.parse().unwrap());
        let mut settings = Settings {
            allowed: allowed.into(),
            private_hosts: [HOST.to_owned()].into(),
            roots: Roots::Given(vec![self.authority.clone()]),
        };
        change(&mut settings);
        let resolver = Arc::new(Names(self.address));
        Notary::new(key, settings, Outside { clock: Arc::new(Fixed), random: Arc::new(OsRandom), resolver }).unwrap()
    }

    /// What somebody who trusts the notary and the bank's authority finds in a presentation.
    pub(crate) fn verify(&self, notary: &Notary, bytes: &[u8]) -> Result<Verified, Rejected> {
        let keys = NotaryKey::from_hex(&notary.public_key_text()).unwrap();
        let roots = Roots::Given(vec![self.authority.clone()]).for_verifying().unwrap();
        let policy =
            Policy { notary_keys: &keys, roots: &roots, server_names: &[HOST.to_owned()], time: TimeWindow::ANY };
        loom_tlsnotary::verify(bytes, &policy)
    }
}

/// An authority's certificate, and a server with one of it.
fn certified(terms: &Terms) -> (CertificateDer<'static>, ServerConfig) {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
    let key = match terms.key {
        Key::P256 => KeyPair::generate().unwrap(),
        Key::P384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap(),
        Key::Rsa => {
            let der = PrivatePkcs8KeyDer::from(&include_bytes!("rsa-key.der")[..]);
            KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_RSA_SHA256).unwrap()
        }
    };
    let certificate = CertificateParams::new(vec![HOST.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[terms.version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    (authority.der().clone(), config)
}

async fn serve(
    mut stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
    answer: &[u8],
    seen: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    while !is_complete(&bytes) {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    seen.lock().unwrap().push(String::from_utf8_lossy(&bytes).into_owned());
    match answer.strip_suffix(b"CUT") {
        // Without TLS' own goodbye.
        Some(answer) => {
            stream.write_all(answer).await?;
            stream.flush().await?;
            stream.get_mut().0.shutdown().await
        }
        None => {
            stream.write_all(answer).await?;
            stream.shutdown().await
        }
    }
}

fn is_complete(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// Every name is the bank's.
pub(crate) struct Names(pub(crate) SocketAddr);

impl Resolve for Names {
    fn resolve(&self, _host: String, _port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let address = self.0;
        async move { Ok(vec![address]) }.boxed()
    }
}

struct Fixed;

impl Clock for Fixed {
    fn now_seconds(&self) -> u64 {
        NOW
    }
}

pub(crate) fn key() -> SigningKey {
    SigningKey::generate(KeyAlgorithm::K256, &OsRandom)
}

/// A response with this status, these headers and this body.
pub(crate) fn response(status: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// The same body in chunks of `size` characters.
pub(crate) fn chunked(body: &str, size: usize) -> String {
    let mut text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    let characters: Vec<char> = body.chars().collect();
    for chunk in characters.chunks(size) {
        let chunk: String = chunk.iter().collect();
        text.push_str(&format!("{:x}\r\n{chunk}\r\n", chunk.len()));
    }
    text + "0\r\n\r\n"
}

pub(crate) async fn notarize(notary: &Notary, request: &Request) -> Result<Presentation, NotarizeError> {
    tokio::time::timeout(PATIENCE, notary.notarize(request, Layout::Alpha15)).await.expect("it takes too long")
}

/// What the server said, with `_` in place of what is not disclosed.
pub(crate) fn received(verified: &Verified) -> String {
    verified.transcript.as_ref().unwrap().received.to_text('_')
}

pub(crate) fn sent(verified: &Verified) -> String {
    verified.transcript.as_ref().unwrap().sent.to_text('_')
}
