//! A cell: one actor in memory.
//!
//! It knows the head of the journal, the state, and the turn that runs. Turns run ahead of the store: a commit
//! is handed in and the next turn may begin on its result, but replies, wake-ups and activities wait until it is
//! durable. If a commit fails, the cell is dead: everything it believed is discarded and read again.

mod commit;
mod control;
mod divergence;
mod line;
mod proof;
mod receive;
mod running;
mod turn;
mod verify;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    mem,
};

use loom_machine::{Message, MessageKind};
use loom_storage::{
    Admission, Arrival, DueTimer, EnqueueError, Enqueued, Lane, MessageStatus, NewDeadLetter, NewMessage, Parcel,
    Position, StoreError, TimerWrite,
};
use loom_types::{ActorAddress, FencingToken, MessageId, Payload, SequenceNumber, TurnNumber, media_type};

use crate::{
    SendError, Settled,
    chain::Chain,
    deployments::Deployments,
    handle::{LiveView, Stage, WaitingOn, body_digest, read_result},
    load::{self, ARRIVALS_PAGE, LoadError, LoadedActor, OpenTurn},
    shard::{CellResult, Content, ControlDelivery, Delivery, Event, Io, Responders},
    trace::{self, Traces},
};

use self::{commit::InFlight, line::Line};
pub(crate) use self::{
    proof::Proven,
    running::{Phase, Running},
    turn::SLICE_FUEL,
    verify::{Evidence, Reading},
};

/// Turns one actor may run before others get their chance.
const TURNS_PER_ROUND: usize = 16;
/// Commits of one actor under way before its next turn waits for the first of them.
const COMMITS_MAX: usize = 64;

type Deferred = Box<dyn FnOnce(&mut Cell, &mut Io) + Send>;

/// One actor in memory.
pub(crate) struct Cell {
    address: ActorAddress,
    generation: u64,
    body: Body,
}

enum Body {
    Loading(Vec<Deferred>),
    /// Boxed: most of a shard's map is addresses.
    Live(Box<Live>),
    /// Its beliefs are wrong, or it could not be read, and why; see the module's text.
    Dead(String),
}

/// A loaded actor.
pub(crate) struct Live {
    pub(crate) address: ActorAddress,
    pub(crate) generation: u64,
    pub(crate) token: FencingToken,
    pub(crate) chain: Chain,
    pub(crate) turn: TurnNumber,
    pub(crate) state: Option<Payload>,
    pub(crate) running: Option<Box<Running>>,
    pub(crate) commits: VecDeque<InFlight>,
    /// An operator wants nothing of it to run.
    pub(crate) is_paused: bool,
    inbox: VecDeque<Queued>,
    messages: LaneCursor,
    outcomes: LaneCursor,
    /// Cancellations that have not met their message yet, by their row.
    cancels: BTreeMap<Position, MessageId>,
    /// Messages that cannot be read, to be put aside when no turn is open.
    unreadable: Vec<(Position, NewDeadLetter)>,
    /// Clients whose message was taken inside the running turn.
    received: HashMap<MessageId, Vec<Responders>>,
    /// Clients that follow a message whose turn has not begun.
    followers: HashMap<MessageId, Vec<Responders>>,
    /// Client ids on their way into the store, each with what came under the same id meanwhile.
    entering: HashMap<MessageId, Vec<Delivery>>,
    /// Turns of this cell whose end became durable: tells an answer of the store that is out of date.
    ended: u64,
    /// The latest piece of work beside a turn; an answer to an earlier one comes too late.
    tasks: u64,
    /// Questions to the store that have no answer yet.
    asking: usize,
    /// How the actor stands with the gates before its next turn.
    line: Line,
    /// The first message in line waits for a place, or for a deployment that runs this type.
    blocked: bool,
    /// A commit failed.
    failed: bool,
    /// Its steps are being taken right now.
    is_going_on: bool,
}

/// A message that waits for its turn.
pub(crate) struct Queued {
    pub(crate) message: Message,
    pub(crate) payload: Payload,
    /// Its row, if it is in the mailbox; none if it came straight from a client.
    pub(crate) position: Option<Position>,
    pub(crate) responders: Vec<Responders>,
}

