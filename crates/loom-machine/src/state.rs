//! The actor's state while a turn runs: JSON, edited through pointers (RFC 6901), committed with the turn.

use loom_types::limits::PAYLOAD_BYTES_MAX;
use serde_json::{Map, Value, value::RawValue};

use crate::{Failure, limits::NUMBER_GROWTH_MAX};

/// State as the turn sees it. Text as long as it is only replaced whole, so a value comes back byte for byte.
#[derive(Clone, Debug, Default)]
pub(crate) struct StateBuffer {
    committed: Option<String>,
    current: Current,
    /// Bytes that the tree's text has at most.
    tree_bytes: usize,
}

/// Why a value was not set. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotSet {
    /// The guest is told.
    Invalid(Failure),
    /// The state would be too large for the turn to go on.
    TooLarge(Failure),
}

#[derive(Clone, Debug, Default)]
enum Current {
    #[default]
    Unchanged,
    Text(Option<String>),
    Tree(Value),
}

impl StateBuffer {
    pub(crate) fn new(committed: Option<String>) -> Self {
        Self { committed, current: Current::Unchanged, tree_bytes: 0 }
    }

    /// Forgets every edit.
    pub(crate) fn roll_back(&mut self) {
        self.current = Current::Unchanged;
    }

    /// What to store: `None` if the turn changed nothing, else the new state (or its absence).
    pub(crate) fn changed(&self) -> Option<Option<String>> {
        let now = match &self.current {
            Current::Unchanged => return None,
            Current::Text(text) => text.clone(),
            Current::Tree(tree) => Some(tree.to_string()),
        };
        (now != self.committed).then_some(now)
    }

    fn text(&self) -> Option<&str> {
        match &self.current {
            Current::Unchanged => self.committed.as_deref(),
            Current::Text(text) => text.as_deref(),
            Current::Tree(_) => None,
        }
    }

    /// The state as a tree. Fails where it nests deeper than the parser goes, which text set whole may do.
    fn parsed(&self) -> Result<Value, Failure> {
        match &self.current {
            Current::Tree(tree) => Ok(tree.clone()),
            _ => self.text().map_or(Ok(Value::Null), parse),
        }
    }

    /// JSON text at `pointer`; `null` where there is nothing.
    pub(crate) fn get(&mut self, pointer: &str) -> Result<String, Failure> {
        check(pointer)?;
        if pointer.is_empty() {
            return Ok(match &self.current {
                Current::Tree(tree) => tree.to_string(),
                _ => self.text().unwrap_or("null").to_owned(),
            });
        }
        let at = |tree: &Value| tree.pointer(pointer).map_or_else(|| "null".to_owned(), Value::to_string);
        match &self.current {
            Current::Tree(tree) => Ok(at(tree)),
            // Reading must not turn untouched text into a tree that is then written back differently.
            _ => self.parsed().map(|tree| at(&tree)),
        }
    }

    /// Sets the value at `pointer`, making missing parents objects.
    pub(crate) fn set(&mut self, pointer: &str, value: &RawValue) -> Result<(), NotSet> {
        check(pointer)?;
        if pointer.is_empty() {
            self.current = Current::Text(Some(value.get().to_owned()));
            return Ok(());
        }
        let (value, bytes) = (parse(value.get())?, value.get().len());
        self.edit(|tree| place(tree, pointer, value))?;
        self.has_grown((bytes + pointer.len()).saturating_mul(NUMBER_GROWTH_MAX))
    }

    /// Changes the tree; what fails leaves everything as it was.
    fn edit<T>(&mut self, change: impl FnOnce(&mut Value) -> Result<T, Failure>) -> Result<T, Failure> {
        if let Current::Tree(tree) = &mut self.current {
            return change(tree);
        }
        let mut tree = self.parsed()?;
        let changed = change(&mut tree)?;
        self.tree_bytes = tree.to_string().len();
        self.current = Current::Tree(tree);
        Ok(changed)
    }

