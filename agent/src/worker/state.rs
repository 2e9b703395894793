//! What workflow code and its executor share: what is waited for, what has come, and what was asked for in this turn.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tidegate_engine::{Command, ContinueAsNew, ScheduleActivity, WorkerMessage};
use tidegate_model::chance::Chance;
use tidegate_model::event::WorkflowExecutionStarted;
use tidegate_model::id::EventId;
use tidegate_model::payload::{Failure, FailureInfo, Header, Payloads};
use tidegate_model::time::Timestamp;

use super::context::WorkflowInfo;
use super::fault::Fault;
use super::handlers::Handlers;
use super::local_state::Locals;
use super::markers::Markers;
use super::workflow::from_payloads;

/// What the code and the executor share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) info: Rc<WorkflowInfo>,
    /// How the run began, without its input.
    pub(super) started: WorkflowExecutionStarted,
    pub(super) now: Timestamp,
    pub(super) replaying: bool,
    pub(super) is_continue_as_new_suggested: bool,
    /// Events up to the present turn.
    pub(super) history_length: u64,
    /// What is remembered with the run, as the code has changed it.
    pub(super) memo: Header,
    /// What the run is found by, as the code has changed it.
    pub(super) search_attributes: Header,
    /// Handlers of updates that have not come to their end.
    pub(super) handlers_at_work: usize,
    chance: Chance,
    last_activity: u64,
    last_timer: u64,
    last_receiver: u64,
    last_mark: u64,
    activities: BTreeMap<String, Slot<Result<Payloads, Failure>>>,
    /// The events that scheduled those that are open.
    scheduled: BTreeMap<String, EventId>,
    /// Those of them that were asked to end.
    canceled: BTreeSet<EventId>,
    timers: BTreeMap<String, Slot<()>>,
    signals: BTreeMap<Rc<str>, Mailbox>,
    /// What is awaited of other executions.
    others: BTreeMap<u64, Slot<Result<Payloads, Failure>>>,
    /// Why the run is to end, once somebody has asked for it.
    pub(super) cancel_requested: Option<String>,
    cancel_waiters: BTreeMap<u64, Waker>,
    conditions: BTreeMap<u64, Waker>,
    /// Whether the code got hold of something since it was last looked at.
    pub(super) progress: bool,
    pub(super) handlers: Handlers,
    pub(super) markers: Markers,
    pub(super) locals: Locals,
    /// The run that is to follow this one.
    pub(super) continued: Option<Box<ContinueAsNew>>,
    /// What is being done that must change nothing.
    pub(super) read_only: Option<&'static str>,
    /// Asked for in this turn, in order.
    pub(super) commands: Vec<Command>,
    /// Said to updates in this turn.
    pub(super) messages: Vec<WorkerMessage>,
    /// What the code did that cannot stand.
    pub(super) fault: Option<Fault>,
}

/// A place for what is waited for.
#[derive(Debug)]
pub(super) enum Slot<T> {
    Waiting(Option<Waker>),
    Ready(Option<T>),
}

#[derive(Debug, Default)]
struct Mailbox {
    /// Those whose event the code has been led to.
    arrived: VecDeque<Payloads>,
    /// Those that come later in the present turn.
    ahead: VecDeque<Payloads>,
    /// How many of them were received before their event.
    taken_ahead: usize,
    receivers: BTreeMap<u64, Waker>,
}

impl<T> Slot<T> {
    pub(super) fn poll(&mut self, cx: &TaskContext<'_>) -> Option<T> {
        match self {
            Self::Ready(value) => Some(value.take().expect("a future is not polled again once it was ready")),
            Self::Waiting(waker) => {
                *waker = Some(cx.waker().clone());
                None
            }
        }
    }

    pub(super) fn resolve(&mut self, value: T) -> Option<Waker> {
        match std::mem::replace(self, Self::Ready(Some(value))) {
            Self::Waiting(waker) => waker,
            Self::Ready(_) => None,
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting(_))
    }
}

