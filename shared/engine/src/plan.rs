//! A workflow task's commands, checked all together before any has an effect, and the events they become.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::chance::Chance;
use tidegate_model::codec;
use tidegate_model::event::{Event, UpdateRequest, WorkflowExecutionStarted, WorkflowTaskFailedCause};
use tidegate_model::id::{EventId, Namespace, RunId, WorkflowId};
use tidegate_model::limits::COMMANDS_BYTES_MAX;
use tidegate_model::payload::Failure;
use tidegate_model::time::Timestamp;

use crate::command::Command;
use crate::namespaces::Namespaces;
use crate::request::WorkerMessage;
use crate::run::Run;
use crate::search_attributes::AttributeTypes;
use crate::settings::Settings;

/// Commands that can be carried out.
#[derive(Debug)]
pub(crate) struct Plan {
    /// One for each command, in order; those of messages where a command names them, or behind all.
    pub(crate) events: Vec<Event>,
    /// What the commands bring about at once, as if it came from outside: behind whatever waits. Nothing where the run
    /// closes.
    pub(crate) arrived: Vec<Event>,
    /// Whether the last of them closes the run.
    pub(crate) closes: bool,
    /// Started events of the timers whose fired events wait in the buffer and are taken back.
    pub(crate) unfired: BTreeSet<EventId>,
    /// Updates that were not let in, and why.
    pub(crate) rejected: Vec<(String, Failure)>,
    /// The run that follows when the last command closes this one.
    pub(crate) successor: Option<NewRun>,
}

/// A command that cannot be carried out: the workflow task fails.
#[derive(Debug)]
pub(crate) struct BadCommand {
    pub(crate) cause: WorkflowTaskFailedCause,
    /// For the worker. `UnhandledCommand` must be just that word, SDKs compare it.
    pub(crate) message: String,
    /// The run is terminated with it: what is too large now is too large at every attempt.
    pub(crate) terminates: bool,
}

impl BadCommand {
    pub(crate) fn new(cause: WorkflowTaskFailedCause, reason: impl std::fmt::Display) -> Self {
        Self { cause, message: format!("{cause:?}: {reason}"), terminates: false }
    }

    /// A command whose payloads are too large. As with Temporal, the run ends.
    pub(crate) fn too_large(cause: WorkflowTaskFailedCause, reason: impl std::fmt::Display) -> Self {
        Self { terminates: true, ..Self::new(cause, reason) }
    }
}

/// What the worker says to updates, and those it can say something to: they wait to be let in.
pub(crate) struct Talk<'a> {
    pub(crate) messages: Vec<WorkerMessage>,
    /// By their ids.
    pub(crate) asked: BTreeMap<&'a str, &'a UpdateRequest>,
}

/// A run that is to begin.
#[derive(Debug)]
pub(crate) struct NewRun {
    pub(crate) run_id: RunId,
    pub(crate) namespace: Namespace,
    pub(crate) workflow_id: WorkflowId,
    pub(crate) started: WorkflowExecutionStarted,
    /// No earlier than the run before it ended.
    pub(crate) not_before: Timestamp,
}

/// What commands are planned against.
#[derive(Debug)]
pub(crate) struct Circumstances<'a> {
    pub(crate) run: &'a Run,
    pub(crate) settings: &'a Settings,
    /// What its namespace's runs can be found by.
    pub(crate) attributes: &'a AttributeTypes,
    /// Where its children may run.
    pub(crate) namespaces: &'a Namespaces,
    /// How many runs there are.
    pub(crate) open_runs: usize,
    pub(crate) now: Timestamp,
    /// Where the id of a run that follows comes from.
    pub(crate) chance: &'a mut Chance,
    /// The id that the task's completion will have.
    pub(crate) completed_event_id: EventId,
    /// Who completes it.
    pub(crate) identity: &'a str,
}

/// A plan in the making: the run as it will be after the commands so far.
pub(crate) struct Draft<'a> {
    pub(crate) run: &'a Run,
    pub(crate) settings: &'a Settings,
    /// What its namespace's runs can be found by.
    pub(crate) attributes: &'a AttributeTypes,
    pub(crate) namespaces: &'a Namespaces,
    /// What is on its way to other runs after the commands so far.
    pub(crate) outgoing: Outgoing,
    pub(crate) now: Timestamp,
    /// Where the id of a run that follows comes from.
    pub(crate) chance: &'a mut Chance,
    pub(crate) successor: Option<NewRun>,
    pub(crate) identity: &'a str,
    pub(crate) completed_event_id: EventId,
    /// Names of the activities that are open after the commands so far; gathered when a command first asks.
    pub(crate) activities: Option<BTreeSet<Cow<'a, str>>>,
    /// Timers the commands so far have touched: started by this event, or ended.
    pub(crate) timers: BTreeMap<String, Option<EventId>>,
    /// How many are open after the commands so far.
    pub(crate) open_timers: usize,
    pub(crate) unfired: BTreeSet<EventId>,
    /// What the worker says to updates, and no command has named yet.
    pub(crate) messages: Vec<WorkerMessage>,
    /// Updates that wait to be let in, by their ids.
    pub(crate) asked: BTreeMap<&'a str, &'a UpdateRequest>,
    /// Updates the messages so far have touched: let in by this event, asked by this identity; or over.
    pub(crate) updates: BTreeMap<String, Option<(EventId, String)>>,
    pub(crate) rejected: Vec<(String, Failure)>,
    /// Scheduled events of the activities the commands so far ask to be cancelled.
    pub(crate) asked_to_cancel: BTreeSet<EventId>,
    pub(crate) arrived: Vec<Event>,
    events: Vec<Event>,
    bytes: usize,
}

