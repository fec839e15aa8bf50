//! What a notary does not do.

use loom_notary::{InvalidSettings, Method, Notary, Outside, Request, Roots, Settings};

use crate::bank::{Bank, HOST, Terms, key, notarize, response};

/// The code and the text of the error that a request comes to.
async fn refusal(notary: &Notary, request: &Request) -> (&'static str, String) {
    let error = notarize(notary, request).await.expect_err("it is refused");
    let mut text = error.to_string();
    let mut next = std::error::Error::source(&error);
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    (error.code(), text)
}

#[tokio::test]
async fn only_what_is_allowed_is_fetched() {
    let bank = Bank::open(response("200 OK", &[], "{}")).await;
    let below = format!("https://{HOST}:{}/v1/accounts", bank.address.port());
    let notary = bank.notary_with(key(), |settings| settings.allowed = vec![below.parse().unwrap()]);
    for (method, url, expected) in [
        (Method::Get, bank.url("/v1/accounts/7"), None),
        (Method::Get, bank.url("/v1/accountsX"), Some("notary-refused")),
        (Method::Get, bank.url("/v1/accounts/../transfers"), Some("notary-refused")),
        (Method::Post, bank.url("/v1/accounts"), Some("notary-refused")),
        (Method::Get, format!("https://{HOST}/v1/accounts"), Some("notary-refused")),
        (Method::Get, format!("https://other.test:{}/v1/accounts", bank.address.port()), Some("notary-refused")),
        (Method::Get, bank.url("/v1/accounts").replace("https", "http"), Some("notary-request-invalid")),
        (Method::Get, bank.url("/v1/accounts").replace(HOST, "127.0.0.1"), Some("notary-request-invalid")),
    ] {
        let result = notarize(&notary, &Request { method, ..Request::get(&url) }).await;
        assert_eq!(result.err().map(|error| error.code()), expected, "{url}");
    }
    assert_eq!(bank.requests().len(), 1);
}

#[tokio::test]
async fn private_addresses_are_for_hosts_that_are_named() {
    let bank = Bank::open(response("200 OK", &[], "{}")).await;
    let port = bank.address.port();
    for (hosts, is_fine) in [
        (vec![], false),
        (vec!["other.test".to_owned()], false),
        (vec![format!("{HOST}:1")], false),
        (vec![HOST.to_owned()], true),
        (vec![format!("{HOST}:{port}")], true),
    ] {
        let notary = bank.notary_with(key(), |settings| settings.private_hosts = hosts.iter().cloned().collect());
        let result = notarize(&notary, &Request::get(bank.url("/"))).await;
        assert_eq!(result.map_err(|error| error.code()).err(), (!is_fine).then_some("notary-refused"), "{hosts:?}");
    }
}

#[tokio::test]
async fn a_server_has_to_be_trusted_and_to_speak_tls_12() {
    let answer = response("200 OK", &[], "{}");
    let bank = Bank::open(answer.clone()).await;
    let other = Bank::open(answer.clone()).await;
    for roots in [Roots::Web, Roots::Given(vec![other.authority.clone()])] {
        let notary = bank.notary_with(key(), |settings| settings.roots = roots);
        assert_eq!(refusal(&notary, &Request::get(bank.url("/"))).await.0, "notary-untrusted");
    }
    let elsewhere = bank.url("/").replace(HOST, "other.test");
    let notary = bank.notary_with(key(), |settings| {
        settings.allowed = vec!["https://*".parse().unwrap(), elsewhere.parse().unwrap()];
        settings.private_hosts.insert("other.test".to_owned());
    });
    assert_eq!(refusal(&notary, &Request::get(elsewhere)).await.0, "notary-untrusted", "the name counts");

    let newer = Bank::with(Terms { version: &rustls::version::TLS13, ..Terms::answering(answer) }).await;
    let (code, text) = refusal(&newer.notary(), &Request::get(newer.url("/"))).await;
    assert_eq!(code, "notary-needs-tls12", "{text}");
    assert!(bank.requests().is_empty() && newer.requests().is_empty(), "nothing was asked");
}

#[tokio::test]
async fn a_response_has_to_be_whole_and_not_too_large() {
    for (answer, code, problem) in [
        (response("302 Found", &["Location: /"], ""), "notary-response", "redirect"),
        (response("200 OK", &[], &"x".repeat(400_000)), "notary-response", "more than"),
        ("HTTP/1.1 200 OK\r\n\r\nhalfCUT".to_owned(), "notary-unreachable", "ended before the response"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_owned(), "notary-response", "ends early"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nmore".to_owned(), "notary-response", "bytes follow"),
        ("hello\r\n\r\n".to_owned(), "notary-response", "status line"),
    ] {
        let bank = Bank::open(answer.clone()).await;
        let found = refusal(&bank.notary(), &Request::get(bank.url("/"))).await;
        assert!(found.0 == code && found.1.contains(problem), "{}: {found:?}", &answer[..20.min(answer.len())]);
        assert_eq!(bank.requests().len(), 1, "nothing is asked twice");
    }
}

#[test]
fn a_notary_needs_to_be_told_what_to_fetch() {
    let notary = Notary::new(key(), Settings::new(Vec::new()), Outside::system());
    assert!(matches!(notary.err(), Some(InvalidSettings::NothingAllowed)));
    for pem in ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let roots = Roots::read(pem.as_bytes());
        let settings = roots.map(|roots| Settings { roots, ..Settings::new(vec!["https://*".parse().unwrap()]) });
        let notary = settings.and_then(|settings| Notary::new(key(), settings, Outside::system()));
        assert!(notary.is_err(), "{pem}");
    }
}
