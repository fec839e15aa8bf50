//! Somebody who asks the node for bundles, at any moment and once more when everything is done. What is wrong with them
//! is found afterwards, where nothing but the file is known.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use loom_evidence::Bundle;
use loom_runtime::{BundleOptions, Clock as _};
use loom_storage::ActorSummary;
use loom_types::{ActorAddress, Namespace, TurnNumber};

use crate::{node::Door, random::Random, record::Fact, store::Disk};

const STEADY: &str = "the reference store does not fail";
/// Most bundles that are asked for before everything is done.
const VISITS_MAX: u64 = 6;

/// What somebody got who asked for a bundle.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) actor: ActorAddress,
    /// One turn of it; all that are over without.
    pub(crate) turn: Option<TurnNumber>,
    /// With the turns of the actors that were called.
    pub(crate) closure: bool,
    /// When everything was done: no trouble is an excuse then.
    pub(crate) at_rest: bool,
    pub(crate) answer: Result<Bundle, String>,
}

/// Where bundles are put. Cheap to clone.
pub(crate) type Desk = Arc<Mutex<Vec<Asked>>>;

/// Somebody who asks for bundles.
pub(crate) struct Auditor {
    random: Random,
    disk: Arc<Disk>,
    door: Arc<Door>,
    desk: Desk,
}

impl Auditor {
    pub(crate) fn new(seed: u64, name: &str, disk: Arc<Disk>, door: Arc<Door>, desk: Desk) -> Self {
        Self { random: Random::part(seed, name), disk, door, desk }
    }

    /// Comes now and then, while turns are open and the node dies.
    pub(crate) async fn visit(mut self) {
        for _ in 0..self.random.below(VISITS_MAX + 1) {
            self.disk.clock.sleep(Duration::from_millis(self.random.between(1, 800))).await;
            let actors = self.actors().await;
            if actors.is_empty() {
                continue;
            }
            let actor = self.random.pick(&actors).clone();
            let turn = self.random.per_mille(300).then(|| self.turn_of(&actor)).flatten();
            let closure = self.random.per_mille(500);
            self.ask(&actor.address, turn, closure, false).await;
        }
    }

    /// Everything that there is, of every actor, and one turn of each.
    pub(crate) async fn take_stock(mut self) {
        for actor in self.actors().await {
            let turn = self.turn_of(&actor);
            let closure = self.random.per_mille(500);
            self.ask(&actor.address, None, false, true).await;
            self.ask(&actor.address, None, true, true).await;
            if turn.is_some() {
                self.ask(&actor.address, turn, closure, true).await;
            }
        }
    }

    async fn actors(&self) -> Vec<ActorSummary> {
        let all = self.disk.durable.catalog.actors(&Namespace::default(), None, None, usize::MAX).await;
        all.expect(STEADY)
    }

    /// One that there is, and that may be open.
    fn turn_of(&mut self, actor: &ActorSummary) -> Option<TurnNumber> {
        (actor.turn.0 > 0).then(|| TurnNumber(self.random.between(1, actor.turn.0)))
    }

    async fn ask(&self, actor: &ActorAddress, turn: Option<TurnNumber>, closure: bool, at_rest: bool) {
        let options = BundleOptions { turn, closure, ..BundleOptions::default() };
        let asked = self.door.ask(async |handle| handle.bundle(actor, &options).await).await;
        // A dead process does not answer, and will come up again.
        let Some(answer) = asked else { return };
        let answer = answer.map_err(|error| loom_runtime::causes(&error));
        let told = match &answer {
            Ok(bundle) => format!("{} with {} blocks", bundle.cid(), bundle.blocks()),
            Err(error) => error.clone(),
        };
        self.disk.recorder.note(Fact::Audited { actor: actor.clone(), turn, closure, told });
        let asked = Asked { actor: actor.clone(), turn, closure, at_rest, answer };
        self.desk.lock().expect("nothing panics under this lock").push(asked);
    }
}