/// How far a lane of the mailbox was read.
#[derive(Default)]
struct LaneCursor {
    read_to: Position,
    /// There may be more in the store.
    more: bool,
    reading: bool,
}

impl Cell {
    /// Begins to load an actor.
    pub(crate) fn load(address: ActorAddress, generation: u64, io: &mut Io) -> Self {
        let (context, actor) = (io.context.clone(), address.clone());
        io.later(async move {
            let loaded = load::load(&context.storage, &context.deployments, &actor).await;
            Event::Cell { actor, generation, result: CellResult::Loaded(Box::new(loaded)) }
        });
        Self { address, generation, body: Body::Loading(Vec::new()) }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.body, Body::Dead(_))
    }

    pub(crate) fn is_committing(&self) -> bool {
        matches!(&self.body, Body::Live(live) if !live.commits.is_empty())
    }

    /// Whether everything about it is in the store.
    pub(crate) fn can_be_dropped(&self) -> bool {
        matches!(&self.body, Body::Live(live) if live.can_be_dropped())
    }

    /// Drops the guest, if there is one that waits. It is replayed when it is needed.
    pub(crate) fn evict(&mut self) -> bool {
        match &mut self.body {
            Body::Live(live) => live.running.as_mut().is_some_and(|running| running.drop_guest()),
            _ => false,
        }
    }

    /// Lets the turn that rests here be found by its trace when it is taken up again.
    pub(crate) fn leave_trace(&self, traces: &Traces) {
        if let Body::Live(live) = &self.body
            && let Some(running) = &live.running
        {
            traces.put(running.message_id(), &running.span);
        }
    }

    pub(crate) fn view(&self, deployments: &Deployments) -> Option<LiveView> {
        match &self.body {
            Body::Live(live) => Some(live.view(deployments)),
            _ => None,
        }
    }

    /// Does something now, or as soon as the actor is loaded.
    pub(crate) fn when_loaded(&mut self, io: &mut Io, act: Deferred) {
        match &mut self.body {
            Body::Loading(deferred) => deferred.push(act),
            _ => act(self, io),
        }
    }

    fn live(&mut self, act: impl FnOnce(&mut Live)) {
        if let Body::Live(live) = &mut self.body {
            act(live);
            if live.failed {
                self.body = Body::Dead("an earlier commit failed".to_owned());
            }
        }
    }

    pub(crate) fn deliver(&mut self, io: &mut Io, delivery: Box<Delivery>) {
        match &self.body {
            Body::Dead(cause) => delivery.responders.fail(SendError::Store(cause.clone())),
            _ => self.live(|live| live.deliver(io, delivery)),
        }
    }

    pub(crate) fn wake(&mut self, io: &mut Io) {
        self.live(|live| live.go_on(io));
    }

    /// Something may have arrived that nobody told of.
    pub(crate) fn look(&mut self, io: &mut Io) {
        self.arrived(io, Lane::Outcomes);
        self.arrived(io, Lane::Messages);
    }

    /// Its turn in the shard's round has come.
    pub(crate) fn run(&mut self, io: &mut Io) {
        self.live(|live| {
            if let Some(running) = live.running.as_mut().filter(|running| running.phase == Phase::Sliced) {
                running.phase = Phase::Ready;
            }
            live.go_on(io);
        });
    }

    pub(crate) fn arrived(&mut self, io: &mut Io, lane: Lane) {
        self.live(|live| {
            live.lane(lane).more = true;
            live.go_on(io);
        });
    }

    pub(crate) fn timer(&mut self, io: &mut Io, timer: &DueTimer) {
        self.live(|live| live.timer(io, timer));
    }

    pub(crate) fn control(&mut self, io: &mut Io, delivery: Box<ControlDelivery>) {
        self.live(|live| live.control(io, *delivery));
    }

    pub(crate) fn activity_done(
        &mut self,
        io: &mut Io,
        job: crate::activity::Job,
        attempted: crate::activity::Attempted,
    ) {
        self.live(|live| live.activity_done(io, job, attempted));
    }

    /// Takes the result of one of the cell's own futures.
    pub(crate) fn result(&mut self, io: &mut Io, result: CellResult) {
        match result {
            CellResult::Loaded(loaded) => self.loaded(io, *loaded),
            other => self.live(|live| live.result(io, other)),
        }
    }

    fn loaded(&mut self, io: &mut Io, loaded: Result<LoadedActor, LoadError>) {
        let deferred = match &mut self.body {
            Body::Loading(deferred) => mem::take(deferred),
            _ => Vec::new(),
        };
        match loaded {
            Ok(loaded) => {
                self.body = Body::Live(Box::new(Live::new(self.address.clone(), self.generation, loaded, io)));
                for act in deferred {
                    act(self, io);
                }
                self.live(|live| live.go_on(io));
            }
            Err(error) => {
                // The shard tries again; whoever waits is told why not now.
                tracing::warn!(actor = %self.address, %error, "loading the actor");
                io.context.metrics.host_faults.inc();
                self.body = Body::Dead(crate::causes(&error));
                for act in deferred {
                    act(self, io);
                }
            }
        }
    }
}

