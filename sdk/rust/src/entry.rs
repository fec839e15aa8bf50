//! From JSON text to a typed function and back.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// Parses the input, runs the handler, and encodes its result or its failure.
#[doc(hidden)]
pub fn run<T, U>(input: String, handler: fn(T) -> Result<U, Error>) -> String
where
    T: DeserializeOwned,
    U: Serialize,
{
    decode(input)
        .and_then(handler)
        .and_then(|output| encode(&output))
        .unwrap_or_else(failure)
}

fn decode<T: DeserializeOwned>(input: String) -> Result<T, Error> {
    serde_json::from_str(&input).map_err(|error| Error::new("invalid-input", error.to_string()))
}

fn encode<U: Serialize>(output: &U) -> Result<String, Error> {
    serde_json::to_string(output).map_err(|error| Error::new("invalid-output", error.to_string()))
}

fn failure(error: Error) -> String {
    #[derive(Serialize)]
    struct Failure {
        err: Error,
    }
    serde_json::to_string(&Failure { err: error }).expect("strings and a flag always encode")
}

#[cfg(test)]
mod tests {
    use super::run;
    use crate::Error;

    fn half(number: u32) -> Result<u32, Error> {
        match number % 2 {
            0 => Ok(number / 2),
            _ => Err(Error::new("odd", "cannot halve").retryable()),
        }
    }

    #[test]
    fn results_and_failures_become_text() {
        assert_eq!(run("84".to_owned(), half), "42");
        assert_eq!(
            run("7".to_owned(), half),
            r#"{"err":{"kind":"odd","message":"cannot halve","retryable":true}}"#
        );
    }

    #[test]
    fn input_that_does_not_fit_is_named() {
        let output = run(r#""x""#.to_owned(), half);
        assert!(
            output.starts_with(r#"{"err":{"kind":"invalid-input","message":"invalid type"#),
            "{output}"
        );
    }
}
