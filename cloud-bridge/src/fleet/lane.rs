//! One lane of one epoch: what is held of it, and what to make of a batch. Pure judgement; nothing is changed here
//! but by a fact.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::limits::GAPS_LISTED_MAX;
use tidegate_model::replication::{Batch, Gap, GapReason, LaneAck, Refusal};
use tidegate_model::time::Timestamp;

/// What the bridge holds of a lane.
///
/// Invariant "the lane adds up": `ack == archived + set_aside + gone`. Every item up to the watermark is in the
/// archive once, set aside once, or declared gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LaneState {
    /// The last item that is accounted for.
    pub(crate) ack: u64,
    /// The chain after it.
    pub(crate) chain: Chain,
    /// Items in the archive.
    pub(crate) archived: u64,
    /// Items set aside.
    pub(crate) set_aside: u64,
    /// Items declared gone.
    pub(crate) gone: u64,
    /// The latest gaps, adjacent ones of one reason joined.
    pub(crate) gaps: VecDeque<Gap>,
    /// The last item that is not in the archive; 0 when all are.
    pub(crate) last_hole: u64,
    /// When it last moved.
    pub(crate) moved_at: Option<Timestamp>,
}

/// What to make of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All of it is held already: a reply was lost, or the network repeated itself.
    Held,
    /// All of it from record `skip` on continues the lane.
    Continues {
        /// A declared gap before it, cut to what was not held.
        gap: Option<(u64, u64, GapReason)>,
        /// Records that are held already.
        skip: usize,
        /// Items in them.
        skipped_items: u64,
    },
    /// It says other things than were said before.
    Breaks,
    /// It cannot be taken.
    Refused(Refusal),
}

impl LaneState {
    pub(crate) fn new() -> Self {
        Self {
            ack: 0,
            chain: Chain::START,
            archived: 0,
            set_aside: 0,
            gone: 0,
            gaps: VecDeque::new(),
            last_hole: 0,
            moved_at: None,
        }
    }

    pub(crate) fn ack(&self, lane: Lane) -> LaneAck {
        LaneAck { lane, ack: self.ack, chain: self.chain }
    }

    /// Where a batch stands to what is held.
    pub(crate) fn judge(&self, lane: Lane, batch: &Batch) -> Verdict {
        let before = match shape(batch) {
            Ok(before) => before,
            Err(reason) => return malformed(reason),
        };
        let begins = batch.gap.as_ref().map_or(batch.first, |gap| gap.from);
        if begins > self.ack + 1 {
            return Verdict::Refused(Refusal::OutOfOrder { expected: self.ack(lane) });
        }
        let last = before.saturating_add(batch.items());
        if last == u64::MAX {
            return malformed("its items are numbered beyond all numbers");
        }
        if last < self.ack {
            // Nothing of it reaches the one item whose chain is known.
            return Verdict::Held;
        }
        self.follow(before, batch)
    }

    /// Follows the chain through the batch, past the item whose chain is known.
    fn follow(&self, before: u64, batch: &Batch) -> Verdict {
        // A gap that reaches beyond what is held begins the chain anew; there is nothing to compare.
        let mut agrees = (before > self.ack).then_some(true);
        let mut at = before;
        let mut chain = batch.chain_before;
        let mut skip = 0;
        for record in &batch.records {
            if at == self.ack {
                agrees = Some(chain == self.chain);
            }
            if at < self.ack {
                skip += 1;
            }
            at += u64::from(record.items);
            chain = chain.after(record.items, &record.bytes);
        }
        if at == self.ack {
            agrees = Some(chain == self.chain);
        }
        if chain != batch.chain_after {
            return malformed("its chain_after does not follow from its chain_before and its records");
        }
        match agrees {
            // No record of it ends where the bridge stands: the device cut its records in other places.
            Some(false) | None => Verdict::Breaks,
            Some(true) if at == self.ack => Verdict::Held,
            Some(true) => Verdict::Continues {
                gap: batch
                    .gap
                    .as_ref()
                    .filter(|gap| gap.to > self.ack)
                    .map(|gap| (gap.from.max(self.ack + 1), gap.to, gap.reason)),
                skip,
                skipped_items: self.ack.saturating_sub(before),
            },
        }
    }

    pub(crate) fn take_archived(&mut self, items: u32) {
        self.archived += u64::from(items);
    }

    pub(crate) fn take_set_aside(&mut self, last: u64, items: u32) {
        self.set_aside += u64::from(items);
        self.last_hole = last;
    }

    pub(crate) fn take_gap(&mut self, from: u64, to: u64, reason: GapReason) {
        self.gone += to + 1 - from;
        self.last_hole = to;
        match self.gaps.back_mut() {
            Some(gap) if gap.to + 1 == from && gap.reason == reason => gap.to = to,
            Some(_) | None => self.gaps.push_back(Gap { from, to, reason }),
        }
        if self.gaps.len() > GAPS_LISTED_MAX {
            self.gaps.pop_front();
        }
    }

    pub(crate) fn take_watermark(&mut self, ack: u64, chain: Chain, at: Timestamp) {
        self.ack = ack;
        self.chain = chain;
        self.moved_at = Some(at);
        assert_eq!(self.ack, self.archived + self.set_aside + self.gone, "the lane adds up");
    }
}

/// Checks what a batch says of itself, and gives the number of the item before its first record.
fn shape(batch: &Batch) -> Result<u64, &'static str> {
    let before = batch.first.checked_sub(1).ok_or("items are numbered from 1, and it begins at 0")?;
    if batch.records.iter().any(|record| record.items == 0) {
        return Err("it has a record without items");
    }
    match &batch.gap {
        None if batch.records.is_empty() => Err("it has neither records nor a gap"),
        Some(gap) if gap.from == 0 || gap.from > gap.to || gap.to != before => {
            Err("its gap does not run up to the item before its first")
        }
        None | Some(_) => Ok(before),
    }
}

fn malformed(reason: &str) -> Verdict {
    Verdict::Refused(Refusal::Malformed { reason: format!("the batch is not right: {reason}") })
}