impl Live {
    fn new(address: ActorAddress, generation: u64, loaded: LoadedActor, io: &mut Io) -> Self {
        let mut live = Self {
            address,
            generation,
            token: loaded.token,
            chain: loaded.chain,
            turn: loaded.turn,
            state: loaded.state,
            running: None,
            commits: VecDeque::new(),
            is_paused: loaded.is_paused,
            inbox: VecDeque::new(),
            messages: LaneCursor::default(),
            outcomes: LaneCursor::default(),
            cancels: BTreeMap::new(),
            unreadable: Vec::new(),
            received: HashMap::new(),
            followers: HashMap::new(),
            entering: HashMap::new(),
            ended: 0,
            tasks: 0,
            asking: 0,
            line: Line::default(),
            blocked: false,
            failed: false,
            is_going_on: false,
        };
        if let Some(open) = loaded.open {
            live.resume(open, io);
        }
        // An outcome lets the turn go on, perhaps to its end: by then the messages after it must be known.
        live.take(io, Lane::Messages, loaded.messages);
        live.take(io, Lane::Outcomes, loaded.outcomes);
        live
    }

    /// Takes up a turn that was found unfinished.
    fn resume(&mut self, open: OpenTurn, io: &mut Io) {
        let OpenTurn { turn, started_seq, timers, status, needs_worker } = open;
        let mut admission = client_admission(turn.opening().turn, &turn.opening().message);
        if let (Some(admission), Some(status)) = (&mut admission, status) {
            admission.body_digest = status.body_digest;
        }
        let elapsed = io.context.clock.elapsed();
        let mut running = Running::new(turn, started_seq, admission, Vec::new(), elapsed);
        // Without work beside the journal the guest waits, and need not run to find that out again.
        running.phase = if needs_worker { Phase::Ready } else { Phase::Waiting };
        running.is_recorded = true;
        running.is_durable = true;
        running.trace_again(&self.address, &io.context.traces);
        self.running = Some(Box::new(running));
        self.restart_work(io, &timers);
    }

    fn lane(&mut self, lane: Lane) -> &mut LaneCursor {
        match lane {
            Lane::Messages => &mut self.messages,
            Lane::Outcomes => &mut self.outcomes,
        }
    }

    fn can_be_dropped(&self) -> bool {
        let rests = self.running.as_ref().is_none_or(|running| running.can_be_dropped());
        rests
            && self.commits.is_empty()
            && self.inbox_is_durable()
            && self.received.is_empty()
            && self.asking == 0
            && !self.followers.values().flatten().any(Responders::is_followed)
            && !self.messages.reading
            && !self.outcomes.reading
            && !self.outcomes.more
            && (!self.messages.more || self.running.is_some() || self.is_paused)
    }

    /// Whether what waits in memory would be read again, and its turn does not come soon.
    fn inbox_is_durable(&self) -> bool {
        let is_row =
            |queued: &Queued| queued.position.is_some() && !queued.responders.iter().any(Responders::is_followed);
        self.inbox.is_empty() || (self.running.is_some() || self.is_paused) && self.inbox.iter().all(is_row)
    }

