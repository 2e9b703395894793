//! The rules of history, written down a second time, from the outside: records in, complaints out.
//!
//! Knows nothing of how the engine comes to its records. `planted_faults` shows that it notices when one is wrong.

/// Says what is broken unless it holds.
macro_rules! must {
    ($holds:expr, $($rule:tt)*) => {
        if !$holds {
            return Err(format!($($rule)*));
        }
    };
}

mod updates;
mod chain;
mod others;

use std::collections::{BTreeMap, BTreeSet};

use tidegate_engine::{Record, StateChange};
use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::id::{EventId, RunId};
use tidegate_model::payload::{FailureInfo, TimeoutType};
use tidegate_model::time::Timestamp;

use chain::Chains;
use others::{Begun, Others};
use updates::Updates;

/// A rule that is broken, in words.
pub(crate) type Broken = String;

/// See the module.
#[derive(Default)]
pub(crate) struct Checker {
    runs: BTreeMap<RunId, Seen>,
    chains: Chains,
    begun: Begun,
}

/// What was seen of a run.
#[derive(Default)]
struct Seen {
    last: EventId,
    time: Timestamp,
    closed: bool,
    /// It waits for the time of its first workflow task.
    waits: bool,
    /// It is being copied from another run, whose attempts it has not.
    copied: bool,
    task: Task,
    previous_task_failed: bool,
    /// Something came from outside since a workflow task was last started.
    news: bool,
    buffer: Vec<Event>,
    timers: BTreeMap<EventId, String>,
    activities: BTreeMap<EventId, Attempt>,
    /// By the event that asked.
    asked_to_cancel: BTreeMap<EventId, EventId>,
    paused: BTreeSet<EventId>,
    signal_request_ids: BTreeSet<String>,
    updates: Updates,
    others: Others,
}

#[derive(Default, Clone, Copy, PartialEq, Debug)]
enum Task {
    #[default]
    None,
    Scheduled(EventId),
    Out {
        scheduled: EventId,
        started: EventId,
    },
    /// Out, and not in history.
    TransientOut,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Attempt {
    Waiting,
    Out,
}

impl Checker {
    /// Reads one record.
    pub(crate) fn take(&mut self, record: &Record) -> Result<(), Broken> {
        match record {
            Record::History(batch) => {
                self.begun.take(batch, self.chains.is_copy(batch.run_id))?;
                self.chains.take(batch)?;
                self.runs.entry(batch.run_id).or_default().take_batch(batch)
            }
            Record::State(StateChange::WorkflowReset { run_id, new_run_id, .. }) => {
                self.runs.entry(*new_run_id).or_default().copied = true;
                self.chains.fork(*run_id, *new_run_id)
            }
            Record::State(change) => match change.run_id() {
                Some(run_id) => self.runs.entry(run_id).or_default().take_change(change),
                None => self.take_forgotten(change),
            },
        }
    }

    /// Only what has closed is forgotten, and once.
    fn take_forgotten(&mut self, change: &StateChange) -> Result<(), Broken> {
        let StateChange::RunsForgotten { runs } = change else { return Ok(()) };
        for run_id in runs {
            let seen = self.runs.remove(run_id).ok_or(format!("run {run_id} is forgotten, and unknown"))?;
            must!(seen.closed, "run {run_id} is forgotten, and open");
        }
        Ok(())
    }

    /// To be called when a step is over.
    pub(crate) fn settled(&self) -> Result<(), Broken> {
        self.chains.settled()?;
        others::settled(&self.runs, &self.chains)?;
        for (run_id, seen) in &self.runs {
            must!(
                seen.buffer.is_empty() || seen.is_out() || seen.closed,
                "run {run_id}: something waits in the buffer although no workflow task is out"
            );
            must!(
                seen.closed || !seen.news || seen.waits || matches!(seen.task, Task::Scheduled(_)),
                "run {run_id}: something is new, and no workflow task will see it"
            );
        }
        Ok(())
    }
}

/// What is pending in a run, as its history has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) is_open: bool,
    pub(crate) events: u64,
    pub(crate) activities: usize,
    pub(crate) timers: usize,
}

