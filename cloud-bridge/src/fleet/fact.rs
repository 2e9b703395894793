//! Facts: what the fleet writes down, and the keys by which the archive finds them again.
//!
//! A fact is one record of the bridge's log, in CBOR. What a device sent is kept inside it byte for byte.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};
use tidegate_log::{Append, CorruptRecord};
use tidegate_model::codec;
use tidegate_model::id::{BootId, DeviceId, Epoch, RunId};
use tidegate_model::lane::{Chain, Lane, LaneRecord};
use tidegate_model::replication::GapReason;
use tidegate_model::signal::{DownlinkSignal, SignalSeq};
use tidegate_model::time::{Stamp, Timestamp};

/// Items of the samples lane that share a key, so that an export reads a bounded part of the archive at a time. A
/// block is no larger ([`BLOCK_READINGS_MAX`](tidegate_model::limits::BLOCK_READINGS_MAX)), so that a reading is found
/// under its own page or the one before.
pub(crate) const SAMPLES_PAGE_ITEMS: u64 = 65_536;
const _: () = assert!(tidegate_model::limits::BLOCK_READINGS_MAX as u64 <= SAMPLES_PAGE_ITEMS);

/// Where items stand: in which lane of which epoch of which device, and their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    #[serde(rename = "d")]
    pub(crate) device: DeviceId,
    #[serde(rename = "e")]
    pub(crate) epoch: Epoch,
    #[serde(rename = "l")]
    pub(crate) lane: Lane,
    /// Number of the first item.
    #[serde(rename = "f")]
    pub(crate) first: u64,
    /// How many there are, at least one.
    #[serde(rename = "n")]
    pub(crate) items: u32,
}

impl Place {
    /// Number of the last item.
    pub(crate) fn last(&self) -> u64 {
        self.first.saturating_add(u64::from(self.items)).saturating_sub(1)
    }
}

/// Something that happened to the fleet. Past tense, never rewritten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fact {
    /// A device spoke from an epoch never seen; one that was current is superseded by it.
    EpochOpened { device: DeviceId, epoch: Epoch, boot: BootId, agent_version: String },
    /// A device spoke from a boot, or a release, other than before.
    DeviceChanged { device: DeviceId, boot: BootId, agent_version: String },
    /// The device and the bridge disagree about what an epoch holds.
    EpochParked { device: DeviceId, epoch: Epoch, reason: ParkReason },
    /// A record was taken, as the device wrote it.
    Archived {
        #[serde(rename = "at")]
        place: Place,
        #[serde(rename = "r")]
        bytes: ByteBuf,
        /// What the bytes say, where somebody has read them already. Not stored.
        #[serde(skip)]
        read: Option<LaneRecord>,
    },
    /// A record could not be applied, and was set aside as it came; the lane goes on.
    SetAside {
        #[serde(rename = "at")]
        place: Place,
        reason: String,
        #[serde(rename = "r")]
        bytes: ByteBuf,
    },
    /// The device declared items gone.
    GapDeclared { device: DeviceId, epoch: Epoch, lane: Lane, from: u64, to: u64, reason: GapReason },
    /// A batch is in: the lane is held up to here. The last fact of its batch.
    Advanced { device: DeviceId, epoch: Epoch, lane: Lane, ack: u64, chain: Chain, sent: Stamp },
    /// An operator's signal was taken for a device.
    SignalIssued { device: DeviceId, signal: DownlinkSignal },
    /// A signal's time is over and nothing is known of it; it is not offered any more.
    SignalExpired { device: DeviceId, seq: SignalSeq, expired_at: Timestamp },
}

/// Why an epoch takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ParkReason {
    /// The device went on under another epoch.
    Superseded,
    /// The device has fewer items than it once sent.
    DeviceHasLess { lane: Lane, device_last: u64, ack: u64 },
    /// What the device sends does not continue what it sent.
    ChainBroken { lane: Lane, ack: u64 },
}

impl std::fmt::Display for ParkReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Superseded => f.write_str("the device went on under another epoch"),
            Self::DeviceHasLess { lane, device_last, ack } => write!(
                f,
                "the device has {} up to {device_last} where {ack} were received: its store was put back",
                lane.name()
            ),
            Self::ChainBroken { lane, ack } => {
                write!(f, "what the device sends of {} does not continue item {ack}", lane.name())
            }
        }
    }
}

impl Fact {
    /// The record to append.
    pub(crate) fn append(&self) -> Append {
        Append { lane: None, items: 0, key: self.key(), bytes: codec::to_cbor(self), at_leisure: false }
    }

    /// The fact in a record.
    pub(crate) fn from_record(bytes: &[u8]) -> Result<Self, CorruptRecord> {
        codec::from_cbor(bytes).map_err(|error| CorruptRecord(format!("not a fact of the fleet: {error}")))
    }

    fn key(&self) -> Option<u128> {
        match self {
            Self::Archived { place, read: Some(LaneRecord::History(batch)), .. } => {
                Some(run_key(&place.device, place.epoch, batch.run_id))
            }
            Self::Archived { place, read: Some(LaneRecord::Readings(_)), .. } => {
                Some(samples_key(&place.device, place.epoch, place.first / SAMPLES_PAGE_ITEMS))
            }
            Self::SetAside { place, .. } => Some(set_aside_key(place)),
            Self::Archived { .. }
            | Self::EpochOpened { .. }
            | Self::DeviceChanged { .. }
            | Self::EpochParked { .. }
            | Self::GapDeclared { .. }
            | Self::Advanced { .. }
            | Self::SignalIssued { .. }
            | Self::SignalExpired { .. } => None,
        }
    }
}

/// Finds the history of a run. The epoch is part of it: a store that was put back writes other events under the same
/// run id.
pub(crate) fn run_key(device: &DeviceId, epoch: Epoch, run: RunId) -> u128 {
    key("run", device, epoch, &run.as_u128().to_be_bytes())
}

/// Finds the blocks of readings that begin on a page of [`SAMPLES_PAGE_ITEMS`].
pub(crate) fn samples_key(device: &DeviceId, epoch: Epoch, page: u64) -> u128 {
    key("samples", device, epoch, &page.to_be_bytes())
}

/// Finds a record that was set aside.
pub(crate) fn set_aside_key(place: &Place) -> u128 {
    let mut item = vec![place.lane.number()];
    item.extend_from_slice(&place.first.to_be_bytes());
    key("set aside", &place.device, place.epoch, &item)
}

/// The first half of SHA-256 over the parts, each that varies in length ended by a zero byte, which none contains.
fn key(kind: &str, device: &DeviceId, epoch: Epoch, rest: &[u8]) -> u128 {
    let mut hash = Sha256::new();
    for text in [kind, device.as_str()] {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    hash.update(epoch.as_u128().to_be_bytes());
    hash.update(rest);
    let digest: [u8; 32] = hash.finalize().into();
    let (half, _) = digest.split_at(16);
    u128::from_be_bytes(half.try_into().expect("split at 16 bytes"))
}
