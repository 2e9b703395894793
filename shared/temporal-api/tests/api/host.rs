//! The engine in memory, on a clock that only tests move.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_engine::{
    Effect, Engine, Input, Record, Refusal, Reply, Request, ServiceError, Step, Ticket, WorkflowService,
};
use tidegate_model::chance::Chance;
use tidegate_model::event::HistoryBatch;
use tidegate_model::id::{BootId, RunId};
use tidegate_model::time::{ClockState, Stamp, Timestamp};
use tokio::sync::{oneshot, watch};

const START: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// See the module.
pub(crate) struct Host {
    state: Mutex<State>,
    /// How many requests wait for their answer.
    waiting: watch::Sender<usize>,
}

struct State {
    engine: Engine,
    chance: Chance,
    now: Timestamp,
    next_ticket: u64,
    waiting: BTreeMap<Ticket, oneshot::Sender<Result<Reply, Refusal>>>,
    log: Vec<Record>,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::after(Vec::new())
    }

    /// A host that has read a log and knows nothing else.
    pub(crate) fn after(log: Vec<Record>) -> Self {
        let mut engine = Engine::new();
        for record in &log {
            engine.apply(record);
        }
        let state = State {
            engine,
            chance: Chance::new(7 + log.len() as u64),
            now: START,
            next_ticket: 1,
            waiting: BTreeMap::new(),
            log,
        };
        Self { state: Mutex::new(state), waiting: watch::Sender::new(0) }
    }

    /// All that is on disk.
    pub(crate) fn log(&self) -> Vec<Record> {
        self.state().log.clone()
    }

    /// Lets time pass, and whatever falls due happen.
    pub(crate) fn advance(&self, duration: Duration) {
        let mut state = self.state();
        let end = state.now + duration;
        while let Some((at, _)) = state.engine.next_deadline().filter(|(at, _)| *at <= end) {
            state.now = state.now.max(at);
            self.step(&mut state, Engine::handle_deadline);
        }
        state.now = end;
    }

    /// Returns when so many requests wait for their answer.
    pub(crate) async fn until_waiting(&self, count: usize) {
        self.waiting.subscribe().wait_for(|waiting| *waiting == count).await.expect("the host lives");
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, state: &mut State, decide: impl FnOnce(&mut Engine, &mut Step<'_>)) {
        let (mut records, mut effects) = (Vec::new(), Vec::new());
        let since_start = state.now.saturating_since(START);
        let mut step = Step {
            now: state.now,
            stamp: Stamp {
                boot: BootId::from_u128(1),
                boottime_ns: u64::try_from(since_start.as_nanos()).expect("a test is short"),
                wall: state.now,
                state: ClockState::Synchronised,
                error_us: Some(1_000),
            },
            chance: &mut state.chance,
            records: &mut records,
            effects: &mut effects,
        };
        decide(&mut state.engine, &mut step);
        state.log.append(&mut records);
        for Effect::Reply { ticket, reply } in effects {
            if let Some(asked) = state.waiting.remove(&ticket) {
                // Whoever asked may have gone.
                drop(asked.send(reply));
            }
        }
        self.waiting.send_replace(state.waiting.len());
    }
}

/// Forgets a request when whoever asked has gone.
struct Abandon<'a>(&'a Host, Ticket);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        let Self(host, ticket) = self;
        let mut state = host.state();
        if state.waiting.remove(ticket).is_some() {
            host.step(&mut state, |engine, step| engine.handle(step, Input::Abandon { ticket: *ticket }));
        }
    }
}

impl WorkflowService for Host {
    async fn call(&self, request: Request) -> Result<Reply, ServiceError> {
        let (ticket, answer) = {
            let mut state = self.state();
            let ticket = Ticket(state.next_ticket);
            state.next_ticket += 1;
            let (sender, answer) = oneshot::channel();
            state.waiting.insert(ticket, sender);
            self.step(&mut state, |engine, step| engine.handle(step, Input::Request { ticket, request }));
            (ticket, answer)
        };
        let _abandon = Abandon(self, ticket);
        answer.await.map_err(|_| ServiceError::Stopped)?.map_err(ServiceError::Refused)
    }

    async fn history(&self, run: RunId) -> Result<Vec<HistoryBatch>, ServiceError> {
        let of_run = |record: &Record| match record {
            Record::History(batch) if batch.run_id == run => Some(batch.clone()),
            Record::History(_) | Record::State(_) => None,
        };
        Ok(self.state().log.iter().filter_map(of_run).collect())
    }
}