impl Checker {
    /// The activities of a run that are open, by their scheduled events.
    pub(crate) fn open_activities(&self, run_id: RunId) -> Vec<EventId> {
        self.runs.get(&run_id).into_iter().flat_map(|seen| seen.activities.keys().copied()).collect()
    }

    pub(crate) fn pending(&self, run_id: RunId) -> Pending {
        let seen = self.runs.get(&run_id).expect("a run that was seen");
        let open = usize::from(!seen.closed);
        Pending {
            is_open: !seen.closed,
            events: seen.last,
            activities: seen.activities.len() * open,
            timers: seen.timers.len() * open,
        }
    }
}

impl Seen {
    fn is_out(&self) -> bool {
        matches!(self.task, Task::Out { .. } | Task::TransientOut)
    }

    fn take_change(&mut self, change: &StateChange) -> Result<(), Broken> {
        must!(self.last > 0 && !self.closed, "a change of a run that is not open");
        match change {
            StateChange::TransientTaskStarted { time, .. } => {
                must!(
                    self.task == Task::None && self.previous_task_failed,
                    "a transient task follows a failure"
                );
                must!(*time >= self.time, "time goes back");
                self.task = Task::TransientOut;
            }
            StateChange::TransientTaskEnded { .. } => {
                must!(self.task == Task::TransientOut, "a transient task that was not out ends");
                self.task = Task::None;
            }
            StateChange::Buffered { events, .. } => {
                must!(self.is_out(), "events are buffered while no workflow task is out");
                for event in events {
                    self.take_outside(event)?;
                }
                self.buffer.extend(events.iter().cloned());
            }
            StateChange::StickyBound { .. } | StateChange::StickyReleased { .. } => {}
            StateChange::UpdateRejected { update_id, .. } => self.updates.reject(update_id)?,
            StateChange::ParentTold { .. } | StateChange::ChildLeft { .. } => {}
            StateChange::WorkflowReset { .. } => unreachable!("it is of two runs"),
            StateChange::ActivityStarted { scheduled_event_id, .. } => {
                let paused = self.paused.contains(scheduled_event_id);
                must!(!paused, "activity {scheduled_event_id} is handed out although it is paused");
                self.attempt(*scheduled_event_id, Attempt::Waiting, Attempt::Out)?;
            }
            StateChange::ActivityRetried { scheduled_event_id, .. } => {
                let asked = self.asked_to_cancel.contains_key(scheduled_event_id);
                must!(!asked, "activity {scheduled_event_id} is tried again although it is to be cancelled");
                self.attempt(*scheduled_event_id, Attempt::Out, Attempt::Waiting)?;
            }
            StateChange::ActivityHeartbeat { scheduled_event_id, .. } => {
                self.attempt(*scheduled_event_id, Attempt::Out, Attempt::Out)?;
            }
            StateChange::ActivityPaused { scheduled_event_id, .. } => {
                self.open_activity(*scheduled_event_id)?;
                must!(
                    self.paused.insert(*scheduled_event_id),
                    "activity {scheduled_event_id} is paused twice"
                );
            }
            StateChange::ActivityUnpaused { scheduled_event_id, .. } => {
                self.open_activity(*scheduled_event_id)?;
                must!(self.paused.remove(scheduled_event_id), "activity {scheduled_event_id} was not paused");
            }
            StateChange::ActivityReset { scheduled_event_id, keep_paused, .. } => {
                self.open_activity(*scheduled_event_id)?;
                if !keep_paused {
                    self.paused.remove(scheduled_event_id);
                }
            }
            StateChange::ActivityOptionsUpdated { scheduled_event_id, .. } => {
                self.open_activity(*scheduled_event_id)?;
            }
            StateChange::RunsForgotten { .. } | StateChange::Namespace(_) | StateChange::Schedule(_) => {
                return Err(String::from("it is of no open run"));
            }
        }
        Ok(())
    }

    fn open_activity(&self, activity: EventId) -> Result<Attempt, Broken> {
        self.activities.get(&activity).copied().ok_or(format!("activity {activity} is not open"))
    }

