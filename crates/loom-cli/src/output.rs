//! Printing: numbers, times, values; and where logs go.

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;
use tracing_subscriber::{
    EnvFilter, Layer, layer::SubscriberExt as _, registry::Registry, util::SubscriberInitExt as _,
};

use crate::telemetry::Telemetry;

/// Logs go to stderr: from `info` for servers, from `error` for everything else. `LOOM_LOG` overrides.
/// Spans go to the collector, if there is one.
pub(crate) fn start_logging(is_server: bool, telemetry: Option<&Telemetry>) {
    let default = if is_server { "info" } else { "error" };
    let filter = EnvFilter::try_from_env("LOOM_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours).with_filter(filter);
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = vec![Box::new(lines)];
    if let Some(telemetry) = telemetry {
        layers.push(Box::new(telemetry.layer()));
    }
    // A second start in one process, as tests do, keeps the first.
    let _ = tracing_subscriber::registry().with(layers).try_init();
}

/// Writes to stdout. Whoever reads may stop reading (`loom ps | head`); then there is nothing left to do.
pub(crate) fn print(text: std::fmt::Arguments<'_>) {
    if let Err(error) = std::io::stdout().write_fmt(text) {
        if error.kind() != std::io::ErrorKind::BrokenPipe {
            eprintln!("error: cannot write to standard output: {error}");
            std::process::exit(1);
        }
        std::process::exit(0);
    }
}

/// `println!` that takes a closed pipe for an answer.
macro_rules! outln {
    ($($argument:tt)*) => {
        $crate::output::print(format_args!("{}\n", format_args!($($argument)*)))
    };
}
pub(crate) use outln;

/// Prints one JSON value on stdout.
pub(crate) fn print_json(value: &impl Serialize) {
    outln!("{}", serde_json::to_string(value).expect("our own types serialise"));
}

/// Bytes as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// 1234567 as 1,234,567.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Milliseconds since the Unix epoch as `2026-01-31 12:34:56.789` (UTC).
pub(crate) fn time(ms: u64) -> String {
    let (days, in_day) = ((ms / 86_400_000) as i64, ms % 86_400_000);
    // Civil date from days since 1970-01-01, after Howard Hinnant's `civil_from_days`.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hours, minutes, seconds) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}.{:03}", in_day % 1000)
}

/// At most `width` characters of one line.
pub(crate) fn shortened(text: &str, width: usize) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= width {
        return line;
    }
    let mut cut: String = line.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(time(0), "1970-01-01 00:00:00.000");
        assert_eq!(time(1_709_210_096_789), "2024-02-29 12:34:56.789");
        assert_eq!(time(1_735_689_599_999), "2024-12-31 23:59:59.999");
        assert_eq!(shortened("abc\ndef", 5), "abc …");
    }
}
