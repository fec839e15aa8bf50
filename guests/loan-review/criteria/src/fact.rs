//! What is known about the subject of a decision: named integers, ranges of integers, and gaps.

use alloc::collections::BTreeMap;
use alloc::string::String;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// One fact. In JSON: `null`, `4300`, or `{"min": 5000, "max": 6000}` where a `max` of `null` means no upper end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The subject has this property, but nobody said what it is.
    Missing,
    /// Known exactly.
    Exactly(i64),
    /// Known to lie in a range, both ends included; no `max` means no upper end.
    Between {
        /// The least it can be.
        min: i64,
        /// The most it can be.
        max: Option<i64>,
    },
}

impl Fact {
    /// The range of values the fact may have; nothing when it is missing.
    pub(crate) fn range(self) -> Option<(i64, Option<i64>)> {
        match self {
            Self::Missing => None,
            Self::Exactly(value) => Some((value, Some(value))),
            Self::Between { min, max } => Some((min, max)),
        }
    }
}

/// Facts by name. A name that a program uses must be here, as [`Fact::Missing`] if need be: so a misspelt name is an
/// error and never a silent "unknown".
pub type Facts = BTreeMap<String, Fact>;

impl Serialize for Fact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Missing => serializer.serialize_unit(),
            Self::Exactly(value) => serializer.serialize_i64(value),
            Self::Between { min, max } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("min", &min)?;
                map.serialize_entry("max", &max)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Fact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FactVisitor)
    }
}

struct FactVisitor;

impl<'de> Visitor<'de> for FactVisitor {
    type Value = Fact;

    fn expecting(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("null, an integer, or {\"min\": integer, \"max\": integer or null}")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Fact, E> {
        Ok(Fact::Missing)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Fact, E> {
        Ok(Fact::Exactly(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Fact, E> {
        i64::try_from(value)
            .map(Fact::Exactly)
            .map_err(|_| E::custom("an integer beyond 64 bits"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fact, A::Error> {
        let (mut min, mut max) = (None, None);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "min" if min.is_none() => min = Some(map.next_value::<i64>()?),
                "max" if max.is_none() => max = Some(map.next_value::<Option<i64>>()?),
                "min" | "max" => return Err(de::Error::custom("a range names an end twice")),
                _ => return Err(de::Error::unknown_field(&name, &["min", "max"])),
            }
        }
        let min = min.ok_or_else(|| de::Error::missing_field("min"))?;
        let max = max.ok_or_else(|| de::Error::missing_field("max"))?;
        if max.is_some_and(|max| max < min) {
            return Err(de::Error::custom("a range whose max is below its min"));
        }
        Ok(Fact::Between { min, max })
    }
}