    /// Asks the store; the answer comes back as an event.
    pub(crate) fn ask(&mut self, io: &mut Io, future: impl Future<Output = CellResult> + Send + 'static) {
        self.asking += 1;
        self.background(io, future);
    }

    /// The same for what the cell does not have to stay for.
    pub(crate) fn background(&self, io: &mut Io, future: impl Future<Output = CellResult> + Send + 'static) {
        let (actor, generation) = (self.address.clone(), self.generation);
        io.later(async move { Event::Cell { actor, generation, result: future.await } });
    }

    /// Does what there is to do: the running turn, outcomes for it, or the next message.
    pub(crate) fn go_on(&mut self, io: &mut Io) {
        if io.is_stopping {
            return;
        }
        self.read_lanes(io);
        // What a step leads to may ask for this again, and the loop that is under way will do it.
        if self.is_paused || mem::replace(&mut self.is_going_on, true) {
            return;
        }
        if (0..TURNS_PER_ROUND).all(|_| self.take_one_step(io)) {
            // There may be more, after others had their chance.
            io.runnable.push_back(self.address.clone());
        }
        self.is_going_on = false;
        self.read_lanes(io);
    }

    /// Whether there was something to do, and may be more.
    fn take_one_step(&mut self, io: &mut Io) -> bool {
        let phase = self.running.as_ref().map(|running| &running.phase);
        match phase {
            _ if self.failed || self.is_paused => false,
            // One that restarts again and again would run away from the store.
            Some(Phase::Ready) if self.commits.len() >= COMMITS_MAX => false,
            Some(Phase::Ready) => {
                self.drive(io, None);
                true
            }
            Some(Phase::Waiting) => self.offer(io),
            Some(_) => false,
            None if self.commits.len() >= COMMITS_MAX => false,
            None => match self.inbox.pop_front() {
                Some(queued) => {
                    self.begin(io, queued);
                    !self.blocked
                }
                None => {
                    self.leave_if_done();
                    self.put_aside(io);
                    self.forget_cancels(io);
                    false
                }
            },
        }
    }

    fn read_lanes(&mut self, io: &mut Io) {
        if self.outcomes.more {
            self.read_lane(io, Lane::Outcomes);
        }
        if self.messages.more && self.wants_messages() {
            self.read_lane(io, Lane::Messages);
        }
    }

    fn read_lane(&mut self, io: &mut Io, lane: Lane) {
        let cursor = self.lane(lane);
        if mem::replace(&mut cursor.reading, true) {
            return;
        }
        cursor.more = false;
        let after = cursor.read_to;
        let (mailbox, actor) = (io.context.storage.mailbox.clone(), self.address.clone());
        self.background(io, async move {
            let result = mailbox.arrivals(&actor, lane, after, ARRIVALS_PAGE).await;
            CellResult::Inbox { lane, result }
        });
    }

    fn inbox(&mut self, io: &mut Io, lane: Lane, result: Result<Vec<Arrival>, StoreError>) {
        self.lane(lane).reading = false;
        match result {
            Ok(arrivals) => {
                self.take(io, lane, arrivals);
                self.go_on(io);
            }
            Err(error) => {
                tracing::warn!(actor = %self.address, %error, "reading the mailbox");
                self.failed = true;
            }
        }
    }

    fn take(&mut self, io: &mut Io, lane: Lane, arrivals: Vec<Arrival>) {
        if arrivals.len() == ARRIVALS_PAGE {
            self.lane(lane).more = true;
        }
        if let Some(last) = arrivals.last() {
            let cursor = self.lane(lane);
            cursor.read_to = cursor.read_to.max(last.position);
        }
        // Before anything here lets a turn end and the next begin.
        self.cancels_arrived(&arrivals);
        for Arrival { position, parcel } in arrivals {
            match parcel {
                Parcel::Message { id, payload } => self.queue(id, payload, position),
                Parcel::Cancel { .. } => self.stop_if_asked(io),
                Parcel::Outcome { step, result, payload } => {
                    self.outcome_arrived(io, step, crate::handle::outcome_of(result, payload), position);
                }
            }
        }
    }

