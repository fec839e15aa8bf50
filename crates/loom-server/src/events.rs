//! `GET …/events`: an actor's entries as they become durable, as server-sent events.
//!
//! The reader is given pages of the journal, one event per entry, at its own pace: nothing is queued for it, so
//! a slow reader loses nothing and costs one page. Only committed entries are in the journal, so only those are
//! seen. News from the runtime say when to read on; each heartbeat reads on too, for entries that another
//! process committed.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use futures::{Stream, stream};
use loom_client as wire;
use loom_runtime::{Handle, Watch};
use loom_types::{ActorAddress, SequenceNumber};

use crate::{
    actors::{Start, journal_entry},
    auth::Caller,
    extract::{Actor, Query},
    openapi::{ActorPath, LastEventHeader},
    problem::Problem,
    serve::App,
    withhold,
};

/// How long a stream is silent before it says that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Header with the id of the last event that a reader has seen.
const LAST_EVENT_ID: &str = "last-event-id";

/// Follow an actor's journal
///
/// Server-sent events, one per committed entry: `id` is its sequence number, `event` its kind, `data` the entry as
/// the journal shows it. First what is there already, then what comes. Ends when the node stops.
#[utoipa::path(get, path = "/v1/actors/{type}/{key}/events", operation_id = "followJournal", tag = "actors",
    params(ActorPath, Start, LastEventHeader),
    responses((status = 200, description = "Events without end", content_type = "text/event-stream", body = String)))]
pub(crate) async fn events(
    State(app): State<App>,
    caller: Caller,
    Actor(actor): Actor,
    Query(start): Query<Start>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let next = match headers.get(LAST_EVENT_ID) {
        Some(id) => after(id.to_str().unwrap_or(""))?,
        None => start.from,
    };
    // An actor that does not exist is an error now rather than silence for ever.
    app.handle.state(&actor).await?;
    // Before the first page is read, so that nothing falls between.
    let watch = app.handle.watch(&actor);
    let watch = watch.ok_or_else(|| Problem::new("node-busy", "as many readers follow journals as this node takes"))?;
    let reader = Reader { handle: app.handle.clone(), caller, actor, watch, next, page: VecDeque::new() };
    Ok(Sse::new(reader.into_events()).into_response())
}

fn after(id: &str) -> Result<u64, Problem> {
    let next = id.parse::<u64>().ok().and_then(|seq| seq.checked_add(1));
    next.ok_or_else(|| Problem::new("invalid-request", "Last-Event-ID is not the sequence number of an entry"))
}

/// One reader's place in a journal.
struct Reader {
    handle: Handle,
    caller: Caller,
    actor: ActorAddress,
    watch: Watch,
    next: u64,
    page: VecDeque<wire::Entry>,
}

impl Reader {
    fn into_events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut reader| async {
            let event = reader.event().await?;
            Some((Ok(event), reader))
        })
    }

    /// The next event, or a heartbeat; none when the node stops.
    async fn event(&mut self) -> Option<Event> {
        loop {
            if let Some(entry) = self.page.pop_front() {
                self.next = entry.seq + 1;
                return Some(event(&entry));
            }
            match self.handle.journal(&self.actor, SequenceNumber(self.next)).await {
                Ok(page) => {
                    self.page =
                        page.iter().map(|entry| withhold::from_entry(&self.caller, journal_entry(entry))).collect()
                }
                Err(error) => {
                    // The reader comes again with the last id it has seen.
                    tracing::warn!(actor = %self.actor, %error, "an event stream ends");
                    return None;
                }
            }
            if !self.page.is_empty() {
                continue;
            }
            match tokio::time::timeout(HEARTBEAT, self.watch.changed()).await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(_) => return Some(Event::default().comment("still here")),
            }
        }
    }
}

fn event(entry: &wire::Entry) -> Event {
    let json = serde_json::to_string(entry).expect("our own types serialise");
    // Between values JSON may have line breaks, which would end the field; inside strings they are escaped.
    let line = json.replace(['\r', '\n'], " ");
    Event::default().id(entry.seq.to_string()).event(&entry.kind).data(line)
}
