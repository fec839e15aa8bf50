//! A guest as a coroutine.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use loom_machine::{Failure, Guest, GuestLimits, HostFault, Progress};

use crate::{
    abi::Mode,
    failure::Refused,
    host::{Exchange, lock},
    module::Prepared,
    run::run,
};

type Running = Pin<Box<dyn Future<Output = Result<Progress, HostFault>> + Send>>;

/// Which export is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Execute,
    Query,
}

/// An instance, or the promise of one.
pub(crate) struct WasmtimeGuest {
    module: Arc<Prepared>,
    entry: Entry,
    limits: GuestLimits,
    input: Arc<str>,
    exchange: Arc<Mutex<Exchange>>,
    stage: Stage,
    /// Whether the guest waits for an answer.
    waits: bool,
}

enum Stage {
    /// Not begun. A guest that imports nothing that waits first tries to finish within a slice, without a fiber.
    Fresh { needs_fiber: bool },
    /// On a fiber.
    Running(Running),
    /// Over.
    Done,
}

impl WasmtimeGuest {
    pub(crate) fn new(
        module: Arc<Prepared>,
        entry: Entry,
        limits: GuestLimits,
        input: &str,
        needs_fiber: bool,
    ) -> Self {
        let stage = Stage::Fresh { needs_fiber };
        Self { module, entry, limits, input: input.into(), exchange: Arc::default(), stage, waits: false }
    }

    fn future(&self, mode: Mode, fuel: u64) -> impl Future<Output = Result<Progress, HostFault>> + Send + 'static {
        let (module, input, exchange) = (self.module.clone(), self.input.clone(), self.exchange.clone());
        run(module, self.entry, self.limits, input, mode, fuel, exchange)
    }

    /// Fails a module that cannot even begin under its limits.
    fn check(&self) -> Result<(), Failure> {
        if let (Entry::Query, Err(Some(failure))) = (self.entry, &self.module.exports.query) {
            return Err(failure.clone());
        }
        if self.module.memory_bytes_min > self.limits.memory_bytes {
            return Err(Refused::Memory(self.module.memory_bytes_min).failure(&self.limits));
        }
        if self.module.table_elements_min > self.limits.table_elements {
            return Err(Refused::Table(self.module.table_elements_min).failure(&self.limits));
        }
        Ok(())
    }

    /// Runs a guest that imports nothing that waits for at most one slice. None if it needs more.
    fn direct(&self) -> Option<Result<Progress, HostFault>> {
        let slice = self.limits.fuel.min(self.module.settings.slice_fuel);
        let mut future = std::pin::pin!(self.future(Mode::Direct, slice));
        let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            unreachable!("nothing in direct mode waits");
        };
        let unfinished = slice < self.limits.fuel
            && matches!(&result, Ok(Progress::Failed(failure)) if failure.kind == "out-of-fuel");
        // It computes the same again on a fiber: it is pure, and its fuel is counted from the start.
        (!unfinished).then_some(result)
    }

    fn poll(&mut self) -> Result<Progress, HostFault> {
        let Stage::Running(running) = &mut self.stage else {
            return Err(HostFault::Host("a guest that has finished was resumed".into()));
        };
        match running.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => {
                self.stage = Stage::Done;
                result
            }
            Poll::Pending => {
                let request = lock(&self.exchange).request.take();
                self.waits = request.is_some();
                Ok(request.map_or(Progress::Yielded, Progress::Called))
            }
        }
    }
}

impl Guest for WasmtimeGuest {
    fn resume(&mut self, answer: Option<&str>) -> Result<Progress, HostFault> {
        if answer.is_some() != std::mem::take(&mut self.waits) {
            return Err(HostFault::Host(
                "a guest was resumed with an answer it does not wait for, or without one".into(),
            ));
        }
        if let Some(answer) = answer {
            lock(&self.exchange).answer = Some(answer.to_owned());
        }
        if let Stage::Fresh { needs_fiber } = self.stage {
            if let Err(failure) = self.check() {
                self.stage = Stage::Done;
                return Ok(Progress::Failed(failure));
            }
            if !needs_fiber && let Some(result) = self.direct() {
                self.stage = Stage::Done;
                return result;
            }
            self.stage = Stage::Running(Box::pin(self.future(Mode::Fiber, self.limits.fuel)));
            if !needs_fiber {
                return Ok(Progress::Yielded);
            }
        }
        self.poll()
    }

    fn fuel_used(&self) -> u64 {
        lock(&self.exchange).fuel_used
    }
}
