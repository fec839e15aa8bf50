//! Large payloads come back whole, wherever a store keeps them.

use loom_types::{Payload, Resolution, SequenceNumber, limits::PAYLOAD_INLINE_BYTES_MAX};

use super::{Writer, actor, id, payload, step};
use crate::{Lane, NewMessage, NewPromise, OutgoingMessage, OutgoingOutcome, Parcel, Position, StateWrite, Storage};

fn large(letter: char) -> Payload {
    payload(&format!("\"{}\"", String::from(letter).repeat(2 * PAYLOAD_INLINE_BYTES_MAX)))
}

/// A payload of any size is read as it was written: in segments, states and mailboxes.
pub async fn large_payloads_come_back_whole(storage: Storage) {
    let mut writer = Writer::acquire(&storage, &actor("a")).await;
    let [journaled, state, sent, late, reply, settled, posted] = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(large);
    let message = |name: &str, payload: &Payload, not_before_ms| OutgoingMessage {
        to: actor("b"),
        id: id(name),
        payload: payload.clone(),
        not_before_ms,
    };
    let outcome = Resolution::Err(reply.cid());
    writer
        .write(&storage, |commit| {
            commit.segment.payloads.extend([journaled.clone(), payload("1")]);
            commit.state = StateWrite::Set(state.clone());
            commit.messages.extend([message("sent", &sent, None), message("late", &late, Some(5))]);
            let (to, result, payload) = (actor("b"), outcome, reply.clone());
            commit.outcomes.push(OutgoingOutcome { to, step: step(1), result, payload });
            commit.promises_created.push(NewPromise { token: "prm-1".into(), step: step(2), label: None, data: None });
        })
        .await;
    storage.timers.release(5, 9).await.expect("release");
    let new = NewMessage { id: id("posted"), body_digest: [0; 32], payload: posted.clone() };
    storage.mailbox.enqueue(&actor("b"), new, 10).await.expect("enqueue");
    storage.mailbox.resolve("prm-1", Resolution::Ok(settled.cid()), settled.clone()).await.expect("resolve");

    let segments = storage.journal.read(&actor("a"), SequenceNumber(0)).await.expect("read");
    assert_eq!(segments[0].payloads, [journaled, payload("1")]);
    let record = storage.journal.load(&actor("a")).await.expect("load").expect("exists");
    assert_eq!(record.state, Some(state));
    let waiting = async |key: &str, lane| {
        let arrivals = storage.mailbox.arrivals(&actor(key), lane, Position(0), 9).await.expect("arrivals");
        arrivals.into_iter().map(|arrival| arrival.parcel).collect::<Vec<_>>()
    };
    let messages = waiting("b", Lane::Messages).await.into_iter().map(|parcel| match parcel {
        Parcel::Message { payload, .. } => payload,
        other => panic!("{other:?}"),
    });
    assert_eq!(messages.collect::<Vec<_>>(), [sent, late, posted]);
    assert!(matches!(&waiting("b", Lane::Outcomes).await[..], [Parcel::Outcome { result, payload, .. }]
        if *result == outcome && *payload == reply));
    assert!(matches!(&waiting("a", Lane::Outcomes).await[..], [Parcel::Outcome { result, payload, .. }]
        if *result == Resolution::Ok(settled.cid()) && *payload == settled));
}

/// Commits apply in the order they were handed in, whatever each has to store first.
pub async fn large_commits_keep_their_order(storage: Storage) {
    let address = actor("a");
    let mut writer = Writer::acquire(&storage, &address).await;
    let mut commits = Vec::new();
    for n in 0..9 {
        let mut commit = writer.commit(1);
        if n % 3 == 0 {
            commit.segment.payloads.push(large('a'));
        }
        commits.push(storage.journal.commit(commit));
    }
    // Polled in whatever order.
    commits.reverse();
    for result in futures::future::join_all(commits).await {
        result.expect("commit");
    }
    let record = storage.journal.load(&address).await.expect("load").expect("exists");
    assert_eq!((record.next_seq, Some(record.head)), (SequenceNumber(9), writer.head));
}
