//! Programs whose runs can be proved: what a deployment says of them, and what the steps that ask for a proof hold.

use std::fmt;

use loom_types::{Cid, SALT_BYTES};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A RISC Zero program's name: a digest over its code and the state it starts in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId(pub [u8; 32]);

/// 64 lower-case hex digits were expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an image id, which is 64 lower-case hex digits")]
pub struct InvalidImageId;

impl std::str::FromStr for ImageId {
    type Err = InvalidImageId;

    fn from_str(text: &str) -> Result<Self, InvalidImageId> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).map_err(|_| InvalidImageId)?;
        bytes.try_into().map(Self).map_err(|_| InvalidImageId)
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ImageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ImageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A program of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramSpec {
    /// What its receipts are verified against.
    pub image_id: ImageId,
    /// Blob of the program.
    pub binary: Cid,
}

/// Where salts of private inputs come from on a node that can prove. Equal inputs to one program get one salt, so that
/// a proof is made once; nobody without the node's key can tell it.
pub trait InputSalts: Send + Sync {
    /// The salt of this value.
    fn salt(&self, image_id: ImageId, media_type: &str, value: &[u8]) -> [u8; SALT_BYTES];
}

/// What came of a `prove.start`: the value of its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// The program.
    pub image_id: ImageId,
    /// What it said to everybody.
    pub public_output: Vec<u8>,
    /// Blob of the receipt.
    pub receipt: Cid,
}

/// The value as it is written: members in this order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProvedText {
    image_id: ImageId,
    public_output: String,
    receipt: String,
}

impl Proved {
    /// JSON text.
    pub fn to_json(&self) -> String {
        let text = ProvedText {
            image_id: self.image_id,
            public_output: data_encoding::BASE64.encode(&self.public_output),
            receipt: self.receipt.to_string(),
        };
        serde_json::to_string(&text).expect("strings serialise")
    }

    /// Reads it; anything that [`Proved::to_json`] would not write is refused.
    pub fn from_json(text: &[u8]) -> Result<Self, String> {
        let ProvedText { image_id, public_output, receipt } =
            serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let public_output = data_encoding::BASE64
            .decode(public_output.as_bytes())
            .map_err(|error| format!("'public_output': {error}"))?;
        let receipt = receipt.parse().map_err(|error| format!("'receipt' is {error}"))?;
        let proved = Self { image_id, public_output, receipt };
        if proved.to_json().as_bytes() == text { Ok(proved) } else { Err("it is written in another form".to_owned()) }
    }

    /// Whether the output says what it is about: it begins with the SHA-256 of the input's block, which is the digest in
    /// its CID.
    pub fn is_over(&self, input: Cid) -> bool {
        self.public_output.get(..32).is_some_and(|digest| digest == input.digest())
    }
}

#[cfg(test)]
mod tests {
    use loom_types::Codec;

    use super::*;

    #[test]
    fn an_image_id_has_one_spelling() {
        let text = "0f".repeat(32);
        assert_eq!(text.parse::<ImageId>().unwrap().to_string(), text);
        for other in ["", "0f", &"0F".repeat(32), &"0f".repeat(33), &format!("0x{}", "0f".repeat(31))] {
            assert!(other.parse::<ImageId>().is_err(), "{other}");
        }
    }

    #[test]
    fn an_outcome_has_one_form() {
        let receipt = Cid::of(Codec::Raw, b"receipt");
        let proved = Proved { image_id: ImageId([7; 32]), public_output: vec![1, 2, 3], receipt };
        let text = proved.to_json();
        assert_eq!(Proved::from_json(text.as_bytes()).unwrap(), proved);
        for other in [text.replace(':', ": "), text.replace("AQID", "AQI"), text.replace("0707", "0708 "), "{}".into()]
        {
            assert!(Proved::from_json(other.as_bytes()).is_err(), "{other}");
        }
    }

    #[test]
    fn an_output_is_over_the_input_whose_digest_it_begins_with() {
        let input = Cid::of(Codec::DagCbor, b"input");
        let mut proved = Proved { image_id: ImageId([7; 32]), public_output: input.digest().to_vec(), receipt: input };
        assert!(proved.is_over(input));
        proved.public_output.push(1);
        assert!(proved.is_over(input) && !proved.is_over(Cid::of(Codec::DagCbor, b"other")));
        proved.public_output.truncate(31);
        assert!(!proved.is_over(input));
    }
}
