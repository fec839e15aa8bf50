//! The suite every backend passes. Each property is an ordinary function of a fresh, empty store.

mod large;
mod log;
mod upkeep;

use std::future::Future;

use loom_types::{
    ActorAddress, Cid, Codec, Entry, EntryBody, FencingToken, MessageId, Namespace, Payload, Resolution, SaltSource,
    Segment, SequenceNumber, StepRef, TurnNumber,
};

use crate::{
    ActiveDeployment, Admission, BlobError, Commit, CommitError, EnqueueError, Enqueued, Lane, NewDeadLetter,
    NewMessage, NewPromise, OutgoingCancel, OutgoingMessage, OutgoingOutcome, Parcel, Position, ResolveError,
    StateWrite, Storage, TimerWrite, limits::DEPLOYMENTS_KEPT_MAX,
};

pub use self::{large::*, log::*, upkeep::*};

/// Runs every property, each on its own store.
pub async fn run_all<F, S>(fresh: F)
where
    F: Fn() -> S,
    S: Future<Output = Storage>,
{
    appends_are_read_back(fresh().await).await;
    a_stale_token_is_fenced(fresh().await).await;
    a_wrong_sequence_number_changes_nothing(fresh().await).await;
    commits_may_be_handed_in_ahead(fresh().await).await;
    commits_after_a_failed_one_fail(fresh().await).await;
    state_is_kept_set_and_cleared(fresh().await).await;
    messages_arrive_in_program_order(fresh().await).await;
    a_message_is_taken_once(fresh().await).await;
    a_client_id_is_known_with_its_turn(fresh().await).await;
    a_full_mailbox_refuses_clients(fresh().await).await;
    outcomes_reach_the_caller(fresh().await).await;
    outcomes_do_not_wait_behind_messages(fresh().await).await;
    a_cancel_follows_its_message(fresh().await).await;
    a_pause_is_remembered(fresh().await).await;
    dead_letters_stay_until_forgotten(fresh().await).await;
    books_are_kept_without_entries(fresh().await).await;
    timers_stay_until_cleared(fresh().await).await;
    delayed_messages_wait(fresh().await).await;
    promises_resolve_once(fresh().await).await;
    actors_with_work_are_found_again(fresh().await).await;
    deployments_replace_each_other_by_name(fresh().await).await;
    lists_come_in_pages(fresh().await).await;
    blobs_are_what_their_name_says(fresh().await).await;
    large_payloads_come_back_whole(fresh().await).await;
    large_commits_keep_their_order(fresh().await).await;
    erased_payloads_leave_markers(fresh().await).await;
    an_open_turn_keeps_its_payloads(fresh().await).await;
    old_turns_are_erased(fresh().await).await;
    old_ids_are_forgotten(fresh().await).await;
    blobs_that_nothing_names_are_collected(fresh().await).await;
    young_blobs_are_spared(fresh().await).await;
    erased_large_payloads_are_collected(fresh().await).await;
    leaves_have_one_order_without_gaps(fresh().await).await;
    a_refused_commit_leaves_no_leaf(fresh().await).await;
    an_entry_is_found_in_the_log(fresh().await).await;
    erasing_takes_no_leaf_away(fresh().await).await;
    checkpoints_only_grow(fresh().await).await;
    witnesses_follow_the_checkpoints(fresh().await).await;
    tiles_are_not_collected(fresh().await).await;
}

struct Salts(u8);

impl SaltSource for Salts {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 = self.0.wrapping_add(1);
        bytes.fill(self.0);
    }
}

fn actor(key: &str) -> ActorAddress {
    format!("default/tester/{key}").parse().expect("well-formed")
}

fn payload(text: &str) -> Payload {
    Payload::json(text, &mut Salts(text.len() as u8))
}

fn step(n: u32) -> StepRef {
    StepRef { turn: TurnNumber(1), n }
}

fn id(text: &str) -> MessageId {
    text.parse().expect("well-formed")
}

