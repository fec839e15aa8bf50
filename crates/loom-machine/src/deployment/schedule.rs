//! Messages that a deployment wants sent at certain times.
//!
//! Here they are data with bounds. Whether pattern and time zone make sense is for whoever reads calendars: the runtime,
//! before it activates the deployment.

use loom_types::ActorAddress;
use serde::{Deserialize, Serialize};

use super::InvalidDeployment;

/// Most schedules of one deployment.
pub(super) const SCHEDULES_MAX: usize = 100;
/// Longest name of a schedule, in bytes: it is part of its messages' ids, with the deployment's name.
const SCHEDULE_NAME_BYTES_MAX: usize = 32;
/// Longest pattern, and longest name of a time zone, in bytes.
const PATTERN_BYTES_MAX: usize = 100;
/// Longest body, in bytes of JSON text.
const BODY_BYTES_MAX: usize = 4096;

/// What becomes of occurrences that nobody was there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CatchUp {
    /// The latest is sent late, those before it never.
    #[default]
    Latest,
    /// None is sent.
    None,
}

/// A message to be sent again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Minute, hour, day of month, month, day of week.
    pub cron: String,
    /// Where the clock is read, such as `Europe/Berlin`; UTC without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// `type/key` of the receiver, an actor of this deployment.
    pub to: String,
    /// JSON text.
    pub body: String,
    /// What becomes of missed occurrences.
    pub catch_up: CatchUp,
}

impl Schedule {
    /// Checks bounds and the receiver.
    pub(super) fn check(&self, name: &str, runs: impl Fn(&str) -> bool) -> Result<(), InvalidDeployment> {
        let invalid = |member: &str, problem: String| {
            Err(InvalidDeployment::Invalid { at: format!("schedules.{name}{member}"), problem })
        };
        if let Err(error) = name.parse::<loom_types::Name>() {
            return invalid("", error.to_string());
        }
        if name.len() > SCHEDULE_NAME_BYTES_MAX {
            return invalid("", format!("a schedule's name has at most {SCHEDULE_NAME_BYTES_MAX} bytes"));
        }
        if self.cron.len() > PATTERN_BYTES_MAX {
            return invalid(".cron", format!("a pattern has at most {PATTERN_BYTES_MAX} bytes"));
        }
        if self.timezone.as_ref().is_some_and(|zone| zone.len() > PATTERN_BYTES_MAX) {
            return invalid(".timezone", format!("a time zone's name has at most {PATTERN_BYTES_MAX} bytes"));
        }
        if self.body.len() > BODY_BYTES_MAX {
            return invalid(".body", format!("a body has at most {BODY_BYTES_MAX} bytes"));
        }
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&self.body) {
            return invalid(".body", format!("is not JSON: {error}"));
        }
        // Any namespace will do for the check: manifests do not know theirs.
        match ActorAddress::within("default", &self.to) {
            Err(error) => invalid(".to", error.to_string()),
            Ok(to) if !runs(to.actor_type()) => {
                invalid(".to", format!("this deployment runs no actors of type '{}'", to.actor_type()))
            }
            Ok(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(change: impl FnOnce(&mut Schedule)) -> String {
        let mut schedule = Schedule {
            cron: "0 2 * * *".to_owned(),
            timezone: None,
            to: "report/daily".to_owned(),
            body: "{}".to_owned(),
            catch_up: CatchUp::Latest,
        };
        change(&mut schedule);
        schedule.check("nightly", |name| name == "report").map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn each_member_is_bounded_and_the_receiver_is_one_of_the_deployment() {
        assert_eq!(problem(|_| ()), "");
        assert!(problem(|schedule| schedule.cron = "x".repeat(101)).starts_with("schedules.nightly.cron: "));
        assert!(problem(|schedule| schedule.body = "{".to_owned()).starts_with("schedules.nightly.body: is not JSON"));
        assert!(problem(|schedule| schedule.to = "nothing".to_owned()).starts_with("schedules.nightly.to: "));
        let stranger = problem(|schedule| schedule.to = "other/x".to_owned());
        assert_eq!(stranger, "schedules.nightly.to: this deployment runs no actors of type 'other'");
    }
}
