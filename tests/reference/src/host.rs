//! Where the engine runs: something that gives it time and chance, keeps its records, and can lose its power.

use std::time::Duration;

use tidegate_engine::{Effect, Engine, Input, Record, Step};
use tidegate_model::chance::Chance;
use tidegate_model::codec;
use tidegate_model::id::{BootId, RunId};
use tidegate_model::time::{ClockState, Stamp, Timestamp};

use crate::{Answer, Difference, settings};

/// How a process comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// From a snapshot of this moment.
    Snapshot,
    /// From all records.
    Records,
    /// From an older snapshot and the records since.
    OlderSnapshot,
}

/// One decision of the engine.
pub struct Decided {
    /// Engine time.
    pub now: Timestamp,
    /// Because it was time, and not because something was asked.
    pub by_itself: bool,
    /// What was recorded.
    pub records: Vec<Record>,
    /// Who was answered, and what.
    pub answers: Vec<Answer>,
}

/// See the module.
pub trait Host {
    /// When the engine is wanted next.
    fn next_deadline(&self) -> Option<Timestamp>;

    /// Whether the engine says so of a run.
    fn is_open(&self, run_id: RunId) -> bool;

    /// Lets the engine decide: on what is due by now, and on what is asked. In the order of the decisions.
    ///
    /// # Errors
    /// What went wrong, in words.
    fn turn(&mut self, now: Timestamp, input: Option<Input>) -> Result<Vec<Decided>, Difference>;

    /// The same for what is asked, and then the power goes: the engine has decided, and nothing of it is on disk. The
    /// caller lets it crash next.
    ///
    /// # Errors
    /// As above.
    fn lose(&mut self, now: Timestamp, input: Input) -> Result<Vec<Decided>, Difference>;

    /// The process ends and another one begins.
    ///
    /// # Errors
    /// As above.
    fn crash(&mut self, crash: Crash) -> Result<(), Difference>;

    /// The last row that is on disk and the engine's state, where all that was decided is on disk.
    fn settled(&self) -> Option<(u64, Vec<u8>)> {
        None
    }
}

/// The engine alone, and a log that never fails.
pub struct InMemory {
    engine: Engine,
    chance: Chance,
    /// What is on disk.
    records: Vec<Record>,
    /// The state at some record, as it was stored then.
    snapshot: (usize, Vec<u8>),
    /// A fault planted in what comes back from the disk.
    pub on_recovery: Option<fn(Vec<Record>) -> Vec<Record>>,
}

impl Default for InMemory {
    fn default() -> Self {
        let engine = Engine::new().with_settings(settings());
        Self {
            snapshot: (0, engine.snapshot()),
            engine,
            chance: Chance::new(7),
            records: Vec::new(),
            on_recovery: None,
        }
    }
}

impl Host for InMemory {
    fn next_deadline(&self) -> Option<Timestamp> {
        self.engine.next_deadline().map(|(at, _)| at)
    }

    fn is_open(&self, run_id: RunId) -> bool {
        self.engine.is_open(run_id)
    }

    fn turn(&mut self, now: Timestamp, input: Option<Input>) -> Result<Vec<Decided>, Difference> {
        let decided = decide(&mut self.engine, &mut self.chance, now, stamp(now, 1), input);
        self.records.extend(decided.records.iter().cloned());
        // Now and then a snapshot is kept, to go on from later.
        if self.records.len() > self.snapshot.0 + 40 {
            self.snapshot = (self.records.len(), self.engine.snapshot());
        }
        Ok(vec![decided])
    }

    fn lose(&mut self, now: Timestamp, input: Input) -> Result<Vec<Decided>, Difference> {
        let mut chance = self.chance.clone();
        Ok(vec![decide(&mut self.engine, &mut chance, now, stamp(now, 1), Some(input))])
    }

    fn crash(&mut self, crash: Crash) -> Result<(), Difference> {
        let (at, snapshot) = &self.snapshot;
        let (from, engine) = match crash {
            Crash::Snapshot => (self.records.len(), Engine::restore(&self.engine.snapshot())),
            Crash::Records => (0, Ok(Engine::new())),
            Crash::OlderSnapshot => (*at, Engine::restore(snapshot)),
        };
        let engine = engine.map_err(|error| format!("a snapshot is not understood: {error}"))?;
        let mut engine = engine.with_settings(settings());
        let reread = |record| codec::from_cbor(&codec::to_cbor(record)).expect("a record is understood");
        let mut records: Vec<Record> = self.records[from..].iter().map(reread).collect();
        if let Some(fault) = self.on_recovery {
            records = fault(records);
        }
        for record in &records {
            engine.apply(record);
        }
        self.engine = engine;
        Ok(())
    }
}

/// Lets an engine decide, on what is asked or on what is due.
pub fn decide(
    engine: &mut Engine,
    chance: &mut Chance,
    now: Timestamp,
    stamp: Stamp,
    input: Option<Input>,
) -> Decided {
    let (mut records, mut effects) = (Vec::new(), Vec::new());
    let mut step = Step { now, stamp, chance, records: &mut records, effects: &mut effects };
    let by_itself = input.is_none();
    match input {
        Some(input) => engine.handle(&mut step, input),
        None => engine.handle_deadline(&mut step),
    }
    let answers = effects.into_iter().map(|Effect::Reply { ticket, reply }| (ticket, reply)).collect();
    Decided { now, by_itself, records, answers }
}

/// The clocks, all of them right, in the `boot`th process.
#[must_use]
pub fn stamp(now: Timestamp, boot: u128) -> Stamp {
    let since = now.saturating_since(Timestamp::EPOCH);
    Stamp {
        boot: BootId::from_u128(boot),
        boottime_ns: u64::try_from(since.min(Duration::from_secs(9_000_000_000)).as_nanos())
            .unwrap_or(u64::MAX),
        wall: now,
        state: ClockState::Synchronised,
        error_us: Some(500),
    }
}