/// A writer that keeps the journal's head, as the runtime does.
struct Writer {
    actor: ActorAddress,
    token: FencingToken,
    next_seq: SequenceNumber,
    head: Option<Cid>,
}

impl Writer {
    async fn acquire(storage: &Storage, actor: &ActorAddress) -> Self {
        let token = storage.journal.acquire(actor).await.expect("acquire");
        let record = storage.journal.load(actor).await.expect("load");
        let (next_seq, head) = record.map_or((SequenceNumber(0), None), |record| (record.next_seq, Some(record.head)));
        Self { actor: actor.clone(), token, next_seq, head }
    }

    /// A commit of `entries` control entries (the first opens the journal), and moves on as if it had succeeded.
    fn commit(&mut self, entries: usize) -> Commit {
        let expected_seq = self.next_seq;
        let mut segment = Segment::default();
        for _ in 0..entries {
            let opened = self.next_seq.0 == 0;
            let body = if opened {
                EntryBody::Opened {}
            } else {
                EntryBody::Control { what: "test".into(), by: "conformance".into(), detail: None, state: None }
            };
            let entry = Entry {
                actor: self.actor.clone(),
                seq: self.next_seq,
                prev: self.head,
                turn: TurnNumber(0),
                at_ms: 1,
                body,
            };
            let encoded = entry.encode();
            self.head = Some(encoded.cid);
            self.next_seq = self.next_seq.next();
            segment.entries.push(encoded);
        }
        let head = self.head.expect("at least one entry");
        let commit = Commit::of_segment(self.actor.clone(), self.token, expected_seq, segment, head, 1);
        Commit { turn: TurnNumber(1), ..commit }
    }

    async fn write(&mut self, storage: &Storage, change: impl FnOnce(&mut Commit)) {
        let mut commit = self.commit(1);
        change(&mut commit);
        storage.journal.commit(commit).await.expect("commit");
    }
}

/// What is committed is read back, byte for byte, from any point.
pub async fn appends_are_read_back(storage: Storage) {
    let address = actor("a");
    assert!(storage.journal.load(&address).await.expect("load").is_none());
    assert!(storage.journal.read(&address, SequenceNumber(0)).await.expect("read").is_empty());
    let mut writer = Writer::acquire(&storage, &address).await;
    let mut written = Vec::new();
    for entries in [1, 3, 2] {
        let mut commit = writer.commit(entries);
        commit.segment.payloads.push(payload("{\"n\":1}"));
        written.push(commit.segment.clone());
        storage.journal.commit(commit).await.expect("commit");
    }
    assert_eq!(storage.journal.read(&address, SequenceNumber(0)).await.expect("read"), written);
    assert_eq!(storage.journal.read(&address, SequenceNumber(2)).await.expect("read"), written[1..]);
    assert_eq!(storage.journal.read(&address, SequenceNumber(4)).await.expect("read"), written[2..]);
    assert!(storage.journal.read(&address, SequenceNumber(6)).await.expect("read").is_empty(), "past the head");
    let record = storage.journal.load(&address).await.expect("load").expect("exists");
    assert_eq!((record.next_seq, Some(record.head)), (SequenceNumber(6), writer.head));
}

/// A writer that was replaced cannot append, even at the right place.
pub async fn a_stale_token_is_fenced(storage: Storage) {
    let address = actor("a");
    let mut first = Writer::acquire(&storage, &address).await;
    first.write(&storage, |_| ()).await;
    let mut second = Writer::acquire(&storage, &address).await;
    assert!(second.token > first.token);
    let refused = storage.journal.commit(first.commit(1)).await;
    assert!(
        matches!(refused, Err(CommitError::Fenced { held, current }) if held == first.token && current == second.token)
    );
    second.write(&storage, |_| ()).await;
    let record = storage.journal.load(&address).await.expect("load").expect("exists");
    assert_eq!(record.next_seq, SequenceNumber(2));
}

