//! Values that must not end up in logs.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// A value that is never printed: `Debug` shows a placeholder, and there is no `Display`. Reading it is spelt
/// [`expose`](Secret::expose), so that every place that does can be found.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for handing it to whom it is for.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Serialize> Secret<T> {
    /// For the one message that carries a secret to its owner: `#[serde(serialize_with = "Secret::reveal")]`. There
    /// is no `Serialize`, so nothing reveals one by accident.
    pub fn reveal<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?} {:?}", Some(secret.clone())), "(secret) Some((secret))");
        assert_eq!(secret.expose(), "hunter2");
    }
}
