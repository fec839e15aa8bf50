//! The `wait` parameter: `30s`, `500ms`, or a number of seconds.

use std::time::Duration;

use serde::Deserialize;
use utoipa::IntoParams;

use crate::problem::Problem;

/// Longest wait in one request; clients ask again.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// Query of requests that can wait.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wait {
    /// How long to wait for the reply: `30s`, `500ms` or seconds; cut to 300 s
    #[serde(default)]
    #[param(pattern = "^[0-9]{1,9}(ms|s)?$")]
    wait: Option<String>,
    /// Answer as soon as the turn waits for promises
    #[serde(default)]
    #[param(required = false)]
    pub(crate) until_waiting: bool,
}

impl Wait {
    pub(crate) fn duration(&self) -> Result<Option<Duration>, Problem> {
        let Some(text) = &self.wait else { return Ok(None) };
        let parsed = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
            (Some(number), _) => number.parse().map(Duration::from_millis),
            (None, Some(number)) => number.parse().map(Duration::from_secs),
            (None, None) => text.parse().map(Duration::from_secs),
        };
        match parsed {
            Ok(wait) => Ok(Some(wait.min(WAIT_MAX))),
            Err(_) => {
                Err(Problem::new("invalid-request", format!("wait '{text}' is no duration such as 30s or 500ms")))
            }
        }
    }
}
