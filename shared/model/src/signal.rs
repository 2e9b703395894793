//! Signals an operator sends down to a device, and what became of them.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::id::{EventId, Namespace, RunId, SignalId, WorkflowId};
use crate::payload::Payloads;
use crate::time::Timestamp;

/// Position in a device's downlink log: grows from 1, with holes (docs/wire.md says why).
pub type SignalSeq = u64;

/// A signal for a workflow on a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DownlinkSignal {
    /// Position in the device's downlink log.
    pub seq: SignalSeq,
    /// The operator's idempotency key: applied once, however often it is sent.
    pub signal_id: SignalId,
    /// Namespace of the execution it is for.
    pub namespace: Namespace,
    /// The execution it is for.
    pub workflow_id: WorkflowId,
    /// A run of it; `None` is the one that is open.
    pub run_id: Option<RunId>,
    /// The signal's name.
    pub signal_name: String,
    /// Its arguments.
    pub input: Payloads,
    /// Who asked.
    pub issued_by: String,
    /// When the bridge took it.
    pub issued_at: Timestamp,
    /// Not applied after this time; `None` is never too late.
    pub expires_at: Option<Timestamp>,
}

/// What became of a signal. Recorded on the device and replicated in the control lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalReceipt {
    /// Which signal.
    pub seq: SignalSeq,
    /// Which signal.
    pub signal_id: SignalId,
    /// What became of it.
    pub outcome: SignalOutcome,
}

/// See [`SignalReceipt`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalOutcome {
    /// It is in the run's history, or waits for the run's outstanding workflow task.
    Applied {
        /// The run.
        run_id: RunId,
        /// The event, where it has its number already.
        event_id: Option<EventId>,
    },
    /// The same id had been applied before.
    Duplicate,
    /// There is no such open execution.
    NotFound {
        /// In words.
        reason: String,
    },
    /// It came after its time.
    Expired,
    /// The engine refused it.
    Refused {
        /// In words.
        reason: String,
    },
}