/// A commit at the wrong place is refused whole.
pub async fn a_wrong_sequence_number_changes_nothing(storage: Storage) {
    let address = actor("a");
    let mut writer = Writer::acquire(&storage, &address).await;
    writer.write(&storage, |_| ()).await;
    for expected in [0, 2] {
        let mut commit = Writer::acquire(&storage, &address).await.commit(1);
        commit.expected_seq = SequenceNumber(expected);
        commit.state = StateWrite::Set(payload("\"lost\""));
        commit.messages.push(message("b", "lost"));
        let refused = storage.journal.commit(commit).await;
        assert!(matches!(refused, Err(CommitError::Conflict { actual: SequenceNumber(1), .. })), "{refused:?}");
    }
    let record = storage.journal.load(&address).await.expect("load").expect("exists");
    assert!(record.state.is_none() && record.next_seq == SequenceNumber(1));
    assert!(storage.mailbox.arrivals(&actor("b"), Lane::Messages, Position(0), 9).await.expect("arrivals").is_empty());
}

/// Commits apply in the order they were handed in, without waiting for each other.
pub async fn commits_may_be_handed_in_ahead(storage: Storage) {
    let address = actor("a");
    let mut writer = Writer::acquire(&storage, &address).await;
    let commits: Vec<_> = (0..50).map(|_| storage.journal.commit(writer.commit(2))).collect();
    for result in futures::future::join_all(commits).await {
        result.expect("commit");
    }
    let record = storage.journal.load(&address).await.expect("load").expect("exists");
    assert_eq!((record.next_seq, Some(record.head)), (SequenceNumber(100), writer.head));
}

/// What was handed in after a commit that failed fails too, even if it has no entries and would fit.
pub async fn commits_after_a_failed_one_fail(storage: Storage) {
    let address = actor("a");
    let mut writer = Writer::acquire(&storage, &address).await;
    writer.write(&storage, |_| ()).await;
    let mut failing = writer.commit(0);
    failing.taken.push(Position(99));
    let (mut books, entries) = (writer.commit(0), writer.commit(1));
    books.timers.push(TimerWrite::Set { step: step(1), due_ms: 5, attempts: 2 });
    let handed_in = [failing, books, entries].map(|commit| storage.journal.commit(commit));
    let [failed, books, entries] = &futures::future::join_all(handed_in).await[..] else { panic!("three") };
    assert!(matches!(failed, Err(CommitError::Taken { position: 99 })), "{failed:?}");
    assert!(matches!(books, Err(CommitError::Fenced { .. })), "{books:?}");
    assert!(matches!(entries, Err(CommitError::Fenced { .. })), "{entries:?}");
    assert!(storage.timers.due(5, 9).await.expect("due").is_empty());
    let mut again = Writer::acquire(&storage, &address).await;
    assert!(again.token > writer.token && again.next_seq == SequenceNumber(1));
    again.write(&storage, |_| ()).await;
}

/// State changes only when a commit says so.
pub async fn state_is_kept_set_and_cleared(storage: Storage) {
    let address = actor("a");
    let mut writer = Writer::acquire(&storage, &address).await;
    let state = payload("{\"count\":1}");
    writer.write(&storage, |commit| commit.state = StateWrite::Set(state.clone())).await;
    writer.write(&storage, |_| ()).await;
    let load = async || storage.journal.load(&address).await.expect("load").expect("exists");
    assert_eq!(load().await.state, Some(state));
    writer.write(&storage, |commit| commit.state = StateWrite::Clear).await;
    assert_eq!(load().await.state, None);
}

fn message(to: &str, name: &str) -> OutgoingMessage {
    OutgoingMessage { to: actor(to), id: id(name), payload: payload(&format!("\"{name}\"")), not_before_ms: None }
}