/// How much a run has on its way to others, after the commands so far.
pub(crate) struct Outgoing {
    pub(crate) children: usize,
    pub(crate) signals: usize,
    pub(crate) cancels: usize,
    /// The children that these very commands begin.
    pub(crate) begun: BTreeSet<WorkflowId>,
    /// How many runs may still be begun before the host has too many.
    pub(crate) room: usize,
}

impl Outgoing {
    fn of(run: &Run, open_runs: usize, settings: &Settings) -> Self {
        Self {
            children: run.children.len(),
            signals: run.externals.signals(),
            cancels: run.externals.cancels(),
            begun: BTreeSet::new(),
            room: settings.open_runs_max.saturating_sub(open_runs),
        }
    }
}

impl Draft<'_> {
    /// The id the event of the command at hand will have.
    pub(crate) fn next_event_id(&self) -> EventId {
        self.completed_event_id + 1 + self.events.len() as u64
    }

    /// The event of an earlier command of the task.
    pub(crate) fn event(&self, id: EventId) -> Option<&Event> {
        let at = id.checked_sub(self.completed_event_id + 1)?;
        self.events.get(usize::try_from(at).ok()?)
    }

    pub(crate) fn push(&mut self, cause: WorkflowTaskFailedCause, event: Event) -> Result<(), BadCommand> {
        self.bytes += codec::to_cbor(&event).len();
        if self.bytes > COMMANDS_BYTES_MAX {
            let bytes = self.bytes;
            let reason =
                format!("the commands have {bytes} bytes; COMMANDS_BYTES_MAX is {COMMANDS_BYTES_MAX}");
            return Err(BadCommand::new(cause, reason));
        }
        self.events.push(event);
        Ok(())
    }
}

impl Plan {
    /// Checks the commands of a task that is about to be completed.
    pub(crate) fn of(
        around: Circumstances<'_>,
        commands: Vec<Command>,
        talk: Talk<'_>,
    ) -> Result<Self, BadCommand> {
        let Circumstances {
            run,
            settings,
            attributes,
            namespaces,
            open_runs,
            now,
            chance,
            completed_event_id,
            identity,
        } = around;
        let mut draft = Draft {
            run,
            settings,
            attributes,
            namespaces,
            outgoing: Outgoing::of(run, open_runs, settings),
            now,
            chance,
            successor: None,
            identity,
            completed_event_id,
            activities: None,
            timers: BTreeMap::new(),
            open_timers: run.timers.len(),
            unfired: BTreeSet::new(),
            messages: talk.messages,
            asked: talk.asked,
            updates: BTreeMap::new(),
            rejected: Vec::new(),
            asked_to_cancel: BTreeSet::new(),
            arrived: Vec::new(),
            events: Vec::with_capacity(commands.len()),
            bytes: 0,
        };
        let last = commands.len().saturating_sub(1);
        let mut closes = false;
        for (at, command) in commands.into_iter().enumerate() {
            let cause = cause_of(&command);
            let closing = command.closes();
            if closing && at != last {
                return Err(BadCommand::new(cause, "a command that closes the run must be the last"));
            }
            closes |= closing;
            let event = match command {
                Command::ScheduleActivityTask(activity) => draft.schedule_activity(activity)?,
                Command::RequestCancelActivityTask { scheduled_event_id } => {
                    draft.request_cancel_activity(scheduled_event_id)?
                }
                Command::StartTimer { timer_id, start_to_fire_timeout, user_metadata } => {
                    draft.start_timer(timer_id, start_to_fire_timeout, user_metadata)?
                }
                Command::CancelTimer { timer_id } => draft.cancel_timer(timer_id)?,
                Command::CompleteWorkflowExecution { result } => draft.complete_run(result)?,
                Command::FailWorkflowExecution { failure } => draft.fail_run(failure)?,
                Command::UpsertWorkflowSearchAttributes { search_attributes } => {
                    draft.upsert_search_attributes(&search_attributes)?
                }
                Command::ModifyWorkflowProperties { upserted_memo } => {
                    draft.modify_properties(upserted_memo)?
                }
                Command::ProtocolMessage { message_id } => {
                    draft.take_message(&message_id)?;
                    continue;
                }
                Command::CancelWorkflowExecution { details } => draft.cancel_run(details)?,
                Command::ContinueAsNewWorkflowExecution(as_new) => draft.continue_as_new(*as_new)?,
                Command::StartChildWorkflowExecution(child) => draft.start_child(*child)?,
                Command::SignalExternalWorkflowExecution {
                    target,
                    signal_name,
                    input,
                    control,
                    child_workflow_only,
                    header,
                } => {
                    draft.signal_external(target, signal_name, input, control, child_workflow_only, header)?
                }
                Command::RequestCancelExternalWorkflowExecution {
                    target,
                    control,
                    child_workflow_only,
                    reason,
                } => draft.cancel_external(target, control, child_workflow_only, reason)?,
                Command::RecordMarker { marker_name, details, header, failure, user_metadata } => {
                    draft.record_marker(marker_name, details, header, failure, user_metadata)?
                }
            };
            draft.push(cause, event)?;
        }
        draft.take_other_messages(closes)?;
        // The workflow has not seen what waits, and might have decided otherwise.
        if closes && run.buffer.has_news(&draft.unfired) {
            let message = String::from("UnhandledCommand");
            return Err(BadCommand {
                cause: WorkflowTaskFailedCause::UnhandledCommand,
                message,
                terminates: false,
            });
        }
        let arrived = if closes { Vec::new() } else { draft.arrived };
        Ok(Self {
            events: draft.events,
            arrived,
            closes,
            unfired: draft.unfired,
            rejected: draft.rejected,
            successor: draft.successor,
        })
    }
}