    fn attempt(&mut self, activity: EventId, from: Attempt, to: Attempt) -> Result<(), Broken> {
        let attempt = self.open_activity(activity)?;
        must!(attempt == from, "activity {activity} goes from {attempt:?} to {to:?}");
        self.activities.insert(activity, to);
        Ok(())
    }

    fn take_batch(&mut self, batch: &HistoryBatch) -> Result<(), Broken> {
        must!(!batch.events.is_empty(), "an empty batch");
        must!(batch.first_event_id == self.last + 1, "{} follows {}", batch.first_event_id, self.last);
        must!(batch.event_time >= self.time, "time goes back");
        self.time = batch.event_time;
        let mut completed = None;
        let mut flushed = Vec::new();
        let mut canceled = BTreeSet::new();
        let mut ended_by_command = false;
        for (id, event) in batch.numbered() {
            must!(!self.closed, "{id} {} after the end", event.type_name());
            must!(
                (id == 1) == matches!(event, Event::WorkflowExecutionStarted(_)),
                "{id} {}",
                event.type_name()
            );
            if let Some(asked_by) = asked_by(event) {
                must!(completed == Some(asked_by), "{id} {} is not right behind its task", event.type_name());
            } else if is_about_update(event) {
                must!(completed.is_some(), "{id} {} is not right behind its task", event.type_name());
            } else {
                completed = None;
            }
            self.updates.take(id, event)?;
            if let Event::WorkflowTaskCompleted { .. } = event {
                completed = Some(id);
            }
            if chain::is_forked_at(event, batch.run_id) {
                self.copied = false;
            }
            if let Event::TimerCanceled { started_event_id, .. } = event {
                canceled.insert(*started_event_id);
            }
            if is_outside(event) {
                must!(!self.is_out(), "{id} {} while a workflow task is out", event.type_name());
                if self.is_ended_by_command(batch, event) {
                    ended_by_command = true;
                    self.take_outside(event)?;
                } else {
                    must!(!ended_by_command, "{id} {} after the end of an activity", event.type_name());
                    flushed.push(unnumbered(event));
                    if self.buffer.is_empty() {
                        self.take_outside(event)?;
                    }
                }
                Self::check_started_of_end(batch, event)?;
                self.others.flushed(id, event)?;
                self.news |= !matches!(event, Event::WorkflowExecutionOptionsUpdated { .. });
            } else {
                self.take_inside(id, event)?;
                self.others.asked(id, event);
            }
        }
        if !self.buffer.is_empty() && !self.is_out() {
            let gone = |event: &Event| matches!(event, Event::TimerFired { started_event_id, .. } if canceled.contains(started_event_id));
            let kept = self.buffer.drain(..).filter(|event| !gone(event));
            let (ends, mut expected): (Vec<Event>, Vec<Event>) = kept.partition(is_end);
            expected.extend(ends);
            // The start of a child may have had its id before the child's end came.
            expected.iter_mut().for_each(others::forget_start);
            must!(expected == flushed, "what waited is flushed, all of it and in order");
        }
        self.last = batch.last_event_id();
        Ok(())
    }

