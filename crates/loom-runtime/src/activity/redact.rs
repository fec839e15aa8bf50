//! Keeping secrets out of journals, logs and error texts.
//!
//! An activity's output is journaled for ever, so an output that contains the value of a secret it was granted is
//! refused, and texts meant for people are masked. Values are looked for as they are and in the encodings that
//! tend to happen by accident: base64 at any offset, hex, percent-encoding, JSON escapes. A guest that was given
//! a value and means to hide it, by encrypting or splitting it, cannot be stopped here: the capability `secret`
//! is trust in the module. A value that only the host puts into headers leaks only if the system that gets it repeats it
//! in a form that is not looked for; responses that are compressed are refused.

use std::{borrow::Cow, collections::BTreeSet};

use aho_corasick::{AhoCorasick, MatchKind};
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use loom_machine::Failure;
use serde_json::Value;

use super::Job;
use crate::outside::{ExposeSecret as _, Outside};

const MASK: &str = "[secret]";

/// Knows the values that an activity was granted. Never shown.
pub(super) struct Redactor {
    /// Finds every value in every form that is looked for, all in one pass.
    searcher: Option<AhoCorasick>,
    /// The secret that each form is one of.
    names: Vec<String>,
}

impl Redactor {
    pub(super) fn new(job: &Job, outside: &Outside) -> Self {
        Self::of(&job.spec.secrets, outside, job.address.namespace())
    }

    fn of(secrets: &BTreeSet<String>, outside: &Outside, namespace: &str) -> Self {
        let (mut patterns, mut names) = (Vec::new(), Vec::new());
        for name in secrets {
            let Some(value) = outside.secrets.get(namespace, name) else { continue };
            for form in forms(value.expose_secret()) {
                patterns.push(form);
                names.push(name.clone());
            }
        }
        // Of two that begin alike the longer one, or the rest of it would be shown.
        let searcher = || AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&patterns);
        let searcher = (!patterns.is_empty()).then(|| searcher().expect("secrets are few, and short"));
        Self { searcher, names }
    }

    /// Whether there is anything to look for.
    pub(super) fn has_secrets(&self) -> bool {
        self.searcher.is_some()
    }

    /// The result, unless it would take a secret into the journal.
    pub(super) fn checked(&self, result: Result<String, Failure>) -> Result<String, Failure> {
        match result {
            Ok(output) => match self.found_in_json(&output) {
                None => Ok(output),
                Some(name) => {
                    let text = format!("the output contains the value of the secret {name}, and would be journaled");
                    Err(Failure::new("secret-in-output", text))
                }
            },
            Err(failure) => Err(self.checked_failure(failure)),
        }
    }

    /// The failure with secrets masked.
    pub(super) fn checked_failure(&self, mut failure: Failure) -> Failure {
        failure.message = self.masked(&failure.message).into_owned();
        failure.backtrace = failure.backtrace.iter().map(|frame| self.masked(frame).into_owned()).collect();
        if self.found(&failure.kind).is_some() {
            failure.kind = "secret-in-output".to_owned();
        }
        failure
    }

    /// The text with secrets masked.
    pub(super) fn masked<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(searcher) = self.searcher.as_ref().filter(|searcher| searcher.is_match(text)) else {
            return Cow::Borrowed(text);
        };
        let mut masked = String::with_capacity(text.len());
        searcher.replace_all_with(text, &mut masked, |_, _, masked| {
            masked.push_str(MASK);
            true
        });
        Cow::Owned(masked)
    }

    /// The same for what is no text. Its length stays.
    pub(super) fn masked_bytes(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let found = self.searcher.iter().flat_map(|searcher| searcher.find_iter(&bytes));
        let places: Vec<_> = found.map(|found| found.range()).collect();
        for place in places {
            bytes[place].fill(b'*');
        }
        bytes
    }

    fn found(&self, text: &str) -> Option<&str> {
        let found = self.searcher.as_ref()?.find(text)?;
        Some(self.names[found.pattern().as_usize()].as_str())
    }

    /// Looks at the text and at what its strings mean, since any character of a string can be escaped.
    fn found_in_json(&self, text: &str) -> Option<&str> {
        if !self.has_secrets() {
            return None;
        }
        let parsed = || serde_json::from_str::<Value>(text).ok();
        self.found(text).or_else(|| parsed().and_then(|value| self.found_in_value(&value)))
    }

    fn found_in_value(&self, value: &Value) -> Option<&str> {
        match value {
            Value::String(text) => self.found(text),
            Value::Array(items) => items.iter().find_map(|item| self.found_in_value(item)),
            Value::Object(members) => {
                members.iter().find_map(|(name, member)| self.found(name).or_else(|| self.found_in_value(member)))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => None,
        }
    }
}

