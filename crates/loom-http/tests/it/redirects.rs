//! Redirects: each is a request of its own, and some things stay behind.

use loom_runtime::HeaderValue;

use crate::server::{Server, call, client, failure, response, secret, send};

fn to(location: &str, status: &str) -> String {
    response(status, &[&format!("location: {location}")], "")
}

#[tokio::test]
async fn redirects_are_followed_within_the_grant() {
    let end = Server::start(response("200 OK", &[], "the end")).await;
    let begin = Server::start(to(&end.url("here.test"), "302 Found")).await;
    let mut get = call("GET", begin.url("here.test"));
    get.allowance.hosts.extend(call("GET", end.url("here.test")).allowance.hosts);
    assert_eq!(send(&client(), get).await.unwrap().body, b"the end");

    let failure = failure(&client(), call("GET", begin.url("here.test"))).await;
    assert_eq!(failure.kind, "not-granted", "another port: {failure}");

    let mut get = call("GET", begin.url("here.test"));
    get.allowance.redirects_max = 0;
    assert_eq!(send(&client(), get).await.unwrap().status, 302, "the guest's to follow");
}

#[tokio::test]
async fn a_redirect_into_the_private_network_is_refused() {
    let inside = Server::start(response("200 OK", &[], "inside")).await;
    for target in [inside.url("127.0.0.1"), inside.url("[::ffff:7f00:1]"), "http://169.254.169.254/".to_owned()] {
        let begin = Server::start(to(&target, "302 Found")).await;
        let mut get = call("GET", begin.url("here.test"));
        get.allowance.hosts.extend(call("GET", &target).allowance.hosts);
        let failure = failure(&client(), get).await;
        assert_eq!(failure.kind, "http-refused", "{target}: {failure}");
    }
    assert!(inside.requests().is_empty());
}

#[tokio::test]
async fn circles_end() {
    let server = Server::start(to("/again", "307 Temporary Redirect")).await;
    let failure = failure(&client(), call("GET", server.url("here.test"))).await;
    assert_eq!(failure.kind, "http-refused");
    assert!(failure.message.contains("more than 5 redirects (http.redirects_max)"), "{failure}");
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let end = Server::start(response("200 OK", &[], "")).await;
    let credentials = || {
        vec![
            ("x-api-key".into(), secret("secret-12345")),
            ("authorization".into(), HeaderValue::Text("Basic abc".into())),
            ("cookie".into(), HeaderValue::Text("session=abc".into())),
            ("x-harmless".into(), HeaderValue::Text("yes".into())),
        ]
    };
    // The same port under another name is another origin.
    let begin = Server::start(to(&end.url("there.test"), "302 Found")).await;
    let mut get = call("GET", begin.url("here.test"));
    get.allowance.hosts.extend(call("GET", end.url("there.test")).allowance.hosts);
    get.headers = credentials();
    send(&client(), get).await.unwrap();
    assert!(begin.requests()[0].contains("secret-12345"));
    let arrived = &end.requests()[0];
    assert!(arrived.contains("x-harmless: yes"), "{arrived}");
    for gone in ["secret-12345", "authorization", "cookie"] {
        assert!(!arrived.contains(gone), "{gone}: {arrived}");
    }

    let same = Server::start(to("/next", "302 Found")).await;
    let mut get = call("GET", same.url("here.test"));
    get.allowance.redirects_max = 1;
    get.headers = credentials();
    assert_eq!(failure(&client(), get).await.kind, "http-refused", "it never ends");
    assert!(same.requests()[1].contains("secret-12345"), "the same origin keeps them");
}

#[tokio::test]
async fn methods_change_as_the_status_says() {
    for (status, method, becomes) in [
        ("301 Moved Permanently", "POST", "GET"),
        ("302 Found", "POST", "GET"),
        ("302 Found", "PUT", "PUT"),
        ("303 See Other", "PUT", "GET"),
        ("303 See Other", "HEAD", "HEAD"),
        ("307 Temporary Redirect", "POST", "POST"),
        ("308 Permanent Redirect", "POST", "POST"),
    ] {
        let server = Server::start(to("/next", status)).await;
        let mut request = call(method, server.url("here.test"));
        request.allowance.redirects_max = 1;
        request.headers = vec![("content-type".into(), HeaderValue::Text("text/plain".into()))];
        request.body = if method == "HEAD" { Vec::new() } else { b"body".to_vec() };
        assert_eq!(failure(&client(), request).await.kind, "http-refused", "it never ends");
        let second = &server.requests()[1];
        assert!(second.starts_with(&format!("{becomes} /next HTTP/1.1\r\n")), "{status} {method}: {second}");
        let has_body = second.ends_with("\r\n\r\nbody") && second.contains("content-type");
        assert_eq!(has_body, becomes != "GET" && method != "HEAD", "{status} {method}: {second}");
    }
    let server = Server::start(to("/next", "303 See Other")).await;
    let mut request = call("POST", server.url("here.test"));
    request.allowance.methods = ["POST".to_owned()].into();
    assert_eq!(failure(&client(), request).await.kind, "not-granted", "GET was not granted");
}
