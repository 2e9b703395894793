//! The fleet as a machine of the log: requests in, facts appended, answers out when those are on disk.

use std::fmt;

use tidegate_log::{CorruptRecord, Deadline, Machine, Record, Turn};
use tidegate_model::codec;
use tidegate_model::id::DeviceId;

use super::{Answer, Fact, Fleet, Request};

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(crate) u64);

/// What can make the fleet move, and what can look at it.
#[derive(Debug)]
pub(crate) enum Input {
    /// Asks for something.
    Request { ticket: Ticket, request: Box<Request> },
    /// Looks, and moves nothing.
    Look(Look),
}

/// A look at the fleet. What it saw is released with the effects, so that nobody is shown what is not on disk.
pub(crate) struct Look(pub(crate) Box<dyn FnOnce(&Fleet) -> Release + Send>);

/// Hands over what a look saw.
pub(crate) struct Release(pub(crate) Box<dyn FnOnce() + Send>);

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look")
    }
}

impl fmt::Debug for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Release")
    }
}

/// What the fleet wants done once its facts are on disk.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Answer whoever asked.
    Answer { ticket: Ticket, answer: Answer },
    /// Show what a look saw.
    Show(Release),
    /// Wake whoever waits for this device's signals.
    Ring(DeviceId),
}

impl Machine for Fleet {
    type Input = Input;
    type Effect = Effect;

    fn handle(&mut self, turn: &mut Turn<'_, Effect>, input: Input) {
        match input {
            Input::Request { ticket, request } => {
                let step = Fleet::handle(self, turn.now(), *request);
                append(turn, &step.facts);
                turn.effect(Effect::Answer { ticket, answer: step.answer });
                step.rings.into_iter().for_each(|device| turn.effect(Effect::Ring(device)));
            }
            Input::Look(Look(look)) => turn.effect(Effect::Show(look(self))),
        }
    }

    fn next_deadline(&self) -> Option<Deadline> {
        Fleet::next_deadline(self).map(|at| Deadline { at, why: "a signal expires" })
    }

    fn handle_deadline(&mut self, turn: &mut Turn<'_, Effect>) {
        let (facts, rings) = Fleet::handle_deadline(self, turn.now());
        append(turn, &facts);
        rings.into_iter().for_each(|device| turn.effect(Effect::Ring(device)));
    }

    fn apply(&mut self, record: &Record<'_>) -> Result<(), CorruptRecord> {
        Fleet::apply(self, record.time, &Fact::from_record(record.bytes)?)
    }

    fn snapshot(&self) -> Vec<u8> {
        codec::to_cbor(self)
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), CorruptRecord> {
        *self = codec::from_cbor(snapshot).map_err(|error| CorruptRecord(format!("a snapshot: {error}")))?;
        Ok(())
    }
}

/// Appends facts, which the fleet has applied while it decided.
fn append(turn: &mut Turn<'_, Effect>, facts: &[Fact]) {
    for fact in facts {
        // The record is the same fact; it is applied once.
        let _record = turn.append(&fact.append());
    }
}