    fn queue(&mut self, id: MessageId, payload: Payload, position: Position) {
        match Message::decode(payload.value()) {
            Ok(message) => {
                let responders = self.followers.remove(&message.id).unwrap_or_default();
                self.inbox.push_back(Queued { message, payload, position: Some(position), responders });
            }
            Err(error) => {
                // Only the runtime writes envelopes, so the row is damaged. Those behind it have their turn.
                tracing::error!(actor = %self.address, position = position.0, %error, "a message cannot be read");
                let reason = format!("the message cannot be read: {error}");
                for responders in self.followers.remove(&id).unwrap_or_default() {
                    responders.fail(SendError::Store(reason.clone()));
                }
                self.unreadable.push((position, NewDeadLetter { message: id, payload, reason }));
            }
        }
    }

    fn deliver(&mut self, io: &mut Io, delivery: Box<Delivery>) {
        match &delivery.content {
            Some(content) if content.is_generated => self.admit(io, delivery),
            _ => {
                let running = self.running.as_ref().is_some_and(|running| running.message_id() == &delivery.id);
                if !running && let Some(waiting) = self.entering.get_mut(&delivery.id) {
                    // Soon it will be known.
                    waiting.push(*delivery);
                    return;
                }
                let (mailbox, actor) = (io.context.storage.mailbox.clone(), self.address.clone());
                self.entering.entry(delivery.id.clone()).or_default();
                let asked_at = self.ended;
                self.ask(io, async move {
                    let status = mailbox.status(&actor, &delivery.id).await;
                    CellResult::Checked { delivery, status, asked_at }
                });
            }
        }
    }

    fn checked(
        &mut self,
        io: &mut Io,
        delivery: Box<Delivery>,
        status: Result<Option<MessageStatus>, StoreError>,
        asked_at: u64,
    ) {
        self.entered(io, &delivery.id);
        if asked_at != self.ended && !matches!(&status, Ok(Some(status)) if status.ended.is_some()) {
            // Its turn may have ended since the store was asked.
            self.deliver(io, delivery);
            return;
        }
        // A turn that has begun may not have reached the store yet.
        let running = self.running.as_ref().filter(|running| running.message_id() == &delivery.id);
        let status = match (status, running) {
            (Ok(None), Some(running)) => Ok(running.admission.as_ref().map(|admission| MessageStatus {
                body_digest: admission.body_digest,
                turn: Some(admission.turn),
                ended: None,
            })),
            (Ok(None), None) => Ok(self.committing_status(&delivery.id)),
            (status, _) => status,
        };
        match status {
            Err(error) => delivery.responders.fail(error.into()),
            Ok(Some(status)) => self.known(io, delivery, status),
            Ok(None) if delivery.content.is_some() => self.admit(io, delivery),
            Ok(None) => delivery.responders.fail(SendError::UnknownMessage(self.address.clone())),
        }
    }

    /// The store knows about this id, or has refused it. What waited for that has its turn after this event.
    fn entered(&mut self, io: &mut Io, id: &MessageId) {
        let waiting = self.entering.remove(id).unwrap_or_default();
        io.local.extend(waiting.into_iter().map(|delivery| Event::Deliver(Box::new(delivery))));
    }

