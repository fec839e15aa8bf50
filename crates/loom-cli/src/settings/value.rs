//! Kinds of values: how each is read from text and shown as text again.

use std::{collections::BTreeSet, fmt::Display, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

/// A kind of value. The error says what is expected.
pub(super) trait Value: Sized {
    fn parse(text: &str) -> Result<Self, String>;
    fn show(&self) -> String;
}

fn parse<T: FromStr>(text: &str, expected: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("'{text}' is not {expected}"))
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Value for $number {
            fn parse(text: &str) -> Result<Self, String> {
                // As in TOML, digits may be grouped.
                let digits = text.replace('_', "");
                digits.parse().map_err(|_| format!("'{text}' is not a number from 0 to {}", <$number>::MAX))
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

numbers!(u32, u64, usize);

impl Value for bool {
    fn parse(text: &str) -> Result<Self, String> {
        parse(text, "true or false")
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Value for SocketAddr {
    fn parse(text: &str) -> Result<Self, String> {
        parse(text, "an address such as 127.0.0.1:4100")
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("a path cannot be empty".to_owned()) } else { Ok(text.into()) }
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

/// Separated by commas.
impl Value for BTreeSet<String> {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    fn show(&self) -> String {
        self.iter().map(String::as_str).collect::<Vec<_>>().join(",")
    }
}

impl<T: Value> Value for Option<T> {
    fn parse(text: &str) -> Result<Self, String> {
        T::parse(text).map(Some)
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(String::new, Value::show)
    }
}

impl Value for Duration {
    fn parse(text: &str) -> Result<Self, String> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let milliseconds: Option<u64> = match unit {
            "ms" => Some(1),
            "s" => Some(1000),
            "m" => Some(60 * 1000),
            "h" => Some(3600 * 1000),
            "d" => Some(24 * 3600 * 1000),
            _ => None,
        };
        let duration = number.parse::<u64>().ok().zip(milliseconds).and_then(|(number, unit)| number.checked_mul(unit));
        duration
            .map(Duration::from_millis)
            .ok_or_else(|| format!("'{text}' is not a duration such as 500ms, 30s, 5m, 12h or 90d"))
    }

    fn show(&self) -> String {
        match self.subsec_nanos() {
            0 => format!("{}s", self.as_secs()),
            _ => format!("{}ms", self.as_millis()),
        }
    }
}

/// Refuses what is out of range.
pub(super) fn within<T: PartialOrd + Display>(value: T, min: T, max: T) -> Result<T, String> {
    if value < min || value > max { Err(format!("{value} is not between {min} and {max}")) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_what_they_show() {
        for (text, duration) in [("30s", Duration::from_secs(30)), ("1500ms", Duration::from_millis(1500))] {
            assert_eq!((Duration::parse(text), duration.show()), (Ok(duration), text.to_owned()));
        }
        assert_eq!(u32::parse("1_000"), Ok(1000));
        for wrong in ["", "-1", "1.5", "4294967296", "many"] {
            assert!(u32::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "5", "s", "ms", "5w", "-5s"] {
            assert!(Duration::parse(wrong).is_err(), "{wrong}");
        }
    }
}
