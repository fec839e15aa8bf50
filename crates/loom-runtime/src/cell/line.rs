//! Standing in line for a place inside the gates of an actor's type and namespace.

use std::mem;

use super::Live;
use crate::{
    deployments::Target,
    gate::{self, Place},
    shard::{CellResult, Io},
};

/// How an actor stands with the gates.
#[derive(Debug, Default)]
pub(crate) enum Line {
    /// It has not asked.
    #[default]
    Outside,
    /// It stands in line.
    Waiting,
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
            Line::Waiting => {
                self.line = Line::Waiting;
                return None;
            }
            Line::Outside => {}
        }
        let place = gate::try_enter(&target.gates, io.context.clock.elapsed());
        if place.is_none() {
            self.line = Line::Waiting;
            let (gates, clock, metrics) = (target.gates.clone(), io.context.clock.clone(), io.context.metrics.clone());
            self.background(io, async move { CellResult::Place(gate::enter(gates, clock, metrics).await) });
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
    pub(super) fn let_in(&mut self, io: &mut Io, place: Place) {
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
