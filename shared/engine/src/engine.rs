//! The engine's face: input in, records and effects out.

use tidegate_model::chance::Chance;
use tidegate_model::time::{Stamp, Timestamp};

use crate::record::Record;
use crate::request::{Refusal, Reply, Request, Ticket};

/// What can make the engine move, besides a deadline.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A request that wants a reply.
    Request {
        /// For the reply.
        ticket: Ticket,
        /// What is asked.
        request: Request,
    },
    /// Whoever asked has gone: a waiting poll is forgotten.
    Abandon {
        /// Of the poll.
        ticket: Ticket,
    },
}

/// What the engine wants done once its records are on disk.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Answer a request.
    Reply {
        /// Of the request.
        ticket: Ticket,
        /// The answer.
        reply: Result<Reply, Refusal>,
    },
}

/// One step: what time it is, what chance brings, and where decisions go.
#[derive(Debug)]
pub struct Step<'a> {
    /// Engine time: never goes back.
    pub now: Timestamp,
    /// The clocks as they stand, for the events' record.
    pub stamp: Stamp,
    /// Where run ids and jitter come from.
    pub chance: &'a mut Chance,
    /// Records to append, in order. The engine has applied them to itself already.
    pub records: &'a mut Vec<Record>,
    /// Effects to release once the records are on disk.
    pub effects: &'a mut Vec<Effect>,
}

/// All runs, queues and timers of a host.
#[derive(Debug, Default)]
pub struct Engine {}

impl Engine {
    /// An engine with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decides on one input.
    pub fn handle(&mut self, step: &mut Step<'_>, input: Input) {
        let _ = (step, input);
        todo!()
    }

    /// The next moment something is due, and what.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(Timestamp, &'static str)> {
        todo!()
    }

    /// Does what is due: fires timers, ends leases, retries activities, answers polls that waited long enough.
    pub fn handle_deadline(&mut self, step: &mut Step<'_>) {
        let _ = step;
        todo!()
    }

    /// Takes one record of the log into the state: the only way state changes.
    pub fn apply(&mut self, record: &Record) {
        let _ = record;
        todo!()
    }

    /// The state, to start from next time, in CBOR. Polls and tickets are not part of it.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        todo!()
    }

    /// Puts back what [`Engine::snapshot`] gave.
    ///
    /// # Errors
    /// The decoder's reason.
    pub fn restore(snapshot: &[u8]) -> Result<Self, tidegate_model::codec::DecodeError> {
        let _ = snapshot;
        todo!()
    }
}
