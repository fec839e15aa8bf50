//! A shard: one thread's worth of actors.
//!
//! [`Shard::run`] takes events one at a time and lets the actor's [`Cell`] deal with each; what takes time (the
//! store, compiling, sleeping) is a future whose result comes back as an event. Nothing here waits, but for the
//! embedded store's reads, which are look-ups by key; and nothing here is shared with another shard.
//!
//! Channels between shards are unbounded on purpose: each event stands for a durable row or for a client's
//! request, which are bounded by `mailbox_depth_max` and `requests_max`, and two shards that wait for each
//! other's channel would never go on.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use loom_machine::{Ambient, Failure, HostFault, InputSalts, Message};
use loom_storage::{Arrival, CommitError, DueTimer, EnqueueError, Enqueued, Lane, MessageStatus, Storage, StoreError};
use loom_types::{ActorAddress, MessageId, SaltSource, StepRef, TurnNumber};
use lru::LruCache;
use tokio::sync::{
    OwnedSemaphorePermit,
    mpsc::{UnboundedReceiver, UnboundedSender},
    oneshot,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Clock, ControlError, ControlRequest, Metrics, SaltSources, SendError, Settings, Settled,
    activity::{ActivityRun, Attempted, Job, Sliced, Tools, Waited},
    cell::{Cell, Evidence, Proven, Reading},
    deployments::Deployments,
    gate::{Gate, Place},
    handle::LiveView,
    load::{LoadError, LoadedActor},
    lookout::Doubts,
    modules::Modules,
    outside::Outside,
    proofs::Proofs,
    timers::Alarm,
    trace::{self, TraceContext, Traces},
    verdicts::Verdicts,
    watch::Watchers,
};

/// How often waiting guests are looked at for having waited too long.
const AGEING: Duration = Duration::from_secs(1);
/// Events taken before runnable guests get their slice again.
const EVENTS_PER_ROUND: usize = 64;

/// The shard that owns an actor.
pub(crate) fn shard_of(actor: &ActorAddress, shards: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    actor.hash(&mut hasher);
    (hasher.finish() % shards as u64) as usize
}

/// A client's message, or its wish to follow one.
pub(crate) struct Delivery {
    pub(crate) address: ActorAddress,
    pub(crate) id: MessageId,
    /// None to follow a message that was sent earlier.
    pub(crate) content: Option<Content>,
    pub(crate) responders: Responders,
}

/// A new message.
pub(crate) struct Content {
    pub(crate) message: Message,
    /// The id is random, so nobody can have used it before.
    pub(crate) is_generated: bool,
}

/// What an operator asks of an actor.
pub(crate) struct ControlDelivery {
    pub(crate) address: ActorAddress,
    pub(crate) request: ControlRequest,
    pub(crate) by: String,
    pub(crate) responder: ControlResponder,
}

/// Tells the operator. Dropping it tells that the node is stopping.
pub(crate) struct ControlResponder(oneshot::Sender<Result<(), ControlError>>);

impl ControlResponder {
    pub(crate) fn new(sender: oneshot::Sender<Result<(), ControlError>>) -> Self {
        Self(sender)
    }

    pub(crate) fn done(self) {
        let _ = self.0.send(Ok(()));
    }

    pub(crate) fn fail(self, error: ControlError) {
        let _ = self.0.send(Err(error));
    }
}

/// Whom to tell, and of what. Dropping it tells that the node is stopping.
pub(crate) struct Responders {
    accepted: Option<oneshot::Sender<Result<(), SendError>>>,
    settled: Option<oneshot::Sender<Result<Settled, SendError>>>,
    pub(crate) until_waiting: bool,
    /// Held until the message is durable: it bounds what is in flight.
    permit: Option<OwnedSemaphorePermit>,
    /// The trace of the request.
    pub(crate) trace: Option<TraceContext>,
}

