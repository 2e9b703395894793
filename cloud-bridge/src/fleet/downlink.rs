//! A device's downlink: the signals operators sent it, in order, and what became of each.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use tidegate_model::codec;
use tidegate_model::id::{Namespace, RunId, SignalId, WorkflowId};
use tidegate_model::limits::{
    DOWNLINK_SIGNALS_MAX, DOWNLINK_WAITING_MAX, PAYLOAD_BYTES_MAX, SIGNALS_SETTLED_LISTED_MAX, WIRE_BYTES_MAX,
};
use tidegate_model::payload::{Payload, Payloads};
use tidegate_model::signal::{DownlinkSignal, SignalOutcome, SignalReceipt, SignalSeq};
use tidegate_model::time::Timestamp;

/// What one answer to a poll may hold, so that its envelope fits the wire with room to spare.
const ANSWER_BYTES_MAX: usize = WIRE_BYTES_MAX / 2;
const _: () = assert!(PAYLOAD_BYTES_MAX < ANSWER_BYTES_MAX, "one signal must fit an answer");

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SignalOrder {
    /// The operator's idempotency key.
    pub(crate) signal_id: SignalId,
    pub(crate) namespace: Namespace,
    pub(crate) workflow_id: WorkflowId,
    pub(crate) run_id: Option<RunId>,
    pub(crate) signal_name: String,
    pub(crate) input: Payloads,
    pub(crate) issued_by: String,
    /// Not applied later than this after it was taken.
    pub(crate) expires_after: Option<std::time::Duration>,
}

/// Why a signal is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendError {
    /// Nobody of that name ever said hello.
    #[error("no device of this name has ever said hello")]
    UnknownDevice,
    /// The id stands for something else already.
    #[error("signal id {0} was used before, for another signal")]
    IdTaken(SignalId),
    /// Too many wait.
    #[error("{DOWNLINK_WAITING_MAX} signals are waiting for this device already")]
    TooMany,
    /// Too large.
    #[error("the input has {bytes} bytes; a signal's may have {PAYLOAD_BYTES_MAX}")]
    TooLarge {
        /// Bytes of the input.
        bytes: usize,
    },
}

/// The signals of a device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DownlinkLog {
    last_seq: SignalSeq,
    signals: BTreeMap<SignalSeq, Issued>,
    ids: BTreeMap<SignalId, SignalSeq>,
    /// Signals with an outcome, in the order in which they got it.
    settled: VecDeque<SignalSeq>,
}

/// A signal and what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Issued {
    pub(crate) signal: DownlinkSignal,
    pub(crate) state: SignalState,
}

/// What is known of a signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SignalState {
    /// Offered to the device whenever it asks.
    Waiting,
    /// Its time is over and no receipt came; not offered any more. A receipt may still come, of a device that had
    /// recorded it in time, and then counts.
    Expired {
        /// When the bridge gave up.
        at: Timestamp,
    },
    /// The device said what became of it.
    Settled {
        /// What.
        outcome: SignalOutcome,
        /// When the receipt arrived.
        at: Timestamp,
    },
}

impl DownlinkLog {
    /// The signal to issue, or the one that stands under this id already.
    ///
    /// Sequence numbers are milliseconds of the bridge's time, counted on where two would be the same. So a bridge
    /// that was put back from an old copy gives out none that a device has passed already.
    pub(crate) fn order(&self, now: Timestamp, order: SignalOrder) -> Result<Ordered, SendError> {
        if let Some(issued) = self.ids.get(&order.signal_id).and_then(|seq| self.signals.get(seq)) {
            return if says_the_same(&issued.signal, &order) {
                Ok(Ordered::Before)
            } else {
                Err(SendError::IdTaken(order.signal_id))
            };
        }
        let bytes = order.input.iter().map(Payload::size).sum();
        if bytes > PAYLOAD_BYTES_MAX {
            return Err(SendError::TooLarge { bytes });
        }
        if self.waiting() >= DOWNLINK_WAITING_MAX {
            return Err(SendError::TooMany);
        }
        Ok(Ordered::New(Box::new(DownlinkSignal {
            seq: self.last_seq.saturating_add(1).max(u64::try_from(now.as_millis()).unwrap_or(0)),
            signal_id: order.signal_id,
            namespace: order.namespace,
            workflow_id: order.workflow_id,
            run_id: order.run_id,
            signal_name: order.signal_name,
            input: order.input,
            issued_by: order.issued_by,
            issued_at: now,
            expires_at: order.expires_after.map(|after| now + after),
        })))
    }

