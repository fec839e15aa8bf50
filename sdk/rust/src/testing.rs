//! A scripted host, so that a guest's logic runs natively in `cargo test`.
//!
//! ```
//! use loom_guest::{host, testing};
//! use serde_json::json;
//!
//! let _host = testing::script([
//!     (json!({"op": "activity", "name": "double", "input": 4}), Ok(json!(8))),
//! ]);
//! assert_eq!(host::activity::<u32>("double", &4), Ok(8));
//! ```
//!
//! The script belongs to the thread and ends when the returned guard is dropped, so tests do not
//! see each other's.

use std::cell::RefCell;
use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::Error;

type Answerer = Box<dyn FnMut(&str) -> String>;

thread_local! {
    static HOST: RefCell<Option<Answerer>> = const { RefCell::new(None) };
}

/// Ends the scripted host when dropped.
#[must_use = "the scripted host ends when this is dropped"]
#[derive(Debug)]
pub struct ScriptedHost(());

/// Answers every request with `answer`.
pub fn answer_with(
    mut answer: impl FnMut(Value) -> Result<Value, Error> + 'static,
) -> ScriptedHost {
    answer_raw(move |request| {
        let request = serde_json::from_str(request).expect("requests are JSON");
        match answer(request) {
            Ok(value) => json!({ "ok": value }).to_string(),
            Err(error) => json!({ "err": error }).to_string(),
        }
    })
}

/// Expects exactly these requests in this order. Another request panics; so does dropping the host
/// while some are outstanding.
pub fn script(steps: impl IntoIterator<Item = (Value, Result<Value, Error>)>) -> ScriptedHost {
    let mut script = Script {
        steps: steps.into_iter().collect(),
    };
    answer_with(move |request| {
        let (expected, answer) = script
            .steps
            .pop_front()
            .unwrap_or_else(|| panic!("unexpected request {request}"));
        assert_eq!(request, expected, "another request than the script expects");
        answer
    })
}

/// Answers the request text itself: the bare contract.
pub fn answer_raw(answer: impl FnMut(&str) -> String + 'static) -> ScriptedHost {
    HOST.with(|host| {
        let previous = host.borrow_mut().replace(Box::new(answer));
        assert!(
            previous.is_none(),
            "this thread already has a scripted host"
        );
    });
    ScriptedHost(())
}

pub(crate) fn call(request: &str) -> String {
    HOST.with(|host| match host.borrow_mut().as_mut() {
        Some(answer) => answer(request),
        None => panic!("no scripted host for {request}; see loom_guest::testing"),
    })
}

impl Drop for ScriptedHost {
    fn drop(&mut self) {
        HOST.with(|host| drop(host.borrow_mut().take()));
    }
}

struct Script {
    steps: VecDeque<(Value, Result<Value, Error>)>,
}

impl Drop for Script {
    fn drop(&mut self) {
        // A test that is failing already should show its own reason.
        if !std::thread::panicking() {
            assert!(
                self.steps.is_empty(),
                "requests that were not made: {:?}",
                self.steps
            );
        }
    }
}
