//! The node's own network is out of reach, however it is asked for.

use loom_http::Settings;

use crate::server::{Names, Server, call, client_with, failure, names, response, send};

#[tokio::test]
async fn addresses_in_urls_are_refused() {
    let server = Server::start(response("200 OK", &[], "inside")).await;
    let client = client_with(Names::default(), Settings::default());
    for host in ["127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]", "[::1]", "[::]"] {
        let failure = failure(&client, call("GET", server.url(host))).await;
        assert_eq!((failure.kind.as_str(), failure.retryable), ("http-refused", false), "{host}: {failure}");
    }
    let metadata = failure(&client, call("GET", "http://169.254.169.254/latest/meta-data/")).await;
    assert_eq!(metadata.kind, "http-refused");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn names_of_private_addresses_are_refused() {
    let server = Server::start(response("200 OK", &[], "inside")).await;
    for address in ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00:ec2::254", "64:ff9b::127.0.0.1"] {
        let client = client_with(Names::default().with("evil.test", &[address]), Settings::default());
        let failure = failure(&client, call("GET", server.url("evil.test"))).await;
        assert_eq!(failure.kind, "http-refused", "{address}: {failure}");
        assert!(!failure.message.contains(address), "what the name resolves to is nobody's business: {failure}");
    }
    assert!(server.requests().is_empty());
}

/// A name that changes its mind between the check and the connection (rebinding) gains nothing: the connection goes
/// to the address that was checked, without a second look.
#[tokio::test]
async fn a_name_is_resolved_once_per_connection() {
    let server = Server::start(response("200 OK", &[], "first")).await;
    let names = Names::default().with("here.test", &["127.0.0.1"]).with("here.test", &["127.0.0.2"]);
    let client = client_with(names, Settings::default());
    assert_eq!(send(&client, call("GET", server.url("here.test"))).await.unwrap().body, b"first");
    // Nobody listens at the second answer.
    assert_eq!(failure(&client, call("GET", server.url("here.test"))).await.kind, "http-unreachable");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn private_hosts_are_the_operators_to_allow() {
    let server = Server::start(response("200 OK", &[], "inside")).await;
    let port = server.address.port();
    let with = |hosts: &[String]| {
        let settings = Settings { private_hosts: hosts.iter().cloned().collect(), ..Settings::default() };
        loom_http::HttpClient::new(settings, std::sync::Arc::new(names())).unwrap()
    };
    let url = || server.url("here.test");
    assert!(send(&with(&["here.test".into()]), call("GET", url())).await.is_ok());
    assert!(send(&with(&[format!("here.test:{port}")]), call("GET", url())).await.is_ok());
    assert!(send(&with(&["127.0.0.1".into()]), call("GET", server.url("127.0.0.1"))).await.is_ok());
    for other in ["here.test:1", "there.test", "*", "test", "127.0.0.1"] {
        assert_eq!(failure(&with(&[other.into()]), call("GET", url())).await.kind, "http-refused", "{other}");
    }
}
