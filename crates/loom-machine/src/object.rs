//! JSON objects where the reader would take more: it reads a struct's members out of an array in their order, and a
//! name of a list of names out of an object. Whoever follows the formats' documents takes neither.

use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error};
use serde_json::value::RawValue;

/// Whether JSON text is an object.
pub(crate) fn is_object(text: &[u8]) -> bool {
    text.trim_ascii_start().first() == Some(&b'{')
}

/// Reads a member that is a struct.
pub(crate) fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
    let text = Box::<RawValue>::deserialize(deserializer)?;
    if !is_object(text.get().as_bytes()) {
        return Err(D::Error::custom("not an object"));
    }
    serde_json::from_str(text.get()).map_err(D::Error::custom)
}

/// Reads a member that is one of a few names.
pub(crate) fn name<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
    let name = String::deserialize(deserializer)?;
    T::deserialize(serde::de::value::StringDeserializer::<D::Error>::new(name))
}