    /// What the workflow's own tasks and commands bring.
    fn take_inside(&mut self, id: EventId, event: &Event) -> Result<(), Broken> {
        match event {
            Event::WorkflowExecutionStarted(started) => {
                self.news = true;
                self.waits = !started.first_workflow_task_backoff.is_zero();
            }
            Event::WorkflowExecutionCompleted { .. }
            | Event::WorkflowExecutionCanceled { .. }
            | Event::WorkflowExecutionContinuedAsNew(_) => self.closed = true,
            Event::WorkflowExecutionTimedOut { .. } | Event::WorkflowExecutionTerminated { .. } => {
                self.closed = true;
            }
            Event::ActivityTaskCancelRequested { scheduled_event_id, .. } => {
                let waits = self.buffer.iter().any(|waits| end_of(waits) == Some(*scheduled_event_id));
                must!(
                    waits || self.activities.contains_key(scheduled_event_id),
                    "{id}: activity {scheduled_event_id} is not open"
                );
                let before = self.asked_to_cancel.insert(*scheduled_event_id, id);
                must!(before.is_none(), "{id}: activity {scheduled_event_id} is asked to cancel twice");
            }
            Event::MarkerRecorded { .. }
            | Event::RequestCancelExternalWorkflowExecutionInitiated { .. }
            | Event::SignalExternalWorkflowExecutionInitiated { .. }
            | Event::StartChildWorkflowExecutionInitiated(_)
            | Event::UpsertWorkflowSearchAttributes { .. }
            | Event::WorkflowPropertiesModified { .. }
            | Event::WorkflowExecutionUpdateAccepted { .. }
            | Event::WorkflowExecutionUpdateCompleted { .. } => {}
            Event::WorkflowExecutionFailed { .. } => self.closed = true,
            Event::WorkflowTaskScheduled { attempt, .. } => {
                match self.task {
                    Task::None => {}
                    Task::TransientOut => {
                        must!(*attempt > 1, "the pair of a transient task says its attempt");
                    }
                    Task::Scheduled(_) | Task::Out { .. } => {
                        return Err(format!("{id}: a second workflow task"));
                    }
                }
                self.task = Task::Scheduled(id);
                self.waits = false;
            }
            Event::WorkflowTaskStarted { scheduled_event_id, .. } => {
                must!(self.task == Task::Scheduled(*scheduled_event_id), "{id}: {:?} is started", self.task);
                self.task = Task::Out { scheduled: *scheduled_event_id, started: id };
                self.news = false;
            }
            Event::WorkflowTaskCompleted { scheduled_event_id, started_event_id, .. } => {
                self.end_task(*scheduled_event_id, *started_event_id)?;
                self.previous_task_failed = false;
            }
            Event::WorkflowTaskFailed { scheduled_event_id, started_event_id, .. }
            | Event::WorkflowTaskTimedOut { scheduled_event_id, started_event_id, .. } => {
                self.end_task(*scheduled_event_id, *started_event_id)?;
                self.previous_task_failed = true;
            }
            Event::ActivityTaskScheduled(_) => {
                self.activities.insert(id, Attempt::Waiting);
            }
            Event::TimerStarted { timer_id, .. } => {
                must!(!self.timers.values().any(|open| open == timer_id), "{id}: a second timer {timer_id}");
                self.timers.insert(id, timer_id.clone());
            }
            Event::TimerCanceled { timer_id, started_event_id, .. } => {
                let waits =
                    Event::TimerFired { timer_id: timer_id.clone(), started_event_id: *started_event_id };
                let open = self.timers.remove(started_event_id);
                must!(
                    open.as_ref() == Some(timer_id) || self.buffer.contains(&waits),
                    "{id}: {timer_id} is not open"
                );
            }
            Event::ActivityTaskStarted { .. }
            | Event::ActivityTaskCompleted { .. }
            | Event::ActivityTaskFailed { .. }
            | Event::ActivityTaskTimedOut { .. }
            | Event::TimerFired { .. }
            | Event::ActivityTaskCanceled { .. }
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
            | Event::WorkflowExecutionSignaled { .. } => unreachable!("comes from outside"),
        }
        Ok(())
    }

    fn end_task(&mut self, scheduled: EventId, started: EventId) -> Result<(), Broken> {
        let expected =
            if started == 0 { Task::Scheduled(scheduled) } else { Task::Out { scheduled, started } };
        must!(self.task == expected, "{expected:?} ends, but there is {:?}", self.task);
        self.task = Task::None;
        Ok(())
    }