/// What a task fails with when a command is wrong in itself.
fn cause_of(command: &Command) -> WorkflowTaskFailedCause {
    match command {
        Command::ScheduleActivityTask(_) => WorkflowTaskFailedCause::BadScheduleActivityAttributes,
        Command::StartTimer { .. } => WorkflowTaskFailedCause::BadStartTimerAttributes,
        Command::CancelTimer { .. } => WorkflowTaskFailedCause::BadCancelTimerAttributes,
        Command::CompleteWorkflowExecution { .. } => {
            WorkflowTaskFailedCause::BadCompleteWorkflowExecutionAttributes
        }
        Command::FailWorkflowExecution { .. } => WorkflowTaskFailedCause::BadFailWorkflowExecutionAttributes,
        Command::RequestCancelActivityTask { .. } => {
            WorkflowTaskFailedCause::BadRequestCancelActivityAttributes
        }
        Command::CancelWorkflowExecution { .. } => {
            WorkflowTaskFailedCause::BadCancelWorkflowExecutionAttributes
        }
        Command::RequestCancelExternalWorkflowExecution { .. } => {
            WorkflowTaskFailedCause::BadRequestCancelExternalWorkflowExecutionAttributes
        }
        Command::RecordMarker { .. } => WorkflowTaskFailedCause::BadRecordMarkerAttributes,
        Command::ContinueAsNewWorkflowExecution(_) => WorkflowTaskFailedCause::BadContinueAsNewAttributes,
        Command::StartChildWorkflowExecution(_) => WorkflowTaskFailedCause::BadStartChildExecutionAttributes,
        Command::SignalExternalWorkflowExecution { .. } => {
            WorkflowTaskFailedCause::BadSignalWorkflowExecutionAttributes
        }
        Command::UpsertWorkflowSearchAttributes { .. } => WorkflowTaskFailedCause::BadSearchAttributes,
        Command::ProtocolMessage { .. } => WorkflowTaskFailedCause::BadUpdateWorkflowExecutionMessage,
        Command::ModifyWorkflowProperties { .. } => {
            WorkflowTaskFailedCause::BadModifyWorkflowPropertiesAttributes
        }
    }
}

impl Command {
    fn closes(&self) -> bool {
        match self {
            Self::CompleteWorkflowExecution { .. }
            | Self::FailWorkflowExecution { .. }
            | Self::CancelWorkflowExecution { .. }
            | Self::ContinueAsNewWorkflowExecution(_) => true,
            Self::ScheduleActivityTask(_)
            | Self::RequestCancelActivityTask { .. }
            | Self::StartTimer { .. }
            | Self::CancelTimer { .. }
            | Self::RequestCancelExternalWorkflowExecution { .. }
            | Self::RecordMarker { .. }
            | Self::StartChildWorkflowExecution(_)
            | Self::SignalExternalWorkflowExecution { .. }
            | Self::UpsertWorkflowSearchAttributes { .. }
            | Self::ProtocolMessage { .. }
            | Self::ModifyWorkflowProperties { .. } => false,
        }
    }
}
