//! Each bound of the HTTP side, hit. What is said in bytes is written to the socket by hand.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::server::{PATIENCE, Server};

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(&server.address).await.unwrap()
}

/// Everything until the server closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text)).await;
    // A server that refuses what it has not read resets the connection after its answer.
    let _ = read.expect("the server closes the connection");
    String::from_utf8(text).unwrap()
}

async fn answer(server: &Server, request: &str) -> String {
    let mut stream = connect(server).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

/// Reads one answer that has a body of three bytes, `ok\n`.
async fn healthy(stream: &mut TcpStream) {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut text = Vec::new();
    while !text.ends_with(b"ok\n") {
        let mut byte = [0];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut byte)).await.expect("an answer").unwrap();
        assert_eq!(read, 1, "closed after {}", String::from_utf8_lossy(&text));
        text.push(byte[0]);
    }
}

#[tokio::test]
async fn headers_are_bounded_in_number_and_size() {
    let server = Server::start(|settings| {
        settings.headers_max = 5;
        settings.header_bytes_max = 2000;
    })
    .await;
    let get = |headers: &str| format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n");
    let ok = answer(&server, &get("a: b\r\n")).await;
    assert!(ok.starts_with("HTTP/1.1 200"), "{ok}");
    let many = answer(&server, &get(&"a: b\r\n".repeat(6))).await;
    assert!(many.starts_with("HTTP/1.1 431"), "{many}");
    let long = answer(&server, &get(&format!("a: {}\r\n", "b".repeat(3000)))).await;
    assert!(long.starts_with("HTTP/1.1 431"), "{long}");
    server.stop().await;
}

#[tokio::test]
async fn a_header_that_does_not_come_ends_the_connection() {
    let server = Server::start(|settings| settings.header_timeout = Duration::from_millis(50)).await;
    assert_eq!(answer(&server, "GET /healthz HTTP/1.1\r\nhost: local").await, "");
    assert_eq!(answer(&server, "").await, "", "nor does an idle one stay");
    server.stop().await;
}

#[tokio::test]
async fn bodies_are_bounded_in_size_and_time() {
    let server = Server::start(|settings| {
        settings.body_bytes_max = 100;
        settings.blob_bytes_max = 200;
        settings.body_timeout = Duration::from_millis(50);
    })
    .await;
    let post = |path: &str, media: &str, length: usize, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: {media}\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    for (path, media, bytes, status, code) in [
        ("/v1/deployments", "application/json", 101, 413, "body-too-large"),
        ("/v1/deployments", "application/json", 100, 400, "invalid-json"),
        ("/v1/blobs", "application/octet-stream", 201, 413, "body-too-large"),
        ("/v1/blobs", "application/octet-stream", 200, 200, "cid"),
    ] {
        let answer = answer(&server, &post(path, media, bytes, &"x".repeat(bytes))).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(code), "{answer}");
    }
    let slow = answer(&server, &post("/v1/blobs", "application/octet-stream", 10, "x")).await;
    assert!(slow.starts_with("HTTP/1.1 408") && slow.contains("request-timeout"), "{slow}");
    server.stop().await;
}

#[tokio::test]
async fn connections_are_bounded_and_the_next_one_waits() {
    let server = Server::start(|settings| settings.connections_max = 1).await;
    let mut first = connect(&server).await;
    healthy(&mut first).await;
    let mut second = connect(&server).await;
    let waiting = tokio::spawn(async move { healthy(&mut second).await });
    // However long the first one talks, nobody listens to the second.
    for _ in 0..20 {
        healthy(&mut first).await;
    }
    assert!(!waiting.is_finished());
    drop(first);
    waiting.await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_connection_that_is_still_busy_does_not_keep_a_node_from_stopping() {
    let server = Server::start(|settings| settings.shutdown_grace = Duration::from_millis(10)).await;
    let mut stream = connect(&server).await;
    stream.write_all(b"POST /v1/blobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\ncontent-length: 10\r\n\r\nx").await.unwrap();
    healthy(&mut connect(&server).await).await;
    server.stop().await;
    rest(&mut stream).await;
}

/// A client that asks and never reads keeps no connection.
#[tokio::test]
async fn an_answer_that_nobody_reads_ends_the_connection() {
    let server = Server::start(|settings| {
        settings.connections_max = 1;
        settings.write_timeout = Duration::from_millis(50);
    })
    .await;
    let mut deaf = connect(&server).await;
    // Far more than the kernel keeps for anybody.
    let requests = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(200);
    let asking = async { while deaf.write_all(requests.as_bytes()).await.is_ok() {} };
    let next = async { healthy(&mut connect(&server).await).await };
    tokio::time::timeout(PATIENCE, async { tokio::join!(asking, next) }).await.expect("the next one has its turn");
    server.stop().await;
}

/// Without tokens any page could ask this machine for something, though not read the answer.
#[tokio::test]
async fn pages_of_other_sites_are_refused_where_there_are_no_tokens() {
    let server = Server::start(|_| ()).await;
    let from = |site: &str| {
        format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nsec-fetch-site: {site}\r\n\r\n")
    };
    for site in ["cross-site", "same-site"] {
        let refused = answer(&server, &from(site)).await;
        assert!(refused.starts_with("HTTP/1.1 421"), "{refused}");
    }
    for site in ["same-origin", "none"] {
        let ok = answer(&server, &from(site)).await;
        assert!(ok.starts_with("HTTP/1.1 200"), "{ok}");
    }
    server.stop().await;
}
