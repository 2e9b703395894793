//! One run: its code, led through its history event by event, and the comparison of what it asks for with what it
//! asked for before. Reads no clock and does no I/O.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use tidegate_engine::{Command, WorkerMessage};
use tidegate_model::event::{Event, HistoryBatch, UpdateRequest};
use tidegate_model::id::{EventId, Namespace, RunId, WorkflowId};
use tidegate_model::limits::POLLS_PER_EVENT_MAX;
use tidegate_model::payload::{Failure, FailureInfo, Payloads, RetryState};
use tidegate_model::time::Timestamp;

use super::ahead::{self, Ahead};
use super::context::{CONTINUED, Context, WorkflowInfo};
use super::fault::{self, Fault};
use super::markers::{PATCH, is_change_version};
use super::outcome::{Ends, Outcome};
use super::panics;
use super::state;
use super::version::CodeVersion;
use super::wake::WakeWatch;
use super::watchdog;
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

/// What the code says when it has seen what there is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Turn {
    /// What it asks for.
    pub(super) commands: Vec<Command>,
    /// What it says to updates.
    pub(super) messages: Vec<WorkerMessage>,
    /// Which code says so, where the run's history does not know yet.
    pub(super) version: Option<CodeVersion>,
}

/// A run in memory.
pub(super) struct Replay {
    pub(super) cx: Context,
    code: Option<Code>,
    /// Handlers of updates at work, in the order the updates came.
    pub(super) updates: Vec<(String, Code)>,
    pub(super) watch: Arc<WakeWatch>,
    next_event: EventId,
    /// What the last turn asked for; the next events must be its traces. Absent before the first turn.
    asked: Option<Turn>,
    /// Requests that a reset has carried over, by the update's id.
    admitted: BTreeMap<String, UpdateRequest>,
    /// What the events that asked other executions for something are known by.
    initiated: BTreeMap<EventId, u64>,
    /// Activity ids by the event that scheduled them.
    scheduled: BTreeMap<EventId, ScheduledActivity>,
    /// Which code answered, as the history said last.
    version: Option<CodeVersion>,
    /// The code has returned.
    closed: bool,
    /// The present turn is not concluded.
    open_turn: bool,
}

/// An activity as failures name it.
#[derive(Debug)]
pub(super) struct ScheduledActivity {
    pub(super) id: String,
    pub(super) activity_type: String,
}

impl Replay {
    /// The run whose history begins with `first`.
    pub(super) fn begin(
        registry: &Registry,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: RunId,
        first: Option<&Entry>,
    ) -> Result<Self, Fault> {
        let Some(Entry { id: 1, time, event: Event::WorkflowExecutionStarted(started) }) = first else {
            return Err(Fault::BadHistory(
                "the history does not begin with WorkflowExecutionStarted".to_owned(),
            ));
        };
        let info = WorkflowInfo::of(namespace, workflow_id, run_id, *time, started);
        let cx = Context::new(info, started);
        let watch = WakeWatch::new();
        let begin = || registry.begin(&started.workflow_type, cx.clone(), &started.input);
        let code = panics::catch(|| watch.active(begin)).map_err(Fault::Panicked)??;
        Ok(Self {
            cx,
            code: Some(code),
            updates: Vec::new(),
            watch,
            next_event: 1,
            asked: None,
            admitted: BTreeMap::new(),
            initiated: BTreeMap::new(),
            scheduled: BTreeMap::new(),
            version: None,
            closed: false,
            open_turn: false,
        })
    }

    /// Id of the event to go on with.
    pub(super) fn next_event(&self) -> EventId {
        self.next_event
    }

    /// Which code answered last, as far as the history says.
    pub(super) fn recorded_version(&self) -> Option<&CodeVersion> {
        self.version.as_ref()
    }

    /// Leads the code through further events, which end with the start of the workflow task to be answered, and gives
    /// what it says in answer. A history that ends with the run's closing is compared to its end, and asks for
    /// nothing. `last` is what is known of the answer: the updates that are asked, or all of it in a repetition.
    pub(super) fn feed(&mut self, entries: Vec<Entry>, last: Ahead) -> Result<Turn, Fault> {
        self.lead(entries, last)?;
        self.conclude()
    }

