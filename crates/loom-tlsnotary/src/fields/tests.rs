use super::*;
use crate::http::tests::with_holes;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";

fn look_up(response: &str, pointer: &str) -> Result<Field, Missing> {
    let extracted = extract(&with_holes(response), &[pointer.to_owned()]).unwrap();
    extracted.fields[pointer].clone()
}

/// `_` stands for a byte that is not disclosed.
#[test]
fn a_value_counts_where_all_before_it_is_disclosed() {
    let found = |json: &str, pointer: &str| look_up(&format!("{HEAD}{json}"), pointer).unwrap();
    for (json, pointer, text) in [
        (r#"{"a":"1"}"#, "/a", r#""1""#),
        (r#"{"a":{"b":[1,{"c":2.50}]}}"#, "/a/b/1/c", "2.50"),
        (r#"{"a":1,"b":true}"#, "", r#"{"a":1,"b":true}"#),
        (r#" [ null , -1e3 ] "#, "/1", "-1e3"),
        (r#"{"~/":{"é\n":"\""}}"#, "/~0~1/é\n", r#""\"""#),
        (r#"{"":{"":5}}"#, "//", "5"),
        (r#"{"a":1,"b":"__"}"#, "/a", "1"),
        (r#"{"a":1_______"#, "/a", ""),
    ] {
        if text.is_empty() {
            assert!(look_up(&format!("{HEAD}{json}"), pointer).is_err(), "{json}");
            continue;
        }
        let field = found(json, pointer);
        assert_eq!(field.text, text, "{json} {pointer}");
        assert!(field.is_placed(), "{json}");
        let range = field.range.start as usize..field.range.end as usize;
        assert_eq!(&format!("{HEAD}{json}")[range], text);
    }
}

#[test]
fn holes_before_a_value_are_assumptions_and_holes_after_it_are_reported() {
    let response = format!("{HEAD}{}", r#"{"a":"__","b":_,"c":1,"d":"x_y"}"#);
    let field = look_up(&response, "/c").unwrap();
    assert!(!field.is_placed());
    assert_eq!((field.assumes.len(), field.hidden_after.len()), (2, 1));
    let head = "HTTP/1.1 200 OK\r\nSet-Cookie: ___\r\n\r\n{\"a\":1}";
    assert_eq!(look_up(head, "/a").unwrap().assumes, std::slice::from_ref(&(29..32)));
}

#[test]
fn what_may_hide_a_value_or_its_place_ends_the_search() {
    for json in [
        r#"{______"a":1}"#,
        r#"______{"a":1}"#,
        r#"{"b":1____,"a":1}"#.trim(),
        r#"{"_":1,"a":1}"#,
        r#"{"b":"\_","a":1}"#,
        r#"{"b":["x"____],"a":1}"#,
        r#"{"b"_"c","a":1}"#,
        r#"{"b":{"x":"_"_"a":1}}"#,
        r#"{"a":1_______"#,
    ] {
        let response = format!("{HEAD}{json}");
        match look_up(&response, "/a") {
            // A number that goes on in a hole is one value, but not a known one.
            Ok(field) => assert!(!field.is_placed(), "{json}"),
            Err(missing) => assert!(matches!(missing, Missing::Hidden { .. }), "{json}: {missing}"),
        }
    }
    let partly = look_up(&format!("{HEAD}{}", r#"{"a":"x_y"}"#), "/a");
    assert_eq!(partly, Err(Missing::Partial));
    assert_eq!(look_up(&format!("{HEAD}{}", r#"{"a":1}"#), "/b"), Err(Missing::Absent));
}

#[test]
fn a_value_that_is_one_hole_has_a_place() {
    let withheld = |json: &str| match look_up(&format!("{HEAD}{json}"), "/a") {
        Err(Missing::Withheld(withheld)) => Some((withheld.range, withheld.assumes.len(), withheld.hidden_after.len())),
        _ => None,
    };
    let at = |start: u64, end: u64| start + HEAD.len() as u64..end + HEAD.len() as u64;
    for (json, expected) in [
        (r#"{"a":"___"}"#, Some((at(6, 9), 0, 0))),
        (r#"{"a":___}"#, Some((at(5, 8), 0, 0))),
        (r#"{"z":"_","a":___,"b":[_]}"#, Some((at(13, 16), 1, 1))),
        (r#"{"a":"_x"}"#, None),
        (r#"{"a":"_x_"}"#, None),
        (r#"{"a":1_}"#, None),
        (r#"{"a":[_]}"#, None),
        (r#"{"a":"x"}"#, None),
        (r#"{"a":____"#, None),
    ] {
        assert_eq!(withheld(json), expected, "{json}");
    }
}

#[test]
fn bodies_end_where_their_heads_say() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n3;x=y\r\n\"__\r\n6\r\n\",\"b\":\r\n2\r\n7}\r\n0\r\n\r\n";
    let field = look_up(chunked, "/b").unwrap();
    assert_eq!((&field.text[..], field.assumes.len()), ("7", 1));
    assert_eq!(&chunked[field.range.start as usize..field.range.end as usize], "7");
    let length = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{\"a\":1}";
    assert_eq!(look_up(length, "/a").unwrap().text, "1");
}

#[test]
fn what_readers_could_understand_differently_is_not_read() {
    for (response, problem) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}{", "more follows"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"a\":1}", "ends before"),
        ("HTTP/1.1 200 OK\r\nContent-Length: _\r\n\r\n{\"a\":1}", "Content-Length"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Length: 7\r\n\r\n{\"a\":1}", "second word"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n{\"a\":1}", "second word"),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n{\"a\":1}", "Content-Encoding"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n{\"a\":1}", "Transfer-Encoding"),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{\"a\":1}", "beginning"),
        ("HTTP/2 200\r\n\r\n{\"a\":1}", "beginning"),
        ("HTTP/1.1 200 OK\r\nSet-Cookie_____\r\n\r\n{\"a\":1}", "not disclosed"),
        ("_________________________{\"a\":1}", "not disclosed"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{\"a\":1}_________", "not disclosed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n{\"a\":____", "not disclosed"),
        ("HTTP/1.1 200 OK\r\n\r\n{\"a\":1,\"a\":1}", "twice"),
        ("HTTP/1.1 200 OK\r\n\r\n{\"b\":{\"c\":1,\"\\u0063\":1},\"a\":1}", "twice"),
        ("HTTP/1.1 200 OK\r\n\r\n{\"a\":01}", "not a value"),
        ("HTTP/1.1 200 OK\r\n\r\n{\"a\":1,}", "key"),
        ("HTTP/1.1 200 OK\r\n\r\n", "ends"),
    ] {
        let error = extract(&with_holes(response), &["/a".to_owned()]).unwrap_err().to_string();
        assert!(error.contains(problem), "{response:?}: {error}");
    }
    let deep = format!("{HEAD}{}", "[".repeat(100_000));
    assert!(extract(&with_holes(&deep), &["/a".to_owned()]).unwrap_err().to_string().contains("nested"));
}

#[test]
fn pointers_are_checked() {
    let response = with_holes("HTTP/1.1 200 OK\r\n\r\n{}");
    assert!(matches!(extract(&response, &["a".to_owned()]), Err(NoFields::Pointer(_))));
    let many = vec![String::new(); POINTERS_MAX + 1];
    assert!(matches!(extract(&response, &many), Err(NoFields::TooManyPointers(_))));
}
