//! Why a workflow task was not answered with commands. None of these ends the run: it waits for better code.

use std::collections::BTreeMap;
use std::fmt;

use tidegate_engine::{Command, Refusal, WorkerMessage, WorkerMessageBody};
use tidegate_model::event::{Event, UpdateOutcome, WorkflowTaskFailedCause};
use tidegate_model::id::EventId;
use tidegate_model::payload::{Failure, Header, Payload, Payloads};

use super::local_state::{self, LOCAL_ACTIVITY};
use super::markers::is_change_version;
use super::version::CodeVersion;
use super::workflow::from_payloads;

/// The engine's word for commands that would close a run over events its code has not seen.
const UNHANDLED_COMMAND: &str = "UnhandledCommand";

/// What went wrong between the code and its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The code and the history disagree.
    Disagreement {
        /// The event at which they do.
        event_id: EventId,
        /// What the history has.
        recorded: String,
        /// What the code asks for.
        asked: String,
        /// Which code had answered, and which is asked: in words, where the history says.
        versions: Option<String>,
    },
    /// The code did something a replay cannot repeat.
    Undeterministic(String),
    /// The code panicked, at this line.
    Panicked(String),
    /// The code did not come back.
    PotentialDeadlock(String),
    /// The code cannot run, or cannot go on.
    Unusable(String),
    /// The engine does not take what the code asks for.
    Refused(String),
    /// The history is not one: events are missing, or point to what is not there.
    BadHistory(String),
}

impl Fault {
    /// For the answer to the engine.
    pub(crate) fn cause(&self) -> WorkflowTaskFailedCause {
        match self {
            Self::Disagreement { .. } | Self::Undeterministic(_) => {
                WorkflowTaskFailedCause::NonDeterministicError
            }
            Self::Panicked(_)
            | Self::PotentialDeadlock(_)
            | Self::Unusable(_)
            | Self::Refused(_)
            | Self::BadHistory(_) => WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure,
        }
    }

    /// For the answer to the engine.
    pub(crate) fn failure(&self) -> Failure {
        Failure::application(self.to_string(), self.kind(), false)
    }

    /// In a word, for counts and failures.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Disagreement { .. } | Self::Undeterministic(_) => "NonDeterminism",
            Self::Panicked(_) => "Panic",
            Self::PotentialDeadlock(_) => "PotentialDeadlock",
            Self::Unusable(_) => "UnusableCode",
            Self::Refused(_) => "RefusedCommand",
            Self::BadHistory(_) => "BadHistory",
        }
    }

    /// What the engine's refusal of an answer says of the code, if anything: an answer may also come too late, or before
    /// the code has seen what arrived meanwhile.
    pub(super) fn of_refusal(refusal: &Refusal) -> Option<Self> {
        let Refusal::InvalidArgument(reason) = refusal else { return None };
        (reason != UNHANDLED_COMMAND)
            .then(|| Self::Refused(format!("the engine does not take what the code asks for: {reason}")))
    }

    /// A disagreement over a turn that this code had answered.
    pub(super) fn answered_by(mut self, version: Option<&CodeVersion>) -> Self {
        if let Self::Disagreement { versions, .. } = &mut self {
            *versions = version.map(ToString::to_string);
        }
        self
    }

    /// It was this code that disagreed.
    pub(super) fn seen_by(mut self, version: &CodeVersion) -> Self {
        if let Self::Disagreement { versions: Some(versions), .. } = &mut self {
            let mine = version.to_string();
            *versions = if *versions == mine {
                format!(
                    "both are {mine}, so the code depends on what is not in its history, or its build was not named"
                )
            } else {
                format!("the history was written by {versions}, and this is {mine}")
            };
        }
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disagreement { event_id, recorded, asked, versions } => {
                write!(
                    f,
                    "event {event_id} of the history is {recorded}, but the code asks for {asked}: the code was \
                     changed under a run that is open"
                )?;
                if let Some(versions) = versions {
                    write!(f, " ({versions})")?;
                }
                f.write_str("; put the old code back, or let the run end first")
            }
            Self::Undeterministic(what)
            | Self::Panicked(what)
            | Self::PotentialDeadlock(what)
            | Self::Unusable(what)
            | Self::Refused(what)
            | Self::BadHistory(what) => f.write_str(what),
        }
    }
}

