//! What came of a request to another execution, as the history says it.

use tidegate_model::event::{Event, ExternalWorkflowFailedCause, StartChildFailedCause};
use tidegate_model::id::{EventId, Execution};
use tidegate_model::payload::{Failure, FailureInfo, Payloads, RetryState, TimeoutType};

use super::state::canceled;
use super::workflow::to_payloads;

/// See above.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The event that asked.
    pub(super) initiated: EventId,
    /// What has come to its end.
    pub(super) ends: Ends,
    /// How.
    pub(super) result: Result<Payloads, Failure>,
}

/// See [`Outcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// A signal, or a request to cancel.
    Request,
    /// The start of a child.
    Start,
    /// A child.
    Child,
    /// A child that could not be started.
    StartAndChild,
}

impl Outcome {
    /// Of the events that are one.
    pub(super) fn of(event: Event) -> Option<Self> {
        let of = |initiated, ends, result| Some(Self { initiated, ends, result });
        if let Event::ExternalWorkflowExecutionCancelRequested { initiated_event_id, .. }
        | Event::ExternalWorkflowExecutionSignaled { initiated_event_id, .. } = event
        {
            return of(initiated_event_id, Ends::Request, Ok(Payloads::new()));
        }
        if let Event::RequestCancelExternalWorkflowExecutionFailed {
            cause, target, initiated_event_id, ..
        }
        | Event::SignalExternalWorkflowExecutionFailed { cause, target, initiated_event_id, .. } = &event
        {
            return of(*initiated_event_id, Ends::Request, Err(not_reached(*cause, target)));
        }
        if let Event::StartChildWorkflowExecutionFailed { cause, workflow_id, initiated_event_id, .. } =
            &event
        {
            let why = match cause {
                StartChildFailedCause::WorkflowAlreadyExists => "its id is taken",
                StartChildFailedCause::NamespaceNotFound => "its namespace does not exist",
            };
            let message = format!("child {workflow_id} was not started: {why}");
            let failure = Failure::application(message, "ChildNotStarted", true);
            return of(*initiated_event_id, Ends::StartAndChild, Err(failure));
        }
        if let Event::ChildWorkflowExecutionStarted { initiated_event_id, child, .. } = event {
            let run_id = to_payloads(&child.run_id).expect("an id has a JSON form");
            return of(initiated_event_id, Ends::Start, Ok(run_id));
        }
        if let Event::ChildWorkflowExecutionCompleted { result, initiated_event_id, .. } = event {
            return of(initiated_event_id, Ends::Child, Ok(result));
        }
        end_of_child(event)
    }
}

fn end_of_child(event: Event) -> Option<Outcome> {
    let (cause, retry_state, child, workflow_type, initiated, started);
    if let Event::ChildWorkflowExecutionFailed {
        failure,
        retry_state: state,
        child: whom,
        workflow_type: name,
        initiated_event_id,
        started_event_id,
    } = event
    {
        (cause, retry_state, child, workflow_type) = (failure, state, whom, name);
        (initiated, started) = (initiated_event_id, started_event_id);
    } else if let Event::ChildWorkflowExecutionCanceled {
        details,
        child: whom,
        workflow_type: name,
        initiated_event_id,
        started_event_id,
    } = event
    {
        let failure =
            Failure { info: FailureInfo::Canceled { details }, ..canceled("the child was cancelled") };
        (cause, retry_state, child, workflow_type) = (failure, RetryState::CancelRequested, whom, name);
        (initiated, started) = (initiated_event_id, started_event_id);
    } else if let Event::ChildWorkflowExecutionTimedOut {
        retry_state: state,
        child: whom,
        workflow_type: name,
        initiated_event_id,
        started_event_id,
    } = event
    {
        let failure = Failure::timeout("the child took too long", TimeoutType::StartToClose);
        (cause, retry_state, child, workflow_type) = (failure, state, whom, name);
        (initiated, started) = (initiated_event_id, started_event_id);
    } else if let Event::ChildWorkflowExecutionTerminated {
        child: whom,
        workflow_type: name,
        initiated_event_id,
        started_event_id,
    } = event
    {
        let failure = Failure {
            info: FailureInfo::Terminated,
            ..Failure::application("the child was terminated", "", true)
        };
        (cause, retry_state, child, workflow_type) = (failure, RetryState::NonRetryableFailure, whom, name);
        (initiated, started) = (initiated_event_id, started_event_id);
    } else {
        return None;
    }
    let message = format!("child {} {} failed: {}", workflow_type, child.workflow_id, cause.message);
    let info = FailureInfo::ChildWorkflow {
        child,
        workflow_type,
        initiated_event_id: initiated,
        started_event_id: started,
        retry_state,
    };
    let failure = Failure { info, cause: Some(Box::new(cause)), ..Failure::application(message, "", true) };
    Some(Outcome { initiated, ends: Ends::Child, result: Err(failure) })
}

fn not_reached(cause: ExternalWorkflowFailedCause, target: &Execution) -> Failure {
    let why = match cause {
        ExternalWorkflowFailedCause::NotFound => "no run of it is open",
        ExternalWorkflowFailedCause::NamespaceNotFound => "its namespace does not exist",
        ExternalWorkflowFailedCause::SignalCountLimitExceeded => "it has had as many signals as it may",
    };
    Failure::application(
        format!("execution {} was not reached: {why}", target.workflow_id),
        "NotReached",
        true,
    )
}
