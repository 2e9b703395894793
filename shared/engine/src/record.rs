//! What the engine appends: history, and the state that history does not hold.

use serde::{Deserialize, Serialize};
use tidegate_model::event::HistoryBatch;

/// A record of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// Events of one run: stored, replicated, replayed.
    History(HistoryBatch),
    /// What recovery needs and history does not hold: attempts, leases, what waits in the buffer. Stays here.
    State(StateChange),
}

/// See [`Record::State`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateChange {}