async fn names(storage: &Storage, to: &str) -> Vec<String> {
    let mut arrivals = storage.mailbox.arrivals(&actor(to), Lane::Messages, Position(0), 100).await.expect("arrivals");
    arrivals.extend(storage.mailbox.arrivals(&actor(to), Lane::Outcomes, Position(0), 100).await.expect("arrivals"));
    let name = |parcel: &Parcel| match parcel {
        Parcel::Message { id, .. } => id.to_string(),
        Parcel::Outcome { step, .. } => format!("outcome {step}"),
        Parcel::Cancel { message } => format!("cancel {message}"),
    };
    arrivals.iter().map(|arrival| name(&arrival.parcel)).collect()
}

/// Per sender and receiver, order is program order.
pub async fn messages_arrive_in_program_order(storage: Storage) {
    let mut writer = Writer::acquire(&storage, &actor("a")).await;
    writer
        .write(&storage, |commit| commit.messages.extend([message("b", "m1"), message("b", "m2"), message("c", "x")]))
        .await;
    writer.write(&storage, |commit| commit.messages.push(message("b", "m3"))).await;
    assert_eq!(names(&storage, "b").await, ["m1", "m2", "m3"]);
    assert_eq!(names(&storage, "c").await, ["x"]);
}

/// Taking a message and what comes of it are one; taking it again fails.
pub async fn a_message_is_taken_once(storage: Storage) {
    let mut sender = Writer::acquire(&storage, &actor("a")).await;
    sender.write(&storage, |commit| commit.messages.extend([message("b", "m1"), message("b", "m2")])).await;
    let mut receiver = Writer::acquire(&storage, &actor("b")).await;
    let position =
        storage.mailbox.arrivals(&actor("b"), Lane::Messages, Position(0), 1).await.expect("arrivals")[0].position;
    receiver.write(&storage, |commit| commit.taken.push(position)).await;
    assert_eq!(names(&storage, "b").await, ["m2"]);
    let mut again = receiver.commit(1);
    again.taken.push(position);
    let refused = storage.journal.commit(again).await;
    assert!(matches!(refused, Err(CommitError::Taken { .. })), "{refused:?}");
}

/// A client's id is remembered from the moment it is taken in, with its turn and where that turn ended.
pub async fn a_client_id_is_known_with_its_turn(storage: Storage) {
    let address = actor("a");
    let new = |name: &str, digest: u8| NewMessage { id: id(name), body_digest: [digest; 32], payload: payload("1") };
    let first = storage.mailbox.enqueue(&address, new("m1", 1), 1).await.expect("enqueue");
    let Enqueued::At(position) = first else { panic!("new") };
    let again = storage.mailbox.enqueue(&address, new("m1", 2), 1).await.expect("enqueue");
    assert!(matches!(again, Enqueued::Known(status) if status.body_digest == [1; 32] && status.turn.is_none()));
    let mut writer = Writer::acquire(&storage, &address).await;
    let admission =
        |name: &str, turn, ended| Admission { id: id(name), body_digest: [1; 32], turn: TurnNumber(turn), ended };
    writer
        .write(&storage, |commit| {
            commit.taken.push(position);
            commit.admissions.extend([admission("m1", 1, None), admission("m2", 2, Some(SequenceNumber(0)))]);
        })
        .await;
    let status = async |name: &str| storage.mailbox.status(&address, &id(name)).await.expect("status");
    assert!(matches!(status("m1").await, Some(known) if known.turn == Some(TurnNumber(1)) && known.ended.is_none()));
    writer.write(&storage, |commit| commit.admissions.push(admission("m1", 1, Some(SequenceNumber(1))))).await;
    assert!(matches!(status("m1").await, Some(known) if known.ended == Some(SequenceNumber(1))));
    assert!(matches!(status("m2").await, Some(known) if known.ended == Some(SequenceNumber(0))));
    assert_eq!(status("m3").await, None);
    assert!(matches!(storage.mailbox.enqueue(&address, new("m2", 1), 1).await, Ok(Enqueued::Known(_))));
}

