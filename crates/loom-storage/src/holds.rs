//! Holds: names of blobs that something not yet committed is about to name.
//!
//! Blobs are durable before the entry that names them, so between the two nothing in the store leads to the blob.
//! Whoever will commit its name takes a [`Hold`] *before* it writes or reads the blob and drops it when the commit
//! has returned. A [`Collection`] removes nothing that was held when it began or has been held since. Of every other
//! name, the commit (if there was one) had returned when the collection began, so its marking sees it. No clock is
//! needed for that, and nobody waits for anybody.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
};

use loom_types::Cid;

/// The holds of one blob store, in the process that owns it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Holds {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    held: HashMap<Cid, usize>,
    /// While a collection is under way: what was held when it began, or since.
    kept: Option<HashSet<Cid>>,
}

impl Holds {
    /// From now until the hold is dropped, and to the end of any collection under way, the blob is not removed.
    pub fn hold(&self, cid: Cid) -> Hold {
        let mut state = self.lock();
        *state.held.entry(cid).or_default() += 1;
        if let Some(kept) = &mut state.kept {
            kept.insert(cid);
        }
        Hold { holds: self.clone(), cid }
    }

    /// Begins a collection; none if one is under way.
    pub fn begin(&self) -> Option<Collection> {
        let mut state = self.lock();
        if state.kept.is_some() {
            return None;
        }
        state.kept = Some(state.held.keys().copied().collect());
        Some(Collection { holds: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under this lock")
    }
}

/// Keeps one blob. Two holds of one name are independent.
#[derive(Debug)]
pub struct Hold {
    holds: Holds,
    cid: Cid,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.holds.lock();
        if let Some(count) = state.held.get_mut(&self.cid) {
            *count -= 1;
            if *count == 0 {
                state.held.remove(&self.cid);
            }
        }
    }
}

/// A collection under way. It ends when this is dropped.
#[derive(Debug)]
pub struct Collection {
    holds: Holds,
}

impl Collection {
    /// Runs `remove` unless the blob is kept. No hold of any blob is taken meanwhile, so that whoever takes one
    /// next sees whether the blob is still there. `remove` must be short.
    pub fn unless_kept<T>(&self, cid: Cid, remove: impl FnOnce() -> T) -> Option<T> {
        let state = self.holds.lock();
        let is_kept = state.kept.as_ref().is_some_and(|kept| kept.contains(&cid));
        if is_kept { None } else { Some(remove()) }
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        self.holds.lock().kept = None;
    }
}
