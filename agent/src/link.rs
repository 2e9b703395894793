//! The link to the bridge, as far as it is decided: what the bridge holds of each lane, and which of its signals count.
//!
//! Part of the gateway's machine: deterministic, and changed by its records alone. Nothing here talks to anybody; what
//! does is `uplink`.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tidegate_model::id::SignalId;
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::limits::DOWNLINK_INBOX_MAX;
use tidegate_model::signal::{DownlinkSignal, SignalSeq};
use tidegate_model::time::Timestamp;

/// What is known of the bridge. Cloned and stored as the part of the gateway's snapshot that it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Link {
    /// By lane number.
    acked: [(u64, Chain); Lane::ALL.len()],
    cursor: SignalSeq,
    /// Signals that were recorded, the oldest first; `known` has the same ids.
    inbox: VecDeque<(SignalSeq, IdDigest)>,
    known: BTreeSet<IdDigest>,
    /// The highest number that left the inbox to make room; 0 while none did.
    forgotten: SignalSeq,
}

/// What to make of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// This very message was recorded before: nothing to do, not even a receipt.
    Known,
    /// Another message with the id of a signal that was recorded: a receipt, and no more.
    Duplicate,
    /// Its time is over.
    Expired,
    /// It is to be applied.
    Apply,
}

/// What changes the link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkRecord {
    /// The bridge holds a lane up to here. It may be less than before, after the bridge was put back.
    Acked {
        /// Which lane.
        lane: Lane,
        /// Its last item there.
        item: u64,
        /// The chain after that item.
        chain: Chain,
    },
    /// A signal is recorded, whatever became of it.
    Recorded {
        /// Its place in the downlink log.
        seq: SignalSeq,
        /// Its identity.
        signal_id: SignalId,
    },
    /// The store has another epoch, of which the bridge holds nothing yet. Signals recorded stay recorded.
    EpochBegun,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            acked: [(0, Chain::START); Lane::ALL.len()],
            cursor: 0,
            inbox: VecDeque::new(),
            known: BTreeSet::new(),
            forgotten: 0,
        }
    }
}

impl Link {
    /// The last item of a lane that the bridge holds in this epoch, and the chain after it.
    #[must_use]
    pub fn acked(&self, lane: Lane) -> (u64, Chain) {
        self.acked[usize::from(lane.number())]
    }

    /// The last signal that was recorded.
    #[must_use]
    pub fn cursor(&self) -> SignalSeq {
        self.cursor
    }

    /// What to make of a signal at `now`. Whatever it is, save [`Decision::Known`], is then recorded with
    /// [`LinkRecord::Recorded`].
    ///
    /// The cursor alone never drops a signal: one below it that is not in the inbox, although the inbox goes back that
    /// far, was never recorded here. A bridge that was put back can give out its numbers twice.
    #[must_use]
    pub fn decide(&self, signal: &DownlinkSignal, now: Timestamp) -> Decision {
        let recorded = self.known.contains(&IdDigest::of(&signal.signal_id));
        let passed = signal.seq <= self.cursor;
        match (passed, recorded) {
            (true, true) => Decision::Known,
            (true, false) if signal.seq <= self.forgotten => Decision::Known,
            (false, true) => Decision::Duplicate,
            (_, false) if signal.expires_at.is_some_and(|at| at < now) => Decision::Expired,
            (_, false) => Decision::Apply,
        }
    }

    /// Takes a record in, live and replayed alike.
    pub fn apply(&mut self, record: &LinkRecord) {
        match record {
            LinkRecord::Acked { lane, item, chain } => {
                self.acked[usize::from(lane.number())] = (*item, *chain);
            }
            LinkRecord::Recorded { seq, signal_id } => {
                self.cursor = self.cursor.max(*seq);
                let id = IdDigest::of(signal_id);
                if self.known.insert(id) {
                    self.inbox.push_back((*seq, id));
                }
                if self.inbox.len() > DOWNLINK_INBOX_MAX
                    && let Some((seq, oldest)) = self.inbox.pop_front()
                {
                    self.known.remove(&oldest);
                    self.forgotten = self.forgotten.max(seq);
                }
            }
            LinkRecord::EpochBegun => self.acked = Self::default().acked,
        }
    }
}

/// Half of the SHA-256 of a signal's id: an id may have a kilobyte, and the inbox holds thousands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct IdDigest(#[serde(with = "serde_bytes")] [u8; 16]);

impl IdDigest {
    fn of(id: &SignalId) -> Self {
        let digest: [u8; 32] = Sha256::digest(id.as_str().as_bytes()).into();
        let (half, _) = digest.split_at(16);
        Self(half.try_into().expect("split at 16 bytes"))
    }
}

/// A link in a snapshot.
#[derive(Serialize, Deserialize)]
struct Stored {
    acked: [(u64, Chain); Lane::ALL.len()],
    cursor: SignalSeq,
    inbox: VecDeque<(SignalSeq, IdDigest)>,
    forgotten: SignalSeq,
}

impl From<Link> for Stored {
    fn from(link: Link) -> Self {
        Self { acked: link.acked, cursor: link.cursor, inbox: link.inbox, forgotten: link.forgotten }
    }
}

