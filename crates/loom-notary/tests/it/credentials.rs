//! What proves who asks is used and never seen again.

use loom_notary::{Header, Method, Request, Secret, Selection, disclose};
use loom_tlsnotary::encode;

use crate::bank::{Bank, notarize, received, response, sent};

fn header(name: &str, value: &str, is_credential: bool) -> Header {
    Header { name: name.to_owned(), value: Secret::new(value.to_owned()), is_credential }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn credentials_reach_the_server_and_no_presentation() {
    let body = r#"{"you_sent":"SECRET-TOKEN-1","pin":"SECRET-PIN","balance":1}"#;
    let bank = Bank::open(response("200 OK", &["Set-Cookie: sid=SECRET-SID; HttpOnly"], body)).await;
    let notary = bank.notary();
    let request = Request {
        method: Method::Post,
        headers: vec![
            header("Authorization", "Bearer SECRET-TOKEN-1", false),
            header("Cookie", "a=SECRET-COOKIE", false),
            header("x-tenant", "SECRET-TENANT", true),
            header("x-plain", "shown", false),
        ],
        body: b"pin=SECRET-PIN".to_vec(),
        seal_body: true,
        seal_query: true,
        ..Request::get(bank.url("/login?key=SECRET-KEY-9"))
    };
    let presentation = notarize(&notary, &request).await.unwrap();
    let seen = bank.requests().remove(0);
    for secret in ["SECRET-TOKEN-1", "SECRET-COOKIE", "SECRET-TENANT", "SECRET-KEY-9", "SECRET-PIN"] {
        assert!(seen.contains(secret), "{secret} reaches the bank");
    }
    let bytes = encode(&presentation);
    assert!(!contains(&bytes, "SECRET"), "not even in the fullest presentation");
    assert!(!format!("{request:?} {presentation:?}").contains("SECRET"));

    let verified = bank.verify(&notary, &bytes).unwrap();
    let sent = sent(&verified);
    assert!(sent.starts_with("POST /login?________________ HTTP/1.1\r\nhost: "), "{sent}");
    assert!(sent.contains("authorization: _____________________\r\n") && sent.contains("x-plain: shown\r\n"), "{sent}");
    assert!(sent.ends_with("\r\n\r\n______________"), "{sent}");
    let received = received(&verified);
    assert!(received.contains("Set-Cookie: ________________________\r\n"), "{received}");
    assert!(received.ends_with(r#"{"you_sent":"______________","pin":"__________","balance":1}"#), "{received}");
    let narrowed = disclose(&presentation, &Selection::Only(vec!["/balance".parse().unwrap()])).unwrap();
    assert!(bank.verify(&notary, &encode(&narrowed)).is_ok(), "what is sealed is in nobody's way");
}

#[tokio::test]
async fn an_error_says_no_secret() {
    let bank = Bank::open(response("302 Found", &["Location: /?SECRET-1"], "")).await;
    let notary = bank.notary();
    let request = Request {
        headers: vec![header("authorization", "Bearer SECRET-2", false)],
        ..Request::get(bank.url("/?token=SECRET-3"))
    };
    let error = notarize(&notary, &request).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("SECRET"), "{error:?}");
    let elsewhere = Request { url: "https://other.test/?token=SECRET-3".to_owned(), ..request };
    let error = notarize(&notary, &elsewhere).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("SECRET"), "{error:?}");
}