impl Responders {
    pub(crate) fn new(
        accepted: oneshot::Sender<Result<(), SendError>>,
        settled: oneshot::Sender<Result<Settled, SendError>>,
        until_waiting: bool,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            accepted: Some(accepted),
            settled: Some(settled),
            until_waiting,
            permit: Some(permit),
            trace: trace::current(),
        }
    }

    // Whoever asked may be gone, so that telling fails is nobody's fault.

    pub(crate) fn accept(&mut self) {
        self.permit = None;
        if let Some(accepted) = self.accepted.take() {
            let _ = accepted.send(Ok(()));
        }
    }

    pub(crate) fn settle(mut self, settled: Settled) {
        self.accept();
        if let Some(sender) = self.settled.take() {
            let _ = sender.send(Ok(settled));
        }
    }

    pub(crate) fn fail(mut self, error: SendError) {
        if let Some(accepted) = self.accepted.take() {
            let _ = accepted.send(Err(error.clone()));
        }
        if let Some(settled) = self.settled.take() {
            let _ = settled.send(Err(error));
        }
    }

    /// Whether anybody still listens for the result.
    pub(crate) fn is_followed(&self) -> bool {
        self.settled.as_ref().is_some_and(|settled| !settled.is_closed())
    }
}

/// What a shard is told. Results of a cell's own futures carry its generation: a cell that was dropped and
/// loaded again does not want them.
pub(crate) enum Event {
    Deliver(Box<Delivery>),
    Control(Box<ControlDelivery>),
    Wake(ActorAddress),
    Arrived(ActorAddress, Lane),
    Timer(DueTimer),
    Deployed,
    Inspect(ActorAddress, oneshot::Sender<Option<LiveView>>),
    RunActivity(Box<Job>),
    ActivityDone { job: Box<Job>, attempted: Attempted },
    ActivityModule { run: Box<ActivityRun>, loaded: Result<(), HostFault> },
    ActivityWaited { run: Box<ActivityRun>, waited: Waited },
    Cell { actor: ActorAddress, generation: u64, result: CellResult },
}

/// Results of a cell's own futures.
pub(crate) enum CellResult {
    Loaded(Box<Result<LoadedActor, LoadError>>),
    Inbox { lane: Lane, result: Result<Vec<Arrival>, StoreError> },
    Committed(Result<(), CommitError>),
    Checked { delivery: Box<Delivery>, status: Result<Option<MessageStatus>, StoreError>, asked_at: u64 },
    Enqueued { delivery: Box<Delivery>, result: Result<Enqueued, EnqueueError> },
    Module(Result<(), HostFault>),
    Task { task: u64, result: Result<Result<String, Failure>, HostFault> },
    Evidence { task: u64, reading: Box<Reading>, evidence: Evidence },
    Retry,
    RetryActivity { step: StepRef, attempt: u32 },
    Proof { step: StepRef, faults: u32, proven: Proven },
    RetryProof { step: StepRef, faults: u32 },
    Place { gates: Vec<Arc<Gate>>, place: Place },
    Result { responders: Box<Responders>, turn: TurnNumber, result: Result<Result<String, Failure>, StoreError> },
}

/// What all shards share.
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) storage: Storage,
    pub(crate) deployments: Arc<Deployments>,
    pub(crate) modules: Arc<Modules>,
    pub(crate) verdicts: Verdicts,
    pub(crate) outside: Outside,
    /// None where nothing can be proved.
    pub(crate) proofs: Option<Arc<Proofs>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) salts: SaltSources,
    pub(crate) metrics: Metrics,
    pub(crate) shards: Vec<UnboundedSender<Event>>,
    pub(crate) alarm: Alarm,
    pub(crate) doubts: Doubts,
    pub(crate) traces: Traces,
    pub(crate) watchers: Arc<Watchers>,
}

impl Context {
    pub(crate) fn tell(&self, actor: &ActorAddress, event: Event) {
        // A shard that has stopped finds the durable row when the node starts again.
        let _ = self.shards[shard_of(actor, self.shards.len())].send(event);
    }
}

/// What a cell can reach of its shard.
pub(crate) struct Io {
    pub(crate) context: Arc<Context>,
    pub(crate) salts: Box<dyn SaltSource + Send>,
    pub(crate) local: VecDeque<Event>,
    pub(crate) runnable: VecDeque<ActorAddress>,
    /// Waiting guests in memory, by when they began to wait.
    pub(crate) resident: LruCache<ActorAddress, Duration>,
    futures: FuturesUnordered<BoxFuture<'static, Event>>,
    next_peer: usize,
    /// Nothing new begins any more.
    pub(crate) is_stopping: bool,
}