/// Clients are refused before a mailbox grows without bound; actors are not: their messages are committed with what
/// sent them.
pub async fn a_full_mailbox_refuses_clients(storage: Storage) {
    let mut sender = Writer::acquire(&storage, &actor("a")).await;
    sender.write(&storage, |commit| commit.messages.extend([message("b", "m1"), message("b", "m2")])).await;
    let new = |name: &str| NewMessage { id: id(name), body_digest: [0; 32], payload: payload("1") };
    let refused = storage.mailbox.enqueue(&actor("b"), new("one-more"), 2).await;
    assert!(matches!(refused, Err(EnqueueError::Full { waiting: 2, limit: 2 })), "{refused:?}");
    sender.write(&storage, |commit| commit.messages.push(message("b", "from-an-actor"))).await;
    let taken_in = storage.mailbox.enqueue(&actor("b"), new("one-more"), 4).await;
    assert!(matches!(taken_in, Ok(Enqueued::At(_))), "{taken_in:?}");
}

/// A reply lands in the caller's mailbox with the commit of the turn that made it.
pub async fn outcomes_reach_the_caller(storage: Storage) {
    let mut callee = Writer::acquire(&storage, &actor("b")).await;
    let reply = payload("42");
    let outcome =
        OutgoingOutcome { to: actor("a"), step: step(3), result: Resolution::Ok(reply.cid()), payload: reply.clone() };
    callee.write(&storage, |commit| commit.outcomes.push(outcome)).await;
    let arrivals = storage.mailbox.arrivals(&actor("a"), Lane::Outcomes, Position(0), 9).await.expect("arrivals");
    let [arrival] = &arrivals[..] else { panic!("one arrival") };
    assert!(matches!(&arrival.parcel, Parcel::Outcome { step: at, result: Resolution::Ok(cid), payload }
        if *at == step(3) && *cid == reply.cid() && *payload == reply));
}

/// Each lane has its own order and its own pages.
pub async fn outcomes_do_not_wait_behind_messages(storage: Storage) {
    let mut writer = Writer::acquire(&storage, &actor("a")).await;
    writer.write(&storage, |commit| commit.messages.extend((0..5).map(|n| message("b", &format!("m{n}"))))).await;
    let reply = payload("1");
    let outcome =
        OutgoingOutcome { to: actor("b"), step: step(0), result: Resolution::Ok(reply.cid()), payload: reply };
    writer.write(&storage, |commit| commit.outcomes.push(outcome)).await;
    let page = async |lane, after| storage.mailbox.arrivals(&actor("b"), lane, after, 2).await.expect("arrivals");
    let first = page(Lane::Messages, Position(0)).await;
    assert_eq!(first.len(), 2);
    assert_eq!(page(Lane::Messages, first[1].position).await.len(), 2);
    assert_eq!(page(Lane::Outcomes, Position(0)).await.len(), 1);
}

/// A cancellation comes in the other lane, at a later place than the message it is about.
pub async fn a_cancel_follows_its_message(storage: Storage) {
    let mut writer = Writer::acquire(&storage, &actor("a")).await;
    let of_step = MessageId::of_step(&actor("a"), step(3));
    let sent = OutgoingMessage { id: of_step.clone(), ..message("b", "m1") };
    writer.write(&storage, |commit| commit.messages.push(sent)).await;
    writer
        .write(&storage, |commit| commit.cancels.push(OutgoingCancel { to: actor("b"), message: of_step.clone() }))
        .await;
    let page = async |lane| storage.mailbox.arrivals(&actor("b"), lane, Position(0), 9).await.expect("arrivals");
    let (messages, cancels) = (page(Lane::Messages).await, page(Lane::Outcomes).await);
    let ([message], [cancel]) = (&messages[..], &cancels[..]) else { panic!("one of each") };
    assert!(matches!(&cancel.parcel, Parcel::Cancel { message } if *message == of_step));
    assert!(cancel.position > message.position);
    let mut receiver = Writer::acquire(&storage, &actor("b")).await;
    receiver.write(&storage, |commit| commit.taken.extend([message.position, cancel.position])).await;
    assert!(names(&storage, "b").await.is_empty());
}