    /// A message whose id was used before: the same one again, or a mistake.
    fn known(&mut self, io: &mut Io, delivery: Box<Delivery>, status: MessageStatus) {
        let Delivery { id, content, mut responders, .. } = *delivery;
        if content.is_some_and(|content| body_digest(&content.message.body) != status.body_digest) {
            responders.fail(SendError::IdReused(id));
            return;
        }
        if let (Some(turn), Some(seq)) = (status.turn, status.ended) {
            let (storage, actor) = (io.context.storage.clone(), self.address.clone());
            let responders = Box::new(responders);
            self.ask(io, async move {
                // An end that is being committed can be read only when it is durable; see `committing_status`.
                let result = read_result(&storage, &actor, seq).await;
                CellResult::Result { responders, turn, result }
            });
            return;
        }
        if let Some(running) = self.running.as_mut().filter(|running| *running.message_id() == id) {
            if running.is_durable {
                responders.accept();
            }
            trace::link(&running.span, responders.trace.as_ref());
            running.responders.push(responders);
            self.tell_waiting();
            return;
        }
        if let Some(queued) = self.inbox.iter_mut().find(|queued| queued.message.id == id) {
            if queued.position.is_some() {
                responders.accept();
            }
            queued.responders.push(responders);
            return;
        }
        if let Some(in_flight) = self.commits.iter_mut().find(|commit| commit.ends_message(&id)) {
            in_flight.follow(&id, responders);
            return;
        }
        // If it has its answer already, that is not on its way to the store yet.
        if self.running.as_ref().is_some_and(|running| running.turn.has_received(&id)) {
            responders.accept();
            self.received.entry(id).or_default().push(responders);
            return;
        }
        responders.accept();
        let followers = self.followers.entry(id).or_default();
        followers.retain(Responders::is_followed);
        followers.push(responders);
        // It is in the mailbox, and may have come there without an answer to whoever put it in.
        self.messages.more = true;
        self.go_on(io);
    }

    /// What an end that is not durable yet will say.
    fn committing_status(&self, id: &MessageId) -> Option<MessageStatus> {
        let admission = self.commits.iter().find_map(|commit| commit.admission_of(id))?;
        Some(MessageStatus { body_digest: admission.body_digest, turn: Some(admission.turn), ended: None })
    }

    /// Takes in a new message: straight into a turn if the actor is idle, else through the mailbox.
    fn admit(&mut self, io: &mut Io, delivery: Box<Delivery>) {
        let Delivery { address, id, content, responders } = *delivery;
        let Some(Content { message, is_generated }) = content else { unreachable!("checked by the caller") };
        let payload = Payload::seal(media_type::MESSAGE, message.encode().as_bytes(), &mut io.salts);
        let is_idle = self.running.is_none()
            && !self.is_paused
            && self.inbox.is_empty()
            // Nor may it overtake one that is on its way into the mailbox.
            && self.entering.is_empty()
            && !self.messages.more
            && !self.messages.reading
            && self.commits.len() < COMMITS_MAX
            && self.has_place(io);
        if is_idle {
            self.begin(io, Queued { message, payload, position: None, responders: vec![responders] });
            self.go_on(io);
            return;
        }
        self.entering.entry(id.clone()).or_default();
        let new = NewMessage { id: id.clone(), body_digest: body_digest(&message.body), payload };
        let (mailbox, depth_max) = (io.context.storage.mailbox.clone(), io.context.settings.mailbox_depth_max);
        let content = Some(Content { message, is_generated });
        let delivery = Box::new(Delivery { address, id, content, responders });
        self.ask(io, async move {
            let result = mailbox.enqueue(&delivery.address, new, depth_max).await;
            CellResult::Enqueued { delivery, result }
        });
    }

    fn enqueued(&mut self, io: &mut Io, delivery: Box<Delivery>, result: Result<Enqueued, EnqueueError>) {
        self.entered(io, &delivery.id);
        match result {
            Ok(Enqueued::At(position)) => {
                let Delivery { address, id, mut responders, .. } = *delivery;
                responders.accept();
                if position > self.messages.read_to {
                    self.followers.entry(id).or_default().push(responders);
                    self.messages.more = true;
                    self.go_on(io);
                } else {
                    // The lane was read before this answer came; its turn may even be over.
                    self.deliver(io, Box::new(Delivery { address, id, content: None, responders }));
                }
            }
            Ok(Enqueued::Known(_)) => self.deliver(io, delivery),
            Err(EnqueueError::Full { waiting, limit }) => {
                self.leave_if_done();
                delivery.responders.fail(SendError::MailboxFull { waiting, limit });
            }
            Err(EnqueueError::Store(error)) => {
                // It may be in the mailbox all the same: its client may never ask again, and nothing sent later may
                // overtake it.
                self.messages.more = true;
                delivery.responders.fail(error.into());
                self.go_on(io);
            }
        }
    }

