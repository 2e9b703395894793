//! Everything that can make the gateway move, and everything it can ask for: two closed lists.

use tidegate_engine::{Refusal, Reply, Ticket};
use tidegate_model::id::Epoch;
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::reading::DeadLetter;
use tidegate_model::signal::{DownlinkSignal, SignalSeq};
use tidegate_model::time::Stamp;

use crate::samples::{Arrival, Progress};

/// What can make the gateway move, besides a deadline. `Token` is how the broker's client recognises a message.
#[derive(Debug)]
pub enum Input<Token> {
    /// Messages from the broker, decoded.
    Messages(Vec<Message<Token>>),
    /// For the engine. Boxed: it is much larger than the rest, of which thousands may wait.
    Engine(Box<tidegate_engine::Input>),
    /// The bridge holds a lane up to here.
    Acked {
        /// Which lane.
        lane: Lane,
        /// Its last item there.
        item: u64,
        /// The chain after that item.
        chain: Chain,
    },
    /// Signals from the bridge, in order.
    Downlink {
        /// For the answer: the cursor once they are recorded.
        ticket: Ticket,
        /// The signals.
        signals: Vec<DownlinkSignal>,
    },
    /// The bridge holds other items under this epoch: go on under another.
    BeginEpoch {
        /// For the answer.
        ticket: Ticket,
        /// The new epoch, drawn outside.
        epoch: Epoch,
    },
    /// The pipelines that should be in use, all of them, as their files say.
    Pipelines(Vec<PipelineText>),
    /// The clocks changed: a boot, a step, a synchronisation.
    Anchor(Stamp),
    /// A person looks.
    Inspect {
        /// For the answer.
        ticket: Ticket,
    },
}

/// One message from the broker.
#[derive(Debug)]
pub struct Message<Token> {
    /// The readings in it.
    pub arrivals: Vec<Arrival>,
    /// What could not be decoded of it.
    pub dead_letters: Vec<DeadLetter>,
    /// The source wants to be told when it is on disk.
    pub wants_confirmation: bool,
    /// By which the broker's client acknowledges it.
    pub token: Token,
}

/// A pipeline's file, which has been found right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineText {
    /// Where it came from, for messages.
    pub file: String,
    /// What it says.
    pub text: String,
}

/// What the gateway wants done once its records are on disk.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every effect is an answer: a box would cost an allocation each"
)]
pub enum Effect<Token> {
    /// Acknowledge messages to the broker.
    Acknowledge(Vec<Token>),
    /// Tell sources how far they are on disk.
    Confirm(Vec<Progress>),
    /// Answer whoever asked.
    Answer {
        /// Who asked.
        ticket: Ticket,
        /// The answer.
        answer: Answer,
    },
    /// There is more to replicate.
    Replicate,
}

/// An answer to whoever holds the ticket.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every answer is the engine's: a box would cost an allocation each"
)]
pub enum Answer {
    /// The engine's.
    Engine(Result<Reply, Refusal>),
    /// Signals are recorded up to here.
    Recorded(SignalSeq),
    /// The epoch is in force.
    EpochBegun(Epoch),
    /// What a person sees.
    Status(Box<Status>),
}

/// What a person sees of a gateway.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Status {
    /// The store's epoch.
    pub epoch: Epoch,
    /// The clocks.
    pub stamp: Stamp,
    /// Readings stored in this epoch and those before it.
    pub readings: u64,
    /// Redeliveries recognised since the process began.
    pub duplicates: u64,
    /// Messages that could not be decoded, ever.
    pub dead_letters: u64,
    /// The latest of them, the newest last.
    pub dead_letters_kept: Vec<DeadLetter>,
    /// Names and digests of the pipelines in use.
    pub pipelines: Vec<PipelineStatus>,
    /// Windows open.
    pub open_windows: usize,
    /// Runs open.
    pub open_runs: usize,
    /// Sessions of sources whose identities are remembered.
    pub dedup_sessions: usize,
    /// Lanes: what is there, and what the bridge has.
    pub lanes: Vec<LaneStatus>,
    /// The last signal from the bridge that was recorded.
    pub downlink_cursor: SignalSeq,
}

/// A pipeline in use.
#[derive(Debug, Clone, serde::Serialize)]
pub struct PipelineStatus {
    /// Its name.
    pub name: String,
    /// Which definition.
    pub definition: String,
    /// Where it came from.
    pub file: String,
}

/// A lane.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct LaneStatus {
    /// Its name.
    pub lane: &'static str,
    /// Its last item.
    pub last: u64,
    /// The last item the bridge has.
    pub acked: u64,
}
