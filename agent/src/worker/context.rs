//! What workflow code has of the world. Each wish becomes a command; each future waits for the event that answers it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tidegate_engine::{Command, ScheduleActivity};
use tidegate_model::chance::Chance;
use tidegate_model::id::{RunId, TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, Header, Payloads, RetryPolicy};
use tidegate_model::time::Timestamp;

use super::fault::Fault;
use super::workflow::{Activity, from_payloads, to_payloads};

/// How long an attempt of an activity may take unless the workflow says otherwise.
const START_TO_CLOSE_DEFAULT: Duration = Duration::from_secs(60);

/// A workflow's access to the world. Cheap to clone; stays on the workflow thread.
#[derive(Debug, Clone)]
pub struct Context {
    shared: Rc<RefCell<Shared>>,
}

/// Which run the code is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowInfo {
    /// The execution.
    pub workflow_id: WorkflowId,
    /// The run of it.
    pub run_id: RunId,
    /// Its type.
    pub workflow_type: String,
    /// Where its tasks come from.
    pub task_queue: TaskQueue,
}

impl Context {
    /// Asks for an activity. The call is made when it is awaited, or by [`ActivityCall::start`].
    pub fn activity<A: Activity>(&self, input: A::Input) -> ActivityCall<A> {
        ActivityCall {
            cx: self.clone(),
            input,
            start_to_close: START_TO_CLOSE_DEFAULT,
            retry: None,
            task_queue: None,
        }
    }

    /// A durable timer, running from now on. Dropping it before it fires cancels it.
    pub fn timer(&self, duration: Duration) -> Timer {
        let id = self.shared.borrow_mut().start_timer(duration);
        Timer { shared: Rc::clone(&self.shared), id, done: false }
    }

    /// Signals of this name. They are kept from the start of the run until they are received, each once.
    pub fn signal<T: DeserializeOwned>(&self, name: &str) -> Signal<T> {
        Signal { shared: Rc::clone(&self.shared), name: name.into(), value: PhantomData }
    }

    /// The run's time: when its present turn was started. Stands still within a turn, and is the same in a replay.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.borrow().now
    }

    /// A random number that a replay draws again. Not for secrets: it follows from the run's id.
    #[must_use]
    pub fn random(&self) -> u64 {
        self.shared.borrow_mut().chance.next_u64()
    }

    /// Which run this is.
    #[must_use]
    pub fn info(&self) -> Rc<WorkflowInfo> {
        Rc::clone(&self.shared.borrow().info)
    }

    /// Whether the code is being led through what it did before. For logs alone: nothing may depend on it.
    #[must_use]
    pub fn is_replaying(&self) -> bool {
        self.shared.borrow().replaying
    }

    pub(super) fn new(info: WorkflowInfo, now: Timestamp, original_run: RunId) -> Self {
        // Both halves of the id: its upper half is the time of the start, which runs may have in common.
        let bits = original_run.as_u128();
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).expect("masked to 64 bits");
        let shared = Shared {
            info: Rc::new(info),
            now,
            replaying: true,
            chance: Chance::new(half(bits >> 64) ^ half(bits)),
            last_activity: 0,
            last_timer: 0,
            activities: BTreeMap::new(),
            timers: BTreeMap::new(),
            signals: BTreeMap::new(),
            last_receiver: 0,
            commands: Vec::new(),
            fault: None,
        };
        Self { shared: Rc::new(RefCell::new(shared)) }
    }

    /// For the executor, which never holds it while workflow code runs.
    pub(super) fn shared(&self) -> std::cell::RefMut<'_, Shared> {
        self.shared.borrow_mut()
    }
}

/// An activity that can still be furnished with options.
#[derive(Debug)]
#[must_use = "nothing is asked for before the call is awaited or started"]
pub struct ActivityCall<A: Activity> {
    cx: Context,
    input: A::Input,
    start_to_close: Duration,
    retry: Option<RetryPolicy>,
    task_queue: Option<TaskQueue>,
}

impl<A: Activity> ActivityCall<A> {
    /// How long one attempt may take; above zero. One minute unless said.
    pub fn start_to_close(mut self, duration: Duration) -> Self {
        self.start_to_close = duration;
        self
    }

    /// How it is tried again. Temporal's default unless said: for ever, with growing pauses.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Where its workers poll. The run's own queue unless said.
    pub fn task_queue(mut self, queue: TaskQueue) -> Self {
        self.task_queue = Some(queue);
        self
    }

    /// Makes the call now, to be awaited later or beside others.
    pub fn start(self) -> ActivityFuture<A::Output> {
        let mut shared = self.cx.shared.borrow_mut();
        shared.last_activity += 1;
        let id = shared.last_activity.to_string();
        match to_payloads(&self.input) {
            Ok(input) => {
                let command = ScheduleActivity {
                    activity_id: id.clone(),
                    activity_type: A::TYPE.to_owned(),
                    task_queue: self.task_queue,
                    input,
                    start_to_close_timeout: self.start_to_close,
                    retry_policy: self.retry,
                    header: Header::new(),
                };
                shared.commands.push(Command::ScheduleActivityTask(command));
            }
            Err(reason) => {
                shared.fail(format!("the input of activity {} has no JSON form: {reason}", A::TYPE));
            }
        }
        shared.activities.insert(id.clone(), Slot::Waiting(None));
        ActivityFuture { shared: Rc::clone(&self.cx.shared), id, output: PhantomData }
    }
}

impl<A: Activity> IntoFuture for ActivityCall<A> {
    type Output = Result<A::Output, Failure>;
    type IntoFuture = ActivityFuture<A::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.start()
    }
}

