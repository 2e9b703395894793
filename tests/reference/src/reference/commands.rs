//! What the commands of a workflow task become: all of it, or none.

use std::collections::BTreeSet;
use std::time::Duration;

use tidegate_engine::{
    Command, CronSchedule, ScheduleActivity, Settings, StartChildWorkflow, WorkerMessage,
    WorkflowTaskCompletion,
};
use tidegate_model::event::{
    ActivityTaskScheduled, Event, StartChildWorkflowInitiated, WorkflowTaskFailedCause as Cause,
};
use tidegate_model::id::{EventId, RunId, WorkflowId};
use tidegate_model::payload::{Failure, Payload, RetryPolicy};

use super::completion::{Said, is_rejection};
use super::run::Run;
use super::start::{task_timeout, with_defaults};
use super::successor::Successor;
use super::{Reference, operate};

/// A command that cannot be carried out.
pub(super) struct Bad {
    pub(super) cause: Cause,
    pub(super) words: String,
    /// The run ends with it.
    pub(super) is_end: bool,
}

pub(super) fn bad(cause: Cause, words: &str) -> Bad {
    Bad { cause, words: words.to_owned(), is_end: false }
}

/// What the commands of a task become.
#[derive(Default)]
pub(super) struct Planned {
    pub(super) events: Vec<Event>,
    /// Behind whatever waited.
    pub(super) arrived: Vec<Event>,
    /// Started events of the timers whose fired events wait and are taken back.
    pub(super) taken_back: Vec<EventId>,
    pub(super) successor: Option<Successor>,
    pub(super) closes: bool,
    /// Updates that were not let in.
    pub(super) rejected: Vec<(String, Failure)>,
}

/// The run as it will be after the commands so far.
struct After<'a> {
    run: &'a Run,
    settings: &'a Settings,
    identity: &'a str,
    completed: EventId,
    planned: Planned,
    said: Said<'a>,
    timers: BTreeSet<(String, EventId)>,
    activities: BTreeSet<String>,
    asked_to_cancel: BTreeSet<EventId>,
    children: usize,
    begun: BTreeSet<WorkflowId>,
    signals: usize,
    cancels: usize,
}

impl Reference {
    pub(super) fn plan(
        &mut self,
        run_id: RunId,
        completion: &WorkflowTaskCompletion,
    ) -> Result<Planned, Bad> {
        let completed = completion.token.started_event_id + 1;
        let run = self.run(run_id).clone();
        let settings = self.settings.clone();
        let asked = self.requests_of(run_id);
        let cancels =
            |event: &&&Event| matches!(event, Event::RequestCancelExternalWorkflowExecutionInitiated { .. });
        let mut after = After {
            run: &run,
            settings: &settings,
            identity: &completion.identity,
            completed,
            planned: Planned::default(),
            said: Said::new(&run, asked),
            timers: run.timers().into_iter().map(|(id, (name, _))| (name, id)).collect(),
            activities: run.activities().values().map(|activity| activity.activity_id.clone()).collect(),
            asked_to_cancel: BTreeSet::new(),
            children: run.children().len(),
            begun: BTreeSet::new(),
            signals: run.sent().values().filter(|event| !cancels(event)).count(),
            cancels: run.sent().values().filter(|event| cancels(event)).count(),
        };
        let mut messages: Vec<WorkerMessage> = completion.messages.clone();
        let mut last = None;
        for (at, command) in completion.commands.iter().enumerate() {
            if closes(command) {
                if at + 1 < completion.commands.len() {
                    return Err(bad(cause_of(command), "it must be the last"));
                }
                check_end(command, &settings, self.now)?;
                last = Some(command.clone());
                continue;
            }
            if let Command::ProtocolMessage { message_id } = command {
                let at = messages.iter().position(|message| message.id == *message_id);
                let at = at.ok_or_else(|| bad(cause_of(command), "there is no such message"))?;
                after.take_message(messages.remove(at))?;
                continue;
            }
            let event = after.event_of(command)?;
            after.planned.events.push(event);
        }
        for message in messages {
            // An event behind the last is none.
            if last.is_none() || is_rejection(&message) {
                after.take_message(message)?;
            }
        }
        let mut planned = after.planned;
        planned.rejected = after.said.rejected;
        if let Some(last) = last {
            if !self.flushed_without(run_id, &planned.taken_back).is_empty() {
                return Err(bad(Cause::UnhandledCommand, "UnhandledCommand"));
            }
            let event = self.end_by(run_id, completed, last, &mut planned);
            planned.events.push(event);
            planned.arrived.clear();
            planned.closes = true;
        }
        Ok(planned)
    }

