//! The vocabulary of history: what happened in a workflow run, in Temporal's words, order and numbering.
//!
//! Ids are dense per run, from 1, and given when events are flushed; a batch is what one transition flushed. Only the
//! engine makes events; everyone else carries them.

mod attributes;
mod cause;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::id::Execution;
pub use attributes::{
    ActivityTaskScheduled, ContinueAsNewInitiator, ContinuedAsNew, ParentClosePolicy, Priority,
    StartChildWorkflowInitiated, UpdateOutcome, UpdateRequest, UserMetadata, WorkflowExecutionStarted,
    WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowParent,
};
pub use cause::{ExternalWorkflowFailedCause, StartChildFailedCause, WorkflowTaskFailedCause};

use crate::id::{EventId, Namespace, RunId, TaskQueue, WorkflowId};
use crate::payload::{Failure, Header, Payload, Payloads, RetryState, TimeoutType};
use crate::time::{Stamp, Timestamp};

/// Events of one run that one transition flushed together: the unit that is stored, replicated and never split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryBatch {
    /// The namespace of the execution.
    pub namespace: Namespace,
    /// The execution.
    pub workflow_id: WorkflowId,
    /// The run of it.
    pub run_id: RunId,
    /// Id of the first event; the others follow densely. From a device it may be any number: the arithmetic on it
    /// saturates, and whoever applies the batch compares it with what he expects.
    pub first_event_id: EventId,
    /// The engine's time of the transition: never goes back within a run.
    pub event_time: Timestamp,
    /// The clocks as they stood.
    pub stamp: Stamp,
    /// At least one.
    pub events: Vec<Event>,
}

impl HistoryBatch {
    /// Id of the last event.
    #[must_use]
    pub fn last_event_id(&self) -> EventId {
        self.next_event_id().saturating_sub(1)
    }

    /// Id of the event after the last.
    #[must_use]
    pub fn next_event_id(&self) -> EventId {
        self.first_event_id.saturating_add(self.events.len() as u64)
    }

    /// The event with this id, if it is one of these.
    #[must_use]
    pub fn event(&self, id: EventId) -> Option<&Event> {
        let at = id.checked_sub(self.first_event_id)?;
        self.events.get(usize::try_from(at).ok()?)
    }

    /// The events with their ids.
    pub fn numbered(&self) -> impl Iterator<Item = (EventId, &Event)> {
        (0..).zip(&self.events).map(|(at, event)| (self.first_event_id.saturating_add(at), event))
    }
}

