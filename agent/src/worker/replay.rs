//! One run: its code, led through its history event by event, and the comparison of what it asks for with what it
//! asked for before. Reads no clock and does no I/O.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use tidegate_engine::Command;
use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::id::{EventId, RunId, WorkflowId};
use tidegate_model::limits::POLLS_PER_EVENT_MAX;
use tidegate_model::payload::{Failure, FailureInfo, RetryState};
use tidegate_model::time::Timestamp;

use super::context::{Context, WorkflowInfo};
use super::fault::{self, Fault};
use super::panics;
use super::wake::WakeWatch;
use super::workflow::{Code, Registry};

/// An event with its place and time.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) id: EventId,
    pub(super) time: Timestamp,
    pub(super) event: Event,
}

/// The events of batches, one by one.
pub(super) fn entries(batches: Vec<HistoryBatch>) -> Vec<Entry> {
    batches
        .into_iter()
        .flat_map(|batch| {
            let time = batch.event_time;
            (batch.first_event_id..).zip(batch.events).map(move |(id, event)| Entry { id, time, event })
        })
        .collect()
}

/// A run in memory.
pub(super) struct Replay {
    cx: Context,
    code: Option<Code>,
    watch: Arc<WakeWatch>,
    next_event: EventId,
    /// What the last turn asked for; the next events must be its traces. Absent before the first turn.
    asked: Option<Vec<Command>>,
    /// Activity ids by the event that scheduled them.
    scheduled: BTreeMap<EventId, ScheduledActivity>,
    /// The code has returned.
    closed: bool,
}

#[derive(Debug)]
struct ScheduledActivity {
    id: String,
    activity_type: String,
}

impl Replay {
    /// The run whose history begins with `first`.
    pub(super) fn begin(
        registry: &Registry,
        workflow_id: &WorkflowId,
        run_id: RunId,
        first: Option<&Entry>,
    ) -> Result<Self, Fault> {
        let Some(Entry { id: 1, time, event: Event::WorkflowExecutionStarted(started) }) = first else {
            return Err(Fault::BadHistory(
                "the history does not begin with WorkflowExecutionStarted".to_owned(),
            ));
        };
        let info = WorkflowInfo {
            workflow_id: workflow_id.clone(),
            run_id,
            workflow_type: started.workflow_type.clone(),
            task_queue: started.task_queue.clone(),
        };
        let cx = Context::new(info, *time, started.original_execution_run_id);
        let watch = WakeWatch::new();
        let begin = || registry.begin(&started.workflow_type, cx.clone(), &started.input);
        let code = panics::catch(|| watch.active(begin)).map_err(Fault::Panicked)??;
        Ok(Self {
            cx,
            code: Some(code),
            watch,
            next_event: 1,
            asked: None,
            scheduled: BTreeMap::new(),
            closed: false,
        })
    }

    /// Id of the event to go on with.
    pub(super) fn next_event(&self) -> EventId {
        self.next_event
    }

    /// Leads the code through further events, which end with the start of the workflow task to be answered, and gives
    /// what it asks for in answer. A history that ends with the run's closing is compared to its end, and asks for
    /// nothing.
    pub(super) fn feed(&mut self, entries: Vec<Entry>) -> Result<Vec<Command>, Fault> {
        if let Some(gap) = (self.next_event..).zip(&entries).find(|(expected, entry)| *expected != entry.id) {
            return Err(Fault::BadHistory(format!("event {} is missing from the history", gap.0)));
        }
        let mut rest = VecDeque::from(entries);
        while !rest.is_empty() {
            let turn = next_turn(&mut rest);
            self.take_turn(turn, !rest.is_empty())?;
        }
        Ok(self.asked.clone().unwrap_or_default())
    }

