use super::*;

#[test]
fn payloads_are_named_as_they_are_shown() {
    for text in ["inputs", "7", "7:message", "loan-review/A1#7:ok", "loan-review/A1#7"] {
        assert_eq!(text.parse::<Redaction>().unwrap().to_string(), text);
    }
    for text in ["", "outputs", "x:message", "-1", "a/b#", "#:ok"] {
        assert!(matches!(text.parse::<Redaction>(), Err(RedactionError::Malformed(_))), "{text}");
    }
}