/// Compares a command with the event the history has in its place: kind, name, ids and input. Durations and retry
/// policies may change under an open run, as they may with Temporal's SDKs. `messages` are what the turn said to
/// updates.
pub(super) fn check(
    event_id: EventId,
    event: &Event,
    command: Option<&Command>,
    messages: &[WorkerMessage],
) -> Result<(), Fault> {
    let same = match (command, event) {
        (Some(Command::ScheduleActivityTask(asked)), Event::ActivityTaskScheduled(recorded)) => {
            asked.activity_id == recorded.activity_id
                && asked.activity_type == recorded.activity_type
                && asked.task_queue.as_ref().is_none_or(|queue| *queue == recorded.task_queue)
                && asked.input == recorded.input
        }
        (
            Some(Command::StartTimer { timer_id: asked, .. }),
            Event::TimerStarted { timer_id: recorded, .. },
        )
        | (Some(Command::CancelTimer { timer_id: asked }), Event::TimerCanceled { timer_id: recorded, .. }) => {
            asked == recorded
        }
        (
            Some(Command::CompleteWorkflowExecution { result: asked }),
            Event::WorkflowExecutionCompleted { result: recorded, .. },
        ) => asked == recorded,
        (
            Some(Command::FailWorkflowExecution { failure: asked }),
            Event::WorkflowExecutionFailed { failure: recorded, .. },
        ) => asked.message == recorded.message,
        (Some(asked), recorded) => is_trace(asked, recorded, messages),
        (None, _) => false,
    };
    if same {
        return Ok(());
    }
    Err(Fault::Disagreement {
        event_id,
        recorded: describe_event(event),
        asked: command.map_or_else(|| "nothing more".to_owned(), describe_command),
        versions: None,
    })
}

/// [`check`] for commands to other executions, about the run itself, and to updates.
fn is_trace(command: &Command, event: &Event, messages: &[WorkerMessage]) -> bool {
    match (command, event) {
        (
            Command::RequestCancelActivityTask { scheduled_event_id: asked },
            Event::ActivityTaskCancelRequested { scheduled_event_id: recorded, .. },
        ) => asked == recorded,
        (
            Command::CancelWorkflowExecution { details: asked },
            Event::WorkflowExecutionCanceled { details: recorded, .. },
        ) => asked == recorded,
        (
            Command::RequestCancelExternalWorkflowExecution { target, control, .. },
            Event::RequestCancelExternalWorkflowExecutionInitiated { target: to, control: mark, .. },
        ) => *target == **to && control == mark,
        (
            Command::SignalExternalWorkflowExecution { target, signal_name, input, control, .. },
            Event::SignalExternalWorkflowExecutionInitiated {
                target: to,
                signal_name: name,
                input: recorded,
                control: mark,
                ..
            },
        ) => *target == **to && signal_name == name && input == recorded && control == mark,
        (
            Command::RecordMarker { marker_name, details, .. },
            Event::MarkerRecorded { marker_name: name, details: recorded, .. },
        ) => marker_name == name && details == recorded,
        (
            Command::ContinueAsNewWorkflowExecution(asked),
            Event::WorkflowExecutionContinuedAsNew(recorded),
        ) => asked.input == recorded.input,
        (
            Command::StartChildWorkflowExecution(asked),
            Event::StartChildWorkflowExecutionInitiated(recorded),
        ) => {
            asked.workflow_id == recorded.workflow_id
                && asked.workflow_type == recorded.workflow_type
                && asked.control == recorded.control
                && asked.namespace.as_ref().is_none_or(|namespace| *namespace == recorded.namespace)
                && asked.task_queue.as_ref().is_none_or(|queue| *queue == recorded.task_queue)
                && asked.input == recorded.input
        }
        (
            Command::UpsertWorkflowSearchAttributes { search_attributes: asked },
            Event::UpsertWorkflowSearchAttributes { search_attributes: recorded, .. },
        ) => {
            // The list is shorter in code that no longer asks for a patch that an older release asked for.
            same_data(asked, recorded) || is_change_version(asked) && is_change_version(recorded)
        }
        (
            Command::ModifyWorkflowProperties { upserted_memo: asked },
            Event::WorkflowPropertiesModified { upserted_memo: recorded, .. },
        ) => same_data(asked, recorded),
        (
            Command::ProtocolMessage { message_id },
            Event::WorkflowExecutionUpdateAccepted { protocol_instance_id, .. },
        ) => message_of(messages, message_id).is_some_and(|WorkerMessage { update_id, body, .. }| {
            update_id == protocol_instance_id && matches!(body, WorkerMessageBody::Acceptance { .. })
        }),
        (
            Command::ProtocolMessage { message_id },
            Event::WorkflowExecutionUpdateCompleted { update_id: id, outcome: recorded, .. },
        ) => message_of(messages, message_id).is_some_and(|WorkerMessage { update_id, body, .. }| {
            update_id == id
                && matches!(body, WorkerMessageBody::Response { outcome } if same_outcome(outcome, recorded))
        }),
        _ => false,
    }
}

