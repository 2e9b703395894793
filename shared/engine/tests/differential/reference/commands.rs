//! What the commands of a workflow task become: all of it, or none.

use std::collections::BTreeSet;

use tidegate_engine::{Command, ScheduleActivity, StartChildWorkflow, WorkflowTaskCompletion};
use tidegate_model::event::{
    ActivityTaskScheduled, Event, StartChildWorkflowInitiated, WorkflowTaskFailedCause as Cause,
};
use tidegate_model::id::{EventId, RunId, WorkflowId};

use super::Reference;
use super::run::Run;
use super::start::{task_timeout, with_defaults};
use super::tasks::{Planned, closes};

/// A command that cannot be carried out.
type Bad = (Cause, String);

/// The run as it will be after the commands so far.
struct After {
    timers: BTreeSet<(String, EventId)>,
    activities: BTreeSet<String>,
    children: BTreeSet<WorkflowId>,
}

impl Reference {
    pub(super) fn events_of_commands(
        &mut self,
        run_id: RunId,
        completion: &WorkflowTaskCompletion,
    ) -> Result<Planned, Bad> {
        let completed = completion.token.started_event_id + 1;
        let run = self.run(run_id).clone();
        let mut after = After {
            timers: run.timers().into_iter().map(|(id, (name, _))| (name, id)).collect(),
            activities: run.activities().values().map(|activity| activity.activity_id.clone()).collect(),
            children: BTreeSet::new(),
        };
        let mut planned = Planned { events: Vec::new(), taken_back: Vec::new(), successor: None };
        let mut last = None;
        for (at, command) in completion.commands.iter().enumerate() {
            let is_last = at + 1 == completion.commands.len();
            if closes(command) && !is_last {
                return Err((cause_of(command), String::from("it must be the last")));
            }
            if closes(command) {
                last = Some(command.clone());
                continue;
            }
            let id = completed + 1 + at as EventId;
            let event =
                event_of(&run, &mut after, &mut planned, completed, id, command, &completion.identity)?;
            planned.events.push(event);
        }
        if let Some(last) = last {
            let waits = !self.flushed_without(run_id, &planned.taken_back).is_empty();
            if waits {
                return Err((Cause::UnhandledCommand, String::from("UnhandledCommand")));
            }
            let event = self.end_by(run_id, completed, last, &mut planned);
            planned.events.push(event);
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
        match command {
            Command::CompleteWorkflowExecution { result } => {
                planned.successor = self.after_success(run_id, &result);
                Event::WorkflowExecutionCompleted {
                    result,
                    workflow_task_completed_event_id: completed,
                    new_execution_run_id: planned.successor.as_ref().map(|(_, _, run_id, _)| *run_id),
                }
            }
            Command::FailWorkflowExecution { failure } => {
                let (retry_state, successor) = self.after_failure(run_id, &failure);
                planned.successor = successor;
                Event::WorkflowExecutionFailed {
                    failure,
                    retry_state,
                    workflow_task_completed_event_id: completed,
                    new_execution_run_id: planned.successor.as_ref().map(|(_, _, run_id, _)| *run_id),
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

fn event_of(
    run: &Run,
    after: &mut After,
    planned: &mut Planned,
    completed: EventId,
    id: EventId,
    command: &Command,
    identity: &str,
) -> Result<Event, Bad> {
    let bad = |reason: &str| (cause_of(command), reason.to_owned());
    Ok(match command.clone() {
        Command::ScheduleActivityTask(activity) => {
            if !after.activities.insert(activity.activity_id.clone()) {
                return Err((Cause::ScheduleActivityDuplicateId, String::new()));
            }
            Event::ActivityTaskScheduled(Box::new(scheduled(run, completed, activity)))
        }
        Command::StartTimer { timer_id, start_to_fire_timeout, user_metadata } => {
            if after.timers.iter().any(|(name, _)| *name == timer_id) {
                return Err((Cause::StartTimerDuplicateId, String::new()));
            }
            after.timers.insert((timer_id.clone(), id));
            Event::TimerStarted {
                timer_id,
                start_to_fire_timeout,
                workflow_task_completed_event_id: completed,
                user_metadata,
            }
        }
        Command::CancelTimer { timer_id } => {
            let open = after.timers.iter().find(|(name, _)| *name == timer_id).cloned();
            let fired = run.buffer.iter().find_map(|event| match event {
                Event::TimerFired { timer_id: fired, started_event_id }
                    if *fired == timer_id && !planned.taken_back.contains(started_event_id) =>
                {
                    Some(*started_event_id)
                }
                _ => None,
            });
            let started_event_id = match (open, fired) {
                (Some(open), _) => {
                    after.timers.remove(&open);
                    open.1
                }
                (None, Some(fired)) => {
                    planned.taken_back.push(fired);
                    fired
                }
                (None, None) => return Err(bad("it is not open")),
            };
            Event::TimerCanceled {
                timer_id,
                started_event_id,
                workflow_task_completed_event_id: completed,
                identity: identity.to_owned(),
            }
        }
        Command::StartChildWorkflowExecution(child) => {
            after.children.insert(child.workflow_id.clone());
            Event::StartChildWorkflowExecutionInitiated(Box::new(initiated(run, completed, *child)))
        }
        Command::SignalExternalWorkflowExecution {
            target,
            signal_name,
            input,
            control,
            child_workflow_only,
            header,
        } => Event::SignalExternalWorkflowExecutionInitiated {
            workflow_task_completed_event_id: completed,
            target: Box::new(target),
            signal_name,
            input,
            control,
            child_workflow_only,
            header,
        },
        Command::RequestCancelExternalWorkflowExecution { target, control, child_workflow_only, reason } => {
            if after.children.contains(&target.workflow_id) {
                return Err(bad("it is begun by the same task"));
            }
            Event::RequestCancelExternalWorkflowExecutionInitiated {
                workflow_task_completed_event_id: completed,
                target: Box::new(target),
                control,
                child_workflow_only,
                reason,
            }
        }
        Command::RecordMarker { marker_name, details, header, failure, user_metadata } => {
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
                return Err(bad("it is not registered"));
            }
            Event::UpsertWorkflowSearchAttributes {
                workflow_task_completed_event_id: completed,
                search_attributes,
            }
        }
        Command::ModifyWorkflowProperties { upserted_memo } => {
            Event::WorkflowPropertiesModified { workflow_task_completed_event_id: completed, upserted_memo }
        }
        other => panic!("the reference has not learned {other:?}"),
    })
}

fn scheduled(run: &Run, completed: EventId, wanted: ScheduleActivity) -> ActivityTaskScheduled {
    // What is left out follows from the time the run has, and nothing is longer than that.
    let run_timeout = run.started().workflow_run_timeout;
    ActivityTaskScheduled {
        activity_id: wanted.activity_id,
        activity_type: wanted.activity_type,
        task_queue: wanted.task_queue.unwrap_or_else(|| run.started().task_queue.clone()),
        input: wanted.input,
        schedule_to_close_timeout: run_timeout,
        schedule_to_start_timeout: run_timeout,
        start_to_close_timeout: run_timeout.into_iter().chain([wanted.start_to_close_timeout]).min(),
        heartbeat_timeout: None,
        // Without a policy the default one holds: an activity is retried, unlike a workflow.
        retry_policy: with_defaults(wanted.retry_policy.unwrap_or_default()),
        workflow_task_completed_event_id: completed,
        header: wanted.header,
        priority: wanted.priority,
        user_metadata: wanted.user_metadata,
    }
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