impl Io {
    /// What a turn takes from the world at this moment.
    pub(crate) fn ambient(&mut self) -> Ambient<'_> {
        let Context { clock, deployments, proofs, .. } = &*self.context;
        let inputs = proofs.as_ref().map(|proofs| proofs.proving() as &dyn InputSalts);
        Ambient { now_ms: clock.now_ms(), salts: &mut self.salts, directory: &**deployments, inputs }
    }

    /// Lets a future run; its result comes back as an event.
    pub(crate) fn later(&mut self, future: impl Future<Output = Event> + Send + 'static) {
        self.futures.push(future.boxed());
    }

    /// Hands an activity to a shard: an effectful one to this, pure ones to each in turn.
    pub(crate) fn run_activity(&mut self, job: Job) {
        let peers = &self.context.shards;
        if job.spec.is_effectful() || peers.len() == 1 {
            self.local.push_back(Event::RunActivity(Box::new(job)));
            return;
        }
        self.next_peer = (self.next_peer + 1) % peers.len();
        // Shards stop together; what is lost then is run again after the restart.
        let _ = peers[self.next_peer].send(Event::RunActivity(Box::new(job)));
    }
}

/// One thread's worth of actors.
pub(crate) struct Shard {
    cells: HashMap<ActorAddress, Cell>,
    /// Cells that could be dropped, least recently used first.
    idle: LruCache<ActorAddress, ()>,
    activities: VecDeque<ActivityRun>,
    events: UnboundedReceiver<Event>,
    io: Io,
    generations: u64,
    /// Actors that could not be loaded or committed, and how often in a row.
    setbacks: HashMap<ActorAddress, u32>,
    resident_shown: i64,
    resident_max: usize,
    idle_max: usize,
}

impl Shard {
    pub(crate) fn new(context: Arc<Context>, events: UnboundedReceiver<Event>) -> Self {
        let shards = context.shards.len();
        // Rounded up, so that a small limit is not none at all.
        let resident_max = context.settings.resident_instances_max.div_ceil(shards);
        let idle_max = context.settings.actors_cached_max.div_ceil(shards);
        let io = Io {
            salts: (context.salts)(),
            context,
            local: VecDeque::new(),
            runnable: VecDeque::new(),
            resident: LruCache::unbounded(),
            futures: FuturesUnordered::new(),
            next_peer: 0,
            is_stopping: false,
        };
        Self {
            cells: HashMap::new(),
            idle: LruCache::unbounded(),
            activities: VecDeque::new(),
            events,
            io,
            generations: 0,
            setbacks: HashMap::new(),
            resident_shown: 0,
            resident_max,
            idle_max,
        }
    }

