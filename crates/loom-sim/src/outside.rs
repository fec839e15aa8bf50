//! Everybody outside the node: clients, and those who settle promises.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use loom_machine::Failure;
use loom_runtime::{Clock as _, ResolvePromiseError, SendError, SendOptions, Settled, Ticket};
use loom_storage::ResolveError;
use loom_types::{ActorAddress, MessageId, Namespace};
use tokio_util::task::TaskTracker;

use crate::{executor::Group, node::Door, random::Random, record::Fact, scenario::Sending, store::Disk};

/// Everybody outside is of this group, which is never killed.
pub(crate) const OUTSIDE: Group = Group(0);

/// A client: sends its messages one after the other, each as soon as the one before is durable, and follows all.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) number: usize,
    pub(crate) disk: Arc<Disk>,
    pub(crate) door: Arc<Door>,
    /// Its followers.
    pub(crate) tasks: TaskTracker,
}

impl Client {
    pub(crate) async fn run(self, sendings: Vec<Sending>) {
        for sending in sendings {
            self.disk.clock.sleep(sending.pause).await;
            if sending.is_doubled {
                let (client, again) = (self.clone(), sending.clone());
                self.spawn(async move { client.send(&again).await });
            }
            self.send(&sending).await;
        }
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.disk.spawner.spawn(OUTSIDE, self.tasks.track_future(future));
    }

    /// Sends until the message is durable. Without an id of its own it cannot send twice.
    async fn send(&self, sending: &Sending) {
        let (to, body) = (sending.to.address(), sending.program.to_json());
        loop {
            let id = sending.id.as_ref().map(|id| id.parse().expect("well-formed"));
            let options = SendOptions { id, until_waiting: sending.until_waiting };
            let sent = self.door.handle().await.send(&to, &body, options);
            let mut ticket = match sent {
                Ok(ticket) => ticket,
                Err(error) => {
                    self.refused(sending.id.as_deref().unwrap_or("a message"), &error).await;
                    continue;
                }
            };
            let id = ticket.id.to_string();
            self.disk.recorder.note(Fact::Sent { client: self.number, id: id.clone(), to: to.clone() });
            match ticket.accepted().await {
                Ok(()) => {
                    self.check_accepted(&to, &ticket.id).await;
                    self.disk.recorder.note(Fact::Accepted { id });
                    let (client, to) = (self.clone(), to.clone());
                    self.spawn(async move { client.follow(to, ticket).await });
                    return;
                }
                Err(error) => self.refused(&id, &error).await,
            }
            if sending.id.is_none() {
                return;
            }
        }
    }

    /// What is accepted is durable, at this very moment.
    async fn check_accepted(&self, to: &ActorAddress, id: &MessageId) {
        let status = self.disk.durable.mailbox.status(to, id).await;
        if status.expect("the reference store does not fail").is_none() {
            self.disk.recorder.note(Fact::Wrong { what: format!("{id} is accepted and not durable") });
        }
    }

    async fn follow(&self, to: ActorAddress, mut ticket: Ticket) {
        let id = ticket.id.clone();
        // Whoever asks later is told the same.
        let mut is_again = false;
        loop {
            match ticket.settled().await {
                Ok(Settled::Ended { result, .. }) => {
                    let result = result.map_err(|failure| failure.to_json());
                    self.disk.recorder.note(Fact::Settled { id: id.to_string(), result });
                    if is_again {
                        return;
                    }
                    is_again = true;
                    let pause = self.disk.draw(|random| random.between(0, 800));
                    self.disk.clock.sleep(Duration::from_millis(pause)).await;
                }
                Ok(Settled::Waiting { promises, .. }) => {
                    for token in promises {
                        self.disk.recorder.note(Fact::Seen { token });
                    }
                }
                Err(error) => self.refused(id.as_str(), &error).await,
            }
            ticket = self.ask_again(&to, &id).await;
        }
    }

    async fn ask_again(&self, to: &ActorAddress, id: &MessageId) -> Ticket {
        loop {
            match self.door.handle().await.follow(to, id.clone(), false) {
                Ok(ticket) => return ticket,
                Err(error) => self.refused(id.as_str(), &error).await,
            }
        }
    }

    /// Errors that sending again may mend are waited out; there should be no others.
    async fn refused(&self, id: &str, error: &SendError) {
        if !error.is_retryable() {
            self.disk.recorder.note(Fact::Wrong { what: format!("{id}: {error}") });
        }
        self.disk.recorder.note(Fact::Refused { id: id.to_owned(), error: error.to_string() });
        let pause = self.disk.draw(|random| random.between(5, 200));
        self.disk.clock.sleep(Duration::from_millis(pause)).await;
    }
}

/// Settles promises, sooner or later, each with one value; for ever.
pub(crate) async fn settle_promises(seed: u64, disk: Arc<Disk>, door: Arc<Door>) {
    let mut random = Random::part(seed, "promises");
    // What is going to be said about each, and whether it was said.
    let mut values: BTreeMap<String, (Result<String, String>, bool)> = BTreeMap::new();
    loop {
        disk.clock.sleep(Duration::from_millis(random.between(10, 400))).await;
        let found = disk.durable.catalog.promises(&Namespace::default(), None, None, 1000).await;
        for promise in found.expect("the reference store does not fail") {
            let token = promise.token;
            let ok = random.per_mille(700);
            let fresh = || {
                let text = format!("\"for {token}\"");
                (if ok { Ok(text) } else { Err(text) }, false)
            };
            let (value, done) = values.entry(token.clone()).or_insert_with(fresh);
            if *done || (!disk.is_calm() && random.per_mille(500)) {
                continue;
            }
            disk.recorder.note(Fact::Resolved { token: token.clone(), value: value.clone() });
            let failure = Failure::new("rejected", value.clone().err().unwrap_or_default());
            let result = value.as_deref().map_err(|_| &failure);
            let resolved = door.ask(async |handle| handle.resolve(&token, result).await).await;
            *done = matches!(
                resolved,
                Some(Ok(_) | Err(ResolvePromiseError::Resolve(ResolveError::Resolved | ResolveError::Unknown)))
            );
        }
    }
}