    /// What comes from outside, when it comes: into the buffer or into history.
    fn take_outside(&mut self, event: &Event) -> Result<(), Broken> {
        self.others.arrived(event)?;
        match event {
            Event::ActivityTaskStarted { scheduled_event_id, request_id, .. } => {
                let attempt = self.activities.get(scheduled_event_id);
                // Whoever gives the result of one that no worker has, begins it by that.
                let begun = attempt == Some(&Attempt::Waiting) && request_id.is_empty();
                must!(
                    attempt == Some(&Attempt::Out) || begun || (self.copied && attempt.is_some()),
                    "activity {scheduled_event_id} is started, but {attempt:?}"
                );
                self.activities.insert(*scheduled_event_id, Attempt::Out);
            }
            Event::ActivityTaskCompleted { scheduled_event_id, .. }
            | Event::ActivityTaskFailed { scheduled_event_id, .. } => {
                let attempt = self.activities.remove(scheduled_event_id);
                let was_out = attempt == Some(Attempt::Out) || (self.copied && attempt.is_some());
                must!(was_out, "activity {scheduled_event_id} ends, but {attempt:?}");
            }
            Event::ActivityTaskTimedOut { scheduled_event_id, failure, .. } => {
                let attempt = self.activities.remove(scheduled_event_id);
                let FailureInfo::Timeout { timeout_type, .. } = &failure.info else {
                    return Err(format!("activity {scheduled_event_id} times out, and says {failure:?}"));
                };
                let expected = match timeout_type {
                    TimeoutType::ScheduleToStart => attempt == Some(Attempt::Waiting),
                    TimeoutType::ScheduleToClose => attempt.is_some(),
                    TimeoutType::StartToClose | TimeoutType::Heartbeat => attempt == Some(Attempt::Out),
                };
                must!(expected, "activity {scheduled_event_id}: {timeout_type:?}, but {attempt:?}");
                must!(!self.paused.contains(scheduled_event_id), "activity {scheduled_event_id} is paused");
            }
            Event::ActivityTaskCanceled { scheduled_event_id, latest_cancel_requested_event_id, .. } => {
                let attempt = self.activities.remove(scheduled_event_id);
                must!(attempt.is_some(), "activity {scheduled_event_id} ends, but is not open");
                let asked = self.asked_to_cancel.get(scheduled_event_id);
                must!(
                    asked == Some(latest_cancel_requested_event_id),
                    "activity {scheduled_event_id} is cancelled for {latest_cancel_requested_event_id}, not {asked:?}"
                );
            }
            Event::TimerFired { timer_id, started_event_id } => {
                let open = self.timers.remove(started_event_id);
                must!(open.as_ref() == Some(timer_id), "timer {timer_id} fires, but is not open");
            }
            Event::WorkflowExecutionSignaled { request_id, .. } => {
                let is_new = request_id.is_empty() || self.signal_request_ids.insert(request_id.clone());
                must!(is_new, "signal {request_id} is applied twice");
            }
            Event::WorkflowExecutionCancelRequested { .. }
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
            | Event::WorkflowExecutionOptionsUpdated { .. } => {}
            Event::WorkflowExecutionStarted(_)
            | Event::WorkflowExecutionCanceled { .. }
            | Event::WorkflowExecutionContinuedAsNew(_)
            | Event::WorkflowExecutionTimedOut { .. }
            | Event::WorkflowExecutionTerminated { .. }
            | Event::ActivityTaskCancelRequested { .. }
            | Event::MarkerRecorded { .. }
            | Event::RequestCancelExternalWorkflowExecutionInitiated { .. }
            | Event::SignalExternalWorkflowExecutionInitiated { .. }
            | Event::StartChildWorkflowExecutionInitiated(_)
            | Event::UpsertWorkflowSearchAttributes { .. }
            | Event::WorkflowPropertiesModified { .. }
            | Event::WorkflowExecutionUpdateAccepted { .. }
            | Event::WorkflowExecutionUpdateCompleted { .. }
            | Event::WorkflowExecutionCompleted { .. }
            | Event::WorkflowExecutionFailed { .. }
            | Event::WorkflowTaskScheduled { .. }
            | Event::WorkflowTaskStarted { .. }
            | Event::WorkflowTaskCompleted { .. }
            | Event::WorkflowTaskTimedOut { .. }
            | Event::WorkflowTaskFailed { .. }
            | Event::ActivityTaskScheduled(_)
            | Event::TimerStarted { .. }
            | Event::TimerCanceled { .. } => {
                return Err(format!("{} does not come from outside", event.type_name()));
            }
        }
        Ok(())
    }

    /// Whether a command of this batch ended an activity that no worker had.
    fn is_ended_by_command(&self, batch: &HistoryBatch, event: &Event) -> bool {
        let Event::ActivityTaskCanceled { scheduled_event_id, latest_cancel_requested_event_id, .. } = event
        else {
            return false;
        };
        *latest_cancel_requested_event_id >= batch.first_event_id
            && self.activities.get(scheduled_event_id) == Some(&Attempt::Waiting)
    }