    /// Runs until told to stop, and then until what was committed is durable.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let clock = self.io.context.clock.clone();
        let mut ageing = clock.sleep(AGEING);
        while !stop.is_cancelled() {
            if self.has_work() {
                self.round();
                // Let the clock, the signal and finished futures in.
                tokio::task::yield_now().await;
            } else {
                // Without a random choice among what is ready: a simulation has to repeat it.
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    Some(event) = self.events.recv() => self.handle(event),
                    Some(event) = self.io.futures.next() => self.handle(event),
                    () = &mut ageing => {
                        self.age();
                        ageing = clock.sleep(AGEING);
                    }
                }
            }
            while let Some(Some(event)) = self.io.futures.next().now_or_never() {
                self.handle(event);
            }
        }
        self.drain().await;
    }

    fn has_work(&self) -> bool {
        !self.io.local.is_empty()
            || !self.io.runnable.is_empty()
            || !self.activities.is_empty()
            || !self.events.is_empty()
    }

    fn round(&mut self) {
        for _ in 0..EVENTS_PER_ROUND {
            let event = self.io.local.pop_front().or_else(|| self.events.try_recv().ok());
            match event {
                Some(event) => self.handle(event),
                None => break,
            }
        }
        if let Some(run) = self.activities.pop_front() {
            self.run_activity(run);
        }
        if let Some(actor) = self.io.runnable.pop_front() {
            self.with_cell(&actor, |cell, io| cell.run(io));
        }
    }

    fn run_activity(&mut self, mut run: ActivityRun) {
        let context = &self.io.context;
        let tools = Tools { modules: &context.modules, outside: &context.outside, clock: &*context.clock };
        match run.slice(&tools) {
            Sliced::More => self.activities.push_back(run),
            Sliced::NeedsModule => self.load_activity(run),
            Sliced::Done(attempted) => self.finish_activity(run, attempted),
            Sliced::Cancelled => {}
            Sliced::Waits(answer) => {
                context.metrics.activity_requests.inc();
                let run = Box::new(run);
                self.io.later(async move { Event::ActivityWaited { waited: answer.await, run } });
            }
        }
    }

    fn load_activity(&mut self, run: ActivityRun) {
        let (modules, cid) = (self.io.context.modules.clone(), run.job.spec.module);
        self.io.later(async move {
            let loaded = modules.load(cid).await.map(drop);
            Event::ActivityModule { run: Box::new(run), loaded }
        });
    }

    fn finish_activity(&mut self, run: ActivityRun, attempted: Attempted) {
        self.io.context.metrics.activities.inc();
        if !matches!(attempted, Ok(Ok(_))) {
            trace::failed(&run.job.span);
        }
        let owner = run.job.address.clone();
        self.io.context.tell(&owner, Event::ActivityDone { job: Box::new(run.job), attempted });
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Deliver(delivery) => {
                let actor = delivery.address.clone();
                self.with_loaded(&actor, |cell, io| cell.deliver(io, delivery));
            }
            Event::Control(delivery) => {
                let actor = delivery.address.clone();
                self.with_loaded(&actor, |cell, io| cell.control(io, delivery));
            }
            // One that is loaded for this has just read its mailbox.
            Event::Wake(actor) if !self.cells.contains_key(&actor) => self.with_loaded(&actor, Cell::wake),
            Event::Wake(actor) => self.with_loaded(&actor, Cell::look),
            Event::Arrived(actor, lane) => self.with_loaded(&actor, move |cell, io| cell.arrived(io, lane)),
            Event::Timer(timer) => {
                let actor = timer.actor.clone();
                self.with_loaded(&actor, move |cell, io| cell.timer(io, &timer));
            }
            Event::Deployed => {
                let mut actors: Vec<_> = self.cells.keys().cloned().collect();
                actors.sort();
                for actor in actors {
                    self.with_cell(&actor, |cell, io| cell.run(io));
                }
            }
            Event::Inspect(actor, sender) => {
                let deployments = &self.io.context.deployments;
                let view = self.cells.get(&actor).and_then(|cell| cell.view(deployments));
                let _ = sender.send(view);
            }
            Event::RunActivity(job) => self.activities.push_back(ActivityRun::new(*job)),
            Event::ActivityModule { run, loaded } => match loaded {
                Ok(()) => self.activities.push_back(*run),
                Err(fault) => self.finish_activity(*run, Err(fault)),
            },
            Event::ActivityWaited { mut run, waited } => match waited {
                Waited::Cancelled => {}
                Waited::Overdue => {
                    let failure = run.overdue();
                    self.finish_activity(*run, Ok(Err(failure)));
                }
                Waited::Answer(answer) => {
                    run.answered(answer);
                    self.activities.push_back(*run);
                }
            },
            Event::ActivityDone { job, attempted } => {
                let actor = job.address.clone();
                self.with_loaded(&actor, |cell, io| cell.activity_done(io, *job, attempted));
            }
            Event::Cell { actor, generation, result } => {
                let is_loaded = matches!(&result, CellResult::Loaded(loaded) if loaded.is_ok());
                if is_loaded && self.setbacks.contains_key(&actor) {
                    // A commit of its may have happened, and nobody told those it was meant for. From now on
                    // none can happen any more: whoever holds an older token is fenced.
                    self.io.context.doubts.raise();
                }
                if self.cells.get(&actor).is_some_and(|cell| cell.generation() == generation) {
                    self.with_cell(&actor, |cell, io| cell.result(io, result));
                }
            }
        }
    }

    /// Lets a cell that exists do something, then looks whether it can go.
    fn with_cell(&mut self, actor: &ActorAddress, act: impl FnOnce(&mut Cell, &mut Io)) {
        let Some(cell) = self.cells.get_mut(actor) else { return };
        act(cell, &mut self.io);
        if cell.is_dead() {
            self.remove(actor);
            // Whatever it was doing is in the store; go on from there after a moment.
            let wake = Event::Wake(actor.clone());
            let pause = self.pause(actor);
            let pause = self.io.context.clock.sleep(pause);
            self.io.later(async move {
                pause.await;
                wake
            });
            return;
        }
        if cell.can_be_dropped() {
            self.setbacks.remove(actor);
            self.idle.put(actor.clone(), ());
        } else {
            self.idle.pop(actor);
        }
        self.trim();
    }

    /// The same for a cell that is loaded first if need be; while it is, the act waits.
    fn with_loaded(&mut self, actor: &ActorAddress, act: impl FnOnce(&mut Cell, &mut Io) + Send + 'static) {
        if !self.cells.contains_key(actor) {
            self.generations += 1;
            let cell = Cell::load(actor.clone(), self.generations, &mut self.io);
            self.cells.insert(actor.clone(), cell);
            self.io.context.metrics.actors_cached.inc();
        }
        self.with_cell(actor, |cell, io| cell.when_loaded(io, Box::new(act)));
    }

    /// How long to leave an actor alone whose commits or loads fail: longer each time.
    fn pause(&mut self, actor: &ActorAddress) -> Duration {
        let settings = &self.io.context.settings;
        let setbacks = self.setbacks.entry(actor.clone()).or_default();
        let pause = settings.fault_backoff_min.saturating_mul(1 << (*setbacks).min(16)).min(settings.fault_backoff_max);
        *setbacks += 1;
        pause
    }

    fn remove(&mut self, actor: &ActorAddress) {
        self.idle.pop(actor);
        self.io.resident.pop(actor);
        if let Some(cell) = self.cells.remove(actor) {
            cell.leave_trace(&self.io.context.traces);
            self.io.context.metrics.actors_cached.dec();
        }
    }

    /// Drops what is over the limits.
    fn trim(&mut self) {
        while self.io.resident.len() > self.resident_max {
            let Some((actor, _)) = self.io.resident.pop_lru() else { break };
            self.evict(&actor);
        }
        while self.idle.len() > self.idle_max {
            let Some((actor, ())) = self.idle.pop_lru() else { break };
            self.remove(&actor);
        }
        // Shards share the gauge, so each adds its change.
        let resident = i64::try_from(self.io.resident.len()).unwrap_or(i64::MAX);
        self.io.context.metrics.resident.inc_by(resident - self.resident_shown);
        self.resident_shown = resident;
    }

    fn evict(&mut self, actor: &ActorAddress) {
        if let Some(cell) = self.cells.get_mut(actor)
            && cell.evict()
        {
            self.io.context.metrics.evictions.inc();
            if cell.can_be_dropped() {
                self.idle.put(actor.clone(), ());
            }
        }
    }

    /// Drops instances that have waited long enough.
    fn age(&mut self) {
        let now = self.io.context.clock.elapsed();
        let limit = self.io.context.settings.resident_time;
        while self.io.resident.peek_lru().is_some_and(|(_, since)| now.saturating_sub(*since) > limit) {
            let Some((actor, _)) = self.io.resident.pop_lru() else { break };
            self.evict(&actor);
        }
        self.trim();
    }

    /// Lets commits under way become durable and tells whoever waits for them; starts nothing new.
    async fn drain(&mut self) {
        self.io.is_stopping = true;
        self.io.local.clear();
        self.io.runnable.clear();
        while self.cells.values().any(Cell::is_committing) {
            match self.io.futures.next().await {
                Some(Event::Cell { actor, generation, result: CellResult::Committed(result) }) => {
                    let current = self.cells.get_mut(&actor).filter(|cell| cell.generation() == generation);
                    if let Some(cell) = current {
                        cell.result(&mut self.io, CellResult::Committed(result));
                    }
                }
                Some(_) => {}
                None => break,
            }
        }
    }
}