// For the executor. What wakes somebody gives the wakers back, so that no one is woken while this is borrowed.
impl Shared {
    pub(super) fn new(info: WorkflowInfo, started: &WorkflowExecutionStarted) -> Self {
        // Both halves of the id: its upper half is the time of the start, which runs may have in common.
        let bits = started.original_execution_run_id.as_u128();
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).expect("masked to 64 bits");
        Self {
            now: info.start_time,
            info: Rc::new(info),
            memo: started.memo.clone(),
            search_attributes: started.search_attributes.clone(),
            started: WorkflowExecutionStarted { input: Payloads::new(), ..started.clone() },
            is_continue_as_new_suggested: false,
            history_length: 0,
            handlers_at_work: 0,
            replaying: true,
            chance: Chance::new(half(bits >> 64) ^ half(bits)),
            last_activity: 0,
            last_timer: 0,
            last_receiver: 0,
            last_mark: 0,
            activities: BTreeMap::new(),
            scheduled: BTreeMap::new(),
            canceled: BTreeSet::new(),
            timers: BTreeMap::new(),
            signals: BTreeMap::new(),
            others: BTreeMap::new(),
            cancel_requested: None,
            cancel_waiters: BTreeMap::new(),
            conditions: BTreeMap::new(),
            progress: false,
            handlers: Handlers::default(),
            markers: Markers::default(),
            locals: Locals::default(),
            continued: None,
            read_only: None,
            commands: Vec::new(),
            messages: Vec::new(),
            fault: None,
        }
    }

    /// An activity was scheduled by this event.
    pub(super) fn note_scheduled(&mut self, id: &str, scheduled: EventId) {
        self.scheduled.insert(id.to_owned(), scheduled);
    }

    /// An activity ended. Nobody may wait for it any more. The code may have cancelled it in this very turn.
    pub(super) fn resolve_activity(&mut self, id: &str, result: Result<Payloads, Failure>) -> Option<Waker> {
        if let Some(ended) = self.scheduled.remove(id) {
            self.commands.retain(|command| {
                !matches!(command, Command::RequestCancelActivityTask { scheduled_event_id } if *scheduled_event_id == ended)
            });
        }
        self.activities.get_mut(id).and_then(|slot| slot.resolve(result))
    }

    /// A timer fired. The code may have dropped it in this very turn: there is nothing to cancel any more then.
    pub(super) fn resolve_timer(&mut self, id: &str) -> Option<Waker> {
        self.commands
            .retain(|command| !matches!(command, Command::CancelTimer { timer_id } if timer_id == id));
        if self.locals.take_timer(id) {
            self.timers.remove(id);
            return None;
        }
        self.timers.get_mut(id).and_then(|slot| slot.resolve(()))
    }

    /// A signal will arrive in the turn that begins.
    pub(super) fn announce_signal(&mut self, name: &str, input: Payloads) {
        self.mailbox(name).ahead.push_back(input);
    }

    /// It has arrived.
    pub(super) fn deliver_signal(&mut self, name: &str) -> Vec<Waker> {
        let mailbox = self.mailbox(name);
        if mailbox.taken_ahead > 0 {
            mailbox.taken_ahead -= 1;
            return Vec::new();
        }
        let input = mailbox.ahead.pop_front().expect("a turn announces its signals");
        mailbox.arrived.push_back(input);
        mailbox.receivers.values().cloned().collect()
    }

    /// Something came of a request to another execution.
    pub(super) fn resolve_other(&mut self, mark: u64, result: Result<Payloads, Failure>) -> Option<Waker> {
        self.others.get_mut(&mark).and_then(|slot| slot.resolve(result))
    }

    /// Somebody asks the run to end.
    pub(super) fn request_cancel(&mut self, cause: String) -> Vec<Waker> {
        self.cancel_requested.get_or_insert(cause);
        self.cancel_waiters.values().cloned().collect()
    }

    /// Those who wait for a condition of the code's own, if any of the code got on since this was asked.
    pub(super) fn conditions_to_look_at(&mut self) -> Vec<Waker> {
        if std::mem::take(&mut self.progress) {
            self.conditions.values().cloned().collect()
        } else {
            Vec::new()
        }
    }

    /// Whether anything that can still happen would bring the code on.
    pub(super) fn waits_for_something(&self) -> bool {
        !self.conditions.is_empty()
            || self.locals.are_waited_for()
            || !self.cancel_waiters.is_empty()
            || self.others.values().any(Slot::is_waiting)
            || self.activities.values().any(Slot::is_waiting)
            || self.timers.values().any(Slot::is_waiting)
            || self.signals.values().any(|mailbox| !mailbox.receivers.is_empty())
    }
}

