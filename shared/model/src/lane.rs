//! Lanes: the contiguous sequences a device replicates, and what travels in them.
//!
//! A lane numbers its *items* (readings, events, receipts) from 1. A *record* carries one or more consecutive items
//! and is never split; its bytes are hashed, stored and sent as they were first written.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::event::HistoryBatch;
use crate::reading::{DeadLetter, ReadingBlock, WindowSummary};
use crate::signal::SignalReceipt;
use crate::time::Stamp;

/// A lane. A slow bulk lane never holds an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Lane {
    /// Receipts, anchors, window summaries, dead letters: small and urgent.
    Control,
    /// Workflow events.
    Histories,
    /// Readings.
    Samples,
}

impl Lane {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Control, Self::Histories, Self::Samples];

    /// The number it has in stored and sent bytes. Never reused.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Control => 0,
            Self::Histories => 1,
            Self::Samples => 2,
        }
    }

    /// The name a person reads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Histories => "histories",
            Self::Samples => "samples",
        }
    }
}

impl From<Lane> for u8 {
    fn from(lane: Lane) -> Self {
        lane.number()
    }
}

impl TryFrom<u8> for Lane {
    type Error = UnknownLane;
    fn try_from(number: u8) -> Result<Self, UnknownLane> {
        Self::ALL.into_iter().find(|lane| lane.number() == number).ok_or(UnknownLane(number))
    }
}

/// There is no lane of this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownLane(u8);

impl core::fmt::Display for UnknownLane {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "there is no lane {}; lanes are 0 to 2", self.0)
    }
}

impl core::error::Error for UnknownLane {}

/// What a record holds, once decoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneRecord {
    /// Control: what became of a signal. One item.
    Receipt(SignalReceipt),
    /// Control: the clocks as they stood, when they changed. One item.
    Anchor(Stamp),
    /// Control: a window closed. One item.
    Window(WindowSummary),
    /// Control: a message that could not be decoded. One item.
    DeadLetter(DeadLetter),
    /// Histories: events of one run. As many items as events.
    History(HistoryBatch),
    /// Samples: readings. As many items as readings.
    Readings(ReadingBlock),
}

impl LaneRecord {
    /// The lane it travels in.
    #[must_use]
    pub fn lane(&self) -> Lane {
        match self {
            Self::Receipt(_) | Self::Anchor(_) | Self::Window(_) | Self::DeadLetter(_) => Lane::Control,
            Self::History(_) => Lane::Histories,
            Self::Readings(_) => Lane::Samples,
        }
    }

    /// How many items of its lane it carries.
    #[must_use]
    pub fn items(&self) -> u32 {
        let count = match self {
            Self::Receipt(_) | Self::Anchor(_) | Self::Window(_) | Self::DeadLetter(_) => 1,
            Self::History(batch) => batch.events.len(),
            Self::Readings(block) => block.readings.len(),
        };
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

/// A lane's hash chain: each record's link covers all records before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Chain(#[serde(with = "serde_bytes")] [u8; 32]);

impl Chain {
    /// The chain of a lane with nothing in it.
    pub const START: Self = Self([0; 32]);

    /// The chain after one more record: SHA-256 of the chain so far, the count of items (big-endian) and the bytes.
    #[must_use]
    pub fn after(&self, items: u32, record: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(items.to_be_bytes());
        hash.update(record);
        Self(hash.finalize().into())
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A chain of these 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl core::fmt::Display for Chain {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl core::fmt::Debug for Chain {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}
