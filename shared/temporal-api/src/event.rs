//! Events as Temporal's history has them: one to one, under the same numbers.

mod attributes;
#[cfg(test)]
mod tests;

use tidegate_model::event::{Event, HistoryBatch, UserMetadata};
use tidegate_model::id::EventId;
use tidegate_model::time::Timestamp;

use crate::convert::outward;
use crate::proto::history::HistoryEvent;

/// The events of a batch, with their ids.
pub(crate) fn of_batch(batch: HistoryBatch) -> impl Iterator<Item = HistoryEvent> {
    let HistoryBatch { namespace: _, workflow_id, run_id: _, first_event_id, event_time, stamp: _, events } =
        batch;
    (first_event_id..)
        .zip(events)
        .map(move |(id, event)| numbered(id, event_time, event, workflow_id.as_str()))
}

/// One event. The id of its execution stands in the first one of a run.
pub(crate) fn numbered(id: EventId, at: Timestamp, event: Event, workflow_id: &str) -> HistoryEvent {
    let event_type = outward::int(event.type_number());
    // What attaches a request to a run is nothing to workflow code.
    let worker_may_ignore = matches!(event, Event::WorkflowExecutionOptionsUpdated { .. });
    let user_metadata = outward::user_metadata(user_metadata(&event).map(|found| Box::new(found.clone())));
    HistoryEvent {
        event_id: outward::id(id),
        event_time: Some(outward::timestamp(at)),
        event_type,
        worker_may_ignore,
        user_metadata,
        attributes: Some(attributes::of(event, workflow_id)),
        ..HistoryEvent::default()
    }
}

/// What a person is told beside the event. In Temporal's form it stands outside the attributes.
fn user_metadata(event: &Event) -> Option<&UserMetadata> {
    match event {
        Event::WorkflowExecutionStarted(started) => started.user_metadata.as_deref(),
        Event::ActivityTaskScheduled(scheduled) => scheduled.user_metadata.as_deref(),
        Event::StartChildWorkflowExecutionInitiated(initiated) => initiated.user_metadata.as_deref(),
        Event::TimerStarted { user_metadata, .. } | Event::MarkerRecorded { user_metadata, .. } => {
            user_metadata.as_deref()
        }
        Event::WorkflowExecutionCompleted { .. }
        | Event::WorkflowExecutionFailed { .. }
        | Event::WorkflowExecutionTimedOut { .. }
        | Event::WorkflowTaskScheduled { .. }
        | Event::WorkflowTaskStarted { .. }
        | Event::WorkflowTaskCompleted { .. }
        | Event::WorkflowTaskTimedOut { .. }
        | Event::WorkflowTaskFailed { .. }
        | Event::ActivityTaskStarted { .. }
        | Event::ActivityTaskCompleted { .. }
        | Event::ActivityTaskFailed { .. }
        | Event::ActivityTaskTimedOut { .. }
        | Event::ActivityTaskCancelRequested { .. }
        | Event::ActivityTaskCanceled { .. }
        | Event::TimerFired { .. }
        | Event::TimerCanceled { .. }
        | Event::WorkflowExecutionCancelRequested { .. }
        | Event::WorkflowExecutionCanceled { .. }
        | Event::RequestCancelExternalWorkflowExecutionInitiated { .. }
        | Event::RequestCancelExternalWorkflowExecutionFailed { .. }
        | Event::ExternalWorkflowExecutionCancelRequested { .. }
        | Event::WorkflowExecutionSignaled { .. }
        | Event::WorkflowExecutionTerminated { .. }
        | Event::WorkflowExecutionContinuedAsNew(_)
        | Event::StartChildWorkflowExecutionFailed { .. }
        | Event::ChildWorkflowExecutionStarted { .. }
        | Event::ChildWorkflowExecutionCompleted { .. }
        | Event::ChildWorkflowExecutionFailed { .. }
        | Event::ChildWorkflowExecutionCanceled { .. }
        | Event::ChildWorkflowExecutionTimedOut { .. }
        | Event::ChildWorkflowExecutionTerminated { .. }
        | Event::SignalExternalWorkflowExecutionInitiated { .. }
        | Event::SignalExternalWorkflowExecutionFailed { .. }
        | Event::ExternalWorkflowExecutionSignaled { .. }
        | Event::UpsertWorkflowSearchAttributes { .. }
        | Event::WorkflowExecutionUpdateAccepted { .. }
        | Event::WorkflowExecutionUpdateCompleted { .. }
        | Event::WorkflowPropertiesModified { .. }
        | Event::WorkflowExecutionUpdateAdmitted { .. }
        | Event::WorkflowExecutionOptionsUpdated { .. } => None,
    }
}
