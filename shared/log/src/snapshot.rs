//! Snapshots: a machine's state in its envelope, and where the log stood with it. Nothing here touches a disk.

use serde::{Deserialize, Serialize};
use tidegate_model::codec::{DecodeError, Kind};
use tidegate_model::id::Epoch;
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::limits::SNAPSHOT_BYTES_MAX;
use tidegate_model::time::Timestamp;

use crate::row::{self, Heads, LaneHead, Packer, RowHash};

/// Where the log stands after a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The row; 0 before the first.
    pub(crate) row: u64,
    /// Hash of its stored bytes.
    pub(crate) hash: RowHash,
    /// The store's epoch.
    pub(crate) epoch: Epoch,
    /// Engine time of its last turn.
    pub(crate) time: Timestamp,
    /// The lanes.
    pub(crate) heads: Heads,
}

impl Standing {
    /// Before the first row of a store made with `epoch`.
    pub(crate) fn start(epoch: Epoch) -> Self {
        Self {
            row: 0,
            hash: RowHash::NONE,
            epoch,
            time: Timestamp::EPOCH,
            heads: [LaneHead::START; Lane::ALL.len()],
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct SnapshotHead {
    #[serde(rename = "n")]
    row: u64,
    #[serde(rename = "h")]
    hash: RowHash,
    #[serde(rename = "e")]
    epoch: Epoch,
    #[serde(rename = "t")]
    time: Timestamp,
    #[serde(rename = "l")]
    lanes: Vec<(Lane, u64, Chain)>,
    #[serde(rename = "u")]
    unpacked_bytes: u64,
}

/// The stored form of `state`, which is true at `standing`.
pub(crate) fn seal(standing: &Standing, state: &[u8], packer: &mut Packer) -> Vec<u8> {
    let lanes = Lane::ALL.into_iter().zip(standing.heads).map(|(lane, head)| (lane, head.next, head.chain));
    let head = SnapshotHead {
        row: standing.row,
        hash: standing.hash,
        epoch: standing.epoch,
        time: standing.time,
        lanes: lanes.collect(),
        unpacked_bytes: state.len() as u64,
    };
    packer.seal(Kind::Snapshot, &head, state)
}

/// A stored snapshot: where the log stood, and the state.
pub(crate) fn open(stored: &[u8]) -> Result<(Standing, Vec<u8>), DecodeError> {
    let (head, packed): (SnapshotHead, _) = row::open(Kind::Snapshot, stored, SNAPSHOT_BYTES_MAX)?;
    let expected = usize::try_from(head.unpacked_bytes).unwrap_or(usize::MAX);
    let state = packed.unpack(expected, SNAPSHOT_BYTES_MAX)?;
    let mut heads = [LaneHead::START; Lane::ALL.len()];
    for (lane, next, chain) in head.lanes {
        heads[usize::from(lane.number())] = LaneHead { next, chain };
    }
    Ok((Standing { row: head.row, hash: head.hash, epoch: head.epoch, time: head.time, heads }, state))
}