    /// A tree takes many times the room of its text, so it may not even be too large for a while. `bytes`: by how much
    /// its text has grown at most.
    fn has_grown(&mut self, bytes: usize) -> Result<(), NotSet> {
        self.tree_bytes = self.tree_bytes.saturating_add(bytes);
        let Current::Tree(tree) = &self.current else { return Ok(()) };
        if self.tree_bytes > PAYLOAD_BYTES_MAX {
            self.tree_bytes = tree.to_string().len();
        }
        if self.tree_bytes > PAYLOAD_BYTES_MAX { Err(NotSet::TooLarge(too_large(self.tree_bytes))) } else { Ok(()) }
    }

    /// Removes what is at `pointer`; says whether something was.
    pub(crate) fn delete(&mut self, pointer: &str) -> Result<bool, Failure> {
        check(pointer)?;
        if pointer.is_empty() {
            let was = self.get("")? != "null";
            self.current = Current::Text(None);
            return Ok(was);
        }
        if self.parsed()?.pointer(pointer).is_none() {
            return Ok(false);
        }
        let (parent, last) = pointer.rsplit_once('/').expect("checked: starts with a slash");
        self.edit(|tree| {
            Ok(match tree.pointer_mut(parent) {
                Some(Value::Object(map)) => map.remove(&unescape(last)).is_some(),
                Some(Value::Array(items)) => match index(last, items.len()) {
                    Some(at) => {
                        items.remove(at);
                        true
                    }
                    None => false,
                },
                _ => false,
            })
        })
    }
}

impl From<Failure> for NotSet {
    fn from(failure: Failure) -> Self {
        NotSet::Invalid(failure)
    }
}

/// A state of so many bytes ends its turn.
pub(crate) fn too_large(bytes: usize) -> Failure {
    Failure::new("state-too-large", format!("the state has {bytes} bytes, at most {PAYLOAD_BYTES_MAX} are kept"))
}

fn parse(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| invalid(error.to_string()))
}

fn invalid(message: String) -> Failure {
    Failure::new("invalid-request", message)
}

fn check(pointer: &str) -> Result<(), Failure> {
    if pointer.is_empty() || pointer.starts_with('/') {
        Ok(())
    } else {
        Err(invalid(format!("state pointer '{pointer}' must be empty or start with '/' (RFC 6901)")))
    }
}

fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

fn index(token: &str, length: usize) -> Option<usize> {
    // The parser would take a sign, too.
    let canonical = token == "0" || token.starts_with(|first: char| matches!(first, '1'..='9'));
    token.parse().ok().filter(|at| canonical && *at < length)
}

