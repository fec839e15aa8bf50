//! What is left of a value elsewhere: the same value in another payload, or a telling part of it.

use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::AhoCorasick;
use loom_evidence::Bundle;
use loom_machine::Message;
use loom_types::{Cid, EntryBody, Payload};
use serde_json::Value;

/// Shortest text that tells something, in characters.
const TELLING_CHARS_MIN: usize = 4;
/// Fewest digits of a number that tells something.
const TELLING_DIGITS_MIN: usize = 4;

/// What to look for.
pub(super) struct Traces {
    /// Texts, and numbers as text, each with the payload that has it.
    texts: Vec<(String, Cid)>,
    /// Whole values that are made of others.
    values: Vec<(Value, Cid)>,
}

impl Traces {
    pub(super) fn of(bundle: &Bundle, hidden: &BTreeSet<Cid>) -> Self {
        let (mut texts, mut values) = (BTreeMap::new(), Vec::new());
        for cid in hidden {
            let Some(value) = bundle.payloads().get(cid).and_then(value) else { continue };
            parts(&value, &mut |part| {
                if let Some(text) = telling(part) {
                    texts.entry(text).or_insert(*cid);
                }
            });
            let is_made_of_others = match &value {
                Value::Array(items) => items.len() > 1,
                Value::Object(members) => !members.is_empty(),
                _ => false,
            };
            if is_made_of_others {
                values.push((value, *cid));
            }
        }
        let public = public(bundle, texts.keys());
        Self { texts: texts.into_iter().filter(|(text, _)| !public.contains(text)).collect(), values }
    }

    /// Payloads and blobs that are not hidden and have something of what is: each with one hidden payload.
    pub(super) fn shown_by(&self, bundle: &Bundle, hidden: &BTreeSet<Cid>, without: &BTreeSet<Cid>) -> Vec<(Cid, Cid)> {
        let finder = AhoCorasick::new(self.texts.iter().map(|(text, _)| text)).expect("bounded by what payloads hold");
        let mut shown = Vec::new();
        for (cid, payload) in bundle.payloads().iter().filter(|(cid, _)| !hidden.contains(cid)) {
            let Some(value) = value(payload) else { continue };
            shown.extend(self.found_in(&value, &finder).map(|of| (*cid, of)));
        }
        let code = code(bundle);
        for (cid, bytes) in bundle.material().iter().filter(|(cid, _)| !without.contains(cid) && !code.contains(cid)) {
            let text = String::from_utf8_lossy(bytes);
            let value = serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.into_owned()));
            shown.extend(self.found_in(&value, &finder).map(|of| (*cid, of)));
        }
        shown
    }

    fn found_in(&self, value: &Value, finder: &AhoCorasick) -> Option<Cid> {
        let mut found = None;
        parts(value, &mut |part| {
            if found.is_some() {
                return;
            }
            found = match part {
                Value::String(text) => {
                    let mut matches =
                        finder.find_overlapping_iter(text).filter(|it| is_word(text, it.start(), it.end()));
                    matches.next().map(|it| self.texts[it.pattern().as_usize()].1)
                }
                Value::Number(_) => {
                    let text = telling(part);
                    let same = self.texts.iter().find(|(known, _)| Some(known) == text.as_ref());
                    same.map(|(_, cid)| *cid)
                }
                Value::Array(_) | Value::Object(_) => {
                    self.values.iter().find(|(whole, _)| whole == part).map(|(_, cid)| *cid)
                }
                Value::Null | Value::Bool(_) => None,
            };
        });
        found
    }
}

/// What a payload says: of a message its body.
fn value(payload: &Payload) -> Option<Value> {
    let body = Message::decode(payload.value()).ok().map(|message| message.body);
    match body {
        Some(body) => serde_json::from_str(&body).ok(),
        None => serde_json::from_slice(payload.value()).ok(),
    }
}

/// Visits a value and all that it is made of.
fn parts(value: &Value, visit: &mut impl FnMut(&Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| parts(item, visit)),
        Value::Object(members) => members.values().for_each(|member| parts(member, visit)),
        _ => {}
    }
}

/// The text of a part that tells something by itself.
fn telling(part: &Value) -> Option<String> {
    match part {
        Value::String(text) => (text.chars().count() >= TELLING_CHARS_MIN).then(|| text.clone()),
        Value::Number(number) => {
            // 5000, 5000.0 and 5e3 are one number.
            let text = number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string());
            let digits = text.trim_start_matches(['-', '0', '.']).chars().filter(char::is_ascii_digit).count();
            (digits >= TELLING_DIGITS_MIN).then_some(text)
        }
        _ => None,
    }
}

/// Not a part of a longer word or number.
fn is_word(text: &str, start: usize, end: usize) -> bool {
    let continues = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    !continues(text[..start].chars().next_back()) && !continues(text[end..].chars().next())
}

/// Deployments and what they name: modules.
fn code(bundle: &Bundle) -> BTreeSet<Cid> {
    let mut code = BTreeSet::new();
    for (cid, bytes) in bundle.material() {
        if let Ok(deployment) = loom_machine::Deployment::decode(bytes) {
            code.insert(*cid);
            code.extend(deployment.actors.values().map(|spec| spec.module));
            code.extend(deployment.activities.values().map(|spec| spec.module));
        }
    }
    code
}

/// Those texts that everybody may read anyway: in code, or in what entries say themselves.
fn public<'a>(bundle: &Bundle, texts: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
    let texts: Vec<&String> = texts.collect();
    // Rust's modules hold text as UTF-8, AssemblyScript's as UTF-16.
    let wide = texts.iter().map(|text| text.encode_utf16().flat_map(u16::to_le_bytes).collect());
    let forms: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).chain(wide).collect();
    let finder = AhoCorasick::new(&forms).expect("bounded by what payloads hold");
    let code = code(bundle);
    let code = bundle.material().iter().filter(|(cid, _)| code.contains(cid)).map(|(_, bytes)| &bytes[..]);
    let said = bundle.entries().iter().flatten().flat_map(|entry| match &entry.body {
        EntryBody::Control { what, by, .. } => vec![entry.actor.as_str(), what, by],
        _ => vec![entry.actor.as_str()],
    });
    let found = code.chain(said.map(str::as_bytes)).flat_map(|bytes| {
        let found: BTreeSet<usize> = finder.find_overlapping_iter(bytes).map(|it| it.pattern().as_usize()).collect();
        found
    });
    found.map(|form| texts[form % texts.len()].clone()).collect()
}
