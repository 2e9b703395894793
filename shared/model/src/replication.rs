//! The conversation between a device and the bridge. The device starts every exchange.
//!
//! `POST /v1/devices/{device}/hello` [`Hello`] → [`HelloReply`];
//! `POST /v1/devices/{device}/epochs/{epoch}/lanes/{lane}` [`Batch`] → [`BatchReply`];
//! `GET /v1/devices/{device}/downlink?after=N&wait=S` → [`Downlink`]. `{lane}` is the lane's number. Bodies are codec
//! envelopes; a batch's may be a zstd frame ([`FLAG_ZSTD`](crate::codec::FLAG_ZSTD)), all others are plain. A reply
//! that is not 200 is a [`Refusal`]; docs/wire.md has the whole conversation.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_bytes::ByteBuf;

use crate::id::{BootId, Epoch};
use crate::lane::{Chain, Lane};
use crate::signal::{DownlinkSignal, SignalSeq};
use crate::time::Stamp;

/// The device says who it is and what it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The device's store.
    pub epoch: Epoch,
    /// The boot it speaks from.
    pub boot: BootId,
    /// What it holds of each lane.
    pub lanes: Vec<LaneOffer>,
    /// The last downlink signal it has recorded.
    pub downlink_cursor: SignalSeq,
    /// The agent's version, for people.
    pub agent_version: String,
    /// The clocks when it was sent: by them a copy that strayed is told from a store that was put back.
    pub sent: Stamp,
}

/// What a device holds of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneOffer {
    /// Which lane.
    pub lane: Lane,
    /// First item still held; one more than `last` when none is.
    pub first: u64,
    /// Last item; 0 when there never was one.
    pub last: u64,
}

/// What the bridge has of this device and epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloReply {
    /// Where each lane goes on.
    pub lanes: Vec<LaneAck>,
    /// Whether the bridge can go on with this epoch.
    pub epoch_state: EpochState,
    /// Signals are waiting.
    pub downlink_pending: bool,
}

/// The bridge holds everything of a lane up to here, gaps declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneAck {
    /// Which lane.
    pub lane: Lane,
    /// Last item held; 0 for none.
    pub ack: u64,
    /// The chain after that item.
    pub chain: Chain,
}

/// Whether the bridge can go on with an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpochState {
    /// First seen.
    New,
    /// Goes on.
    Current,
    /// The bridge has more, or other, items than the device: the store was put back. The epoch is parked; the device
    /// must open another.
    Diverged,
}

/// Consecutive records of one lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// First item of the first record (after the gap, where there is one).
    pub first: u64,
    /// The chain before the first record.
    pub chain_before: Chain,
    /// Items before `first` that the device no longer has, declared. The chain restarts at `chain_before`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
    /// Records in order, bytes as they were first written. At most
    /// [`BATCH_RECORDS_MAX`](crate::limits::BATCH_RECORDS_MAX): more are not decoded.
    #[serde(deserialize_with = "at_most::<_, _, { crate::limits::BATCH_RECORDS_MAX }>")]
    pub records: Vec<BatchRecord>,
    /// The chain after the last record.
    pub chain_after: Chain,
    /// The clocks when it was sent.
    pub sent: Stamp,
}

impl Batch {
    /// How many items it carries.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.records.iter().map(|record| u64::from(record.items)).fold(0, u64::saturating_add)
    }
}

/// One record of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRecord {
    /// How many items it carries, at least one.
    #[serde(rename = "n")]
    pub items: u32,
    /// A [`LaneRecord`](crate::lane::LaneRecord) in CBOR.
    #[serde(rename = "r")]
    pub bytes: ByteBuf,
}

/// Items that are gone, and why: declared, never silent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// First item that is gone.
    pub from: u64,
    /// Last item that is gone.
    pub to: u64,
    /// Why.
    pub reason: GapReason,
}

/// Why items are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// Acknowledged once, trimmed, and asked for again by a bridge that was put back.
    TrimmedAfterAck,
    /// Dropped by the declared policy to make room.
    DroppedForSpace,
}

/// The bridge has applied a batch: it is durable there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchReply {
    /// Where the lane goes on.
    pub ack: LaneAck,
    /// Wait this long before the next batch of this lane; 0 is not at all.
    pub pause_ms: u64,
    /// First item of each record the bridge could not apply and set aside, raw, to be looked at; the lane goes on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead_lettered: Vec<u64>,
    /// Signals are waiting.
    pub downlink_pending: bool,
}

/// Signals for the device, in order, from the one after its cursor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Downlink {
    /// May be empty: nothing came while the bridge waited. At most
    /// [`DOWNLINK_SIGNALS_MAX`](crate::limits::DOWNLINK_SIGNALS_MAX): more are not decoded.
    #[serde(deserialize_with = "at_most::<_, _, { crate::limits::DOWNLINK_SIGNALS_MAX }>")]
    pub signals: Vec<DownlinkSignal>,
}

/// Why the bridge does not take something, and what the device must do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// 409. The batch begins after the item the bridge waits for: go on from there.
    OutOfOrder {
        /// The item to go on from, minus one, and its chain.
        expected: LaneAck,
    },
    /// 409. The epoch is not the device's current one, or is parked: say hello first.
    UnknownEpoch,
    /// 409. An older hello than what was heard since: a copy that strayed. It changed nothing; say hello afresh.
    Stale,
    /// 422. The bytes do not continue the chain: say hello, and let that decide.
    BrokenChain {
        /// What the bridge has.
        expected: LaneAck,
    },
    /// 413. Send half as much.
    TooLarge {
        /// Bytes taken at most.
        limit_bytes: u64,
    },
    /// 429 or 503. Wait.
    Busy {
        /// Milliseconds.
        retry_after_ms: u64,
    },
    /// 400. Not understood at all.
    Malformed {
        /// In words.
        reason: String,
    },
}

/// A sequence of at most `MAX` elements; space is taken as they come.
fn at_most<'de, T, D, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct AtMost<T, const MAX: usize>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for AtMost<T, MAX> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX}")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut elements = Vec::with_capacity(list.size_hint().unwrap_or(0).min(MAX));
            while let Some(element) = list.next_element()? {
                if elements.len() == MAX {
                    return Err(de::Error::invalid_length(MAX + 1, &self));
                }
                elements.push(element);
            }
            Ok(elements)
        }
    }
    deserializer.deserialize_seq(AtMost::<T, MAX>(PhantomData))
}
