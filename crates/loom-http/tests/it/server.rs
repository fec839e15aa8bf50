//! Other systems, on ports of their own, that say what they were asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use loom_http::{HttpClient, Resolve, Settings};
use loom_machine::{Failure, HostPattern, HttpAllowance};
use loom_runtime::{HeaderValue, Http as _, HttpCall, HttpReply};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::Semaphore,
};

/// Longest wait for anything. Passing tests never get near it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// A server that gives every request the same answer.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    /// A permit for every connection that ended.
    pub(crate) closed: Arc<Semaphore>,
}

impl Server {
    /// `answer` is the response as it goes over the wire; without the word `STALL` at its end the connection is
    /// closed after it.
    pub(crate) async fn start(answer: impl Into<String>) -> Self {
        Self::start_with(answer, |stream| async { Some(stream) }.boxed()).await
    }

    pub(crate) async fn start_with<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
        answer: impl Into<String>,
        accept: impl Fn(tokio::net::TcpStream) -> BoxFuture<'static, Option<S>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, closed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
        let (seen, ended, answer) = (requests.clone(), closed.clone(), answer.into());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (accepted, seen, ended, answer) = (accept(stream), seen.clone(), ended.clone(), answer.clone());
                tokio::spawn(async move {
                    if let Some(stream) = accepted.await {
                        // What becomes of the connection is the client's matter.
                        let _ = serve(stream, &answer, &seen).await;
                    }
                    ended.add_permits(1);
                });
            }
        });
        Self { address, requests, closed }
    }

    /// The requests so far, as they came over the wire.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/", self.address.port())
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &str,
    seen: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    while !is_complete(&bytes) {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    seen.lock().unwrap().push(String::from_utf8_lossy(&bytes).into_owned());
    let (answer, stalls) = answer.strip_suffix("STALL").map_or((answer, false), |answer| (answer, true));
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await?;
    if stalls {
        // Until the client has enough.
        stream.read_to_end(&mut bytes).await?;
    }
    stream.shutdown().await
}

fn is_complete(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// A response with this status, these headers and this body.
pub(crate) fn response(status: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// Says what the test wants, which need not be the same twice.
#[derive(Clone, Default)]
pub(crate) struct Names(Arc<Mutex<BTreeMap<String, Vec<Vec<SocketAddr>>>>>);

impl Names {
    /// `name` resolves to these; several calls are answers one after the other, the last for ever.
    pub(crate) fn with(self, name: &str, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 1)).collect();
        self.0.lock().unwrap().entry(name.to_owned()).or_default().push(addresses);
        self
    }
}

impl Resolve for Names {
    fn resolve(&self, host: String, _port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let mut names = self.0.lock().unwrap();
        let answers = names.get_mut(&host);
        let answer = answers.map(|answers| if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() });
        async move { answer.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such name")) }.boxed()
    }
}

/// A client for which `here.test` and `there.test` are this machine, and allowed to be.
pub(crate) fn client() -> HttpClient {
    client_with(names(), Settings::default())
}

pub(crate) fn names() -> Names {
    Names::default().with("here.test", &["127.0.0.1"]).with("there.test", &["127.0.0.1"])
}

pub(crate) fn client_with(names: Names, settings: Settings) -> HttpClient {
    let private_hosts: BTreeSet<_> = ["here.test", "there.test"].map(str::to_owned).into();
    HttpClient::new(Settings { private_hosts, ..settings }, Arc::new(names)).unwrap()
}

/// A call that may go anywhere, in the clear or not.
pub(crate) fn call(method: &str, url: impl Into<String>) -> HttpCall {
    let url = url.into();
    let port = url::Url::parse(&url).ok().and_then(|url| url.port()).unwrap_or(80);
    HttpCall {
        allowance: allowance(&["*", &format!("http://*:{port}"), &format!("https://*:{port}")]),
        method: method.to_owned(),
        url,
        headers: Vec::new(),
        body: Vec::new(),
        timeout: PATIENCE,
    }
}

pub(crate) fn allowance(hosts: &[&str]) -> HttpAllowance {
    HttpAllowance::new(hosts.iter().map(|&host| HostPattern::try_from(host.to_owned()).unwrap()).collect())
}

pub(crate) fn secret(value: &str) -> HeaderValue {
    HeaderValue::Secret(value.into())
}

pub(crate) async fn send(client: &HttpClient, call: HttpCall) -> Result<HttpReply, Failure> {
    tokio::time::timeout(PATIENCE, client.send(call)).await.expect("it takes too long")
}

/// The kind and message of the failure that a call comes to.
pub(crate) async fn failure(client: &HttpClient, call: HttpCall) -> Failure {
    match send(client, call).await {
        Ok(reply) => panic!("{reply:?}"),
        Err(failure) => failure,
    }
}