/// The record says what the last commit said.
pub async fn a_pause_is_remembered(storage: Storage) {
    let mut writer = Writer::acquire(&storage, &actor("a")).await;
    let load = async || storage.journal.load(&actor("a")).await.expect("load").expect("exists");
    let listed = async || {
        let page = storage.catalog.actors(&Namespace::default(), None, None, 9).await.expect("actors");
        page.iter().any(|summary| summary.is_paused)
    };
    for is_paused in [false, true, false] {
        writer.write(&storage, |commit| commit.is_paused = is_paused).await;
        assert_eq!((load().await.is_paused, listed().await), (is_paused, is_paused));
    }
}

/// What could not be handled is listed with its message and why, until somebody forgets it.
pub async fn dead_letters_stay_until_forgotten(storage: Storage) {
    for key in ["a", "b"] {
        let letter = NewDeadLetter { message: id("m1"), payload: payload("1"), reason: format!("because of {key}") };
        Writer::acquire(&storage, &actor(key)).await.write(&storage, |commit| commit.dead_letters.push(letter)).await;
    }
    let (here, there): (Namespace, Namespace) = (Namespace::default(), "other".parse().expect("well-formed"));
    let list = async |actor: Option<&ActorAddress>, after, limit| {
        storage.catalog.dead_letters(&here, actor, after, limit).await.expect("dead letters")
    };
    let all = list(None, 0, 9).await;
    let [first, second] = &all[..] else { panic!("two") };
    assert_eq!((first.actor.key(), first.reason.as_str(), first.turn), ("a", "because of a", TurnNumber(1)));
    assert_eq!((first.message.as_str(), &first.payload), ("m1", &payload("1")));
    assert_eq!(list(Some(&actor("b")), 0, 9).await, all[1..]);
    assert_eq!(list(None, first.id, 9).await, all[1..]);
    assert_eq!(list(None, 0, 1).await, all[..1]);
    assert!(storage.catalog.dead_letters(&there, None, 0, 9).await.expect("dead letters").is_empty());
    assert!(!storage.catalog.forget_dead_letter(&there, second.id).await.expect("forget"), "not another tenant's");
    assert!(storage.catalog.forget_dead_letter(&here, second.id).await.expect("forget"));
    assert!(!storage.catalog.forget_dead_letter(&here, second.id).await.expect("forget"));
    // Numbers come from outside, and need not be any that a store would give.
    assert!(!storage.catalog.forget_dead_letter(&here, u64::MAX).await.expect("forget"));
    assert!(storage.catalog.dead_letters(&here, None, u64::MAX, 9).await.expect("dead letters").is_empty());
    assert_eq!(list(None, 0, 9).await, all[..1]);
}

/// A commit without entries changes timers and rows, and leaves the journal as it is.
pub async fn books_are_kept_without_entries(storage: Storage) {
    let mut writer = Writer::acquire(&storage, &actor("a")).await;
    writer.write(&storage, |_| ()).await;
    let mut books = writer.commit(0);
    books.timers.push(TimerWrite::Set { step: step(1), due_ms: 5, attempts: 2 });
    books.needs_worker = true;
    storage.journal.commit(books).await.expect("commit");
    let record = storage.journal.load(&actor("a")).await.expect("load").expect("exists");
    assert_eq!((record.next_seq, Some(record.head), record.needs_worker), (SequenceNumber(1), writer.head, true));
    assert_eq!(storage.timers.due(5, 9).await.expect("due").len(), 1);
    writer.write(&storage, |_| ()).await;
    assert_eq!(storage.journal.read(&actor("a"), SequenceNumber(0)).await.expect("read").len(), 2);
}

