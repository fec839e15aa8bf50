//! The key that signs the node's log.

use std::{path::Path, sync::Arc};

use loom_evidence::Handover;
use loom_runtime::{SystemClock, causes, record_handover};

use crate::{CliError, arguments::Key, key, output};

pub(super) async fn key(command: Key) -> Result<(), CliError> {
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
        Key::Rotate { data } => rotate(&data).await?,
        Key::Show { data } => output::outln!("{}", existing(&data)?.public()),
    }
    Ok(())
}

fn existing(data: &Path) -> Result<loom_evidence::SigningKey, CliError> {
    key::read(data)?.ok_or_else(|| {
        let message = format!("{} has no key yet", data.display());
        CliError::new("key-missing", message).hint("loom key generate")
    })
}

/// The next key has its file before the log says that it will sign, and takes the old one's place after that: cut short
/// anywhere, doing it again goes on with the same key.
async fn rotate(data: &Path) -> Result<(), CliError> {
    // A folder that is none is not made one.
    existing(data)?;
    // Nobody signs meanwhile.
    let storage = loom_store_sqlite::open(&loom_store_sqlite::Settings::new(data))?;
    let old = existing(data)?;
    key::check(&storage, &old).await?;
    let new = key::next(data, old.name())?;
    let failed = |error: &dyn std::error::Error| CliError::new("key-not-rotated", causes(error));
    let handover = Handover::sign(&old, &new).map_err(|error| failed(&error))?;
    let recorded = record_handover(&storage, Arc::new(SystemClock::default()), &handover, "loom key rotate").await;
    recorded.map_err(|error| failed(&error))?;
    key::replace_by_next(data)?;
    output::outln!("{}", new.public());
    eprintln!("signs '{}' from now on; bundles show that the old key handed it over", new.name());
    eprintln!("tell every witness to watch it in place of the old one: --log {}", new.public());
    Ok(())
}