fn message_of<'a>(messages: &'a [WorkerMessage], id: &str) -> Option<&'a WorkerMessage> {
    messages.iter().find(|message| message.id == id)
}

/// The server says of an attribute which type it has, so that only the values are the same.
fn same_data(asked: &Header, recorded: &Header) -> bool {
    asked.len() == recorded.len()
        && asked.iter().zip(recorded).all(|(a, b)| a.0 == b.0 && a.1.data == b.1.data)
}

/// The server shortens failures.
fn same_outcome(asked: &UpdateOutcome, recorded: &UpdateOutcome) -> bool {
    match (asked, recorded) {
        (UpdateOutcome::Success(asked), UpdateOutcome::Success(recorded)) => asked == recorded,
        (UpdateOutcome::Failure(_), UpdateOutcome::Failure(_)) => true,
        (UpdateOutcome::Success(_), UpdateOutcome::Failure(_))
        | (UpdateOutcome::Failure(_), UpdateOutcome::Success(_)) => false,
    }
}

/// A command the history has no event for: at `event_id` it goes on with something else.
pub(super) fn surplus(event_id: EventId, event: &Event, command: &Command) -> Fault {
    Fault::Disagreement {
        event_id,
        recorded: describe_event(event),
        asked: describe_command(command),
        versions: None,
    }
}

/// Two turns of the same code from the same history.
pub(super) fn check_shadow(live: &[Command], replayed: &[Command]) -> Result<(), Fault> {
    if live == replayed {
        return Ok(());
    }
    let at = live.iter().zip(replayed).position(|(a, b)| a != b).unwrap_or(live.len().min(replayed.len()));
    let say =
        |commands: &[Command]| commands.get(at).map_or_else(|| "nothing more".to_owned(), describe_command);
    Err(Fault::Undeterministic(format!(
        "the same history led the code to ask for {} first and, in a replay at once, for {}: it depends on something \
         that is not in the history (a clock, chance, the order of a hash map, state shared between runs)",
        say(live),
        say(replayed)
    )))
}

/// The same for what the turns say to updates.
pub(super) fn check_shadow_messages(live: &[WorkerMessage], replayed: &[WorkerMessage]) -> Result<(), Fault> {
    if live == replayed {
        return Ok(());
    }
    let differs = live.iter().zip(replayed).find(|(a, b)| a != b).map_or("", |(a, _)| a.update_id.as_str());
    Err(Fault::Undeterministic(format!(
        "the same history led the code to another answer to update {differs:?} in a replay at once: it depends on \
         something that is not in the history"
    )))
}

