//! The activity that `steps-rust` calls: answers `{"i": 3}` with `{"v": 3, "p": "xxx…"}`, where
//! `p` is 64 bytes of ballast so that a step weighs about as much as a small real one.

use loom_guest::Error;
use serde::{Deserialize, Serialize};

const BALLAST: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

#[derive(Deserialize)]
struct Input {
    i: u64,
}

#[derive(Serialize)]
struct Output {
    v: u64,
    p: &'static str,
}

loom_guest::activity!(step);

fn step(input: Input) -> Result<Output, Error> {
    Ok(Output {
        v: input.i,
        p: BALLAST,
    })
}

#[cfg(test)]
mod tests {
    use super::step;

    #[test]
    fn answers_with_the_value_and_ballast() {
        let output = loom_guest::run(r#"{"i":3}"#.to_owned(), step);
        assert_eq!(output, format!(r#"{{"v":3,"p":"{}"}}"#, "x".repeat(64)));
    }
}
