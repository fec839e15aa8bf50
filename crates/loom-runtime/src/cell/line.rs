//! Standing in line for a place inside the gates of an actor's type and namespace.

use std::{mem, sync::Arc};

use super::Live;
use crate::{
    deployments::Target,
    gate::{self, Gate, Place},
    shard::{CellResult, Io},
};

/// Whether these are the very same gates.
fn is_same(some: &[Arc<Gate>], others: &[Arc<Gate>]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|(one, other)| Arc::ptr_eq(one, other))
}

/// How an actor stands with the gates.
#[derive(Debug, Default)]
pub(crate) enum Line {
    /// It has not asked.
    #[default]
    Outside,
    /// It stands in line at these gates.
    Waiting(Vec<Arc<Gate>>),
    /// It has a place for its next turn.
    Inside(Place),
}

impl Live {
    /// A place for the next turn. Without one the actor stands in line from now on.
    pub(super) fn enter(&mut self, io: &mut Io, target: &Target) -> Option<Place> {
        if target.gates.is_empty() {
            return Some(Place::default());
        }
        match mem::take(&mut self.line) {
            Line::Inside(place) => return Some(place),
            Line::Waiting(gates) if is_same(&gates, &target.gates) => {
                self.line = Line::Waiting(gates);
                return None;
            }
            // A deployment has other limits now, and nobody may ever leave through the old gates.
            Line::Waiting(_) | Line::Outside => {}
        }
        let place = gate::try_enter(&target.gates, io.context.clock.elapsed());
        if place.is_none() {
            self.line = Line::Waiting(target.gates.clone());
            let (gates, clock, metrics) = (target.gates.clone(), io.context.clock.clone(), io.context.metrics.clone());
            self.background(io, async move {
                let place = gate::enter(gates.clone(), clock, metrics).await;
                CellResult::Place { gates, place }
            });
        }
        place
    }

    /// Whether a message may go straight into a turn. One that may not goes through the mailbox, where it is durable
    /// while it waits.
    pub(super) fn has_place(&mut self, io: &mut Io) -> bool {
        if !io.context.deployments.has_gates() {
            return true;
        }
        let (namespace, actor_type) = (self.address.namespace(), self.address.actor_type());
        let Some(target) = io.context.deployments.target(namespace, actor_type) else { return true };
        if target.gates.is_empty() {
            return true;
        }
        let place = self.enter(io, &target);
        let has_place = place.is_some();
        if let Some(place) = place {
            self.line = Line::Inside(place);
        }
        has_place
    }

    /// Its turn has come, if there is still one to run.
    pub(super) fn let_in(&mut self, io: &mut Io, gates: &[Arc<Gate>], place: Place) {
        if !matches!(&self.line, Line::Waiting(waiting) if is_same(waiting, gates)) {
            return;
        }
        let wants_it = !self.is_paused && self.running.is_none() && !self.is_empty();
        self.line = if wants_it { Line::Inside(place) } else { Line::Outside };
        self.go_on(io);
    }

    /// Gives a place back that no message needs any more.
    pub(super) fn leave_if_done(&mut self) {
        if matches!(self.line, Line::Inside(_)) && self.is_empty() {
            self.line = Line::Outside;
        }
    }

    /// Whether no message waits, as far as this cell can tell.
    fn is_empty(&self) -> bool {
        self.inbox.is_empty() && self.entering.is_empty() && !self.messages.more && !self.messages.reading
    }
}
