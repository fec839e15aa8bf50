//! Requests and responses, and their limits.

use std::time::Duration;

use loom_http::Settings;
use loom_runtime::{HeaderValue, Http as _};

use crate::server::{PATIENCE, Server, allowance, call, client, client_with, failure, names, response, secret, send};

#[tokio::test]
async fn a_request_arrives_as_it_was_made() {
    let server = Server::start(response("201 Created", &["X-One: 1", "x-one: 2"], "héllo")).await;
    let mut post = call("POST", format!("{}a/b?c=d#e", server.url("here.test")));
    post.headers = vec![
        ("content-type".into(), HeaderValue::Text("text/plain".into())),
        ("authorization".into(), secret("Bearer 12345678")),
    ];
    post.body = b"body".to_vec();
    let reply = send(&client(), post).await.unwrap();
    assert_eq!((reply.status, reply.body.as_slice()), (201, "héllo".as_bytes()));
    let values: Vec<_> = reply.headers.iter().filter(|(name, _)| name == "x-one").map(|(_, value)| value).collect();
    assert_eq!(values, ["1", "2"]);
    let request = &server.requests()[0];
    assert!(request.starts_with("POST /a/b?c=d HTTP/1.1\r\n"), "{request}");
    for line in [
        format!("host: here.test:{}", server.address.port()),
        "authorization: Bearer 12345678".into(),
        "content-length: 4".into(),
        "connection: close".into(),
        concat!("user-agent: loom/", env!("CARGO_PKG_VERSION")).into(),
    ] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{line}: {request}");
    }
    assert!(request.ends_with("\r\n\r\nbody"), "{request}");
}

#[tokio::test]
async fn a_status_is_a_response_whichever_it_is() {
    for status in ["204 No Content", "404 Not Found", "503 Service Unavailable"] {
        let server = Server::start(response(status, &[], "")).await;
        let reply = send(&client(), call("GET", server.url("here.test"))).await.unwrap();
        assert_eq!(reply.status.to_string(), status[..3]);
    }
}

#[tokio::test]
async fn bodies_are_as_large_as_the_deployment_allows() {
    let announced = Server::start(response("200 OK", &[], &"x".repeat(11))).await;
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nxxxxxx\r\n5\r\nxxxxx\r\n0\r\n\r\n";
    let chunked = Server::start(chunked).await;
    let endless = Server::start(format!("HTTP/1.1 200 OK\r\n\r\n{}STALL", "x".repeat(11))).await;
    for (server, name) in [(&announced, "announced"), (&chunked, "chunked"), (&endless, "endless")] {
        let mut get = call("GET", server.url("here.test"));
        get.allowance.response_bytes_max = 10;
        let failure = failure(&client(), get).await;
        assert_eq!((failure.kind.as_str(), failure.retryable), ("http-too-large", false), "{name}");
        assert!(failure.message.contains("http.response_bytes_max"), "{failure}");
    }
    for server in [&announced, &chunked] {
        let mut get = call("GET", server.url("here.test"));
        get.allowance.response_bytes_max = 11;
        assert_eq!(send(&client(), get).await.unwrap().body.len(), 11);
    }
}

#[tokio::test]
async fn headers_are_bounded_too() {
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}STALL", "x".repeat(200_000));
    let server = Server::start(endless).await;
    assert_eq!(failure(&client(), call("GET", server.url("here.test"))).await.kind, "http-unreachable");
}

#[tokio::test]
async fn a_slow_answer_runs_into_the_timeout() {
    let silent = Server::start("STALL").await;
    let slow = Server::start("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n123STALL").await;
    for server in [&silent, &slow] {
        let mut get = call("GET", server.url("here.test"));
        get.timeout = Duration::from_millis(30);
        let failure = failure(&client(), get).await;
        assert_eq!((failure.kind.as_str(), failure.retryable), ("http-timeout", true), "{failure}");
        let closed = tokio::time::timeout(PATIENCE, server.closed.acquire()).await;
        closed.expect("the connection is closed").unwrap().forget();
    }
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_ends() {
    let server = Server::start("STALL").await;
    let client = client();
    let waiting = client.send(call("GET", server.url("here.test")));
    let arrived = async {
        while server.requests().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = waiting => panic!("nobody answers"),
        () = arrived => {}
    }
    let closed = tokio::time::timeout(PATIENCE, server.closed.acquire()).await;
    closed.expect("the connection is closed").unwrap().forget();
}

#[tokio::test]
async fn connections_are_counted() {
    let (stuck, quick) = (Server::start("STALL").await, Server::start(response("200 OK", &[], "")).await);
    let client = client_with(names(), Settings { connections_max: 1, ..Settings::default() });
    let first = client.send(call("GET", stuck.url("here.test")));
    while stuck.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    let mut second = call("GET", quick.url("here.test"));
    second.timeout = Duration::from_millis(30);
    assert_eq!(failure(&client, second).await.kind, "http-timeout", "it waits for the first");
    drop(first);
    send(&client, call("GET", quick.url("here.test"))).await.unwrap();
}

#[tokio::test]
async fn whom_nobody_answers_is_worth_another_try() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://here.test:{}/", listener.local_addr().unwrap().port());
    drop(listener);
    let broken = Server::start("no HTTP at all\r\n\r\n").await;
    let cut = Server::start("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n123").await;
    let unknown = "http://nowhere.test/".to_owned();
    for url in [url, broken.url("here.test"), cut.url("here.test"), unknown] {
        let failure = failure(&client(), call("GET", &url)).await;
        assert_eq!((failure.kind.as_str(), failure.retryable), ("http-unreachable", true), "{url}: {failure}");
    }
}

#[tokio::test]
async fn hosts_that_are_not_granted_are_not_even_resolved() {
    let mut get = call("GET", "https://nowhere.test/secret-path?key=secret");
    get.allowance = allowance(&["api.example.com"]);
    let failure = failure(&client(), get).await;
    assert_eq!(failure.kind, "not-granted");
    assert_eq!(failure.message, "the deployment does not grant https://nowhere.test (http.hosts)");
}

#[tokio::test]
async fn headers_cannot_smuggle_others_in() {
    for value in ["x\r\nx-evil: 1", "x\ny", "\0"] {
        let mut get = call("GET", "http://here.test/");
        get.headers = vec![("x-api-key".into(), secret(value))];
        let failure = failure(&client(), get).await;
        assert_eq!(failure.kind, "invalid-request");
        assert!(!failure.message.contains("evil"), "{failure}");
    }
}