/// A due timer is reported until a commit clears or moves it.
pub async fn timers_stay_until_cleared(storage: Storage) {
    let mut writer = Writer::acquire(&storage, &actor("a")).await;
    let set = |n, due_ms, attempts| TimerWrite::Set { step: step(n), due_ms, attempts };
    writer
        .write(&storage, |commit| {
            commit.open_turn = Some(SequenceNumber(0));
            commit.timers.extend([set(1, 200, 0), set(2, 100, 3), set(3, 999, 0)]);
        })
        .await;
    let due = async |now_ms| {
        let due = storage.timers.due(now_ms, 10).await.expect("due");
        due.iter().map(|timer| (timer.step.n, timer.due_ms, timer.attempts)).collect::<Vec<_>>()
    };
    assert_eq!(storage.timers.next_due(0).await.expect("next"), Some(100));
    assert_eq!(due(99).await, []);
    assert_eq!(due(500).await, [(2, 100, 3), (1, 200, 0)]);
    assert_eq!(due(500).await, [(2, 100, 3), (1, 200, 0)], "looking is not taking");
    let record = storage.journal.load(&actor("a")).await.expect("load").expect("exists");
    assert_eq!(record.timers.iter().map(|timer| timer.step.n).collect::<Vec<_>>(), [1, 2, 3], "timers of its turn");
    writer.write(&storage, |commit| commit.timers.extend([TimerWrite::Clear { step: step(1) }, set(2, 700, 4)])).await;
    assert_eq!(due(500).await, []);
    assert_eq!(due(1000).await, [(2, 700, 4), (3, 999, 0)]);
    assert_eq!(storage.timers.next_due(700).await.expect("next"), Some(999));
}

/// A delayed message is not there before its time.
pub async fn delayed_messages_wait(storage: Storage) {
    let mut writer = Writer::acquire(&storage, &actor("a")).await;
    let late = OutgoingMessage { not_before_ms: Some(500), ..message("b", "late") };
    writer.write(&storage, |commit| commit.messages.extend([late, message("b", "now")])).await;
    assert_eq!(names(&storage, "b").await, ["now"]);
    assert_eq!(storage.timers.next_due(0).await.expect("next"), Some(500));
    assert_eq!(storage.timers.release(499, 10).await.expect("release"), []);
    assert_eq!(storage.timers.release(500, 10).await.expect("release"), [actor("b")]);
    assert_eq!(names(&storage, "b").await, ["now", "late"]);
    assert_eq!(storage.timers.release(500, 10).await.expect("release"), []);
}

/// A promise is resolved by whoever comes first, until its turn clears it.
pub async fn promises_resolve_once(storage: Storage) {
    let mut writer = Writer::acquire(&storage, &actor("a")).await;
    let promise =
        NewPromise { token: "prm-1".into(), step: step(1), label: Some("approval".into()), data: Some("{}".into()) };
    writer.write(&storage, |commit| commit.promises_created.push(promise)).await;
    let namespace = Namespace::default();
    let open = async || storage.catalog.promises(&namespace, Some(&actor("a")), None, 10).await.expect("promises");
    assert_eq!(open().await[0].label.as_deref(), Some("approval"));
    let value = payload("true");
    let resolve = async |token: &str| storage.mailbox.resolve(token, Resolution::Ok(value.cid()), value.clone()).await;
    assert_eq!(resolve("prm-1").await.expect("resolve"), actor("a"));
    assert!(matches!(resolve("prm-1").await, Err(ResolveError::Resolved)));
    assert!(matches!(resolve("prm-2").await, Err(ResolveError::Unknown)));
    assert_eq!(names(&storage, "a").await, ["outcome 1.1"]);
    assert!(open().await.is_empty());
    writer.write(&storage, |commit| commit.promises_cleared.push("prm-1".into())).await;
    assert!(matches!(resolve("prm-1").await, Err(ResolveError::Unknown)));
}