    /// [`Replay::feed`] up to where the code may still be given the outcomes of local activities.
    pub(super) fn lead(&mut self, entries: Vec<Entry>, last: Ahead) -> Result<(), Fault> {
        if let Some(gap) = (self.next_event..).zip(&entries).find(|(expected, entry)| *expected != entry.id) {
            return Err(Fault::BadHistory(format!("event {} is missing from the history", gap.0)));
        }
        let mut rest = VecDeque::from(entries);
        let mut last = Some(last);
        while !rest.is_empty() {
            let turn = next_turn(&mut rest);
            for Entry { event, .. } in &turn {
                if let Event::WorkflowExecutionUpdateAdmitted { request } = event {
                    self.admitted.insert(request.update_id.clone(), (**request).clone());
                }
            }
            let ahead = match rest.is_empty() {
                true => last.take().unwrap_or_default(),
                false => ahead::look(&rest, &self.admitted),
            };
            self.conclude()?;
            self.take_turn(turn, ahead)?;
        }
        Ok(())
    }

    /// Ends the present turn: what the code says in answer.
    pub(super) fn conclude(&mut self) -> Result<Turn, Fault> {
        if std::mem::take(&mut self.open_turn) {
            let mut shared = self.cx.shared();
            if !self.closed && !shared.waits_for_something() {
                return Err(Fault::Undeterministic(
                    "the code waits for something that its context has not given it, so that nothing in its history can ever bring it on"
                        .to_owned(),
                ));
            }
            let (commands, messages) =
                (std::mem::take(&mut shared.commands), std::mem::take(&mut shared.messages));
            self.asked = Some(Turn { commands, messages, version: None });
        }
        Ok(self.asked.clone().unwrap_or_default())
    }

