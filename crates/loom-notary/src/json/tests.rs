use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn pieces(text: &str, max: usize) -> Vec<String> {
    let shown = |spans: &Vec<Range<usize>>| {
        let texts: Vec<_> = spans.iter().filter(|span| !span.is_empty()).map(|span| &text[span.clone()]).collect();
        texts.join("|")
    };
    Outline::read(text.as_bytes()).unwrap().pieces(max).iter().map(shown).collect()
}

#[test]
fn values_stand_where_they_stand() {
    let text = r#" {"a" : "x\"y" , "b":[ -1.5e3,true , []],"c\u0064":{}, "é":"" } "#;
    assert_eq!(
        pieces(text, 100),
        [
            r#" {"a" : "|" , "b":|,"c\u0064":|, "é":"|" } "#.to_owned(),
            r#"x\"y"#.to_owned(),
            "[ |,| , |]".to_owned(),
            "{}".to_owned(),
            String::new(),
            "-1.5e3".to_owned(),
            "true".to_owned(),
            "[]".to_owned(),
        ]
    );
    let outline = Outline::read(text.as_bytes()).unwrap();
    let at = |pointer: &[&str]| {
        let pointer: Vec<String> = pointer.iter().map(|&name| name.to_owned()).collect();
        outline.at(&pointer).map(|found| text[found.span()].to_owned())
    };
    assert_eq!(at(&["a"]).as_deref(), Some(r#"x\"y"#));
    assert_eq!(at(&["b", "1"]).as_deref(), Some("true"));
    assert_eq!(at(&["b", "01"]), None);
    assert_eq!(at(&["cd"]).as_deref(), Some("{}"));
    assert_eq!(at(&["a", "0"]), None);
    assert_eq!(outline.scalars().len(), 4);
}

#[test]
fn what_is_too_much_stays_whole() {
    let text = r#"{"a":[1,2],"b":[3,4]}"#;
    assert_eq!(pieces(text, 100).len(), 7);
    assert_eq!(pieces(text, 5), [r#"{"a":|,"b":|}"#, "[|,|]", "[3,4]", "1", "2"]);
    assert_eq!(pieces(text, 3), [r#"{"a":|,"b":|}"#, "[1,2]", "[3,4]"]);
    assert_eq!(pieces(text, 1), [text]);
}

#[test]
fn what_cannot_be_pointed_into_has_no_outline() {
    let deep = "[".repeat(JSON_DEPTH_MAX + 2) + &"]".repeat(JSON_DEPTH_MAX + 2);
    for text in ["", "{", "{a}", r#"{"a":1,"a":2}"#, r#"[{"a":1,"\u0061":2}]"#, "1 2", deep.as_str()] {
        assert!(Outline::read(text.as_bytes()).is_none(), "{text}");
    }
    assert!(Outline::read(b"\"\xff\"").is_none());
    assert!(Outline::read(b" 12 ").is_some());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn compare(text: &str, outline: &Outline, value: &Value) {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        Value::String(expected) => {
            let quoted = format!("\"{}\"", &text[outline.span()]);
            return assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), *expected);
        }
        scalar => return assert_eq!(text[outline.span()], scalar.to_string()),
    };
    for (name, value) in members {
        compare(text, outline.at(&[name]).unwrap(), value);
    }
}

proptest! {
    /// The outline finds what serde finds, and however few the pieces: each byte is in one of them, and in no other.
    #[test]
    fn every_byte_is_in_one_piece(value in any_json(), is_pretty: bool, max in 1..60usize) {
        let text = if is_pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let text = text.unwrap();
        let outline = Outline::read(text.as_bytes()).unwrap();
        compare(&text, &outline, &value);
        let pieces = outline.pieces(max);
        prop_assert!(pieces.len() <= max);
        let mut spans: Vec<_> = pieces.concat().into_iter().filter(|span| !span.is_empty()).collect();
        spans.sort_by_key(|span| span.start);
        let is_container = value.is_object() || value.is_array();
        let quotes = usize::from(value.is_string());
        let mut at = quotes;
        for span in spans {
            prop_assert_eq!(span.start, at);
            at = span.end;
        }
        prop_assert_eq!(at, text.len() - quotes);
        prop_assert!(is_container || pieces.len() == 1);
    }
}