/// Whether an event is the trace of a command.
pub(super) fn is_command_event(event: &Event) -> bool {
    match event {
        Event::ActivityTaskScheduled(_)
        | Event::ActivityTaskCancelRequested { .. }
        | Event::MarkerRecorded { .. }
        | Event::RequestCancelExternalWorkflowExecutionInitiated { .. }
        | Event::SignalExternalWorkflowExecutionInitiated { .. }
        | Event::StartChildWorkflowExecutionInitiated(_)
        | Event::UpsertWorkflowSearchAttributes { .. }
        | Event::WorkflowPropertiesModified { .. }
        | Event::WorkflowExecutionUpdateAccepted { .. }
        | Event::WorkflowExecutionUpdateCompleted { .. }
        | Event::WorkflowExecutionCanceled { .. }
        | Event::WorkflowExecutionContinuedAsNew(_)
        | Event::TimerStarted { .. }
        | Event::TimerCanceled { .. }
        | Event::WorkflowExecutionCompleted { .. }
        | Event::WorkflowExecutionFailed { .. } => true,
        Event::ActivityTaskCanceled { .. }
        | Event::WorkflowExecutionCancelRequested { .. }
        | Event::RequestCancelExternalWorkflowExecutionFailed { .. }
        | Event::ExternalWorkflowExecutionCancelRequested { .. }
        | Event::SignalExternalWorkflowExecutionFailed { .. }
        | Event::ExternalWorkflowExecutionSignaled { .. }
        | Event::StartChildWorkflowExecutionFailed { .. }
        | Event::ChildWorkflowExecutionStarted { .. }
        | Event::ChildWorkflowExecutionCompleted { .. }
        | Event::ChildWorkflowExecutionFailed { .. }
        | Event::ChildWorkflowExecutionCanceled { .. }
        | Event::ChildWorkflowExecutionTimedOut { .. }
        | Event::ChildWorkflowExecutionTerminated { .. }
        | Event::WorkflowExecutionUpdateAdmitted { .. }
        | Event::WorkflowExecutionOptionsUpdated { .. }
        | Event::WorkflowExecutionTimedOut { .. }
        | Event::WorkflowExecutionTerminated { .. }
        | Event::WorkflowExecutionStarted(_)
        | Event::WorkflowTaskScheduled { .. }
        | Event::WorkflowTaskStarted { .. }
        | Event::WorkflowTaskCompleted { .. }
        | Event::WorkflowTaskTimedOut { .. }
        | Event::WorkflowTaskFailed { .. }
        | Event::ActivityTaskStarted { .. }
        | Event::ActivityTaskCompleted { .. }
        | Event::ActivityTaskFailed { .. }
        | Event::ActivityTaskTimedOut { .. }
        | Event::TimerFired { .. }
        | Event::WorkflowExecutionSignaled { .. } => false,
    }
}

fn describe_command(command: &Command) -> String {
    match command {
        Command::ScheduleActivityTask(activity) => {
            let queue = activity.task_queue.as_ref().map(|queue| format!(" on {queue}")).unwrap_or_default();
            describe_activity(&activity.activity_type, &activity.activity_id, &queue, &activity.input)
        }
        Command::StartTimer { timer_id, .. } => format!("timer {timer_id}"),
        Command::CancelTimer { timer_id } => format!("the end of timer {timer_id}"),
        Command::CompleteWorkflowExecution { result } => format!("completion with result {}", digest(result)),
        Command::FailWorkflowExecution { failure } => format!("failure {:?}", failure.message),
        Command::RequestCancelActivityTask { scheduled_event_id } => {
            format!("the end of the activity of event {scheduled_event_id}")
        }
        Command::CancelWorkflowExecution { .. } => "the end as cancelled".to_owned(),
        Command::RequestCancelExternalWorkflowExecution { target, control, .. } => {
            format!("request {control} to cancel {}", target.workflow_id)
        }
        Command::RecordMarker { marker_name, details, .. } => describe_marker(marker_name, details),
        Command::ContinueAsNewWorkflowExecution(next) => {
            format!("a new run with input {}", digest(&next.input))
        }
        Command::StartChildWorkflowExecution(child) => {
            describe_child(&child.workflow_type, child.workflow_id.as_str(), &child.input)
        }
        Command::SignalExternalWorkflowExecution { target, signal_name, input, control, .. } => {
            format!("signal {signal_name} {control} to {} with input {}", target.workflow_id, digest(input))
        }
        Command::UpsertWorkflowSearchAttributes { search_attributes } => {
            format!("search attributes {}", describe_header(search_attributes))
        }
        Command::ProtocolMessage { message_id } => format!("update message {message_id}"),
        Command::ModifyWorkflowProperties { upserted_memo } => {
            format!("memo {}", describe_header(upserted_memo))
        }
    }
}