    /// The code has returned: nothing more can come of it.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// One turn: everything that had happened when a workflow task was started, in the order it happened. The code is
    /// polled after each event, so that of two things it waits for the one that happened first is the one it sees.
    fn take_turn(&mut self, turn: Vec<Entry>, replaying: bool) -> Result<(), Fault> {
        let started = turn.last().filter(|entry| matches!(entry.event, Event::WorkflowTaskStarted { .. }));
        {
            let mut shared = self.cx.shared();
            shared.replaying = replaying;
            shared.now = started.map_or(shared.now, |entry| entry.time);
        }
        let answered = started.is_some();
        let mut expected: VecDeque<Command> = VecDeque::new();
        for entry in turn {
            self.next_event = entry.id + 1;
            if fault::is_command_event(&entry.event) {
                fault::check(entry.id, &entry.event, expected.pop_front().as_ref())?;
            } else if let Some(surplus) = expected.front() {
                return Err(fault::surplus(entry.id, &entry.event, surplus));
            }
            if matches!(entry.event, Event::WorkflowTaskCompleted { .. }) {
                let asked = self.asked.take().ok_or_else(|| {
                    Fault::BadHistory(format!("event {} answers a task that was never started", entry.id))
                })?;
                expected = asked.into();
            } else {
                self.take_event(entry)?;
            }
        }
        if let Some(surplus) = expected.front() {
            let end =
                Fault::BadHistory(format!("the history ends before the trace of a command: {surplus:?}"));
            return Err(end);
        }
        if answered {
            let mut shared = self.cx.shared();
            if !self.closed && !shared.waits_for_something() {
                return Err(Fault::Undeterministic(
                    "the code waits for something that is not an activity, a timer or a signal of its context, so \
                     that nothing in its history can ever bring it on"
                        .to_owned(),
                ));
            }
            self.asked = Some(std::mem::take(&mut shared.commands));
        }
        Ok(())
    }

    fn take_event(&mut self, Entry { id, event, .. }: Entry) -> Result<(), Fault> {
        let wakers = match event {
            Event::WorkflowExecutionStarted(_) => Vec::new(),
            Event::ActivityTaskScheduled(scheduled) => {
                let activity =
                    ScheduledActivity { id: scheduled.activity_id, activity_type: scheduled.activity_type };
                self.scheduled.insert(id, activity);
                return Ok(());
            }
            Event::ActivityTaskCompleted { result, scheduled_event_id, .. } => {
                let activity = self.ended(id, scheduled_event_id)?;
                self.cx.shared().resolve_activity(&activity.id, Ok(result)).into_iter().collect()
            }
            Event::ActivityTaskFailed {
                failure, scheduled_event_id, started_event_id, retry_state, ..
            }
            | Event::ActivityTaskTimedOut { failure, scheduled_event_id, started_event_id, retry_state } => {
                let activity = self.ended(id, scheduled_event_id)?;
                let failure = wrapped(failure, &activity, scheduled_event_id, started_event_id, retry_state);
                self.cx.shared().resolve_activity(&activity.id, Err(failure)).into_iter().collect()
            }
            Event::TimerFired { timer_id, .. } => {
                self.cx.shared().resolve_timer(&timer_id).into_iter().collect()
            }
            Event::WorkflowExecutionSignaled { signal_name, input, .. } => {
                self.cx.shared().deliver_signal(&signal_name, input)
            }
            Event::ActivityTaskCancelRequested { .. }
            | Event::MarkerRecorded { .. }
            | Event::RequestCancelExternalWorkflowExecutionInitiated { .. }
            | Event::SignalExternalWorkflowExecutionInitiated { .. }
            | Event::StartChildWorkflowExecutionInitiated(_)
            | Event::UpsertWorkflowSearchAttributes { .. }
            | Event::WorkflowPropertiesModified { .. }
            | Event::WorkflowExecutionUpdateAccepted { .. }
            | Event::WorkflowExecutionUpdateCompleted { .. }
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
            | Event::WorkflowExecutionCanceled { .. }
            | Event::WorkflowExecutionContinuedAsNew(_)
            | Event::WorkflowExecutionTimedOut { .. }
            | Event::WorkflowExecutionTerminated { .. }
            | Event::WorkflowTaskScheduled { .. }
            | Event::WorkflowTaskStarted { .. }
            | Event::WorkflowTaskCompleted { .. }
            | Event::WorkflowTaskTimedOut { .. }
            | Event::WorkflowTaskFailed { .. }
            | Event::ActivityTaskStarted { .. }
            | Event::TimerStarted { .. }
            | Event::TimerCanceled { .. }
            | Event::WorkflowExecutionCompleted { .. }
            | Event::WorkflowExecutionFailed { .. } => return Ok(()),
        };
        self.poll(wakers)
    }

