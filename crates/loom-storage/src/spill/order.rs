//! Commits of one actor reach the store in the order they were handed in, though some first write blobs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use futures::channel::oneshot;
use loom_types::ActorAddress;

/// The last commit of each actor that has not reached the store yet. Most commits find nothing here.
#[derive(Clone, Default)]
pub(super) struct Order {
    lines: Arc<Mutex<Lines>>,
}

#[derive(Default)]
struct Lines {
    last: HashMap<ActorAddress, (u64, oneshot::Receiver<()>)>,
    next_place: u64,
}

/// A place in an actor's line. Dropping it lets the next one go.
pub(super) struct Place {
    lines: Arc<Mutex<Lines>>,
    actor: ActorAddress,
    number: u64,
    before: Option<oneshot::Receiver<()>>,
    _gone: oneshot::Sender<()>,
}

impl Order {
    /// A place behind whoever waits already; none if nobody does and `must_wait` is not set.
    pub(super) fn enter(&self, actor: &ActorAddress, must_wait: bool) -> Option<Place> {
        let mut lines = self.lines.lock().expect("nothing panics under this lock");
        let before = lines.last.remove(actor).map(|(_, gone)| gone);
        if before.is_none() && !must_wait {
            return None;
        }
        let number = lines.next_place;
        lines.next_place += 1;
        let (sender, gone) = oneshot::channel();
        lines.last.insert(actor.clone(), (number, gone));
        Some(Place { lines: self.lines.clone(), actor: actor.clone(), number, before, _gone: sender })
    }
}

impl Place {
    /// Waits until everybody before has gone, wherever to.
    pub(super) async fn reached(&mut self) {
        if let Some(before) = self.before.take() {
            // That the sender is dropped is the signal.
            let _ = before.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = self.lines.lock().expect("nothing panics under this lock");
        if lines.last.get(&self.actor).is_some_and(|(number, _)| *number == self.number) {
            lines.last.remove(&self.actor);
        }
    }
}
