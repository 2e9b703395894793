//! The point of a reset: before an event at which a workflow task is pending.

use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::id::EventId;

use crate::bounds::Wrong;

/// The workflow task that is pending at the point.
#[derive(Debug, Clone, Copy)]
pub(super) struct PendingTask {
    pub(super) scheduled_event_id: EventId,
    /// `None` while no worker had it.
    pub(super) started_event_id: Option<EventId>,
}

/// The batches before event `finish`, and those from it on. Transitions are not cut.
pub(super) fn split(
    batches: &[HistoryBatch],
    finish: EventId,
) -> Result<(&[HistoryBatch], &[HistoryBatch]), Wrong> {
    let at = batches.iter().position(|batch| batch.first_event_id == finish).ok_or_else(|| {
        let last = finish - 1;
        // Temporal's words.
        Wrong(format!(
            "StateRebuilder unable to Rebuild mutable state to event ID: {last}, version: 0, this event must be at \
             the boundary"
        ))
    })?;
    Ok(batches.split_at(at))
}

/// The task that is pending behind these batches.
pub(super) fn task_at(kept: &[HistoryBatch], finish: EventId) -> Result<PendingTask, Wrong> {
    let mut pending = None;
    for (id, event) in kept.iter().flat_map(HistoryBatch::numbered) {
        if let Event::WorkflowTaskScheduled { .. } = event {
            pending = Some(PendingTask { scheduled_event_id: id, started_event_id: None });
        } else if let Event::WorkflowTaskStarted { scheduled_event_id, .. } = event {
            let scheduled_event_id = *scheduled_event_id;
            pending = Some(PendingTask { scheduled_event_id, started_event_id: Some(id) });
        } else if let Event::WorkflowTaskCompleted { .. }
        | Event::WorkflowTaskFailed { .. }
        | Event::WorkflowTaskTimedOut { .. } = event
        {
            pending = None;
        }
    }
    // Temporal's words.
    pending.ok_or_else(|| {
        Wrong(format!(
            "Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, WorkflowTaskStarted + 1]: {finish}"
        ))
    })
}
