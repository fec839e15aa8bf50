//! Showing how a node would be configured.

use serde_json::json;

use crate::{CliError, arguments::Config, output, settings::KEYS};

pub(super) fn config(command: Config) -> Result<(), CliError> {
    let Config::Show { node, json } = command;
    let sourced = node.settings()?;
    for (key, source) in KEYS.iter().zip(&sourced.sources) {
        let value = (key.show)(&sourced.settings);
        if json {
            let (variable, source) = (key.variable(), source.to_string());
            output::print_json(&json!({
                "name": key.name, "value": value, "source": source, "variable": variable, "about": key.about,
            }));
        } else {
            output::outln!("{:<32} {:<24} {source}", key.name, if value.is_empty() { "-" } else { &value });
        }
    }
    Ok(())
}