fn forms(value: &str) -> Vec<String> {
    let bytes = value.as_bytes();
    let quoted = Value::from(value).to_string();
    let mut forms = vec![value.to_owned(), quoted[1..quoted.len() - 1].to_owned()];
    forms.extend([HEXLOWER.encode(bytes), HEXUPPER.encode(bytes), percent_encoded(bytes)]);
    for encoding in [BASE64_NOPAD, BASE64URL_NOPAD] {
        forms.extend((0..3).map(|offset| base64_within(&encoding, bytes, offset)));
    }
    forms.dedup();
    forms
}

/// The characters that `bytes` always leave in the base64 of a text where they stand at this offset modulo 3:
/// those at the edges depend on the neighbours too.
fn base64_within(encoding: &data_encoding::Encoding, bytes: &[u8], offset: usize) -> String {
    let shifted: Vec<u8> = std::iter::repeat_n(0, offset).chain(bytes.iter().copied()).collect();
    let text = encoding.encode(&shifted);
    let (first, last) = ((offset * 8).div_ceil(6), shifted.len() * 8 / 6);
    text[first..last].to_owned()
}

fn percent_encoded(bytes: &[u8]) -> String {
    let encode = |byte: &u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    bytes.iter().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::outside::{SecretString, Secrets};

    const VALUE: &str = "pa\"ss wörd/1234";

    struct One;

    impl Secrets for One {
        fn get(&self, _namespace: &str, name: &str) -> Option<SecretString> {
            (name == "KEY").then(|| VALUE.into())
        }
    }

    fn redactor() -> Redactor {
        let outside = Outside { secrets: Arc::new(One), ..Outside::none() };
        Redactor::of(&["KEY".to_owned(), "MISSING".to_owned()].into(), &outside, "default")
    }

    #[test]
    fn outputs_with_a_secret_in_them_are_refused() {
        let redactor = redactor();
        let escaped: String = VALUE.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        let base64 = |before: &str| data_encoding::BASE64.encode(format!("{before}{VALUE} and more").as_bytes());
        for output in [
            Value::from(VALUE).to_string(),
            format!("{{\"a\":[\"before {escaped} after\"]}}"),
            format!("{{\"{escaped}\":1}}"),
            Value::from(HEXLOWER.encode(VALUE.as_bytes())).to_string(),
            Value::from(percent_encoded(VALUE.as_bytes())).to_string(),
            Value::from(base64("")).to_string(),
            Value::from(base64("u:")).to_string(),
            Value::from(base64("u")).to_string(),
            Value::from(data_encoding::BASE64URL.encode(VALUE.as_bytes())).to_string(),
        ] {
            let failure = redactor.checked(Ok(output.clone())).expect_err(&output);
            assert_eq!(failure.kind, "secret-in-output", "{output}");
            assert!(failure.message.contains("KEY") && !failure.message.contains(VALUE), "{failure}");
        }
        assert_eq!(redactor.checked(Ok("\"harmless\"".into())), Ok("\"harmless\"".into()));
    }

    #[test]
    fn texts_for_people_are_masked() {
        let redactor = redactor();
        let failure = Failure::new("no", format!("it said {VALUE}!")).with_backtrace([VALUE.to_owned()]);
        let masked = redactor.checked(Err(failure)).unwrap_err();
        assert_eq!((masked.message.as_str(), masked.backtrace[0].as_str()), ("it said [secret]!", "[secret]"));
        let bytes = [&[0xff], VALUE.as_bytes(), &[0xfe]].concat();
        let stars = [vec![0xff], vec![b'*'; VALUE.len()], vec![0xfe]].concat();
        assert_eq!(redactor.masked_bytes(bytes), stars);
        let many = [VALUE.as_bytes().repeat(30_000), vec![0xff]].concat();
        assert!(redactor.masked_bytes(many).iter().all(|byte| [b'*', 0xff].contains(byte)));
    }
}