    fn ended(&mut self, id: EventId, scheduled: EventId) -> Result<ScheduledActivity, Fault> {
        self.scheduled.remove(&scheduled).ok_or_else(|| {
            Fault::BadHistory(format!("event {id} ends the activity of event {scheduled}, which is not open"))
        })
    }

    /// Polls the code until it waits. Once it has returned, events pass by.
    fn poll(&mut self, wakers: Vec<Waker>) -> Result<(), Fault> {
        let Some(code) = &mut self.code else { return Ok(()) };
        let waker = self.watch.waker();
        let watch = &self.watch;
        let mut outcome = None;
        panics::catch(|| {
            watch.active(|| {
                wakers.iter().for_each(Waker::wake_by_ref);
                for _ in 0..POLLS_PER_EVENT_MAX {
                    watch.take_woken();
                    if let Poll::Ready(output) = code.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
                        outcome = Some(output);
                        return Ok(());
                    }
                    if !watch.take_woken() {
                        return Ok(());
                    }
                }
                Err(Fault::Unusable(format!(
                    "the code woke itself {POLLS_PER_EVENT_MAX} times without waiting (limit POLLS_PER_EVENT_MAX)"
                )))
            })
        })
        .map_err(blame)??;
        if self.watch.is_foreign() {
            return Err(Fault::Undeterministic(
                "the code was woken by something other than its own context: another thread, a runtime, or a channel \
                 shared with another run; a replay cannot repeat that"
                    .to_owned(),
            ));
        }
        if let Some(fault) = self.cx.shared().fault.take() {
            return Err(fault);
        }
        if let Some(outcome) = outcome {
            self.close(outcome);
        }
        Ok(())
    }

    fn close(&mut self, outcome: Result<tidegate_model::payload::Payloads, Failure>) {
        self.closed = true;
        self.code = None;
        self.cx.shared().commands.push(match outcome {
            Ok(result) => Command::CompleteWorkflowExecution { result },
            Err(failure) => Command::FailWorkflowExecution { failure },
        });
    }
}

impl Drop for Replay {
    // Dropping code runs its destructors: those may panic, or wake what they hold.
    fn drop(&mut self) {
        let code = self.code.take();
        let watch = &self.watch;
        if let Err(panic) = panics::catch(|| watch.active(|| drop(code))) {
            tracing::warn!(panic, "workflow code panicked while it was dropped");
        }
    }
}

/// Cuts off the events up to the start of the next workflow task that was answered, or that is to be answered now.
fn next_turn(rest: &mut VecDeque<Entry>) -> Vec<Entry> {
    let mut turn = Vec::new();
    while let Some(entry) = rest.pop_front() {
        let started = matches!(entry.event, Event::WorkflowTaskStarted { .. });
        turn.push(entry);
        let next = rest.front().map(|entry| &entry.event);
        if started && matches!(next, None | Some(Event::WorkflowTaskCompleted { .. })) {
            break;
        }
    }
    turn
}

/// A panic of tokio's own says that code looked for a runtime; that is not a bug in it but a wrong tool.
fn blame(panic: String) -> Fault {
    if panic.contains("there is no reactor running")
        || panic.contains("must be called from the context of a Tokio")
    {
        return Fault::Undeterministic(format!(
            "the code uses the runtime, which a replay cannot repeat; use the timers and activities of its context \
             ({panic})"
        ));
    }
    Fault::Panicked(panic)
}

/// An activity's failure as a workflow sees it: which activity, and why not again, with the failure as its cause.
fn wrapped(
    cause: Failure,
    activity: &ScheduledActivity,
    scheduled_event_id: EventId,
    started_event_id: EventId,
    retry_state: RetryState,
) -> Failure {
    Failure {
        message: format!("activity {} failed: {}", activity.activity_type, cause.message),
        source: "Tidegate".to_owned(),
        stack_trace: String::new(),
        encoded_attributes: None,
        info: FailureInfo::Activity {
            scheduled_event_id,
            started_event_id,
            activity_type: activity.activity_type.clone(),
            activity_id: activity.id.clone(),
            retry_state,
            identity: String::new(),
        },
        cause: Some(Box::new(cause)),
    }
}
