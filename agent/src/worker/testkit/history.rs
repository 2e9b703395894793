//! Recorded histories: whether workflow code still follows them.

use tidegate_model::event::HistoryBatch;

use crate::worker::ahead::Ahead;
use crate::worker::fault::Fault;
use crate::worker::replay::{Replay, entries};
use crate::worker::workflow::{Registry, Workflow};

/// Leads workflow code through a history from its first event and says where the two disagree: for histories that a
/// release keeps, to see that the next still follows them. A run that has closed is compared to its end.
///
/// # Errors
/// What is wrong, in words.
pub fn replay<W: Workflow>(history: &[HistoryBatch]) -> Result<(), String> {
    lead::<W>(history).map_err(|fault| fault.to_string())
}

fn lead<W: Workflow>(history: &[HistoryBatch]) -> Result<(), Fault> {
    let mut registry = Registry::default();
    registry.add::<W>();
    let first = history.first().ok_or_else(|| Fault::BadHistory("the history is empty".to_owned()))?;
    let events = entries(history.to_vec());
    let mut run =
        Replay::begin(&registry, &first.namespace, &first.workflow_id, first.run_id, events.first())?;
    run.feed(events, Ahead::default()).map(drop)
}
