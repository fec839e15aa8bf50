//! How a run ended, and whether that is what the script says.

use loom_machine::Failure;
use loom_types::Payload;
use serde_json::Value;

use crate::{compare::How, problem::Problem, script::Run};

/// What came of one run.
pub(crate) struct Ended {
    pub(crate) result: Result<String, Failure>,
    pub(crate) state: Option<Payload>,
    pub(crate) fuel: u64,
}

/// Compares how a run ended with how it should have.
pub(crate) fn check(run: &Run, ended: &Ended) -> Result<(), Problem> {
    match (&ended.result, &run.failure) {
        (Ok(output), Some(expected)) => {
            return Err(Problem::new("the run succeeds").expected(format!("failure {}", expected.kind)).actual(output));
        }
        (Err(failure), Some(expected)) => {
            if failure.kind != expected.kind || !failure.message.contains(&expected.message) {
                let expected = match expected.message.as_str() {
                    "" => expected.kind.clone(),
                    part => format!("{}, with '{part}' in its message", expected.kind),
                };
                return Err(Problem::of_failure("the run fails in another way", failure).expected(expected));
            }
        }
        (Err(failure), None) => return Err(Problem::of_failure("the run fails", failure)),
        (Ok(output), None) => {
            let output = serde_json::from_str(output).map_err(|error| Problem::new(error.to_string()))?;
            let (exactly, like) = (run.output.as_ref(), run.output_like.as_ref());
            check_value("the output differs", exactly, like, &output)?;
        }
    }
    let state = ended.state.as_ref().and_then(Payload::text).unwrap_or("null");
    let state = serde_json::from_str(state).map_err(|error| Problem::new(error.to_string()))?;
    check_value("the state afterwards differs", run.state.as_ref(), run.state_like.as_ref(), &state)
}

fn check_value(what: &str, exactly: Option<&Value>, like: Option<&Value>, actual: &Value) -> Result<(), Problem> {
    match (exactly, like) {
        (Some(expected), _) => Problem::of_values(what, How::Exactly, expected, actual),
        (None, Some(expected)) => Problem::of_values(what, How::AtLeast, expected, actual),
        (None, None) => Ok(()),
    }
}
