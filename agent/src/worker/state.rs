//! What workflow code and its executor share: what is waited for, what has come, and what was asked for in this turn.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::task::{Context as TaskContext, Waker};
use std::time::Duration;

use tidegate_engine::{Command, ScheduleActivity};
use tidegate_model::chance::Chance;
use tidegate_model::id::RunId;
use tidegate_model::payload::{Failure, Payloads};
use tidegate_model::time::Timestamp;

use super::context::WorkflowInfo;
use super::fault::Fault;

/// What the code and the executor share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) info: Rc<WorkflowInfo>,
    pub(super) now: Timestamp,
    pub(super) replaying: bool,
    chance: Chance,
    last_activity: u64,
    last_timer: u64,
    last_receiver: u64,
    activities: BTreeMap<String, Slot<Result<Payloads, Failure>>>,
    timers: BTreeMap<String, Slot<()>>,
    signals: BTreeMap<Rc<str>, Mailbox>,
    /// Asked for in this turn, in order.
    pub(super) commands: Vec<Command>,
    /// What the code did that cannot stand.
    pub(super) fault: Option<Fault>,
}

#[derive(Debug)]
enum Slot<T> {
    Waiting(Option<Waker>),
    Ready(Option<T>),
}

#[derive(Debug, Default)]
struct Mailbox {
    arrived: VecDeque<Payloads>,
    receivers: BTreeMap<u64, Waker>,
}

impl<T> Slot<T> {
    fn poll(&mut self, cx: &TaskContext<'_>) -> Option<T> {
        match self {
            Self::Ready(value) => Some(value.take().expect("a future is not polled again once it was ready")),
            Self::Waiting(waker) => {
                *waker = Some(cx.waker().clone());
                None
            }
        }
    }

    fn resolve(&mut self, value: T) -> Option<Waker> {
        match std::mem::replace(self, Self::Ready(Some(value))) {
            Self::Waiting(waker) => waker,
            Self::Ready(_) => None,
        }
    }

    fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting(_))
    }
}

// For the executor. What wakes somebody gives the wakers back, so that no one is woken while this is borrowed.
impl Shared {
    pub(super) fn new(info: Rc<WorkflowInfo>, now: Timestamp, original_run: RunId) -> Self {
        // Both halves of the id: its upper half is the time of the start, which runs may have in common.
        let bits = original_run.as_u128();
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).expect("masked to 64 bits");
        Self {
            info,
            now,
            replaying: true,
            chance: Chance::new(half(bits >> 64) ^ half(bits)),
            last_activity: 0,
            last_timer: 0,
            last_receiver: 0,
            activities: BTreeMap::new(),
            timers: BTreeMap::new(),
            signals: BTreeMap::new(),
            commands: Vec::new(),
            fault: None,
        }
    }

    /// An activity ended. Nobody may wait for it any more.
    pub(super) fn resolve_activity(&mut self, id: &str, result: Result<Payloads, Failure>) -> Option<Waker> {
        self.activities.get_mut(id).and_then(|slot| slot.resolve(result))
    }

    /// A timer fired. The code may have dropped it in this very turn: there is nothing to cancel any more then.
    pub(super) fn resolve_timer(&mut self, id: &str) -> Option<Waker> {
        self.commands
            .retain(|command| !matches!(command, Command::CancelTimer { timer_id } if timer_id == id));
        self.timers.get_mut(id).and_then(|slot| slot.resolve(()))
    }

    /// A signal arrived.
    pub(super) fn deliver_signal(&mut self, name: &str, input: Payloads) -> Vec<Waker> {
        let mailbox = self.mailbox(name);
        mailbox.arrived.push_back(input);
        mailbox.receivers.values().cloned().collect()
    }

    /// Whether anything that can still happen would bring the code on.
    pub(super) fn waits_for_something(&self) -> bool {
        self.activities.values().any(Slot::is_waiting)
            || self.timers.values().any(Slot::is_waiting)
            || self.signals.values().any(|mailbox| !mailbox.receivers.is_empty())
    }
}

// For the code, through its context.
impl Shared {
    pub(super) fn random(&mut self) -> u64 {
        self.chance.next_u64()
    }

    /// What the code did that cannot stand; the first is told.
    pub(super) fn fail(&mut self, what: String) {
        self.fault.get_or_insert(Fault::Unusable(what));
    }

    /// The id of another activity, which is waited for from now on.
    pub(super) fn begin_activity(&mut self) -> String {
        self.last_activity += 1;
        let id = self.last_activity.to_string();
        self.activities.insert(id.clone(), Slot::Waiting(None));
        id
    }

    pub(super) fn schedule_activity(&mut self, command: ScheduleActivity) {
        self.commands.push(Command::ScheduleActivityTask(command));
    }

    pub(super) fn poll_activity(
        &mut self,
        id: &str,
        cx: &TaskContext<'_>,
    ) -> Option<Result<Payloads, Failure>> {
        self.activities.get_mut(id).expect("the slot goes with its future").poll(cx)
    }

    pub(super) fn leave_activity(&mut self, id: &str) {
        self.activities.remove(id);
    }

    /// The id of another timer, which runs from now on.
    pub(super) fn start_timer(&mut self, duration: Duration) -> String {
        self.last_timer += 1;
        let id = self.last_timer.to_string();
        self.commands.push(Command::StartTimer {
            timer_id: id.clone(),
            start_to_fire_timeout: duration,
            user_metadata: None,
        });
        self.timers.insert(id.clone(), Slot::Waiting(None));
        id
    }

    pub(super) fn poll_timer(&mut self, id: &str, cx: &TaskContext<'_>) -> bool {
        self.timers.get_mut(id).expect("the slot goes with its future").poll(cx).is_some()
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
            None => self.commands.push(Command::CancelTimer { timer_id: id.to_owned() }),
        }
    }

    /// The number of another receiver of signals.
    pub(super) fn begin_receiver(&mut self) -> u64 {
        self.last_receiver += 1;
        self.last_receiver
    }

    pub(super) fn take_signal(&mut self, name: &str) -> Option<Payloads> {
        self.mailbox(name).arrived.pop_front()
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
        arrived
    }

    pub(super) fn leave_signal(&mut self, name: &str, receiver: u64) {
        self.mailbox(name).receivers.remove(&receiver);
    }

    fn mailbox(&mut self, name: &str) -> &mut Mailbox {
        self.signals.entry(name.into()).or_default()
    }
}