// For the code, through its context.
impl Shared {
    /// Asks for something in this turn.
    pub(super) fn push(&mut self, command: Command) {
        match self.read_only {
            Some(who) => self.fail(format!("{who} may change nothing, but it asks for a command")),
            None => self.commands.push(command),
        }
    }

    pub(super) fn random(&mut self) -> u64 {
        if let Some(who) = self.read_only {
            self.fail(format!("{who} may change nothing, but it draws a random number"));
        }
        self.chance.next_u64()
    }

    /// What the code did that cannot stand; the first is told.
    pub(super) fn fail(&mut self, what: String) {
        self.fault.get_or_insert(Fault::Unusable(what));
    }

    /// What the code is given of a result that its history has. One that it cannot read was right when it was written, so
    /// the code is to blame: the run waits for better code.
    pub(super) fn output<T: DeserializeOwned>(
        &mut self,
        what: fmt::Arguments<'_>,
        result: Result<Payloads, Failure>,
    ) -> Poll<Result<T, Failure>> {
        let payloads = match result {
            Ok(payloads) => payloads,
            Err(failure) => return Poll::Ready(Err(failure)),
        };
        match from_payloads(&payloads) {
            Ok(output) => Poll::Ready(Ok(output)),
            Err(reason) => {
                self.fail(format!("the result of {what} is not what the code expects: {reason}"));
                Poll::Pending
            }
        }
    }

    /// The code asks for what its history does not have.
    pub(super) fn disagree(&mut self, what: String) {
        self.fault.get_or_insert(Fault::Undeterministic(what));
    }

    /// The id of another activity, which is waited for from now on.
    pub(super) fn begin_activity(&mut self) -> String {
        self.last_activity += 1;
        let id = self.last_activity.to_string();
        self.activities.insert(id.clone(), Slot::Waiting(None));
        id
    }

    pub(super) fn schedule_activity(&mut self, command: ScheduleActivity) {
        self.push(Command::ScheduleActivityTask(command));
    }

    /// Asks for an activity to end early. One that was asked for in this very turn is not scheduled at all.
    pub(super) fn cancel_activity(&mut self, id: &str) -> Option<Waker> {
        let slot = self.activities.get_mut(id).filter(|slot| slot.is_waiting())?;
        if let Some(scheduled_event_id) = self.scheduled.get(id).copied() {
            let command = Command::RequestCancelActivityTask { scheduled_event_id };
            if self.canceled.insert(scheduled_event_id) {
                self.push(command);
            }
            return None;
        }
        self.commands.retain(
            |command| !matches!(command, Command::ScheduleActivityTask(activity) if activity.activity_id == id),
        );
        slot.resolve(Err(canceled("the activity was cancelled before it was scheduled")))
    }

    pub(super) fn poll_activity(
        &mut self,
        id: &str,
        cx: &TaskContext<'_>,
    ) -> Option<Result<Payloads, Failure>> {
        let result = self.activities.get_mut(id).expect("the slot goes with its future").poll(cx);
        self.progress |= result.is_some();
        result
    }

    pub(super) fn leave_activity(&mut self, id: &str) {
        self.activities.remove(id);
    }

    /// The id of another timer, which runs from now on.
    pub(super) fn start_timer(&mut self, duration: Duration) -> String {
        self.last_timer += 1;
        let id = self.last_timer.to_string();
        self.push(Command::StartTimer {
            timer_id: id.clone(),
            start_to_fire_timeout: duration,
            user_metadata: None,
        });
        self.timers.insert(id.clone(), Slot::Waiting(None));
        id
    }