    fn end_by(
        &mut self,
        run_id: RunId,
        completed: EventId,
        command: Command,
        planned: &mut Planned,
    ) -> Event {
        let id_of = |successor: &Option<Successor>| successor.as_ref().map(|(_, _, run_id, _)| *run_id);
        match command {
            Command::CompleteWorkflowExecution { result } => {
                planned.successor = self.after_success(run_id, &result);
                Event::WorkflowExecutionCompleted {
                    result,
                    workflow_task_completed_event_id: completed,
                    new_execution_run_id: id_of(&planned.successor),
                }
            }
            Command::FailWorkflowExecution { failure } => {
                let (retry_state, successor) = self.after_failure(run_id, &failure);
                planned.successor = successor;
                Event::WorkflowExecutionFailed {
                    failure,
                    retry_state,
                    workflow_task_completed_event_id: completed,
                    new_execution_run_id: id_of(&planned.successor),
                }
            }
            Command::CancelWorkflowExecution { details } => {
                Event::WorkflowExecutionCanceled { details, workflow_task_completed_event_id: completed }
            }
            Command::ContinueAsNewWorkflowExecution(as_new) => {
                let (event, successor) = self.continue_as_new(run_id, completed, *as_new);
                planned.successor = Some(successor);
                event
            }
            other => panic!("{other:?} does not end a run"),
        }
    }

    /// What waits, without the fired events of timers that are taken back.
    pub(super) fn flushed_without(&self, run_id: RunId, taken_back: &[EventId]) -> Vec<Event> {
        let gone = |event: &Event| matches!(event, Event::TimerFired { started_event_id, .. } if taken_back.contains(started_event_id));
        self.run(run_id).flushed().into_iter().filter(|event| !gone(event)).collect()
    }
}

/// Whether a command ends the run.
fn closes(command: &Command) -> bool {
    matches!(
        command,
        Command::CompleteWorkflowExecution { .. }
            | Command::FailWorkflowExecution { .. }
            | Command::CancelWorkflowExecution { .. }
            | Command::ContinueAsNewWorkflowExecution(_)
    )
}

fn check_end(
    command: &Command,
    settings: &Settings,
    now: tidegate_model::time::Timestamp,
) -> Result<(), Bad> {
    if let Command::CompleteWorkflowExecution { result } = command
        && result.iter().map(Payload::size).sum::<usize>() > settings.payload_bytes_max
    {
        return Err(Bad { is_end: true, ..bad(cause_of(command), "too large") });
    }
    if let Command::ContinueAsNewWorkflowExecution(as_new) = command {
        let is_cron =
            as_new.cron_schedule.is_empty() || CronSchedule::new(now, &as_new.cron_schedule).is_ok();
        if !is_cron || !can_be_followed(as_new.retry_policy.as_ref()) {
            return Err(bad(cause_of(command), "it cannot be followed"));
        }
    }
    Ok(())
}

fn can_be_followed(policy: Option<&RetryPolicy>) -> bool {
    policy.is_none_or(|policy| policy.backoff_coefficient == 0.0 || policy.backoff_coefficient >= 1.0)
}