fn place(tree: &mut Value, pointer: &str, value: Value) -> Result<(), Failure> {
    let mut at = tree;
    for token in pointer.split('/').skip(1) {
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        at = match at {
            Value::Object(map) => map.entry(unescape(token)).or_insert(Value::Null),
            Value::Array(items) => {
                let length = items.len();
                if token == "-" || token == length.to_string() {
                    items.push(Value::Null);
                    &mut items[length]
                } else {
                    let at = index(token, length).ok_or_else(|| {
                        invalid(format!("state pointer '{pointer}': no element '{token}' in a list of {length}"))
                    })?;
                    &mut items[at]
                }
            }
            _ => return Err(invalid(format!("state pointer '{pointer}': '{token}' is inside a plain value"))),
        };
    }
    *at = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn a_whole_value_comes_back_byte_for_byte() {
        let mut state = StateBuffer::new(Some(r#"{"b": 1.0, "a":2}"#.into()));
        assert_eq!(state.get("").unwrap(), r#"{"b": 1.0, "a":2}"#);
        assert_eq!(state.get("/a").unwrap(), "2");
        assert_eq!(state.changed(), None, "reading changes nothing");
        state.set("", &raw("[1 ]")).unwrap();
        assert_eq!(state.changed(), Some(Some("[1 ]".into())));
        state.roll_back();
        assert_eq!(state.changed(), None);
    }

    #[test]
    fn pointers_reach_and_make_what_is_missing() {
        let mut state = StateBuffer::new(None);
        state.set("/a/b", &raw("1")).unwrap();
        state.set("/list", &raw("[]")).unwrap();
        state.set("/list/-", &raw("5")).unwrap();
        state.set("/list/1", &raw("6")).unwrap();
        state.set("/x~1y~0", &raw("null")).unwrap();
        assert_eq!(state.get("").unwrap(), r#"{"a":{"b":1},"list":[5,6],"x/y~":null}"#);
        assert!(state.delete("/a/b").unwrap() && state.delete("/list/0").unwrap() && state.delete("/x~1y~0").unwrap());
        assert!(!state.delete("/nothing/here").unwrap());
        assert_eq!(state.changed(), Some(Some(r#"{"a":{},"list":[6]}"#.into())));
        assert!(state.delete("").unwrap());
        assert_eq!(state.changed(), None, "there was no state before either");
    }

    /// A reader that rounds as it goes along is off by a unit in a few of a hundred.
    #[test]
    fn a_float_comes_back_as_it_was_set() {
        let (mut state, mut bits) = (StateBuffer::new(Some("{}".into())), 1u64);
        for _ in 0..10_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let float = f64::from_bits(bits);
            if float.is_finite() {
                let text = Value::from(float).to_string();
                state.set("/a", &raw(&text)).unwrap();
                assert_eq!(state.get("/a").unwrap(), text);
            }
        }
        // Between two floats, and nearer to neither until the last digit.
        state.set("/a", &raw("9007199254740993.0000000000000000000000000000001")).unwrap();
        assert_eq!(state.get("/a").unwrap(), "9007199254740994.0");
    }

    #[test]
    fn impossible_pointers_are_errors_and_change_nothing() {
        let mut state = StateBuffer::new(Some(r#"{"n":1,"list":[1]}"#.into()));
        for pointer in ["n", "/n/x", "/list/5", "/list/01", "/list/x", "/list/+0", "/list/-0", "/list/+1", "/list/"] {
            let refused = state.set(pointer, &raw("1")).unwrap_err();
            assert!(matches!(&refused, NotSet::Invalid(failure) if failure.kind == "invalid-request"), "{pointer}");
        }
        assert_eq!(state.changed(), None);
        // An edit before it stays.
        state.set("/n", &raw("2")).unwrap();
        assert!(state.set("/n/x", &raw("3")).is_err());
        assert!(!state.delete("/list/+0").unwrap() && state.get("/list/+0").unwrap() == "null");
        assert_eq!(state.changed(), Some(Some(r#"{"list":[1],"n":2}"#.into())));
    }

    /// As a tree, small objects take a hundred times the room of their text: no turn may gather them.
    #[test]
    fn what_is_too_large_is_not_gathered() {
        let mut state = StateBuffer::new(None);
        let part = raw(&format!("[{}0]", r#"{"":0},"#.repeat(140_000)));
        let mut set = 0;
        let refused = loop {
            match state.set(&format!("/{set}"), &part) {
                Ok(()) => set += 1,
                Err(refused) => break refused,
            }
        };
        assert!(matches!(&refused, NotSet::TooLarge(failure) if failure.kind == "state-too-large"), "{refused:?}");
        assert_eq!(set, 4, "four times a little less than a MiB");
        // What is replaced does not count, however often it was.
        let mut state = StateBuffer::new(Some("{}".into()));
        let large = raw(&format!("\"{}\"", "x".repeat(3_000_000)));
        for _ in 0..5 {
            state.set("/a", &large).unwrap();
        }
        // Numbers can be longer when they are written down again.
        let numbers = raw(&format!("[{}0]", "1e15,".repeat(300_000)));
        assert!(matches!(state.set("/a", &numbers), Err(NotSet::TooLarge(_))));
    }

    #[test]
    fn state_that_nests_too_deep_is_kept_but_not_reached_into() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let mut state = StateBuffer::new(None);
        state.set("", &raw(&deep)).unwrap();
        assert_eq!(state.get("").unwrap(), deep);
        assert!(state.get("/0").is_err() && state.set("/0", &raw("1")).is_err() && state.delete("/0").is_err());
        assert_eq!(state.changed(), Some(Some(deep)));
    }
}
