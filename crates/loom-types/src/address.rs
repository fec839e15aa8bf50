//! Addresses: `namespace/type/key`.

use std::{fmt, str::FromStr, sync::Arc};

use crate::limits::{KEY_BYTES_MAX, NAME_BYTES_MAX};

/// Why a text is no address, or no part of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// Not of the form `namespace/type/key` (or `type/key` where that is accepted).
    #[error("'{text}' is not of the form type/key")]
    Shape {
        /// What was given, shortened.
        text: String,
    },
    /// A namespace, type or name breaks its rules.
    #[error("{part} '{text}' must be 1 to 64 of a-z, 0-9 and -, starting with a letter")]
    Name {
        /// Which part.
        part: &'static str,
        /// What was given, shortened.
        text: String,
    },
    /// A key breaks its rules.
    #[error("key '{text}' must be 1 to 200 of A-Z, a-z, 0-9 and ._:@+=~-, starting with a letter or digit")]
    Key {
        /// What was given, shortened.
        text: String,
    },
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

fn check_name(part: &'static str, text: &str) -> Result<(), InvalidAddress> {
    let fits = text.len() <= NAME_BYTES_MAX
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits { Ok(()) } else { Err(InvalidAddress::Name { part, text: shortened(text) }) }
}

fn check_key(text: &str) -> Result<(), InvalidAddress> {
    let fits = text.len() <= KEY_BYTES_MAX
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:@+=~-".contains(&b));
    if fits { Ok(()) } else { Err(InvalidAddress::Key { text: shortened(text) }) }
}

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidAddress;

            fn from_str(text: &str) -> Result<Self, InvalidAddress> {
                let check: fn(&str) -> Result<(), InvalidAddress> = $check;
                check(text).map(|()| Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_newtype! {
    /// Tenant boundary.
    Namespace, |text| check_name("namespace", text)
}
text_newtype! {
    /// The type of an actor; a deployment says which module runs it.
    ActorType, |text| check_name("actor type", text)
}
text_newtype! {
    /// The key of an actor within its type.
    ActorKey, check_key
}
text_newtype! {
    /// Name of an activity, a deployment or a worker.
    Name, |text| check_name("name", text)
}

impl Default for Namespace {
    fn default() -> Self {
        Self("default".into())
    }
}

/// Who a message is for: `namespace/type/key`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorAddress(Arc<str>);

impl ActorAddress {
    /// Puts an address together from its parts.
    pub fn new(namespace: &Namespace, actor_type: &ActorType, key: &ActorKey) -> Self {
        Self(format!("{namespace}/{actor_type}/{key}").into())
    }

    /// Reads `type/key` as an address in `namespace`.
    pub fn within(namespace: &str, text: &str) -> Result<Self, InvalidAddress> {
        format!("{namespace}/{text}").parse().map_err(|error| match error {
            InvalidAddress::Shape { .. } => InvalidAddress::Shape { text: shortened(text) },
            other => other,
        })
    }

    /// The whole text, `namespace/type/key`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parts(&self) -> (&str, &str, &str) {
        let (namespace, rest) = self.0.split_once('/').expect("checked when it was made");
        let (actor_type, key) = rest.split_once('/').expect("checked when it was made");
        (namespace, actor_type, key)
    }

    /// The tenant.
    pub fn namespace(&self) -> &str {
        self.parts().0
    }

    /// The actor's type.
    pub fn actor_type(&self) -> &str {
        self.parts().1
    }

    /// The actor's key.
    pub fn key(&self) -> &str {
        self.parts().2
    }

    /// `type/key`, as people write it inside a namespace.
    pub fn local(&self) -> &str {
        self.0.split_once('/').expect("checked when it was made").1
    }
}

impl FromStr for ActorAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let mut parts = text.split('/');
        let (Some(namespace), Some(actor_type), Some(key), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidAddress::Shape { text: shortened(text) });
        };
        check_name("namespace", namespace)?;
        check_name("actor type", actor_type)?;
        check_key(key)?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ActorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ActorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_three_checked_parts() {
        let address: ActorAddress = "default/loan-review/A00017".parse().unwrap();
        assert_eq!(
            (address.namespace(), address.actor_type(), address.key(), address.local()),
            ("default", "loan-review", "A00017", "loan-review/A00017")
        );
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        let long = format!("default/t/{}", "k".repeat(KEY_BYTES_MAX + 1));
        for text in [
            "", "/", "a/b", "a/b/c/d", "A/b/c", "a/B/c", "a/b/", "a//c", "a/b/c d", "a/b/ä", "a/b/.x", "a/b/c\n",
            "a/1b/c", &long,
        ] {
            assert!(text.parse::<ActorAddress>().is_err(), "{text:?} was accepted");
        }
    }
}