fn describe_event(event: &Event) -> String {
    if let Event::ActivityTaskScheduled(activity) = event {
        let queue = format!(" on {}", activity.task_queue);
        return describe_activity(&activity.activity_type, &activity.activity_id, &queue, &activity.input);
    }
    if let Event::WorkflowExecutionCompleted { result, .. } = event {
        return format!("completion with result {}", digest(result));
    }
    if let Event::WorkflowExecutionFailed { failure, .. } = event {
        return format!("failure {:?}", failure.message);
    }
    if let Event::TimerStarted { timer_id, .. } = event {
        return format!("timer {timer_id}");
    }
    if let Event::TimerCanceled { timer_id, .. } = event {
        return format!("the end of timer {timer_id}");
    }
    if let Event::MarkerRecorded { marker_name, details, .. } = event {
        return describe_marker(marker_name, details);
    }
    if let Event::StartChildWorkflowExecutionInitiated(child) = event {
        return describe_child(&child.workflow_type, child.workflow_id.as_str(), &child.input);
    }
    if let Event::WorkflowExecutionContinuedAsNew(next) = event {
        return format!("a new run with input {}", digest(&next.input));
    }
    if let Event::SignalExternalWorkflowExecutionInitiated { target, signal_name, input, control, .. } = event
    {
        let to = &target.workflow_id;
        return format!("signal {signal_name} {control} to {to} with input {}", digest(input));
    }
    if let Event::UpsertWorkflowSearchAttributes { search_attributes, .. } = event {
        return format!("search attributes {}", describe_header(search_attributes));
    }
    if let Event::WorkflowPropertiesModified { upserted_memo, .. } = event {
        return format!("memo {}", describe_header(upserted_memo));
    }
    event.type_name().to_owned()
}

fn describe_child(workflow_type: &str, id: &str, input: &[Payload]) -> String {
    format!("child {workflow_type} {id} with input {}", digest(input))
}

fn describe_marker(name: &str, details: &BTreeMap<String, Payloads>) -> String {
    if name == LOCAL_ACTIVITY {
        return local_state::describe_marker(details);
    }
    let text = |key: &str| details.get(key).map(|payloads| digest(payloads)).unwrap_or_default();
    let id = details.get("id").and_then(|id| from_payloads::<String>(id).ok()).unwrap_or_default();
    format!("{name} {id:?} with value {}", text("value"))
}

fn describe_header(header: &Header) -> String {
    let entries =
        header.iter().map(|(name, payload)| format!("{name}={}", digest(std::slice::from_ref(payload))));
    entries.collect::<Vec<_>>().join(" ")
}

fn describe_activity(activity_type: &str, id: &str, queue: &str, input: &[Payload]) -> String {
    format!("activity {activity_type} {id}{queue} with input {}", digest(input))
}

/// Inputs are told apart by their hash: a message must not carry what was measured on a patient.
pub(super) fn digest(payloads: &[Payload]) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for payload in payloads {
        hash.update(payload.data.len().to_string());
        hash.update([0]);
        hash.update(&payload.data);
    }
    let hash: [u8; 32] = hash.finalize().into();
    hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
