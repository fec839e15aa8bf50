//! Watching actors: who wants to hear that entries became durable.
//!
//! A watcher is told that there is more and reads the journal itself, at its own pace: nothing is queued for it,
//! and news that it has not taken yet are one with those that follow. As long as nobody watches, a commit
//! costs one look at a counter.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use loom_types::ActorAddress;
use tokio::sync::watch;

/// Watchers at once on one node.
pub(crate) const WATCHERS_MAX: usize = 256;

/// Everybody who watches.
#[derive(Default)]
pub(crate) struct Watchers {
    /// How many watch; looked at with every commit.
    count: AtomicUsize,
    actors: Mutex<Actors>,
}

#[derive(Default)]
struct Actors {
    watched: HashMap<ActorAddress, watch::Sender<()>>,
    is_closed: bool,
}

impl Watchers {
    /// One more watcher; none if there are too many.
    pub(crate) fn watch(self: &Arc<Self>, actor: &ActorAddress) -> Option<Watch> {
        let mut actors = self.actors.lock().expect("nothing panics under this lock");
        if self.count.load(Ordering::Relaxed) >= WATCHERS_MAX {
            return None;
        }
        let news = if actors.is_closed {
            // Its sender is gone: the watch is over at once.
            watch::channel(()).1
        } else {
            let sender = actors.watched.entry(actor.clone());
            sender.or_insert_with(|| watch::channel(()).0).subscribe()
        };
        self.count.fetch_add(1, Ordering::Relaxed);
        Some(Watch { actor: actor.clone(), news: Some(news), watchers: self.clone() })
    }

    /// More of the actor's journal is durable.
    pub(crate) fn committed(&self, actor: &ActorAddress) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let actors = self.actors.lock().expect("nothing panics under this lock");
        if let Some(sender) = actors.watched.get(actor) {
            sender.send_replace(());
        }
    }

    /// How many watch.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// The node stops: every watch is over.
    pub(crate) fn close(&self) {
        let mut actors = self.actors.lock().expect("nothing panics under this lock");
        actors.is_closed = true;
        actors.watched.clear();
    }
}

/// Tells when an actor's journal has grown.
pub struct Watch {
    actor: ActorAddress,
    /// None only while it is dropped.
    news: Option<watch::Receiver<()>>,
    watchers: Arc<Watchers>,
}

impl Watch {
    /// Waits until something was committed since it was asked last. False when the node stops.
    pub async fn changed(&mut self) -> bool {
        match &mut self.news {
            Some(news) => news.changed().await.is_ok(),
            None => false,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut actors = self.watchers.actors.lock().expect("nothing panics under this lock");
        self.news = None;
        if actors.watched.get(&self.actor).is_some_and(|sender| sender.receiver_count() == 0) {
            actors.watched.remove(&self.actor);
        }
        self.watchers.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(key: &str) -> ActorAddress {
        format!("default/test/{key}").parse().unwrap()
    }

    #[tokio::test]
    async fn watchers_hear_of_their_own_actor_and_of_the_end() {
        let watchers = Arc::new(Watchers::default());
        let (mut a, mut b) = (watchers.watch(&actor("a")).unwrap(), watchers.watch(&actor("b")).unwrap());
        watchers.committed(&actor("a"));
        watchers.committed(&actor("a"));
        assert!(a.changed().await, "two commits are one piece of news");
        watchers.close();
        assert!(!a.changed().await && !b.changed().await);
        drop((a, b));
        assert_eq!(watchers.count(), 0);
        assert!(watchers.actors.lock().unwrap().watched.is_empty());
    }

    #[test]
    fn the_number_of_watchers_is_bounded() {
        let watchers = Arc::new(Watchers::default());
        let mut all: Vec<_> = (0..WATCHERS_MAX).map(|_| watchers.watch(&actor("a")).unwrap()).collect();
        assert!(watchers.watch(&actor("a")).is_none());
        all.pop();
        assert!(watchers.watch(&actor("a")).is_some());
    }
}
