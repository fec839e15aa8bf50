//! A bank as an example needs it: an HTTPS server with an authority of its own, which tells whoever shows an account's
//! token what that account's holder earns. The bank, the people and the amounts are invented.
//!
//! It speaks TLS 1.2 and HTTP/1.1, one request a connection: what a notary of TLSNotary's format can attest to.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// The bank's name, for which its certificate is.
pub const HOST: &str = "statements.examplebank.test";
/// Where statements of income are.
pub const STATEMENT_PATH: &str = "/v1/accounts/self/income";

/// Longest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Somebody's account.
#[derive(Clone, Debug)]
pub struct Account {
    /// What its holder shows to see it.
    pub token: String,
    /// Whose it is.
    pub holder: String,
    /// Its number.
    pub number: String,
    /// What the holder earns in a year, in cents.
    pub annual_income_cents: u64,
}

/// A bank that answers until it is dropped.
pub struct Bank {
    /// Where it listens, on this machine.
    pub address: SocketAddr,
    /// The certificate of its authority, in DER.
    pub authority_der: Vec<u8>,
    /// The same in PEM.
    pub authority_pem: String,
    accounts: Arc<Accounts>,
    server: JoinHandle<()>,
}

/// By token.
type Accounts = Mutex<BTreeMap<String, Account>>;

impl Drop for Bank {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Bank {
    /// Opens a bank at an address of this machine; port 0 takes a free one.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let (config, authority_der, authority_pem) = certified()?;
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let accounts = Arc::new(Accounts::default());
        let server = tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), accounts.clone()));
        Ok(Self { address, authority_der, authority_pem, accounts, server })
    }

    /// Opens an account.
    pub fn add(&self, account: Account) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.insert(account.token.clone(), account);
    }

    /// Where a statement is fetched; [`HOST`] has to lead to [`Bank::address`].
    pub fn statement_url(&self) -> String {
        format!("https://{HOST}:{}{STATEMENT_PATH}", self.address.port())
    }
}

/// An authority, and a certificate of the bank's by it.
fn certified() -> anyhow::Result<(ServerConfig, Vec<u8>, String)> {
    let mut params = CertificateParams::new([])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new([HOST.to_owned()])?.signed_by(&key, &authority)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok((config, authority.der().to_vec(), authority.pem()))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, accounts: Arc<Accounts>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, accounts) = (acceptor.clone(), accounts.clone());
        // What becomes of a connection is the client's matter.
        tokio::spawn(async move { tokio::time::timeout(PATIENCE, answer(stream, &acceptor, &accounts)).await });
    }
}

async fn answer(stream: TcpStream, acceptor: &TlsAcceptor, accounts: &Accounts) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let head = head(&mut stream).await?;
    let (status, body) = respond(&head, accounts);
    let length = body.len();
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}

/// A request's head. Bodies are not read.
async fn head(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<String> {
    let (mut head, mut part) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut part).await?;
        if count == 0 || head.len() + count > HEAD_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.extend_from_slice(&part[..count]);
    }
    String::from_utf8(head).map_err(|_| io::ErrorKind::InvalidData.into())
}

fn respond(head: &str, accounts: &Accounts) -> (&'static str, String) {
    let mut lines = head.split("\r\n");
    if lines.next() != Some(&format!("GET {STATEMENT_PATH} HTTP/1.1")) {
        return ("404 Not Found", json!({ "error": "there is nothing here" }).to_string());
    }
    let authorization = lines.filter_map(|line| line.split_once(':'));
    let mut authorization = authorization.filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let token = authorization.next().and_then(|(_, value)| value.trim().strip_prefix("Bearer "));
    let accounts = accounts.lock().unwrap_or_else(PoisonError::into_inner);
    match token.and_then(|token| accounts.get(token)) {
        None => ("401 Unauthorized", json!({ "error": "whose account?" }).to_string()),
        Some(account) => ("200 OK", statement(account)),
    }
}

/// What is asked for most often comes first, so that the rest can be hidden without hiding where it stands.
fn statement(account: &Account) -> String {
    let Account { holder, number, annual_income_cents: cents, .. } = account;
    let annual = format!("{}.{:02}", cents / 100, cents % 100);
    let monthly = cents / 12;
    let payment = |month: u32| {
        let (amount, balance) = (monthly, monthly * u64::from(month));
        let text = |cents: u64| format!("{}.{:02}", cents / 100, cents % 100);
        json!({ "date": format!("2026-{month:02}-28"), "description": "PAYROLL", "amount": text(amount),
            "balance_after": text(balance) })
    };
    let payments: Vec<_> = (1..=3).map(payment).collect();
    let (holder, number, payments) = (json!(holder), json!(number), json!(payments));
    format!(
        r#"{{"institution":"Example Bank N.A.","account":{{"holder":{holder}}},"income":{{"annual":"{annual}","currency":"USD"}},"account_number":{number},"payments":{payments}}}"#
    )
}