    /// The end of an activity refers to its start, in the same batch; to none when no worker had it.
    fn check_started_of_end(batch: &HistoryBatch, event: &Event) -> Result<(), Broken> {
        let (Event::ActivityTaskCompleted { scheduled_event_id, started_event_id, .. }
        | Event::ActivityTaskFailed { scheduled_event_id, started_event_id, .. }
        | Event::ActivityTaskTimedOut { scheduled_event_id, started_event_id, .. }
        | Event::ActivityTaskCanceled { scheduled_event_id, started_event_id, .. }) = event
        else {
            return Ok(());
        };
        let its_start = |event: &Event| matches!(event, Event::ActivityTaskStarted { scheduled_event_id: of, .. } if of == scheduled_event_id);
        let start = batch.numbered().find(|(_, event)| its_start(event)).map_or(0, |(id, _)| id);
        let may_have_none =
            matches!(event, Event::ActivityTaskTimedOut { .. } | Event::ActivityTaskCanceled { .. });
        must!(
            *started_event_id == start && (start != 0 || may_have_none),
            "the end of activity {scheduled_event_id} refers to {started_event_id}, not its start"
        );
        Ok(())
    }
}

/// The workflow task whose command an event comes from.
fn asked_by(event: &Event) -> Option<EventId> {
    if let Event::ActivityTaskScheduled(scheduled) = event {
        Some(scheduled.workflow_task_completed_event_id)
    } else if let Event::ActivityTaskCancelRequested { workflow_task_completed_event_id, .. }
    | Event::TimerStarted { workflow_task_completed_event_id, .. }
    | Event::TimerCanceled { workflow_task_completed_event_id, .. }
    | Event::WorkflowExecutionCompleted { workflow_task_completed_event_id, .. }
    | Event::WorkflowExecutionFailed { workflow_task_completed_event_id, .. }
    | Event::WorkflowExecutionCanceled { workflow_task_completed_event_id, .. } = event
    {
        Some(*workflow_task_completed_event_id)
    } else if let Event::WorkflowExecutionContinuedAsNew(as_new) = event {
        Some(as_new.workflow_task_completed_event_id)
    } else {
        others::asked_by(event)
    }
}

/// What a message about an update becomes: it does not say of which task.
fn is_about_update(event: &Event) -> bool {
    matches!(
        event,
        Event::WorkflowExecutionUpdateAccepted { .. } | Event::WorkflowExecutionUpdateCompleted { .. }
    )
}

fn is_end(event: &Event) -> bool {
    end_of(event).is_some() || others::end_of_child(event).is_some()
}

/// The activity an event is the end of.
fn end_of(event: &Event) -> Option<EventId> {
    if let Event::ActivityTaskCompleted { scheduled_event_id, .. }
    | Event::ActivityTaskFailed { scheduled_event_id, .. }
    | Event::ActivityTaskTimedOut { scheduled_event_id, .. }
    | Event::ActivityTaskCanceled { scheduled_event_id, .. } = event
    {
        Some(*scheduled_event_id)
    } else {
        None
    }
}

fn is_outside(event: &Event) -> bool {
    let is_message = matches!(
        event,
        Event::ActivityTaskStarted { .. }
            | Event::TimerFired { .. }
            | Event::WorkflowExecutionSignaled { .. }
            | Event::WorkflowExecutionCancelRequested { .. }
            | Event::WorkflowExecutionUpdateAdmitted { .. }
            | Event::WorkflowExecutionOptionsUpdated { .. }
    );
    is_message || is_end(event) || others::is_outcome(event)
}

/// As it was before it had an id, and those it refers to had.
fn unnumbered(event: &Event) -> Event {
    let mut event = event.clone();
    if let Event::ActivityTaskCompleted { started_event_id, .. }
    | Event::ActivityTaskFailed { started_event_id, .. }
    | Event::ActivityTaskTimedOut { started_event_id, .. }
    | Event::ActivityTaskCanceled { started_event_id, .. } = &mut event
    {
        *started_event_id = 0;
    }
    others::forget_start(&mut event);
    event
}
