//! A notary somewhere else.

use std::sync::Arc;

use loom_notary::{
    Header, Layout, Notary, OsRandom, RemoteError, RemoteNotary, Request, Secret, Tokens, encode_with, router, serve,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::bank::{Bank, response};

/// A notary that listens until it is dropped.
struct Served {
    url: String,
    stop: CancellationToken,
}

impl Served {
    async fn start(notary: &Notary, tokens: Tokens) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, router(notary.clone(), tokens), None, stop.clone()));
        Self { url, stop }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn a_notary_is_asked_over_http() {
    let bank = Bank::open(response("200 OK", &[], r#"{"balance":7}"#)).await;
    let notary = bank.notary();
    let served = Served::start(&notary, Tokens::default()).await;
    let remote = RemoteNotary::new(&served.url, None, None).unwrap();
    assert_eq!(remote.public_key().await.unwrap(), notary.public_key_text());
    let credential = Header {
        name: "authorization".to_owned(),
        value: Secret::new("Bearer s3cret-t0ken".to_owned()),
        is_credential: true,
    };
    let request = Request { headers: vec![credential], ..Request::get(bank.url("/")) };
    for layout in [Layout::Alpha15, Layout::Alpha12] {
        let presentation = remote.notarize(&request, layout).await.unwrap();
        let bytes = encode_with(&presentation, layout);
        assert_eq!(bank.verify(&notary, &bytes).is_ok(), layout == Layout::Alpha15);
        assert!(!bytes.windows(12).any(|window| window == b"s3cret-t0ken"));
    }
    assert!(bank.requests()[0].contains("authorization: Bearer s3cret-t0ken\r\n"));

    let refused = remote.notarize(&Request::get("https://other.test/?key=SECRET"), Layout::Alpha15).await;
    match refused {
        Err(RemoteError::Refused { code, detail }) => {
            assert_eq!(code, "notary-refused");
            assert!(detail.contains("https://other.test/") && !detail.contains("SECRET"), "{detail}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tokens_say_who_may_ask() {
    let bank = Bank::open(response("200 OK", &[], "{}")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    let token = Tokens::create(&file, "ada", &OsRandom).unwrap();
    let served = Served::start(&bank.notary(), Tokens::open(&file).unwrap()).await;
    for (token, is_known) in
        [(None, false), (Some(Secret::new("loom_notary_x".to_owned())), false), (Some(token), true)]
    {
        let remote = RemoteNotary::new(&served.url, token, None).unwrap();
        let result = remote.notarize(&Request::get(bank.url("/")), Layout::Alpha15).await;
        match result {
            Ok(_) => assert!(is_known),
            Err(RemoteError::Refused { code, .. }) => assert_eq!((is_known, code.as_str()), (false, "unauthenticated")),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(bank.requests().len(), 1);
}

/// What a web page could have a browser send, and what is no request.
#[tokio::test]
async fn strangers_are_told_what_is_wrong() {
    let bank = Bank::open(response("200 OK", &[], "{}")).await;
    let served = Arc::new(Served::start(&bank.notary(), Tokens::default()).await);
    let http = reqwest::Client::new();
    let url = format!("{}/v1/notarize", served.url);
    let call = format!(r#"{{"url":"{}"}}"#, bank.url("/"));
    let json = "application/json";
    for (media, host, body, status, code) in [
        (json, "localhost", call.as_str(), 200, ""),
        ("text/plain", "localhost", &call, 415, "unsupported-media-type"),
        (json, "rebound.example", &call, 421, "misdirected-host"),
        (json, "localhost", "{", 400, "notary-request-invalid"),
        (json, "localhost", r#"{"url":"https://a.test","x":"SECRET"}"#, 400, "notary-request-invalid"),
        (json, "localhost", r#"{"url":"https://a.test","method":"PUT"}"#, 400, "notary-request-invalid"),
        (json, "localhost", r#"{"url":"https://a.test","layout":"alpha.1"}"#, 400, "notary-request-invalid"),
        (json, "localhost", r#"{"url":"https://a.test","body":"no base64"}"#, 400, "notary-request-invalid"),
    ] {
        let request = http.post(&url).header("content-type", media).header("host", host).body(body.to_owned());
        let response = request.send().await.unwrap();
        let found = response.status().as_u16();
        let text = response.text().await.unwrap();
        assert_eq!(found, status, "{body}: {text}");
        assert!(text.contains(code) && !text.contains("SECRET"), "{text}");
    }
    let long = http.post(&url).header("content-type", json).body("x".repeat(600_000)).send().await.unwrap();
    assert_eq!(long.status().as_u16(), 413);
}
