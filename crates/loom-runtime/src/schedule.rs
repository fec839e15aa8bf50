//! When a schedule's occurrences are: patterns and time zones, over times that are given.
//!
//! The time zones are those compiled in, so that every node reads the same calendar whatever its machine has.

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, Zoned, tz::TimeZone};
use loom_machine::Schedule;

/// A schedule whose pattern and time zone make sense.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    pattern: Cron,
    zone: TimeZone,
}

impl Calendar {
    /// Reads pattern and time zone; the error says what is wrong with which.
    pub(crate) fn of(schedule: &Schedule) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let pattern = parser.parse(&schedule.cron);
        let pattern = pattern.map_err(|error| format!("cron: '{}' is no pattern: {error}", schedule.cron))?;
        let zone = match &schedule.timezone {
            None => TimeZone::UTC,
            Some(name) => {
                jiff::tz::TimeZoneDatabase::bundled().get(name).map_err(|error| format!("timezone: {error}"))?
            }
        };
        let calendar = Self { pattern, zone };
        // The thirtieth of February is a pattern as well.
        match calendar.next_after(0) {
            Some(_) => Ok(calendar),
            None => Err(format!("cron: '{}' never comes", schedule.cron)),
        }
    }

    /// The first occurrence after a time, both in milliseconds since the Unix epoch.
    pub(crate) fn next_after(&self, ms: u64) -> Option<u64> {
        milliseconds(&self.pattern.find_next_occurrence(&self.zoned(ms)?, false).ok()?)
    }

    /// The last occurrence at a time or before it.
    pub(crate) fn last_until(&self, ms: u64) -> Option<u64> {
        milliseconds(&self.pattern.find_previous_occurrence(&self.zoned(ms)?, true).ok()?)
    }

    fn zoned(&self, ms: u64) -> Option<Zoned> {
        let timestamp = Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
        Some(timestamp.to_zoned(self.zone.clone()))
    }
}

fn milliseconds(zoned: &Zoned) -> Option<u64> {
    u64::try_from(zoned.timestamp().as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use loom_machine::CatchUp;

    use super::*;

    fn calendar(cron: &str, timezone: Option<&str>) -> Result<Calendar, String> {
        Calendar::of(&Schedule {
            cron: cron.to_owned(),
            timezone: timezone.map(str::to_owned),
            to: "a/x".to_owned(),
            body: "null".to_owned(),
            catch_up: CatchUp::Latest,
        })
    }

    fn ms(text: &str) -> u64 {
        u64::try_from(text.parse::<Timestamp>().unwrap().as_millisecond()).unwrap()
    }

    #[test]
    fn occurrences_are_found_forwards_and_backwards() {
        let nightly = calendar("0 2 * * *", None).unwrap();
        assert_eq!(nightly.next_after(ms("2026-03-28T12:00:00Z")), Some(ms("2026-03-29T02:00:00Z")));
        assert_eq!(nightly.next_after(ms("2026-03-29T02:00:00Z")), Some(ms("2026-03-30T02:00:00Z")));
        assert_eq!(nightly.last_until(ms("2026-03-29T02:00:00Z")), Some(ms("2026-03-29T02:00:00Z")));
        assert_eq!(nightly.last_until(ms("2026-03-29T01:59:59Z")), Some(ms("2026-03-28T02:00:00Z")));
        // The millisecond after counts, whatever the pattern's own precision.
        assert_eq!(nightly.last_until(ms("2026-03-29T02:00:00.001Z")), Some(ms("2026-03-29T02:00:00Z")));
    }

    #[test]
    fn a_time_zone_moves_them_with_its_summer() {
        let nightly = calendar("0 4 * * *", Some("Europe/Berlin")).unwrap();
        assert_eq!(nightly.next_after(ms("2026-03-27T12:00:00Z")), Some(ms("2026-03-28T03:00:00Z")));
        assert_eq!(nightly.next_after(ms("2026-03-28T12:00:00Z")), Some(ms("2026-03-29T02:00:00Z")));
        let last = nightly.last_until(ms("2026-03-29T12:00:00Z"));
        assert_eq!(last, Some(ms("2026-03-29T02:00:00Z")));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        assert!(calendar("0 2 * *", None).unwrap_err().starts_with("cron: '0 2 * *' is no pattern"));
        assert!(calendar("* * * * * *", None).is_err(), "no seconds");
        assert_eq!(calendar("0 0 30 2 *", None).unwrap_err(), "cron: '0 0 30 2 *' never comes");
        assert!(calendar("0 2 * * *", Some("Europe/Nowhere")).unwrap_err().starts_with("timezone: "));
    }
}
