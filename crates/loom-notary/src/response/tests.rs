use proptest::prelude::*;

use super::*;

/// Status and body of a response that comes in byte by byte, or what is wrong with it.
fn read(text: &str, is_closed: bool) -> Result<Option<(u16, String)>, Problem> {
    let bytes = text.as_bytes();
    let mut progress = Progress::default();
    for end in 0..bytes.len() {
        if let Some(early) = progress.advance(&bytes[..end], false)? {
            panic!("{early:?} ends before the text does");
        }
    }
    let response = progress.advance(bytes, is_closed)?;
    Ok(response.map(|response| {
        let body = String::from_utf8(response.body_of(bytes).into_owned()).unwrap();
        (response.status, body)
    }))
}

#[test]
fn a_response_ends_where_it_says() {
    let whole = |status, body: &str| Ok(Some((status, body.to_owned())));
    assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", false), whole(200, "hi"));
    assert_eq!(read("HTTP/1.1 404\r\ncontent-length:0 \r\n\r\n", false), whole(404, ""));
    assert_eq!(read("HTTP/1.1 204 No Content\r\n\r\n", false), whole(204, ""));
    assert_eq!(read("HTTP/1.0 200 OK\r\n\r\nhi", true), whole(200, "hi"));
    assert_eq!(read("HTTP/1.0 200 OK\r\n\r\nhi", false), Ok(None));
    assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", true), Ok(None));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n";
    assert_eq!(read(&format!("{chunked}1\r\nh\r\n0a\r\n0123456789\r\n0\r\n\r\n"), false), whole(200, "h0123456789"));
    assert_eq!(read(&format!("{chunked}1\r\nh\r\n"), true), Ok(None));
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let ok = "HTTP/1.1 200 OK\r\n";
    for (text, problem) in [
        ("HTTP/2 200 OK\r\n\r\n", "status line"),
        ("HTTP/1.1 100 Continue\r\n\r\n", "status"),
        ("HTTP/1.1 20 OK\r\n\r\n", "status"),
        ("HTTP/1.1 200 OK\n\n", "a line does not end"),
        (&format!("{ok}a: b\rc\r\n\r\n"), "a line does not end"),
        (&format!("{ok}a b: c\r\n\r\n"), "name"),
        (&format!("{ok} folded\r\n\r\n"), "colon"),
        (&format!("{ok} folded: x\r\n\r\n"), "name"),
        (&format!("{ok}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi"), "twice"),
        (&format!("{ok}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"), "both"),
        (&format!("{ok}Content-Length: +2\r\n\r\nhi"), "no number"),
        (&format!("{ok}Transfer-Encoding: gzip\r\n\r\n"), "transfer coding"),
        (&format!("{ok}Transfer-Encoding: chunked\r\n\r\n2;x\r\nhi\r\n0\r\n\r\n"), "no number"),
        (&format!("{ok}Transfer-Encoding: chunked\r\n\r\n1\r\nhi\r\n0\r\n\r\n"), "does not end where"),
        (&format!("{ok}Transfer-Encoding: chunked\r\n\r\n0\r\nx: y\r\n\r\n"), "fields follow"),
    ] {
        let found = read(text, true).expect_err(text);
        assert!(found.contains(problem), "{text}: {found}");
    }
    let follow = Response::read(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nhi").map(drop);
    assert_eq!(follow, Err("bytes follow it"));
    let long = format!("{ok}a: {}", "b".repeat(RESPONSE_HEAD_BYTES_MAX));
    assert_eq!(Response::read(long.as_bytes()).map(drop), Err("its head is too long"));
}

#[test]
fn bytes_of_the_body_are_found_in_the_response() {
    let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n4\r\nfghi\r\n0\r\n\r\n";
    let response = Response::read(text.as_bytes()).unwrap().unwrap();
    for span in [0..1, 0..9, 2..4, 3..5, 4..6, 5..9, 2..8, 8..9] {
        let located = response.located(std::slice::from_ref(&span));
        let found: String =
            located.as_slice().iter().map(|range| &text[range.start as usize..range.end as usize]).collect();
        assert_eq!(found, "abcdefghi"[span.clone()], "{span:?}");
    }
}

proptest! {
    /// Whatever a server sends: it is a response in one way, however it comes in, or none.
    #[test]
    fn how_bytes_come_in_changes_nothing(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("HTTP/1.1 200 OK\r\n".to_owned()),
                Just("Content-Length: 3\r\n".to_owned()),
                Just("Transfer-Encoding: chunked\r\n".to_owned()),
                Just("\r\n".to_owned()),
                Just("3\r\nabc\r\n".to_owned()),
                Just("0\r\n\r\n".to_owned()),
                "[a-z0-9:\r\n ]{0,6}",
            ],
            0..8,
        ),
        cuts in proptest::collection::vec(0..100usize, 0..4),
    ) {
        let text = parts.concat();
        let bytes = text.as_bytes();
        let at_once = Progress::default().advance(bytes, true).map(|found| found.map(|it| (it.status, it.body)));
        let mut progress = Progress::default();
        let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut < bytes.len()).collect();
        cuts.sort_unstable();
        for cut in cuts {
            match progress.advance(&bytes[..cut], false) {
                Ok(None) => {}
                // It was whole before its end, so what follows is too much; or it was wrong already.
                Ok(Some(_)) | Err(_) => {
                    prop_assert!(at_once.is_err());
                    return Ok(());
                }
            }
        }
        let in_parts = progress.advance(bytes, true).map(|found| found.map(|it| (it.status, it.body)));
        prop_assert_eq!(in_parts, at_once);
    }
}
