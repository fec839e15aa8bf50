//! The language of the probe's messages.

use loom_guest::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Program {
    #[serde(rename = "do")]
    pub(crate) items: Vec<Item>,
}

/// One line of the program; the crate's documentation tells what each does.
pub(crate) enum Item {
    Request(Value),
    Raw(String),
    Reply(Value),
    ReplyBytes(usize),
    ReplyText(String),
    Fail(Error),
    FailUnlessOk(usize),
    Trap(String),
    Spin,
    Allocate(usize),
    Recurse,
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Map::deserialize(deserializer)?;
        if object.contains_key("op") {
            return Ok(Self::Request(Value::Object(object)));
        }
        let mut members = object.into_iter();
        match (members.next(), members.next()) {
            (Some((name, value)), None) => special(&name, value).map_err(serde::de::Error::custom),
            _ => Err(serde::de::Error::custom(
                "an item is a request or has exactly one member",
            )),
        }
    }
}

fn special(name: &str, value: Value) -> Result<Item, serde_json::Error> {
    use serde::de::Error as _;
    use serde_json::from_value;
    Ok(match name {
        "raw" => Item::Raw(from_value(value)?),
        "reply" => Item::Reply(value),
        "reply_bytes" => Item::ReplyBytes(from_value(value)?),
        "reply_text" => Item::ReplyText(from_value(value)?),
        "fail" => Item::Fail(from_value(value)?),
        "fail_unless_ok" => Item::FailUnlessOk(from_value(value)?),
        "trap" => Item::Trap(from_value(value)?),
        "spin" => Item::Spin,
        "allocate" => Item::Allocate(from_value(value)?),
        "recurse" => Item::Recurse,
        _ => return Err(serde_json::Error::custom(format!("unknown item `{name}`"))),
    })
}

/// The value with every `{"$ref": …}` in it replaced by what it refers to.
pub(crate) fn resolve(value: &Value, answers: &[Value]) -> Result<Value, Error> {
    match value {
        Value::Object(members) => match members.get("$ref") {
            Some(reference) if members.len() == 1 => lookup(reference, answers),
            _ => members
                .iter()
                .map(|(name, member)| Ok((name.clone(), resolve(member, answers)?)))
                .collect::<Result<Map<_, _>, _>>()
                .map(Value::Object),
        },
        Value::Array(elements) => elements
            .iter()
            .map(|element| resolve(element, answers))
            .collect::<Result<_, _>>()
            .map(Value::Array),
        scalar => Ok(scalar.clone()),
    }
}

fn lookup(reference: &Value, answers: &[Value]) -> Result<Value, Error> {
    let dangling = || {
        Error::new(
            "invalid-input",
            format!("reference {reference} leads nowhere"),
        )
    };
    let (index, pointer) = match reference {
        Value::Array(parts) => match parts.as_slice() {
            [index, Value::String(pointer)] => (index.as_u64(), pointer.as_str()),
            _ => (None, ""),
        },
        index => (index.as_u64(), ""),
    };
    let answer = answers
        .get(index.ok_or_else(dangling)? as usize)
        .ok_or_else(dangling)?;
    let ok = answer.get("ok").ok_or_else(dangling)?;
    ok.pointer(pointer).cloned().ok_or_else(dangling)
}