    /// The code has returned: nothing more can come of it.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// One turn: everything that had happened when a workflow task was started, in the order it happened. The code is
    /// polled after each event, so that of two things it waits for the one that happened first is the one it sees.
    fn take_turn(&mut self, turn: Vec<Entry>, ahead: Ahead) -> Result<(), Fault> {
        let started = turn.last().filter(|entry| matches!(entry.event, Event::WorkflowTaskStarted { .. }));
        {
            let mut shared = self.cx.shared();
            shared.replaying = ahead.is_answered;
            shared.markers.begin_turn(ahead.markers);
            for Entry { event, .. } in &turn {
                if let Event::WorkflowExecutionSignaled { signal_name, input, .. } = event {
                    shared.announce_signal(signal_name, input.clone());
                }
            }
            if let Some(Entry {
                id,
                time,
                event: Event::WorkflowTaskStarted { suggest_continue_as_new, .. },
            }) = started
            {
                shared.now = *time;
                shared.history_length = *id;
                shared.is_continue_as_new_suggested = *suggest_continue_as_new;
            }
        }
        let answered = started.is_some();
        let mut expected: VecDeque<Command> = VecDeque::new();
        let mut said = Vec::new();
        for entry in turn {
            self.next_event = entry.id + 1;
            if fault::is_command_event(&entry.event) {
                if is_forgotten_patch(&entry.event, expected.front()) {
                    continue;
                }
                fault::check(entry.id, &entry.event, expected.pop_front().as_ref(), &said)
                    .map_err(|fault| fault.answered_by(self.version.as_ref()))?;
            } else if let Some(surplus) = expected.front()
                && !is_answer_to_command(&entry.event)
            {
                let fault = fault::surplus(entry.id, &entry.event, surplus);
                return Err(fault.answered_by(self.version.as_ref()));
            }
            if let Event::WorkflowTaskCompleted { sdk_metadata, .. } = &entry.event {
                let said_so = sdk_metadata.as_ref().and_then(CodeVersion::of_payload);
                self.version = said_so.or(self.version.take());
                let asked = self.asked.take().ok_or_else(|| {
                    Fault::BadHistory(format!("event {} answers a task that was never started", entry.id))
                })?;
                expected = asked.commands.into();
                said = asked.messages;
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
            for update in ahead.updates {
                self.take_update(update, ahead.is_answered)?;
            }
            self.open_turn = true;
            self.take_local_markers()?;
        }
        Ok(())
    }

    fn take_event(&mut self, Entry { id, event, .. }: Entry) -> Result<(), Fault> {
        let wakers = match event {
            Event::WorkflowExecutionStarted(_) => Vec::new(),
            Event::ActivityTaskScheduled(scheduled) => {
                self.cx.shared().note_scheduled(&scheduled.activity_id, id);
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
            Event::WorkflowExecutionSignaled { signal_name, .. } => {
                self.cx.shared().deliver_signal(&signal_name)
            }
            Event::ActivityTaskCanceled { details, scheduled_event_id, started_event_id, .. } => {
                let activity = self.ended(id, scheduled_event_id)?;
                let mut failure = state::canceled("the activity was cancelled");
                failure.info = FailureInfo::Canceled { details };
                let state = RetryState::CancelRequested;
                let failure = wrapped(failure, &activity, scheduled_event_id, started_event_id, state);
                self.cx.shared().resolve_activity(&activity.id, Err(failure)).into_iter().collect()
            }
            Event::WorkflowExecutionCancelRequested { cause, .. } => self.cx.shared().request_cancel(cause),
            Event::RequestCancelExternalWorkflowExecutionInitiated { control, .. }
            | Event::SignalExternalWorkflowExecutionInitiated { control, .. } => {
                return self.initiated(id, &control);
            }
            Event::StartChildWorkflowExecutionInitiated(child) => return self.initiated(id, &child.control),
            Event::RequestCancelExternalWorkflowExecutionFailed { .. }
            | Event::ExternalWorkflowExecutionCancelRequested { .. }
            | Event::SignalExternalWorkflowExecutionFailed { .. }
            | Event::ExternalWorkflowExecutionSignaled { .. }
            | Event::StartChildWorkflowExecutionFailed { .. }
            | Event::ChildWorkflowExecutionStarted { .. }
            | Event::ChildWorkflowExecutionCompleted { .. }
            | Event::ChildWorkflowExecutionFailed { .. }
            | Event::ChildWorkflowExecutionCanceled { .. }
            | Event::ChildWorkflowExecutionTimedOut { .. }
            | Event::ChildWorkflowExecutionTerminated { .. } => {
                let Some(Outcome { initiated, ends, result }) = Outcome::of(event) else { return Ok(()) };
                self.take_outcome(id, initiated, ends, result)?
            }
            Event::ActivityTaskCancelRequested { .. }
            | Event::MarkerRecorded { .. }
            | Event::UpsertWorkflowSearchAttributes { .. }
            | Event::WorkflowPropertiesModified { .. }
            | Event::WorkflowExecutionUpdateAccepted { .. }
            | Event::WorkflowExecutionUpdateCompleted { .. }
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

    fn initiated(&mut self, id: EventId, control: &str) -> Result<(), Fault> {
        let mark = control.parse().map_err(|_| {
            Fault::BadHistory(format!("event {id} has the mark {control:?}, which is not this worker's"))
        })?;
        self.initiated.insert(id, mark);
        Ok(())
    }

    /// What came of a request to another execution: a child has a mark for its start and, behind it, one for its end.
    fn take_outcome(
        &mut self,
        id: EventId,
        initiated: EventId,
        ends: Ends,
        result: Result<Payloads, Failure>,
    ) -> Result<Vec<Waker>, Fault> {
        let mark = *self.initiated.get(&initiated).ok_or_else(|| {
            Fault::BadHistory(format!("event {id} answers event {initiated}, which asked nobody"))
        })?;
        let mut shared = self.cx.shared();
        Ok(match ends {
            Ends::Request | Ends::Start => shared.resolve_other(mark, result).into_iter().collect(),
            Ends::Child => shared.resolve_other(mark + 1, result).into_iter().collect(),
            Ends::StartAndChild => {
                let start = shared.resolve_other(mark, result.clone());
                start.into_iter().chain(shared.resolve_other(mark + 1, result)).collect()
            }
        })
    }

    /// Polls the code until it waits: handlers of updates first, in the order these came, so that the workflow's own
    /// code sees what they did. Once it has returned, events pass by.
    pub(super) fn poll(&mut self, wakers: Vec<Waker>) -> Result<(), Fault> {
        let Some(code) = &mut self.code else { return Ok(()) };
        let (waker, watch, updates, shared) = (self.watch.waker(), &self.watch, &mut self.updates, &self.cx);
        let mut outcome = None;
        let event = self.next_event.saturating_sub(1);
        panics::catch(|| {
            watch.active(|| {
                wakers.iter().for_each(Waker::wake_by_ref);
                drop(wakers);
                let cx = &mut TaskContext::from_waker(&waker);
                for _ in 0..POLLS_PER_EVENT_MAX {
                    watchdog::beat(event);
                    watch.take_woken();
                    shared.shared().progress = false;
                    for (id, mut handler) in std::mem::take(updates) {
                        match handler.as_mut().poll(cx) {
                            Poll::Ready(outcome) => {
                                let mut shared = shared.shared();
                                shared.handlers_at_work -= 1;
                                shared.respond(id, outcome);
                            }
                            Poll::Pending => updates.push((id, handler)),
                        }
                    }
                    if let Poll::Ready(output) = code.as_mut().poll(cx) {
                        outcome = Some(output);
                        return Ok(());
                    }
                    // Somebody got on, and may have changed what somebody else waits to hold.
                    let waiting = shared.shared().conditions_to_look_at();
                    waiting.iter().for_each(Waker::wake_by_ref);
                    if !watch.take_woken() && waiting.is_empty() {
                        return Ok(());
                    }
                }
                Err(Fault::PotentialDeadlock(format!(
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

    fn close(&mut self, outcome: Result<Payloads, Failure>) {
        self.closed = true;
        self.drop_code();
        let mut shared = self.cx.shared();
        if shared.handlers_at_work > 0 && !shared.replaying {
            tracing::warn!(
                workflow_id = %shared.info.workflow_id,
                run_id = %shared.info.run_id,
                handlers = shared.handlers_at_work,
                "the run ends with handlers of updates at work; all_handlers_finished tells when they are done"
            );
        }
        let continued = shared.continued.take();
        let canceled = shared.cancel_requested.is_some();
        shared.commands.push(match (outcome, continued) {
            (Ok(result), _) => Command::CompleteWorkflowExecution { result },
            (Err(failure), Some(next)) if is_continuation(&failure) => {
                Command::ContinueAsNewWorkflowExecution(next)
            }
            (Err(failure), _) => match cancellation(&failure).filter(|_| canceled) {
                Some(details) => Command::CancelWorkflowExecution { details },
                None => Command::FailWorkflowExecution { failure },
            },
        });
    }

    /// Dropping code runs its destructors: those may panic, or wake what they hold.
    fn drop_code(&mut self) {
        let (code, updates) = (self.code.take(), std::mem::take(&mut self.updates));
        let watch = &self.watch;
        if let Err(panic) = panics::catch(|| watch.active(|| drop((code, updates)))) {
            tracing::warn!(panic, "workflow code panicked while it was dropped");
        }
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.drop_code();
        // Handlers hold the context that holds them.
        let handlers = std::mem::take(&mut self.cx.shared().handlers);
        let watch = &self.watch;
        if let Err(panic) = panics::catch(|| watch.active(|| drop(handlers))) {
            tracing::warn!(panic, "a handler of workflow code panicked while it was dropped");
        }
    }
}

/// New code that is the only code by now need not ask any more: what an older release wrote of it is passed over.
fn is_forgotten_patch(event: &Event, expected: Option<&Command>) -> bool {
    if let Event::MarkerRecorded { marker_name, details, .. } = event {
        let is_asked = matches!(expected, Some(Command::RecordMarker { marker_name: name, details: of, .. })
            if name == marker_name && of == details);
        return marker_name == PATCH && !is_asked;
    }
    if let Event::UpsertWorkflowSearchAttributes { search_attributes, .. } = event {
        let is_asked = matches!(expected, Some(Command::UpsertWorkflowSearchAttributes { search_attributes })
            if is_change_version(search_attributes));
        return is_change_version(search_attributes) && !is_asked;
    }
    false
}

/// The engine answers some commands at once, between the traces of others.
fn is_answer_to_command(event: &Event) -> bool {
    matches!(event, Event::ActivityTaskCanceled { .. })
}

fn is_continuation(failure: &Failure) -> bool {
    matches!(&failure.info, FailureInfo::Application { kind, .. } if kind == CONTINUED)
}

/// What a failure says of a cancellation, if it is one: of the run itself, or of an activity or child that was
/// cancelled with it.
fn cancellation(failure: &Failure) -> Option<Payloads> {
    match &failure.info {
        FailureInfo::Canceled { details } => Some(details.clone()),
        FailureInfo::Activity { .. } | FailureInfo::ChildWorkflow { .. } => {
            failure.cause.as_deref().and_then(cancellation)
        }
        FailureInfo::Application { .. }
        | FailureInfo::Timeout { .. }
        | FailureInfo::Server { .. }
        | FailureInfo::Terminated
        | FailureInfo::ResetWorkflow { .. } => None,
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
pub(super) fn wrapped(
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