impl After<'_> {
    fn next_event_id(&self) -> EventId {
        self.completed + 1 + self.planned.events.len() as EventId
    }

    fn take_message(&mut self, message: WorkerMessage) -> Result<(), Bad> {
        let event = self.said.take(message, self.next_event_id())?;
        self.planned.events.extend(event);
        Ok(())
    }

    fn event_of(&mut self, command: &Command) -> Result<Event, Bad> {
        let wrong = |words: &str| bad(cause_of(command), words);
        let completed = self.completed;
        Ok(match command.clone() {
            Command::ScheduleActivityTask(activity) => {
                let scheduled = scheduled(self.run, completed, activity)
                    .ok_or_else(|| wrong("it could go on for ever"))?;
                if self.activities.contains(&scheduled.activity_id) {
                    return Err(bad(Cause::ScheduleActivityDuplicateId, ""));
                }
                if self.activities.len() >= self.settings.pending_activities_max {
                    return Err(bad(Cause::PendingActivitiesLimitExceeded, ""));
                }
                self.activities.insert(scheduled.activity_id.clone());
                Event::ActivityTaskScheduled(Box::new(scheduled))
            }
            Command::RequestCancelActivityTask { scheduled_event_id } => {
                self.cancel_activity(scheduled_event_id).ok_or_else(|| wrong("it is not open"))?
            }
            Command::StartTimer { timer_id, start_to_fire_timeout, user_metadata } => {
                if timer_id.is_empty() {
                    return Err(wrong("it has no name"));
                }
                if self.timers.iter().any(|(name, _)| *name == timer_id) {
                    return Err(bad(Cause::StartTimerDuplicateId, ""));
                }
                if self.timers.len() >= self.settings.pending_timers_max {
                    return Err(bad(Cause::PendingTimersLimitExceeded, ""));
                }
                self.timers.insert((timer_id.clone(), self.next_event_id()));
                Event::TimerStarted {
                    timer_id,
                    start_to_fire_timeout,
                    workflow_task_completed_event_id: completed,
                    user_metadata,
                }
            }
            Command::CancelTimer { timer_id } => {
                let started_event_id = self.end_timer(&timer_id).ok_or_else(|| wrong("it is not open"))?;
                Event::TimerCanceled {
                    timer_id,
                    started_event_id,
                    workflow_task_completed_event_id: completed,
                    identity: self.identity.to_owned(),
                }
            }
            Command::StartChildWorkflowExecution(child) => {
                if child.workflow_type.is_empty() || !can_be_followed(child.retry_policy.as_ref()) {
                    return Err(wrong("it says too little"));
                }
                if self.children >= self.settings.pending_children_max {
                    return Err(bad(Cause::PendingChildWorkflowsLimitExceeded, ""));
                }
                self.children += 1;
                self.begun.insert(child.workflow_id.clone());
                Event::StartChildWorkflowExecutionInitiated(Box::new(initiated(self.run, completed, *child)))
            }
            Command::SignalExternalWorkflowExecution {
                target,
                signal_name,
                input,
                control,
                child_workflow_only,
                header,
            } => {
                if signal_name.is_empty() {
                    return Err(wrong("it has no name"));
                }
                if self.signals >= self.settings.pending_signals_max {
                    return Err(bad(Cause::PendingSignalsLimitExceeded, ""));
                }
                self.signals += 1;
                Event::SignalExternalWorkflowExecutionInitiated {
                    workflow_task_completed_event_id: completed,
                    target: Box::new(target),
                    signal_name,
                    input,
                    control,
                    child_workflow_only,
                    header,
                }
            }
            Command::RequestCancelExternalWorkflowExecution {
                target,
                control,
                child_workflow_only,
                reason,
            } => {
                if self.begun.contains(&target.workflow_id) {
                    return Err(wrong("it is begun by the same task"));
                }
                if self.cancels >= self.settings.pending_cancel_requests_max {
                    return Err(bad(Cause::PendingRequestCancelLimitExceeded, ""));
                }
                self.cancels += 1;
                Event::RequestCancelExternalWorkflowExecutionInitiated {
                    workflow_task_completed_event_id: completed,
                    target: Box::new(target),
                    control,
                    child_workflow_only,
                    reason,
                }
            }
            Command::RecordMarker { marker_name, details, header, failure, user_metadata } => {
                if marker_name.is_empty() {
                    return Err(wrong("it has no name"));
                }
                Event::MarkerRecorded {
                    marker_name,
                    details,
                    workflow_task_completed_event_id: completed,
                    header,
                    failure,
                    user_metadata,
                }
            }
            Command::UpsertWorkflowSearchAttributes { search_attributes } => {
                if search_attributes.keys().any(|name| name.starts_with("Unknown")) {
                    return Err(wrong("it is not registered"));
                }
                Event::UpsertWorkflowSearchAttributes {
                    workflow_task_completed_event_id: completed,
                    search_attributes,
                }
            }
            Command::ModifyWorkflowProperties { upserted_memo } => {
                if upserted_memo.is_empty() {
                    return Err(wrong("it says nothing"));
                }
                Event::WorkflowPropertiesModified {
                    workflow_task_completed_event_id: completed,
                    upserted_memo,
                }
            }
            other => panic!("{other:?} is dealt with elsewhere"),
        })
    }

    /// One that no worker has is cancelled at once; a worker that has it learns of it when it next reports.
    fn cancel_activity(&mut self, scheduled_event_id: EventId) -> Option<Event> {
        let is_repeated = self.run.cancel_of_activity(scheduled_event_id).is_some()
            && self.run.activities().contains_key(&scheduled_event_id);
        if is_repeated || !self.asked_to_cancel.insert(scheduled_event_id) {
            return None;
        }
        let in_this_task = scheduled_event_id
            .checked_sub(self.completed + 1)
            .and_then(|at| self.planned.events.get(usize::try_from(at).ok()?));
        let unstarted = if let Some(open) = self.run.activities().get(&scheduled_event_id) {
            let is_out = self.run.attempts[&scheduled_event_id].out.is_some();
            (!is_out).then(|| open.activity_id.clone())
        } else if let Some(Event::ActivityTaskScheduled(scheduled)) = in_this_task {
            Some(scheduled.activity_id.clone())
        } else {
            // It has ended, and the workflow has not seen that.
            let ends = |event: &Event| {
                matches!(event,
                Event::ActivityTaskCompleted { scheduled_event_id: of, .. }
                | Event::ActivityTaskFailed { scheduled_event_id: of, .. }
                | Event::ActivityTaskTimedOut { scheduled_event_id: of, .. }
                | Event::ActivityTaskCanceled { scheduled_event_id: of, .. } if *of == scheduled_event_id)
            };
            self.run.buffer.iter().any(ends).then_some(None)?
        };
        if let Some(activity_id) = unstarted {
            self.activities.remove(&activity_id);
            self.planned.arrived.push(Event::ActivityTaskCanceled {
                details: vec![Payload::json("\"ACTIVITY_ID_NOT_STARTED\"")],
                latest_cancel_requested_event_id: self.next_event_id(),
                scheduled_event_id,
                started_event_id: 0,
                identity: self.identity.to_owned(),
            });
        }
        Some(Event::ActivityTaskCancelRequested {
            scheduled_event_id,
            workflow_task_completed_event_id: self.completed,
        })
    }

    /// The started event of a timer that ends: an open one, or one whose firing the workflow has not seen.
    fn end_timer(&mut self, timer_id: &str) -> Option<EventId> {
        if let Some(open) = self.timers.iter().find(|(name, _)| *name == timer_id).cloned() {
            self.timers.remove(&open);
            return Some(open.1);
        }
        let taken_back = &self.planned.taken_back;
        let fired = self.run.buffer.iter().find_map(|event| match event {
            Event::TimerFired { timer_id: fired, started_event_id }
                if *fired == timer_id && !taken_back.contains(started_event_id) =>
            {
                Some(*started_event_id)
            }
            _ => None,
        });
        self.planned.taken_back.extend(fired);
        fired
    }
}

