//! Witnesses of the node's log, as settings name them.

use loom_evidence::PublicKey;
use loom_witness::HttpWitness;

use super::value::Value;

/// Most witnesses of one log. All are asked for every checkpoint.
const WITNESSES_MAX: usize = 16;

/// A witness: `KEY URL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessAddress {
    /// What its cosignatures are verified with.
    pub key: PublicKey,
    /// Where it takes checkpoints, without `/add-checkpoint`.
    pub url: String,
}

/// Separated by commas.
impl Value for Vec<WitnessAddress> {
    fn parse(text: &str) -> Result<Self, String> {
        let address = |text: &str| {
            let (key, url) = text
                .split_once(char::is_whitespace)
                .ok_or_else(|| format!("'{text}' is not a witness's key and its URL, with a space between"))?;
            let key: PublicKey = key.parse().map_err(|error| format!("'{key}': {error}"))?;
            let url = url.trim().to_owned();
            HttpWitness::new(key.clone(), &url).map_err(|error| error.to_string())?;
            Ok(WitnessAddress { key, url })
        };
        text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(address).collect()
    }

    fn show(&self) -> String {
        self.iter().map(|WitnessAddress { key, url }| format!("{key} {url}")).collect::<Vec<_>>().join(", ")
    }
}

/// Refuses too many, and one that is named twice.
pub(super) fn witnesses(witnesses: Vec<WitnessAddress>) -> Result<Vec<WitnessAddress>, String> {
    if witnesses.len() > WITNESSES_MAX {
        return Err(format!("{} witnesses are more than {WITNESSES_MAX}", witnesses.len()));
    }
    for (n, WitnessAddress { key, .. }) in witnesses.iter().enumerate() {
        if witnesses[..n].iter().any(|before| before.key == *key) {
            return Err(format!("the witness {key} is named twice"));
        }
    }
    Ok(witnesses)
}

#[cfg(test)]
impl WitnessAddress {
    pub(super) fn examples() -> Vec<Self> {
        let example = |n: u8| {
            let key = loom_evidence::SigningKey::witness_from_secret("witness.example/w", &[n; 32]).unwrap().public();
            Self { key, url: format!("https://witness.example/{n}") }
        };
        vec![example(1), example(2)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_witness_is_refused() {
        let [one, two] = &WitnessAddress::examples()[..] else { unreachable!() };
        let parse = |text: &str| Vec::<WitnessAddress>::parse(text).and_then(witnesses);
        assert_eq!(parse(&format!("{} {},{} {}", one.key, one.url, two.key, two.url)).unwrap().len(), 2);
        assert_eq!(parse("").unwrap(), []);
        let log = loom_evidence::SigningKey::from_secret("log.example", &[7; 32]).unwrap().public();
        for (text, problem) in [
            (one.key.to_string(), "with a space between"),
            (format!("{} ftp://witness.example", one.key), "url of the witness"),
            (format!("{log} https://witness.example"), "not the key of a witness"),
            (format!("{0} {1}, {0} {1}", one.key, one.url), "named twice"),
            ("witness https://witness.example".to_owned(), "'witness'"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