/// After a restart every actor with something to do is found, and no other.
pub async fn actors_with_work_are_found_again(storage: Storage) {
    let mut busy = Writer::acquire(&storage, &actor("busy")).await;
    busy.write(&storage, |commit| {
        commit.needs_worker = true;
        commit.open_turn = Some(SequenceNumber(0));
    })
    .await;
    let mut parked = Writer::acquire(&storage, &actor("parked")).await;
    parked
        .write(&storage, |commit| {
            commit.open_turn = Some(SequenceNumber(0));
            commit.messages.push(message("waiting", "m1"));
        })
        .await;
    let ready = async |after: Option<&ActorAddress>| storage.mailbox.ready(after, 10).await.expect("ready");
    assert_eq!(ready(None).await, [actor("busy"), actor("waiting")]);
    assert_eq!(ready(Some(&actor("busy"))).await, [actor("waiting")]);
    let record = storage.journal.load(&actor("parked")).await.expect("load").expect("exists");
    assert_eq!(record.open_turn, Some(SequenceNumber(0)));
    busy.write(&storage, |_| ()).await;
    assert_eq!(ready(None).await, [actor("waiting")]);
}

/// One active deployment per namespace and name.
pub async fn deployments_replace_each_other_by_name(storage: Storage) {
    let deployment = |name: &str, content: u8, activated_ms| ActiveDeployment {
        namespace: Namespace::default(),
        name: name.into(),
        cid: Cid::of(Codec::DagCbor, &[content]),
        activated_ms,
        by: (content == 3).then(|| "anna".to_owned()),
    };
    for deployment in [deployment("one", 1, 1), deployment("two", 2, 2), deployment("one", 3, 3)] {
        storage.catalog.activate(deployment).await.expect("activate");
    }
    assert_eq!(storage.catalog.active().await.expect("active"), [deployment("one", 3, 3), deployment("two", 2, 2)]);
    let history =
        async |name: &str, limit| storage.catalog.history(&Namespace::default(), name, limit).await.expect("history");
    assert_eq!(history("one", 9).await, [deployment("one", 3, 3), deployment("one", 1, 1)]);
    assert_eq!(history("one", 1).await, [deployment("one", 3, 3)]);
    assert!(history("three", 9).await.is_empty());
    let there: Namespace = "there".parse().expect("valid");
    assert!(storage.catalog.history(&there, "one", 9).await.expect("history").is_empty(), "not another tenant's");
    for at in 0..DEPLOYMENTS_KEPT_MAX as u64 {
        storage.catalog.activate(deployment("two", 4, 4 + at)).await.expect("activate");
    }
    let kept = history("two", usize::MAX).await;
    assert_eq!((kept.len(), kept.last()), (DEPLOYMENTS_KEPT_MAX, Some(&deployment("two", 4, 4))), "the oldest is gone");
    assert_eq!(history("one", 9).await.len(), 2, "another name's are not");
}

/// Lists go on where the page before ended.
pub async fn lists_come_in_pages(storage: Storage) {
    for key in ["c", "a", "b"] {
        Writer::acquire(&storage, &actor(key)).await.write(&storage, |_| ()).await;
    }
    let namespace = Namespace::default();
    let list = async |actor_type: Option<&str>, after: Option<&ActorAddress>| {
        let page = storage.catalog.actors(&namespace, actor_type, after, 2).await.expect("actors");
        page.iter().map(|summary| summary.address.key().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None).await, ["a", "b"]);
    assert_eq!(list(Some("tester"), Some(&actor("b"))).await, ["c"]);
    assert!(list(Some("other"), None).await.is_empty());
}

/// A blob is stored and read only under its own name.
pub async fn blobs_are_what_their_name_says(storage: Storage) {
    let cid = Cid::of(Codec::Raw, b"content");
    assert!(!storage.blobs.has(cid).await.expect("has"));
    assert!(matches!(storage.blobs.get(cid).await, Err(BlobError::NotFound(missing)) if missing == cid));
    let wrong = storage.blobs.put(cid, "other".into()).await;
    assert!(matches!(wrong, Err(BlobError::Damaged(_))), "{wrong:?}");
    for _ in 0..2 {
        storage.blobs.put(cid, "content".into()).await.expect("put");
    }
    assert_eq!(storage.blobs.get(cid).await.expect("get"), "content");
    assert!(storage.blobs.has(cid).await.expect("has"));
}