/// What is left out follows from the time the run has, and nothing is longer than that.
fn scheduled(run: &Run, completed: EventId, wanted: ScheduleActivity) -> Option<ActivityTaskScheduled> {
    let asked: [Duration; 4] = [
        wanted.schedule_to_close_timeout,
        wanted.schedule_to_start_timeout,
        wanted.start_to_close_timeout,
        wanted.heartbeat_timeout,
    ];
    let [schedule_to_close_timeout, schedule_to_start_timeout, start_to_close_timeout, heartbeat_timeout] =
        operate::completed(asked, run.started().workflow_run_timeout)?;
    Some(ActivityTaskScheduled {
        activity_id: wanted.activity_id,
        activity_type: wanted.activity_type,
        task_queue: wanted.task_queue.unwrap_or_else(|| run.started().task_queue.clone()),
        input: wanted.input,
        schedule_to_close_timeout,
        schedule_to_start_timeout,
        start_to_close_timeout,
        heartbeat_timeout,
        // Without a policy the default one holds: an activity is retried, unlike a workflow.
        retry_policy: with_defaults(wanted.retry_policy.unwrap_or_default()),
        workflow_task_completed_event_id: completed,
        header: wanted.header,
        priority: wanted.priority,
        user_metadata: wanted.user_metadata,
    })
}

