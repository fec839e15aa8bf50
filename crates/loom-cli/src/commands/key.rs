//! The key that signs the node's log.

use crate::{CliError, arguments::Key, key, output};

pub(super) fn key(command: Key) -> Result<(), CliError> {
    match command {
        Key::Generate { name, data } => {
            let file = data.join(key::KEY_FILE);
            if file.exists() {
                let message = format!("{} is there already", file.display());
                return Err(CliError::new("key-exists", message).hint("loom key show prints its public half"));
            }
            let key = key::generate(&data, name.as_deref())?;
            output::outln!("{}", key.public());
        }
        Key::Show { data } => {
            let Some(key) = key::read(&data)? else {
                let message = format!("{} has no key yet", data.display());
                return Err(CliError::new("key-missing", message).hint("loom key generate"));
            };
            output::outln!("{}", key.public());
        }
    }
    Ok(())
}
