//! Where a lane stands, by what the bridge says it holds and what the log holds.

use tidegate_log::Reader;
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::replication::LaneAck;

/// What to make of the bridge's word on a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Both have the same up to here, as far as can be known: go on behind it.
    Agrees(u64),
    /// The bridge has more, or other, items: one of the two was put back, and not to a point they share.
    Diverged(String),
}

/// Compares. Blocks on the disk.
///
/// Where the item is trimmed here, nothing is left to compare with: the lane goes on behind a declared gap, whose
/// chain begins anew.
pub(super) fn compare(reader: &Reader, ack: &LaneAck) -> Result<Standing, tidegate_log::Error> {
    let LaneAck { lane, ack, chain } = *ack;
    let name = lane.name();
    let last = reader.lane_head(lane)?.next - 1;
    if ack > last {
        let words = format!("the bridge has {name} up to item {ack}, and there are only {last} here");
        return Ok(Standing::Diverged(words));
    }
    let trimmed = ack + 1 < reader.lane_first(lane)?;
    Ok(match chain_after(reader, lane, ack)? {
        Some(ours) if ours == chain => Standing::Agrees(ack),
        Some(_) => Standing::Diverged(format!("the bridge has other {name} up to item {ack}")),
        None if trimmed => Standing::Agrees(ack),
        None => Standing::Diverged(format!("the bridge has {name} up to item {ack}, inside a record")),
    })
}

/// The chain of an empty lane needs no rows.
fn chain_after(reader: &Reader, lane: Lane, item: u64) -> Result<Option<Chain>, tidegate_log::Error> {
    if item == 0 { Ok(Some(Chain::START)) } else { reader.chain_after(lane, item) }
}
