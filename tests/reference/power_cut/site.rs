//! The engine on the log, as a gateway has it: histories travel in their lane, the rest of its state stays.

use std::sync::{Arc, Mutex, MutexGuard};

use tidegate_engine::{Effect, Engine, Input, Record, StateChange};
use tidegate_log::{Append, CorruptRecord, Deadline, Machine, TrimPolicy, Turn};
use tidegate_model::codec;
use tidegate_model::id::RunId;
use tidegate_model::lane::LaneRecord;
use tidegate_reference::faults::Fault;
use tidegate_reference::{Answer, Decided, decide, settings};

use crate::disk::Disk;

/// What is wrong on purpose.
#[derive(Clone, Copy)]
pub(crate) enum Planted {
    Nothing,
    /// Answers are given when they are decided.
    AnswerBeforeCommit,
    /// The disk says it has synced, and has not.
    LyingSync,
    /// In what is read when a process begins.
    Recovery(Fault),
}

/// What a site leaves outside of it, for the checks.
#[derive(Default)]
pub(crate) struct Diary {
    /// What was decided and nobody has asked for.
    pub(crate) decided: Vec<Decided>,
    /// The row that the last record went into.
    pub(crate) last_row: u64,
    /// From a moment of the disk on, this row must be on it: somebody was told what is in it.
    pub(crate) told: Vec<(usize, u64)>,
}

/// See the module.
pub(crate) struct Site {
    pub(crate) engine: Engine,
    diary: Arc<Mutex<Diary>>,
    disk: Disk,
    planted: Planted,
    /// A process that is beginning reads, one that has begun decides.
    is_awake: bool,
}

impl Site {
    pub(crate) fn new(disk: Disk, diary: Arc<Mutex<Diary>>, planted: Planted) -> Self {
        Self { engine: Engine::new().with_settings(settings()), diary, disk, planted, is_awake: false }
    }

    fn diary(&self) -> MutexGuard<'_, Diary> {
        self.diary.lock().expect("nothing panics with it in hand")
    }

    fn step(&mut self, turn: &mut Turn<'_, Answer>, input: Option<Input>) {
        self.is_awake = true;
        let (now, stamp) = (turn.now(), turn.stamp());
        let decided = decide(&mut self.engine, turn.chance(), now, stamp, input);
        let mut row = None;
        for record in &decided.records {
            let append = match record {
                Record::History(batch) => {
                    let record = LaneRecord::History(batch.clone());
                    Append {
                        lane: Some(record.lane()),
                        items: record.items(),
                        key: Some(batch.run_id.as_u128()),
                        bytes: codec::to_cbor(&record),
                        at_leisure: false,
                    }
                }
                Record::State(change) => Append {
                    lane: None,
                    items: 0,
                    key: None,
                    bytes: codec::to_cbor(change),
                    at_leisure: change.is_at_leisure(),
                },
            };
            row = Some(turn.append(&append).row);
        }
        for (ticket, reply) in &decided.answers {
            let effect = Effect::Reply { ticket: *ticket, reply: reply.clone() };
            if effect.is_at_leisure() {
                turn.effect_at_leisure((*ticket, reply.clone()));
            } else {
                turn.effect((*ticket, reply.clone()));
            }
        }
        let moment = self.disk.moment();
        let is_early = matches!(self.planted, Planted::AnswerBeforeCommit) && !decided.answers.is_empty();
        let mut diary = self.diary();
        diary.told.extend(row.filter(|_| is_early).map(|row| (moment, row)));
        diary.last_row = row.unwrap_or(diary.last_row);
        diary.decided.push(decided);
    }
}

impl Machine for Site {
    type Input = Input;
    type Effect = Answer;

    fn handle(&mut self, turn: &mut Turn<'_, Answer>, input: Input) {
        self.step(turn, Some(input));
    }

    fn next_deadline(&self) -> Option<Deadline> {
        self.engine.next_deadline().map(|(at, why)| Deadline { at, why })
    }

    fn handle_deadline(&mut self, turn: &mut Turn<'_, Answer>) {
        self.step(turn, None);
    }

    fn apply(&mut self, record: &tidegate_log::Record<'_>) -> Result<(), CorruptRecord> {
        assert!(!self.is_awake, "the engine applies what it decides to itself");
        let corrupt = |error: codec::DecodeError| CorruptRecord(format!("row {}: {error}", record.row));
        let decoded = if record.lane.is_some() {
            let LaneRecord::History(batch) = codec::from_cbor(record.bytes).map_err(corrupt)? else {
                return Err(CorruptRecord(format!("row {} is none of the engine's", record.row)));
            };
            Record::History(batch)
        } else {
            Record::State(codec::from_cbor::<StateChange>(record.bytes).map_err(corrupt)?)
        };
        let read = match self.planted {
            Planted::Recovery(fault) => fault(vec![decoded]),
            Planted::Nothing | Planted::AnswerBeforeCommit | Planted::LyingSync => vec![decoded],
        };
        read.iter().for_each(|record| self.engine.apply(record));
        Ok(())
    }

    fn snapshot(&self) -> Vec<u8> {
        self.engine.snapshot()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), CorruptRecord> {
        let engine = Engine::restore(snapshot).map_err(|error| CorruptRecord(error.to_string()))?;
        self.engine = engine.with_settings(settings());
        Ok(())
    }

    /// Rows of closed runs may go.
    fn trim(&self) -> Option<TrimPolicy> {
        Some(TrimPolicy { quota_bytes: 0, acked: [u64::MAX; 3] })
    }

    fn is_open(&self, key: u128) -> bool {
        self.engine.is_open(RunId::from_u128(key))
    }
}