/// What happened. The doc line of each variant gives Temporal's `EventType` number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// 1. The run began.
    WorkflowExecutionStarted(Box<WorkflowExecutionStarted>),
    /// 2. The workflow function returned.
    WorkflowExecutionCompleted {
        /// What it returned.
        result: Payloads,
        /// The workflow task that said so.
        workflow_task_completed_event_id: EventId,
        /// The run that follows it: a retry, or the next of a cron schedule.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new_execution_run_id: Option<RunId>,
    },
    /// 3. The workflow function failed.
    WorkflowExecutionFailed {
        /// How.
        failure: Failure,
        /// Why it is not tried again.
        retry_state: RetryState,
        /// The workflow task that said so; 0 when the engine did.
        workflow_task_completed_event_id: EventId,
        /// The run that follows it: a retry, or the next of a cron schedule.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new_execution_run_id: Option<RunId>,
    },
    /// 4. The run, or its chain, took too long.
    WorkflowExecutionTimedOut {
        /// Why it is not tried again, or that it is.
        retry_state: RetryState,
        /// The run that follows it: a retry, or the next of a cron schedule.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new_execution_run_id: Option<RunId>,
    },
    /// 5. A worker is wanted.
    WorkflowTaskScheduled {
        /// Where.
        task_queue: TaskQueue,
        /// How long it may take.
        start_to_close_timeout: Duration,
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// 6. A worker took it.
    WorkflowTaskStarted {
        /// The scheduling event.
        scheduled_event_id: EventId,
        /// The poll's own id.
        request_id: String,
        /// Who took it.
        identity: String,
        /// The history is long enough that the workflow should continue as new.
        suggest_continue_as_new: bool,
        /// Bytes of history so far.
        history_size_bytes: u64,
    },
    /// 7. The worker answered with commands.
    WorkflowTaskCompleted {
        /// The scheduling event.
        scheduled_event_id: EventId,
        /// The starting event.
        started_event_id: EventId,
        /// Who answered.
        identity: String,
        /// What the worker's SDK asked to remember, as it wrote it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sdk_metadata: Option<Payload>,
    },
    /// 8. No answer in time.
    WorkflowTaskTimedOut {
        /// The scheduling event.
        scheduled_event_id: EventId,
        /// The starting event; 0 when nobody took it.
        started_event_id: EventId,
        /// Start-to-close, or schedule-to-start of a sticky task.
        timeout_type: TimeoutType,
    },
    /// 9. The worker, or the engine, refused the answer.
    WorkflowTaskFailed {
        /// The scheduling event.
        scheduled_event_id: EventId,
        /// The starting event.
        started_event_id: EventId,
        /// Whose fault.
        cause: WorkflowTaskFailedCause,
        /// In words.
        failure: Failure,
        /// Who answered.
        identity: String,
        /// Where the run was reset: the run that was left, and the one that goes on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reset: Option<Box<ResetRuns>>,
    },
    /// 10. The workflow asked for an activity.
    ActivityTaskScheduled(Box<ActivityTaskScheduled>),
    /// 11. A worker took the attempt that ended it. Written together with the end.
    ActivityTaskStarted {
        /// The scheduling event.
        scheduled_event_id: EventId,
        /// Who took it.
        identity: String,
        /// The poll's own id.
        request_id: String,
        /// Which attempt, from 1.
        attempt: u32,
        /// How the attempt before it failed.
        last_failure: Option<Failure>,
    },
    /// 12. The activity returned.
    ActivityTaskCompleted {
        /// What it returned.
        result: Payloads,
        /// The scheduling event.
        scheduled_event_id: EventId,
        /// The starting event.
        started_event_id: EventId,
        /// Who says so.
        identity: String,
    },
    /// 13. The activity failed for the last time.
    ActivityTaskFailed {
        /// How.
        failure: Failure,
        /// The scheduling event.
        scheduled_event_id: EventId,
        /// The starting event.
        started_event_id: EventId,
        /// Who says so.
        identity: String,
        /// Why it is not tried again.
        retry_state: RetryState,
    },
    /// 14. The activity took too long for the last time.
    ActivityTaskTimedOut {
        /// Which time-out, in a failure.
        failure: Failure,
        /// The scheduling event.
        scheduled_event_id: EventId,
        /// The starting event.
        started_event_id: EventId,
        /// Why it is not tried again.
        retry_state: RetryState,
    },
    /// 15. The workflow asked for the activity to be cancelled.
    ActivityTaskCancelRequested {
        /// The scheduling event.
        scheduled_event_id: EventId,
        /// The workflow task that asked.
        workflow_task_completed_event_id: EventId,
    },
    /// 16. The activity was cancelled.
    ActivityTaskCanceled {
        /// What the activity says of it.
        details: Payloads,
        /// The event that asked for it.
        latest_cancel_requested_event_id: EventId,
        /// The scheduling event.
        scheduled_event_id: EventId,
        /// The starting event; 0 when no worker had it.
        started_event_id: EventId,
        /// Who says so.
        identity: String,
    },
    /// 17. The workflow asked for a timer.
    TimerStarted {
        /// The workflow's name for it, unique among the open ones.
        timer_id: String,
        /// How long from this event.
        start_to_fire_timeout: Duration,
        /// The workflow task that asked.
        workflow_task_completed_event_id: EventId,
        /// For a person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_metadata: Option<Box<UserMetadata>>,
    },
    /// 18. Its time came.
    TimerFired {
        /// The workflow's name for it.
        timer_id: String,
        /// The event that started it.
        started_event_id: EventId,
    },
    /// 19. The workflow no longer wants it.
    TimerCanceled {
        /// The workflow's name for it.
        timer_id: String,
        /// The event that started it.
        started_event_id: EventId,
        /// The workflow task that said so.
        workflow_task_completed_event_id: EventId,
        /// Who said so.
        identity: String,
    },
    /// 20. Somebody asked for the run to be cancelled.
    WorkflowExecutionCancelRequested {
        /// Why, in words.
        cause: String,
        /// Who asked.
        identity: String,
        /// The caller's idempotency key; empty for none.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        request_id: String,
        /// The run that asked, where one did, and its initiating event.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        external: Option<Box<WorkflowParent>>,
    },
    /// 21. The workflow function ended as cancelled.
    WorkflowExecutionCanceled {
        /// What it says of it.
        details: Payloads,
        /// The workflow task that said so.
        workflow_task_completed_event_id: EventId,
    },
    /// 22. The workflow asked for another execution to be cancelled.
    RequestCancelExternalWorkflowExecutionInitiated {
        /// The workflow task that asked.
        workflow_task_completed_event_id: EventId,
        /// Which one.
        target: Box<Execution>,
        /// The worker's own mark, handed back with the outcome.
        control: String,
        /// Only if it is a child of this run.
        child_workflow_only: bool,
        /// Why, in words.
        reason: String,
    },
    /// 23. It could not be asked.
    RequestCancelExternalWorkflowExecutionFailed {
        /// Why not.
        cause: ExternalWorkflowFailedCause,
        /// Which one.
        target: Box<Execution>,
        /// The event that asked.
        initiated_event_id: EventId,
        /// The workflow task that asked.
        workflow_task_completed_event_id: EventId,
        /// The worker's own mark.
        control: String,
    },
    /// 24. It has been asked.
    ExternalWorkflowExecutionCancelRequested {
        /// The event that asked.
        initiated_event_id: EventId,
        /// Which one.
        target: Box<Execution>,
    },
    /// 25. The workflow recorded something of its own: a local activity's result, a side effect, a patch.
    MarkerRecorded {
        /// What kind; the SDKs' own names.
        marker_name: String,
        /// Whatever the SDK keeps there.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        details: BTreeMap<String, Payloads>,
        /// The workflow task that said so.
        workflow_task_completed_event_id: EventId,
        /// The caller's context.
        #[serde(default, skip_serializing_if = "Header::is_empty")]
        header: Header,
        /// How a local activity failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
        /// For a person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_metadata: Option<Box<UserMetadata>>,
    },
    /// 26. A signal arrived.
    WorkflowExecutionSignaled {
        /// The signal's name.
        signal_name: String,
        /// Its arguments.
        input: Payloads,
        /// Who sent it.
        identity: String,
        /// The caller's idempotency key; empty for none. In history, so that whoever replays the run or replicates it
        /// knows a repetition.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        request_id: String,
        /// The caller's context.
        #[serde(default, skip_serializing_if = "Header::is_empty")]
        header: Header,
        /// The run that sent it, where a workflow did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        external: Option<Box<Execution>>,
    },
    /// 27. Somebody, or a limit, ended the run.
    WorkflowExecutionTerminated {
        /// Why, in words.
        reason: String,
        /// Whatever the caller attached.
        details: Payloads,
        /// Who.
        identity: String,
    },
    /// 28. The workflow goes on in a new run.
    WorkflowExecutionContinuedAsNew(Box<ContinuedAsNew>),
    /// 29. The workflow asked for a child.
    StartChildWorkflowExecutionInitiated(Box<StartChildWorkflowInitiated>),
    /// 30. The child could not be started.
    StartChildWorkflowExecutionFailed {
        /// Why not.
        cause: StartChildFailedCause,
        /// Namespace of the child.
        namespace: Namespace,
        /// The child's workflow id.
        workflow_id: WorkflowId,
        /// Its workflow function.
        workflow_type: String,
        /// The event that asked.
        initiated_event_id: EventId,
        /// The workflow task that asked.
        workflow_task_completed_event_id: EventId,
        /// The worker's own mark.
        control: String,
    },
    /// 31. The child runs.
    ChildWorkflowExecutionStarted {
        /// The child, with its run.
        child: Box<Execution>,
        /// Its workflow function.
        workflow_type: String,
        /// The event that asked.
        initiated_event_id: EventId,
        /// The caller's context.
        #[serde(default, skip_serializing_if = "Header::is_empty")]
        header: Header,
    },
    /// 32. The child returned.
    ChildWorkflowExecutionCompleted {
        /// What it returned.
        result: Payloads,
        /// The child, with the last run of its chain.
        child: Box<Execution>,
        /// Its workflow function.
        workflow_type: String,
        /// The event that asked for it.
        initiated_event_id: EventId,
        /// The event that said it runs.
        started_event_id: EventId,
    },
    /// 33. The child failed.
    ChildWorkflowExecutionFailed {
        /// How.
        failure: Failure,
        /// Why it is not tried again.
        retry_state: RetryState,
        /// The child, with the last run of its chain.
        child: Box<Execution>,
        /// Its workflow function.
        workflow_type: String,
        /// The event that asked for it.
        initiated_event_id: EventId,
        /// The event that said it runs.
        started_event_id: EventId,
    },
    /// 34. The child ended as cancelled.
    ChildWorkflowExecutionCanceled {
        /// What it says of it.
        details: Payloads,
        /// The child, with the last run of its chain.
        child: Box<Execution>,
        /// Its workflow function.
        workflow_type: String,
        /// The event that asked for it.
        initiated_event_id: EventId,
        /// The event that said it runs.
        started_event_id: EventId,
    },
    /// 35. The child took too long.
    ChildWorkflowExecutionTimedOut {
        /// Why it is not tried again.
        retry_state: RetryState,
        /// The child, with the last run of its chain.
        child: Box<Execution>,
        /// Its workflow function.
        workflow_type: String,
        /// The event that asked for it.
        initiated_event_id: EventId,
        /// The event that said it runs.
        started_event_id: EventId,
    },
    /// 36. The child was terminated.
    ChildWorkflowExecutionTerminated {
        /// The child, with the last run of its chain.
        child: Box<Execution>,
        /// Its workflow function.
        workflow_type: String,
        /// The event that asked for it.
        initiated_event_id: EventId,
        /// The event that said it runs.
        started_event_id: EventId,
    },
    /// 37. The workflow asked for another execution to be signalled.
    SignalExternalWorkflowExecutionInitiated {
        /// The workflow task that asked.
        workflow_task_completed_event_id: EventId,
        /// Which one.
        target: Box<Execution>,
        /// The signal's name.
        signal_name: String,
        /// Its arguments.
        input: Payloads,
        /// The worker's own mark, handed back with the outcome.
        control: String,
        /// Only if it is a child of this run.
        child_workflow_only: bool,
        /// The caller's context.
        #[serde(default, skip_serializing_if = "Header::is_empty")]
        header: Header,
    },
    /// 38. It could not be signalled.
    SignalExternalWorkflowExecutionFailed {
        /// Why not.
        cause: ExternalWorkflowFailedCause,
        /// Which one.
        target: Box<Execution>,
        /// The event that asked.
        initiated_event_id: EventId,
        /// The workflow task that asked.
        workflow_task_completed_event_id: EventId,
        /// The worker's own mark.
        control: String,
    },
    /// 39. It has been signalled.
    ExternalWorkflowExecutionSignaled {
        /// The event that asked.
        initiated_event_id: EventId,
        /// Which one.
        target: Box<Execution>,
        /// The worker's own mark.
        control: String,
    },
    /// 40. The workflow changed what it is found by.
    UpsertWorkflowSearchAttributes {
        /// The workflow task that said so.
        workflow_task_completed_event_id: EventId,
        /// What changes; an empty value takes an attribute away.
        search_attributes: Header,
    },
    /// 41. The workflow's validator let an update in.
    WorkflowExecutionUpdateAccepted {
        /// The update's id.
        protocol_instance_id: String,
        /// The message the request came in.
        accepted_request_message_id: String,
        /// The event the request was to be handled after.
        accepted_request_sequencing_event_id: EventId,
        /// The request itself; `None` where event 47 of this run holds it.
        accepted_request: Option<Box<UpdateRequest>>,
    },
    /// 43. An update was carried out, or failed.
    WorkflowExecutionUpdateCompleted {
        /// The update's id.
        update_id: String,
        /// Who asked for it.
        identity: String,
        /// What came of it.
        outcome: UpdateOutcome,
        /// The event that accepted it.
        accepted_event_id: EventId,
    },
    /// 46. The workflow changed its memo.
    WorkflowPropertiesModified {
        /// The workflow task that said so.
        workflow_task_completed_event_id: EventId,
        /// What changes; an empty value takes an entry away.
        upserted_memo: Header,
    },
    /// 47. An update was carried over by a reset: it is asked anew.
    WorkflowExecutionUpdateAdmitted {
        /// The request.
        request: Box<UpdateRequest>,
    },
    /// 55. Somebody who wanted to start the execution was content with this run.
    WorkflowExecutionOptionsUpdated {
        /// The key of that request: it starts nothing when it is repeated.
        attached_request_id: String,
        /// Who asked.
        identity: String,
    },
}