    fn result(&mut self, io: &mut Io, result: CellResult) {
        match result {
            CellResult::Loaded(_) => unreachable!("a cell is loaded once"),
            CellResult::Inbox { lane, result } => self.inbox(io, lane, result),
            CellResult::Committed(result) => self.committed(io, result),
            CellResult::Checked { delivery, status, asked_at } => {
                self.asking -= 1;
                self.checked(io, delivery, status, asked_at);
            }
            CellResult::Enqueued { delivery, result } => {
                self.asking -= 1;
                self.enqueued(io, delivery, result);
            }
            CellResult::Module(loaded) => self.module_loaded(io, loaded),
            CellResult::Task { task, result } => self.task_done(io, task, result),
            CellResult::Evidence { task, reading, evidence } => self.evidence_read(io, task, *reading, evidence),
            CellResult::Retry => self.retry(io),
            CellResult::Place { gates, place } => self.let_in(io, &gates, place),
            CellResult::RetryActivity { step, attempt } => self.retry_activity(io, step, attempt),
            CellResult::Proof { step, faults, proven } => self.proof_done(io, step, faults, proven),
            CellResult::RetryProof { step, faults } => self.retry_proof(io, step, faults),
            CellResult::Result { responders, turn, result } => {
                self.asking -= 1;
                match result {
                    Ok(result) => responders.settle(Settled::Ended { turn, result }),
                    Err(error) => responders.fail(error.into()),
                }
            }
        }
    }

    fn timer(&mut self, io: &mut Io, timer: &DueTimer) {
        let turn = self.running.as_ref().map(|running| running.turn.opening().turn);
        if turn == Some(timer.step.turn) {
            self.step_timer(io, timer);
        } else {
            self.keep_books(io, Vec::new(), vec![TimerWrite::Clear { step: timer.step }]);
        }
    }

    fn view(&self, deployments: &Deployments) -> LiveView {
        let Some(running) = &self.running else {
            let stage = if self.is_paused { Stage::Paused } else { Stage::Idle };
            return LiveView { stage, waiting_on: Vec::new(), is_resident: false, pinned: None };
        };
        let stage = match &running.phase {
            Phase::Waiting if !self.is_paused => Stage::Waiting,
            Phase::Diverged(divergence) => Stage::Diverged(divergence.clone()),
            Phase::Backoff(fault) => Stage::Faulted(fault.clone()),
            _ if self.is_paused => Stage::Paused,
            _ => Stage::Running,
        };
        let opening = running.turn.opening();
        let pinned = deployments.pinned(&self.address, opening.deployment_cid, opening.module);
        let waiting_on = waiting_on(running);
        LiveView { stage, waiting_on, is_resident: running.has_guest(), pinned: Some(pinned) }
    }
}

/// What a client's message needs to be known by its id. Messages between actors need nothing.
pub(crate) fn client_admission(turn: TurnNumber, message: &Message) -> Option<Admission> {
    let is_client = message.sender.is_none() && message.kind == MessageKind::Call;
    is_client.then(|| Admission {
        id: message.id.clone(),
        body_digest: body_digest(&message.body),
        turn,
        ended: None::<SequenceNumber>,
    })
}

fn waiting_on(running: &Running) -> Vec<WaitingOn> {
    use loom_machine::Work;
    let describe = |n: u32, work: &Work| match work {
        Work::Activity { name, .. } => ("activity", name.clone()),
        Work::Timer { due_ms } => ("timer", due_ms.to_string()),
        Work::Call { due_ms } => ("call", due_ms.to_string()),
        Work::Promise { token } => ("promise", token.clone()),
        Work::Child { to, .. } => ("child", to.local().to_owned()),
        Work::Receive { message_type, .. } => ("message", message_type.clone().unwrap_or_default()),
        Work::Proof { program, image_id, .. } => ("proof", proof::describe(program, *image_id, running.proofs.get(&n))),
    };
    let outstanding = running.turn.outstanding();
    outstanding
        .map(|outstanding| {
            let (kind, detail) = describe(outstanding.n, &outstanding.work);
            WaitingOn { n: outstanding.n, kind, detail }
        })
        .collect()
}