/// Waits for an activity: its result, or the failure after which it is not tried again. Dropping it leaves the
/// activity to itself.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct ActivityFuture<T> {
    shared: Rc<RefCell<Shared>>,
    id: String,
    output: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Future for ActivityFuture<T> {
    type Output = Result<T, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let mut shared = self.shared.borrow_mut();
        let slot = shared.activities.get_mut(&self.id).expect("the slot goes with its future");
        let Some(result) = slot.poll(cx) else { return Poll::Pending };
        let payloads = match result {
            Ok(payloads) => payloads,
            Err(failure) => return Poll::Ready(Err(failure)),
        };
        match from_payloads(&payloads) {
            Ok(output) => Poll::Ready(Ok(output)),
            Err(reason) => {
                // The result was right when it was written, so the code is to blame: the run waits for better code.
                let id = &self.id;
                shared.fail(format!("the result of activity {id} is not what the code expects: {reason}"));
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for ActivityFuture<T> {
    fn drop(&mut self) {
        self.shared.borrow_mut().activities.remove(&self.id);
    }
}

/// Waits for a time to pass.
#[derive(Debug)]
#[must_use = "a timer that is dropped is cancelled"]
pub struct Timer {
    shared: Rc<RefCell<Shared>>,
    id: String,
    done: bool,
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let fired = {
            let mut shared = self.shared.borrow_mut();
            let slot = shared.timers.get_mut(&self.id).expect("the slot goes with its future");
            slot.poll(cx).is_some()
        };
        self.done |= fired;
        if fired { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let mut shared = self.shared.borrow_mut();
        let slot = shared.timers.remove(&self.id);
        if !self.done && matches!(slot, Some(Slot::Waiting(_))) {
            shared.cancel_timer(&self.id);
        }
    }
}

/// Signals of one name.
#[derive(Debug, Clone)]
pub struct Signal<T> {
    shared: Rc<RefCell<Shared>>,
    name: Rc<str>,
    value: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Signal<T> {
    /// Waits for the next one. Of several that wait for one name, the one polled first gets it.
    ///
    /// A signal that is not a `T` in JSON comes as a failure of kind `UndecodableSignal`, for the workflow to judge: its
    /// sender is to blame.
    pub fn recv(&self) -> Recv<T> {
        let receiver = {
            let mut shared = self.shared.borrow_mut();
            shared.last_receiver += 1;
            shared.last_receiver
        };
        Recv {
            signal: Signal {
                shared: Rc::clone(&self.shared),
                name: Rc::clone(&self.name),
                value: PhantomData,
            },
            receiver,
        }
    }

    /// The next one that is there already.
    #[must_use]
    pub fn try_recv(&self) -> Option<Result<T, Failure>> {
        let payloads = self.shared.borrow_mut().mailbox(&self.name).arrived.pop_front()?;
        Some(decode_signal(&self.name, &payloads))
    }
}

/// Waits for a signal.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Recv<T> {
    signal: Signal<T>,
    receiver: u64,
}

impl<T: DeserializeOwned> Future for Recv<T> {
    type Output = Result<T, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let mut shared = self.signal.shared.borrow_mut();
        let mailbox = shared.mailbox(&self.signal.name);
        match mailbox.arrived.pop_front() {
            Some(payloads) => Poll::Ready(decode_signal(&self.signal.name, &payloads)),
            None => {
                mailbox.receivers.insert(self.receiver, cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Recv<T> {
    fn drop(&mut self) {
        self.signal.shared.borrow_mut().mailbox(&self.signal.name).receivers.remove(&self.receiver);
    }
}

fn decode_signal<T: DeserializeOwned>(name: &str, payloads: &Payloads) -> Result<T, Failure> {
    from_payloads(payloads).map_err(|reason| {
        Failure::application(
            format!("signal {name:?} is not what was expected: {reason}"),
            "UndecodableSignal",
            true,
        )
    })
}

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

// Each of these returns the wakers to wake, so that no one is woken while the state is borrowed.
impl Shared {
    /// An activity ended. Nobody may wait for it any more.
    pub(super) fn resolve_activity(&mut self, id: &str, result: Result<Payloads, Failure>) -> Vec<Waker> {
        self.activities.get_mut(id).and_then(|slot| slot.resolve(result)).into_iter().collect()
    }

    /// A timer fired. The code may have dropped it in this very turn: there is nothing to cancel any more then.
    pub(super) fn resolve_timer(&mut self, id: &str) -> Vec<Waker> {
        self.commands
            .retain(|command| !matches!(command, Command::CancelTimer { timer_id } if timer_id == id));
        self.timers.get_mut(id).and_then(|slot| slot.resolve(())).into_iter().collect()
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

    fn start_timer(&mut self, duration: Duration) -> String {
        self.last_timer += 1;
        let id = self.last_timer.to_string();
        self.commands.push(Command::StartTimer { timer_id: id.clone(), start_to_fire_timeout: duration });
        self.timers.insert(id.clone(), Slot::Waiting(None));
        id
    }

    fn cancel_timer(&mut self, id: &str) {
        let started = self
            .commands
            .iter()
            .position(|command| matches!(command, Command::StartTimer { timer_id, .. } if timer_id == id));
        match started {
            // Wished for and given up in one turn: the engine need not hear of it.
            Some(at) => {
                self.commands.remove(at);
            }
            None => self.commands.push(Command::CancelTimer { timer_id: id.to_owned() }),
        }
    }

    fn mailbox(&mut self, name: &str) -> &mut Mailbox {
        self.signals.entry(name.into()).or_default()
    }

    fn fail(&mut self, what: String) {
        self.fault.get_or_insert(Fault::Unusable(what));
    }
}
