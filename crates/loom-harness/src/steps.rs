//! Taking the script's steps, one request of the guest after the other.

use serde_json::Value;

use crate::{compare::How, problem::Problem, script::Step};

/// Operations whose answer needs nothing from outside: the harness gives it unless the script lists them.
const ANSWERED_BY_THE_HARNESS: &[&str] = &[
    "context",
    "log",
    "state.get",
    "state.set",
    "state.delete",
    "now",
    "random",
    "uuid",
    "blob.get",
    "blob.put",
    "verify",
    "sleep",
    "timer.start",
    "await",
    "promise.await",
];

/// The listed steps, and how far the guest has come.
pub(crate) struct Steps<'a> {
    listed: &'a [Step],
    next: usize,
    strict: bool,
}

impl<'a> Steps<'a> {
    pub(crate) fn new(listed: &'a [Step], strict: bool) -> Self {
        Self { listed, next: 0, strict }
    }

    /// The step that the script lists for this request; none if the harness answers it by itself.
    /// `runs_here` says whether an activity can simply be run.
    pub(crate) fn take(&mut self, text: &str, runs_here: impl Fn(&str) -> bool) -> Result<Option<&'a Step>, Problem> {
        let request: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        let Some(op) = request.get("op").and_then(Value::as_str) else { return Ok(None) };
        let name = named(&request);
        let needs_no_script =
            ANSWERED_BY_THE_HARNESS.contains(&op) || (op.starts_with("activity") && name.is_some_and(runs_here));
        let optional = needs_no_script && !self.strict;
        let next = self.listed.get(self.next);
        let is_meant = |step: &Step| step.op() == Some(op) && names_same(step.expected(), name);
        match next {
            _ if optional && !next.is_some_and(is_meant) => Ok(None),
            None => Err(unlisted(self.next, &request, needs_no_script)),
            Some(step) => {
                self.next += 1;
                self.compare(step, &request).map(|()| Some(step))
            }
        }
    }

    fn compare(&self, step: &Step, request: &Value) -> Result<(), Problem> {
        let how = if step.request.is_some() { How::Exactly } else { How::AtLeast };
        let what = format!("step {}: the guest asks for something else", self.next);
        Problem::of_values(&what, how, step.expected(), request)
    }

    /// Complains about steps that the guest never asked for.
    pub(crate) fn finish(&self) -> Result<(), Problem> {
        let Some(step) = self.listed.get(self.next) else { return Ok(()) };
        let what = format!("step {}: the guest ended without asking for it", self.next + 1);
        Err(Problem::new(what).expected(step.expected()).actual("the end of the run"))
    }
}

/// The activity or verifier that a request names; other requests name none.
fn named(request: &Value) -> Option<&str> {
    request.get("name").or_else(|| request.get("verifier")).and_then(Value::as_str)
}

/// Whether an expected activity or verifier is the one with this name.
fn names_same(expected: &Value, name: Option<&str>) -> bool {
    let listed = named(expected);
    listed.is_none() || listed == name
}

fn unlisted(listed: usize, request: &Value, needs_no_answer: bool) -> Problem {
    let problem =
        Problem::new(format!("step {}: the guest asks for something that the script does not list", listed + 1));
    let problem = problem.expected("no further step").actual(request);
    let answer = if needs_no_answer { "" } else { r#", "answer": {"ok": null}"# };
    problem.note(format!(r#"to list it, add to "steps": {{"request": {request}{answer}}}"#))
}
