use super::*;

fn header(name: &str, value: &str, is_credential: bool) -> Header {
    Header { name: name.to_owned(), value: Secret::new(value.to_owned()), is_credential }
}

/// The request as it is sent, and with `_` where nothing can be disclosed.
fn drafted(request: &Request) -> Result<(String, String), String> {
    let target = request.target().map_err(|error| error.to_string())?;
    let draft = request.draft(&target).map_err(|error| error.to_string())?;
    let mut shown = vec![b'_'; draft.bytes().len()];
    for range in draft.pieces().iter().flat_map(|piece| piece.as_slice()) {
        let range = range.start as usize..range.end as usize;
        shown[range.clone()].copy_from_slice(&draft.bytes()[range]);
    }
    Ok((String::from_utf8(draft.bytes().to_vec()).unwrap(), String::from_utf8(shown).unwrap()))
}

#[test]
fn credentials_are_sent_and_sealed() {
    let request = Request {
        headers: vec![
            header("Accept", "application/json", false),
            header("Authorization", "Bearer SECRET", false),
            header("x-tenant", "SECRET2", true),
        ],
        seal_query: true,
        ..Request::get("https://Bank.example/a/../b?key=SECRET3#top")
    };
    let (sent, shown) = drafted(&request).unwrap();
    let expected = format!(
        "GET /b?key=SECRET3 HTTP/1.1\r\nhost: bank.example\r\naccept-encoding: identity\r\nconnection: close\r\n\
         user-agent: {USER_AGENT}\r\naccept: application/json\r\nauthorization: Bearer SECRET\r\n\
         x-tenant: SECRET2\r\n\r\n"
    );
    assert_eq!(sent, expected);
    let hidden = expected.replace("Bearer SECRET\r", &format!("{}\r", "_".repeat(13)));
    let hidden = hidden.replace("SECRET2", "_______").replace("key=SECRET3", "___________");
    assert_eq!(shown, hidden);
    assert!(!format!("{request:?} {:?}", request.target()).contains("SECRET"));
}

/// Nobody has to say so.
#[test]
fn what_is_named_like_a_credential_is_sealed() {
    for name in ["X-Token", "x-api-key", "Session", "x-sessionToken", "x_client-secret", "SIGNATURE"] {
        let request = Request { headers: vec![header(name, "SECRET", false)], ..Request::get("https://bank.example") };
        assert!(!drafted(&request).unwrap().1.contains("SECRET"), "{name}");
        let url = format!("https://bank.example/?month=10&{name}=SECRET");
        assert!(!drafted(&Request::get(url)).unwrap().1.contains("SECRET"), "{name}");
    }
    for name in ["accept-language", "x-author", "month", "x-keyboard"] {
        let url = format!("https://bank.example/?{name}=SHOWN");
        let request = Request { headers: vec![header(name, "SHOWN", false)], ..Request::get(url) };
        assert_eq!(drafted(&request).unwrap().1.matches("SHOWN").count(), 2, "{name}");
    }
}

#[test]
fn a_body_has_its_length() {
    let post = |seal_body| Request {
        method: Method::Post,
        body: b"{\"pin\":1}".to_vec(),
        seal_body,
        ..Request::get("https://bank.example:8443")
    };
    let (sent, shown) = drafted(&post(false)).unwrap();
    assert!(sent.starts_with("POST / HTTP/1.1\r\nhost: bank.example:8443\r\n"), "{sent}");
    assert!(sent.contains("content-length: 9\r\n") && sent.ends_with("\r\n\r\n{\"pin\":1}"), "{sent}");
    assert_eq!(sent, shown);
    assert!(drafted(&post(true)).unwrap().1.ends_with("\r\n\r\n_________"));
}

#[test]
fn what_cannot_be_sent_is_refused() {
    for (url, problem) in [
        ("http://bank.example/", "only https"),
        ("https://127.0.0.1/", "has to have a name"),
        ("https://[::1]/", "has to have a name"),
        ("https://user:SECRET@bank.example/", "belong into a header"),
        ("https://bank.example./", "ends with a dot"),
        ("bank.example", "it is none"),
    ] {
        let error = drafted(&Request::get(url)).unwrap_err();
        assert!(error.contains(problem) && !error.contains("SECRET"), "{url}: {error}");
    }
    for (name, value, problem) in [
        ("host", "other.example", "'host' is the notary's own"),
        ("Content-Length", "5", "'content-length' is the notary's own"),
        ("x-a", "SECRET\r\nhost: other.example", "the value of 'x-a' cannot be sent"),
        ("x-a", " SECRET", "the value of 'x-a' cannot be sent"),
        ("x-a", "SÉCRET", "the value of 'x-a' cannot be sent"),
        ("authorization: SECRET", "", "a header's name cannot be sent"),
        ("", "SECRET", "a header's name cannot be sent"),
    ] {
        let request = Request { headers: vec![header(name, value, false)], ..Request::get("https://bank.example") };
        let error = drafted(&request).unwrap_err();
        assert!(error.contains(problem) && !error.contains("CRET"), "{name}: {error}");
    }
    let body = Request { body: vec![1], ..Request::get("https://bank.example") };
    assert_eq!(drafted(&body).unwrap_err(), InvalidRequest::Body.to_string());
}
