//! Why a workflow task was not answered with commands. None of these ends the run: it waits for better code.

use std::fmt;

use tidegate_engine::Command;
use tidegate_model::event::{Event, WorkflowTaskFailedCause};
use tidegate_model::id::EventId;
use tidegate_model::payload::{Failure, Payload};

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
    },
    /// The code did something a replay cannot repeat.
    Undeterministic(String),
    /// The code panicked, at this line.
    Panicked(String),
    /// The code cannot run, or cannot go on.
    Unusable(String),
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
            Self::Panicked(_) | Self::Unusable(_) | Self::BadHistory(_) => {
                WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure
            }
        }
    }

    /// For the answer to the engine.
    pub(crate) fn failure(&self) -> Failure {
        let kind = match self {
            Self::Disagreement { .. } | Self::Undeterministic(_) => "NonDeterminism",
            Self::Panicked(_) => "Panic",
            Self::Unusable(_) => "UnusableCode",
            Self::BadHistory(_) => "BadHistory",
        };
        Failure::application(self.to_string(), kind, false)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disagreement { event_id, recorded, asked } => write!(
                f,
                "event {event_id} of the history is {recorded}, but the code asks for {asked}: the code was changed \
                 under a run that is open; put the old code back, or let the run end first"
            ),
            Self::Undeterministic(what)
            | Self::Panicked(what)
            | Self::Unusable(what)
            | Self::BadHistory(what) => f.write_str(what),
        }
    }
}

/// Compares a command with the event the history has in its place: kind, name, ids and input. Durations and retry
/// policies may change under an open run, as they may with Temporal's SDKs.
pub(super) fn check(event_id: EventId, event: &Event, command: Option<&Command>) -> Result<(), Fault> {
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
        (Some(_) | None, _) => false,
    };
    if same {
        return Ok(());
    }
    Err(Fault::Disagreement {
        event_id,
        recorded: describe_event(event),
        asked: command.map_or_else(|| "nothing more".to_owned(), describe_command),
    })
}

/// A command the history has no event for: at `event_id` it goes on with something else.
pub(super) fn surplus(event_id: EventId, event: &Event, command: &Command) -> Fault {
    Fault::Disagreement { event_id, recorded: describe_event(event), asked: describe_command(command) }
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
        Command::RequestCancelActivityTask { .. }
        | Command::CancelWorkflowExecution { .. }
        | Command::RequestCancelExternalWorkflowExecution { .. }
        | Command::RecordMarker { .. }
        | Command::ContinueAsNewWorkflowExecution(_)
        | Command::StartChildWorkflowExecution(_)
        | Command::SignalExternalWorkflowExecution { .. }
        | Command::UpsertWorkflowSearchAttributes { .. }
        | Command::ProtocolMessage { .. }
        | Command::ModifyWorkflowProperties { .. } => format!("{command:?}"),
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
    event.type_name().to_owned()
}

fn describe_activity(activity_type: &str, id: &str, queue: &str, input: &[Payload]) -> String {
    format!("activity {activity_type} {id}{queue} with input {}", digest(input))
}

/// Inputs are told apart by their hash: a message must not carry what was measured on a patient.
fn digest(payloads: &[Payload]) -> String {
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
