//! Comparing JSON values, and naming the first place where they part.

use serde_json::Value;

/// How much of the expected value must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// All of it and nothing else.
    Exactly,
    /// Every member that is named; objects may have more.
    AtLeast,
}

/// The first difference.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// JSON pointer; empty for the whole value.
    pub(crate) pointer: String,
    /// What stands there in both.
    pub(crate) text: String,
}

/// The first place where `actual` is not as expected.
pub(crate) fn difference(how: How, expected: &Value, actual: &Value) -> Option<Difference> {
    differs_at(how, expected, actual, String::new())
}

fn differs_at(how: How, expected: &Value, actual: &Value, pointer: String) -> Option<Difference> {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            for (name, value) in expected {
                let at = format!("{pointer}/{}", escaped(name));
                match actual.get(name) {
                    Some(found) => {
                        if let Some(found) = differs_at(how, value, found, at) {
                            return Some(found);
                        }
                    }
                    None => return Some(Difference { pointer: at, text: format!("expected {value}, found nothing") }),
                }
            }
            let more = actual.iter().find(|(name, _)| how == How::Exactly && !expected.contains_key(*name));
            more.map(|(name, value)| Difference {
                pointer: format!("{pointer}/{}", escaped(name)),
                text: format!("expected nothing, found {value}"),
            })
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => expected
            .iter()
            .zip(actual)
            .enumerate()
            .find_map(|(index, (expected, actual))| differs_at(how, expected, actual, format!("{pointer}/{index}"))),
        _ if expected == actual => None,
        _ => Some(Difference { pointer, text: format!("expected {expected}, found {actual}") }),
    }
}

/// A name as a part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(how: How, expected: Value, actual: Value) -> Option<String> {
        difference(how, &expected, &actual).map(|difference| format!("{}: {}", difference.pointer, difference.text))
    }

    #[test]
    fn the_first_difference_is_named() {
        let both = json!({"a": [1, {"b/c": null}]});
        assert_eq!(at(How::Exactly, both.clone(), both.clone()), None);
        assert_eq!(
            at(How::Exactly, both.clone(), json!({"a": [1, {"b/c": 2}]})).as_deref(),
            Some("/a/1/b~1c: expected null, found 2")
        );
        assert_eq!(
            at(How::Exactly, both, json!({})).as_deref(),
            Some(r#"/a: expected [1,{"b/c":null}], found nothing"#)
        );
        assert_eq!(at(How::Exactly, json!([1]), json!([1, 2])).as_deref(), Some(": expected [1], found [1,2]"));
    }

    #[test]
    fn only_objects_may_have_more() {
        assert_eq!(at(How::AtLeast, json!({"a": {"b": 1}}), json!({"a": {"b": 1, "c": 2}, "d": 3})), None);
        assert!(at(How::AtLeast, json!([1]), json!([1, 2])).is_some());
        assert_eq!(
            at(How::Exactly, json!({"a": 1}), json!({"a": 1, "b": 2})).as_deref(),
            Some("/b: expected nothing, found 2")
        );
    }
}
