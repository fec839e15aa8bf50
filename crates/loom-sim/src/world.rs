//! The world outside the node: where effects arrive, and the host's trouble.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use loom_machine::HostFault;

use crate::{record::Fact, store::Disk};

/// The world. It outlives every node.
pub(crate) struct World {
    disk: Option<Arc<Disk>>,
    effects: Mutex<BTreeMap<String, u32>>,
    /// Guests reply differently each time they are run, which no replay can repeat.
    fickle: bool,
    replies: Mutex<u64>,
}

impl World {
    pub(crate) fn new(disk: Arc<Disk>, fickle: bool) -> Arc<Self> {
        Arc::new(Self { disk: Some(disk), effects: Mutex::default(), fickle, replies: Mutex::default() })
    }

    /// A world in which nothing goes wrong and no effect may happen, for running turns again.
    pub(crate) fn for_replay() -> Arc<Self> {
        Arc::new(Self { disk: None, effects: Mutex::default(), fickle: false, replies: Mutex::default() })
    }

    /// What everything is kept on; there is none when turns are run again.
    pub(crate) fn disk(&self) -> &Disk {
        self.disk.as_ref().expect("a replay reaches nothing outside")
    }

    /// Whether the host is in trouble right now.
    pub(crate) fn fails(&self) -> bool {
        let Some(disk) = &self.disk else { return false };
        let host = disk.faults.host;
        !disk.is_calm() && disk.draw(|random| random.per_mille(host))
    }

    /// An effect arrives, for the how many-th time under its key. The host may be lost right after.
    pub(crate) fn effect(&self, key: &str) -> Result<u32, HostFault> {
        let disk = self.disk.as_ref().expect("a replay runs no effects");
        let count = {
            let mut effects = self.effects.lock().expect("nothing panics under this lock");
            let count = effects.entry(key.to_owned()).or_default();
            *count += 1;
            *count
        };
        disk.recorder.note(Fact::Effect { key: key.to_owned(), count });
        if self.fails() {
            disk.recorder.note(Fact::Abandoned { key: key.to_owned() });
            return Err(HostFault::Host("simulated, after the effect".to_owned()));
        }
        Ok(count)
    }

    /// The reply as the guest gives it.
    pub(crate) fn reply(&self, reply: String) -> String {
        if !self.fickle {
            return reply;
        }
        let mut replies = self.replies.lock().expect("nothing panics under this lock");
        *replies += 1;
        format!("{{\"fickle\":{replies}}}")
    }
}