    pub(super) fn poll_timer(&mut self, id: &str, cx: &TaskContext<'_>) -> bool {
        let fired = self.timers.get_mut(id).expect("the slot goes with its future").poll(cx).is_some();
        self.progress |= fired;
        fired
    }

    /// A timer that has not fired is cancelled.
    pub(super) fn leave_timer(&mut self, id: &str) {
        if self.timers.remove(id).is_none_or(|slot| !slot.is_waiting()) {
            return;
        }
        let started = self
            .commands
            .iter()
            .position(|command| matches!(command, Command::StartTimer { timer_id, .. } if timer_id == id));
        match started {
            // Wished for and given up in one turn: the engine need not hear of it.
            Some(at) => drop(self.commands.remove(at)),
            None => self.push(Command::CancelTimer { timer_id: id.to_owned() }),
        }
    }

    /// The number of another receiver of signals.
    pub(super) fn begin_receiver(&mut self) -> u64 {
        self.last_receiver += 1;
        self.last_receiver
    }

    /// The next signal that is in the history by the present turn, whether or not the code has been led to it: whoever
    /// is about to leave must be able to take them all.
    pub(super) fn take_signal(&mut self, name: &str) -> Option<Payloads> {
        let mailbox = self.mailbox(name);
        let signal = mailbox.arrived.pop_front().or_else(|| {
            let ahead = mailbox.ahead.pop_front()?;
            mailbox.taken_ahead += 1;
            Some(ahead)
        });
        self.progress |= signal.is_some();
        signal
    }

    pub(super) fn poll_signal(
        &mut self,
        name: &str,
        receiver: u64,
        cx: &TaskContext<'_>,
    ) -> Option<Payloads> {
        let mailbox = self.mailbox(name);
        let arrived = mailbox.arrived.pop_front();
        if arrived.is_none() {
            mailbox.receivers.insert(receiver, cx.waker().clone());
        }
        self.progress |= arrived.is_some();
        arrived
    }

    pub(super) fn leave_signal(&mut self, name: &str, receiver: u64) {
        self.mailbox(name).receivers.remove(&receiver);
    }

    /// The number under which something of another execution is awaited from now on.
    pub(super) fn begin_other(&mut self) -> u64 {
        self.last_mark += 1;
        self.others.insert(self.last_mark, Slot::Waiting(None));
        self.last_mark
    }

    pub(super) fn poll_other(
        &mut self,
        mark: u64,
        cx: &TaskContext<'_>,
    ) -> Option<Result<Payloads, Failure>> {
        let result = self.others.get_mut(&mark).expect("the slot goes with its future").poll(cx);
        self.progress |= result.is_some();
        result
    }

    pub(super) fn is_other_waiting(&self, mark: u64) -> bool {
        self.others.get(&mark).is_some_and(Slot::is_waiting)
    }

    pub(super) fn leave_other(&mut self, mark: u64) {
        self.others.remove(&mark);
    }

    pub(super) fn poll_cancelled(&mut self, receiver: u64, cx: &TaskContext<'_>) -> Option<String> {
        let cause = self.cancel_requested.clone();
        match cause {
            Some(_) => self.progress = true,
            None => drop(self.cancel_waiters.insert(receiver, cx.waker().clone())),
        }
        cause
    }

    pub(super) fn leave_cancelled(&mut self, receiver: u64) {
        self.cancel_waiters.remove(&receiver);
    }

    pub(super) fn await_condition(&mut self, receiver: u64, cx: &TaskContext<'_>) {
        self.conditions.insert(receiver, cx.waker().clone());
    }

    pub(super) fn leave_condition(&mut self, receiver: u64) {
        self.conditions.remove(&receiver);
    }

    fn mailbox(&mut self, name: &str) -> &mut Mailbox {
        self.signals.entry(name.into()).or_default()
    }
}

/// What a cancelled thing ends with.
pub(super) fn canceled(message: impl Into<String>) -> Failure {
    Failure {
        info: FailureInfo::Canceled { details: Payloads::new() },
        ..Failure::application(message, "Canceled", true)
    }
}