fn initiated(run: &Run, completed: EventId, wanted: StartChildWorkflow) -> StartChildWorkflowInitiated {
    let run_timeout = wanted.workflow_run_timeout.into_iter().chain(wanted.workflow_execution_timeout).min();
    StartChildWorkflowInitiated {
        namespace: wanted.namespace.unwrap_or_else(|| run.namespace.clone()),
        workflow_id: wanted.workflow_id,
        workflow_type: wanted.workflow_type,
        task_queue: wanted.task_queue.unwrap_or_else(|| run.started().task_queue.clone()),
        input: wanted.input,
        workflow_execution_timeout: wanted.workflow_execution_timeout,
        workflow_run_timeout: run_timeout,
        workflow_task_timeout: task_timeout(wanted.workflow_task_timeout, run_timeout),
        parent_close_policy: wanted.parent_close_policy,
        control: wanted.control,
        workflow_task_completed_event_id: completed,
        workflow_id_reuse_policy: wanted.workflow_id_reuse_policy,
        retry_policy: wanted.retry_policy.map(with_defaults),
        cron_schedule: wanted.cron_schedule,
        header: wanted.header,
        memo: wanted.memo,
        search_attributes: wanted.search_attributes,
        priority: wanted.priority,
        user_metadata: wanted.user_metadata,
    }
}

fn cause_of(command: &Command) -> Cause {
    match command {
        Command::ScheduleActivityTask(_) => Cause::BadScheduleActivityAttributes,
        Command::RequestCancelActivityTask { .. } => Cause::BadRequestCancelActivityAttributes,
        Command::StartTimer { .. } => Cause::BadStartTimerAttributes,
        Command::CompleteWorkflowExecution { .. } => Cause::BadCompleteWorkflowExecutionAttributes,
        Command::FailWorkflowExecution { .. } => Cause::BadFailWorkflowExecutionAttributes,
        Command::CancelTimer { .. } => Cause::BadCancelTimerAttributes,
        Command::CancelWorkflowExecution { .. } => Cause::BadCancelWorkflowExecutionAttributes,
        Command::RequestCancelExternalWorkflowExecution { .. } => {
            Cause::BadRequestCancelExternalWorkflowExecutionAttributes
        }
        Command::RecordMarker { .. } => Cause::BadRecordMarkerAttributes,
        Command::ContinueAsNewWorkflowExecution(_) => Cause::BadContinueAsNewAttributes,
        Command::StartChildWorkflowExecution(_) => Cause::BadStartChildExecutionAttributes,
        Command::SignalExternalWorkflowExecution { .. } => Cause::BadSignalWorkflowExecutionAttributes,
        Command::UpsertWorkflowSearchAttributes { .. } => Cause::BadSearchAttributes,
        Command::ProtocolMessage { .. } => Cause::BadUpdateWorkflowExecutionMessage,
        Command::ModifyWorkflowProperties { .. } => Cause::BadModifyWorkflowPropertiesAttributes,
    }
}