/// Where a run was reset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResetRuns {
    /// The run that was left.
    pub base_run_id: RunId,
    /// The run that goes on.
    pub new_run_id: RunId,
}

impl Event {
    /// The number of this event's type in `temporal.api.enums.v1.EventType`.
    #[must_use]
    pub fn type_number(&self) -> u32 {
        self.kind().0
    }

    /// The name of this event's type, as Temporal's command line prints it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.kind().1
    }

    fn kind(&self) -> (u32, &'static str) {
        match self {
            Self::WorkflowExecutionStarted(_) => (1, "WorkflowExecutionStarted"),
            Self::WorkflowExecutionCompleted { .. } => (2, "WorkflowExecutionCompleted"),
            Self::WorkflowExecutionFailed { .. } => (3, "WorkflowExecutionFailed"),
            Self::WorkflowTaskScheduled { .. } => (5, "WorkflowTaskScheduled"),
            Self::WorkflowTaskStarted { .. } => (6, "WorkflowTaskStarted"),
            Self::WorkflowTaskCompleted { .. } => (7, "WorkflowTaskCompleted"),
            Self::WorkflowTaskTimedOut { .. } => (8, "WorkflowTaskTimedOut"),
            Self::WorkflowTaskFailed { .. } => (9, "WorkflowTaskFailed"),
            Self::ActivityTaskScheduled(_) => (10, "ActivityTaskScheduled"),
            Self::ActivityTaskStarted { .. } => (11, "ActivityTaskStarted"),
            Self::ActivityTaskCompleted { .. } => (12, "ActivityTaskCompleted"),
            Self::ActivityTaskFailed { .. } => (13, "ActivityTaskFailed"),
            Self::ActivityTaskTimedOut { .. } => (14, "ActivityTaskTimedOut"),
            Self::TimerStarted { .. } => (17, "TimerStarted"),
            Self::TimerFired { .. } => (18, "TimerFired"),
            Self::TimerCanceled { .. } => (19, "TimerCanceled"),
            Self::WorkflowExecutionTimedOut { .. } => (4, "WorkflowExecutionTimedOut"),
            Self::ActivityTaskCancelRequested { .. } => (15, "ActivityTaskCancelRequested"),
            Self::ActivityTaskCanceled { .. } => (16, "ActivityTaskCanceled"),
            Self::WorkflowExecutionCancelRequested { .. } => (20, "WorkflowExecutionCancelRequested"),
            Self::WorkflowExecutionCanceled { .. } => (21, "WorkflowExecutionCanceled"),
            Self::RequestCancelExternalWorkflowExecutionInitiated { .. } => {
                (22, "RequestCancelExternalWorkflowExecutionInitiated")
            }
            Self::RequestCancelExternalWorkflowExecutionFailed { .. } => {
                (23, "RequestCancelExternalWorkflowExecutionFailed")
            }
            Self::ExternalWorkflowExecutionCancelRequested { .. } => {
                (24, "ExternalWorkflowExecutionCancelRequested")
            }
            Self::MarkerRecorded { .. } => (25, "MarkerRecorded"),
            Self::WorkflowExecutionSignaled { .. } => (26, "WorkflowExecutionSignaled"),
            Self::WorkflowExecutionTerminated { .. } => (27, "WorkflowExecutionTerminated"),
            Self::WorkflowExecutionContinuedAsNew(_) => (28, "WorkflowExecutionContinuedAsNew"),
            Self::StartChildWorkflowExecutionInitiated(_) => (29, "StartChildWorkflowExecutionInitiated"),
            Self::StartChildWorkflowExecutionFailed { .. } => (30, "StartChildWorkflowExecutionFailed"),
            Self::ChildWorkflowExecutionStarted { .. } => (31, "ChildWorkflowExecutionStarted"),
            Self::ChildWorkflowExecutionCompleted { .. } => (32, "ChildWorkflowExecutionCompleted"),
            Self::ChildWorkflowExecutionFailed { .. } => (33, "ChildWorkflowExecutionFailed"),
            Self::ChildWorkflowExecutionCanceled { .. } => (34, "ChildWorkflowExecutionCanceled"),
            Self::ChildWorkflowExecutionTimedOut { .. } => (35, "ChildWorkflowExecutionTimedOut"),
            Self::ChildWorkflowExecutionTerminated { .. } => (36, "ChildWorkflowExecutionTerminated"),
            Self::SignalExternalWorkflowExecutionInitiated { .. } => {
                (37, "SignalExternalWorkflowExecutionInitiated")
            }
            Self::SignalExternalWorkflowExecutionFailed { .. } => {
                (38, "SignalExternalWorkflowExecutionFailed")
            }
            Self::ExternalWorkflowExecutionSignaled { .. } => (39, "ExternalWorkflowExecutionSignaled"),
            Self::UpsertWorkflowSearchAttributes { .. } => (40, "UpsertWorkflowSearchAttributes"),
            Self::WorkflowExecutionUpdateAccepted { .. } => (41, "WorkflowExecutionUpdateAccepted"),
            Self::WorkflowExecutionUpdateCompleted { .. } => (43, "WorkflowExecutionUpdateCompleted"),
            Self::WorkflowPropertiesModified { .. } => (46, "WorkflowPropertiesModified"),
            Self::WorkflowExecutionUpdateAdmitted { .. } => (47, "WorkflowExecutionUpdateAdmitted"),
            Self::WorkflowExecutionOptionsUpdated { .. } => (55, "WorkflowExecutionOptionsUpdated"),
        }
    }
}