impl From<Stored> for Link {
    fn from(stored: Stored) -> Self {
        let known = stored.inbox.iter().map(|(_, id)| *id).collect();
        Self {
            acked: stored.acked,
            cursor: stored.cursor,
            inbox: stored.inbox,
            known,
            forgotten: stored.forgotten,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::codec;
    use tidegate_model::id::{Namespace, WorkflowId};

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);

    #[test]
    fn a_signal_is_applied_once_however_often_and_in_whatever_order_it_comes() {
        let mut link = Link::default();
        assert_eq!(receive(&mut link, &signal(1, "a")), Decision::Apply);
        assert_eq!(receive(&mut link, &signal(1, "a")), Decision::Known);
        assert_eq!(receive(&mut link, &signal(3, "c")), Decision::Apply);
        assert_eq!(receive(&mut link, &signal(1, "a")), Decision::Known);
        assert_eq!(link.cursor(), 3);
    }

    #[test]
    fn the_same_id_under_another_number_gets_a_receipt_and_no_effect() {
        let mut link = Link::default();
        receive(&mut link, &signal(1, "a"));
        assert_eq!(receive(&mut link, &signal(2, "a")), Decision::Duplicate);
        assert_eq!(receive(&mut link, &signal(2, "a")), Decision::Known);
        assert_eq!(link.cursor(), 2);
    }

    #[test]
    fn a_signal_below_the_cursor_that_was_never_recorded_is_applied() {
        let mut link = Link::default();
        receive(&mut link, &signal(5, "e"));
        // The bridge was put back and gave number 2 to something new.
        assert_eq!(receive(&mut link, &signal(2, "new")), Decision::Apply);
        assert_eq!(receive(&mut link, &signal(2, "new")), Decision::Known);
        assert_eq!(link.cursor(), 5);
    }

    #[test]
    fn a_signal_after_its_time_is_recorded_and_not_applied() {
        let mut link = Link::default();
        let until =
            |micros| DownlinkSignal { expires_at: Some(Timestamp::from_micros(micros)), ..signal(1, "late") };
        assert_eq!(link.decide(&until(1_000_000), NOW), Decision::Apply, "its last moment");
        assert_eq!(receive(&mut link, &until(999_999)), Decision::Expired);
        assert_eq!(receive(&mut link, &until(999_999)), Decision::Known);
    }

    #[test]
    fn the_inbox_is_bounded_and_forgets_the_oldest_without_applying_it_again() {
        let mut link = Link::default();
        let more = DOWNLINK_INBOX_MAX as u64 + 10;
        for seq in 1..=more {
            receive(&mut link, &signal(seq, &format!("s{seq}")));
        }
        assert_eq!((link.inbox.len(), link.known.len()), (DOWNLINK_INBOX_MAX, DOWNLINK_INBOX_MAX));
        assert_eq!(link.decide(&signal(1, "s1"), NOW), Decision::Known, "forgotten, and passed");
        assert_eq!(link.decide(&signal(more, "s11"), NOW), Decision::Known, "remembered");
        assert_eq!(link.decide(&signal(more, "other"), NOW), Decision::Apply, "within memory, and not there");
    }

    #[test]
    fn a_new_epoch_begins_with_nothing_acknowledged_and_every_signal_remembered() {
        let mut link = Link::default();
        let chain = Chain::START.after(1, b"x");
        link.apply(&LinkRecord::Acked { lane: Lane::Samples, item: 7, chain });
        receive(&mut link, &signal(4, "d"));
        link.apply(&LinkRecord::EpochBegun);
        assert_eq!(Lane::ALL.map(|lane| link.acked(lane)), [(0, Chain::START); 3]);
        assert_eq!((link.cursor(), link.decide(&signal(9, "d"), NOW)), (4, Decision::Duplicate));
    }

    #[test]
    fn what_the_bridge_holds_can_become_less() {
        let mut link = Link::default();
        for item in [9, 4] {
            let chain = Chain::START.after(item, b"x");
            link.apply(&LinkRecord::Acked { lane: Lane::Histories, item: item.into(), chain });
            assert_eq!(link.acked(Lane::Histories), (item.into(), chain));
            assert_eq!(link.acked(Lane::Control), (0, Chain::START));
        }
    }

    #[test]
    fn a_snapshot_decides_as_the_link_it_was_taken_of() {
        let mut link = Link::default();
        for seq in [1, 2, 7] {
            receive(&mut link, &signal(seq, &format!("s{seq}")));
        }
        link.apply(&LinkRecord::Acked { lane: Lane::Control, item: 3, chain: Chain::START.after(3, b"y") });
        let back: Link = codec::from_cbor(&codec::to_cbor(&link)).expect("readable");
        assert_eq!(back, link);
        for record in [
            LinkRecord::EpochBegun,
            LinkRecord::Recorded { seq: 8, signal_id: SignalId::new("s8").expect("printable") },
        ] {
            assert_eq!(codec::from_cbor(&codec::to_cbor(&record)), Ok(record));
        }
    }

    /// As the gateway does it: decided, and recorded unless known.
    fn receive(link: &mut Link, signal: &DownlinkSignal) -> Decision {
        let decision = link.decide(signal, NOW);
        if decision != Decision::Known {
            link.apply(&LinkRecord::Recorded { seq: signal.seq, signal_id: signal.signal_id.clone() });
        }
        decision
    }

    fn signal(seq: SignalSeq, id: &str) -> DownlinkSignal {
        DownlinkSignal {
            seq,
            signal_id: SignalId::new(id).expect("printable"),
            namespace: Namespace::new("default").expect("a plain name"),
            workflow_id: WorkflowId::new("ward").expect("printable"),
            run_id: None,
            signal_name: "acknowledge".into(),
            input: Vec::new(),
            issued_by: "nurse".into(),
            issued_at: Timestamp::EPOCH,
            expires_at: None,
        }
    }
}