    /// Signals to offer a device that has recorded all up to `cursor`, in order, as many as fit one answer.
    pub(crate) fn offer(&self, now: Timestamp, cursor: SignalSeq) -> Vec<DownlinkSignal> {
        let mut bytes = 0;
        self.offered(now, cursor)
            .take(DOWNLINK_SIGNALS_MAX)
            .take_while(|signal| {
                let first = bytes == 0;
                bytes += codec::to_cbor(signal).len();
                first || bytes <= ANSWER_BYTES_MAX
            })
            .cloned()
            .collect()
    }

    /// Whether there is anything to offer.
    pub(crate) fn pending(&self, now: Timestamp, cursor: SignalSeq) -> bool {
        self.offered(now, cursor).next().is_some()
    }

    fn offered(&self, now: Timestamp, cursor: SignalSeq) -> impl Iterator<Item = &DownlinkSignal> {
        let after = (std::ops::Bound::Excluded(cursor), std::ops::Bound::Unbounded);
        self.signals
            .range(after)
            .filter(|(_, issued)| issued.state == SignalState::Waiting)
            .map(|(_, issued)| &issued.signal)
            .filter(move |signal| signal.expires_at.is_none_or(|at| now < at))
    }

    pub(crate) fn take_issued(&mut self, signal: DownlinkSignal) {
        self.last_seq = signal.seq;
        self.ids.insert(signal.signal_id.clone(), signal.seq);
        self.signals.insert(signal.seq, Issued { signal, state: SignalState::Waiting });
    }

    pub(crate) fn take_expired(&mut self, seq: SignalSeq, at: Timestamp) {
        if let Some(issued) = self.signals.get_mut(&seq)
            && issued.state == SignalState::Waiting
        {
            issued.state = SignalState::Expired { at };
            self.settle(seq);
        }
    }

    /// Takes a receipt. The id decides, not the number: a bridge that was put back may have issued the id anew. What
    /// was said first stands, save that "applied before" gives way to what happened then.
    pub(crate) fn take_receipt(&mut self, receipt: &SignalReceipt, at: Timestamp) {
        let Some(issued) = self.ids.get(&receipt.signal_id).and_then(|seq| self.signals.get_mut(seq)) else {
            return;
        };
        let outcome = || receipt.outcome.clone();
        match &issued.state {
            SignalState::Waiting => {
                issued.state = SignalState::Settled { outcome: outcome(), at };
                let seq = issued.signal.seq;
                self.settle(seq);
            }
            SignalState::Expired { .. } | SignalState::Settled { outcome: SignalOutcome::Duplicate, .. } => {
                issued.state = SignalState::Settled { outcome: outcome(), at };
            }
            SignalState::Settled { .. } => {}
        }
    }

    fn settle(&mut self, seq: SignalSeq) {
        self.settled.push_back(seq);
        if self.settled.len() > SIGNALS_SETTLED_LISTED_MAX
            && let Some(oldest) = self.settled.pop_front()
            && let Some(issued) = self.signals.remove(&oldest)
        {
            self.ids.remove(&issued.signal.signal_id);
        }
    }

    /// All signals listed, the latest first.
    pub(crate) fn latest(&self) -> impl Iterator<Item = &Issued> {
        self.signals.values().rev()
    }

    pub(crate) fn get(&self, id: &SignalId) -> Option<&Issued> {
        self.ids.get(id).and_then(|seq| self.signals.get(seq))
    }

    /// Signals of which nothing is known yet.
    pub(crate) fn waiting(&self) -> usize {
        self.signals.len() - self.settled.len()
    }
}

/// What an order comes to.
#[derive(Debug)]
pub(crate) enum Ordered {
    /// A signal to issue.
    New(Box<DownlinkSignal>),
    /// The same was asked for before.
    Before,
}

fn says_the_same(signal: &DownlinkSignal, order: &SignalOrder) -> bool {
    signal.namespace == order.namespace
        && signal.workflow_id == order.workflow_id
        && signal.run_id == order.run_id
        && signal.signal_name == order.signal_name
        && signal.input == order.input
}
