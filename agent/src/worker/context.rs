//! What workflow code has of the world. Each wish becomes a command; each future waits for the event that answers it.

use std::cell::RefCell;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tidegate_engine::ScheduleActivity;
use tidegate_model::id::{RunId, TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, Payloads, RetryPolicy};
use tidegate_model::time::Timestamp;

use super::state::Shared;
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
        Timer { shared: Rc::clone(&self.shared), id }
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
        self.shared.borrow_mut().random()
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
        let shared = Shared::new(Rc::new(info), now, original_run);
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
        let id = shared.begin_activity();
        match to_payloads(&self.input) {
            Ok(input) => shared.schedule_activity(ScheduleActivity {
                task_queue: self.task_queue,
                input,
                retry_policy: self.retry,
                ..ScheduleActivity::new(id.clone(), A::TYPE, self.start_to_close)
            }),
            Err(reason) => {
                shared.fail(format!("the input of activity {} has no JSON form: {reason}", A::TYPE))
            }
        }
        drop(shared);
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
        let Some(result) = shared.poll_activity(&self.id, cx) else { return Poll::Pending };
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
        self.shared.borrow_mut().leave_activity(&self.id);
    }
}

/// Waits for a time to pass.
#[derive(Debug)]
#[must_use = "a timer that is dropped is cancelled"]
pub struct Timer {
    shared: Rc<RefCell<Shared>>,
    id: String,
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let fired = self.shared.borrow_mut().poll_timer(&self.id, cx);
        if fired { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.shared.borrow_mut().leave_timer(&self.id);
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
        let receiver = self.shared.borrow_mut().begin_receiver();
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
        let payloads = self.shared.borrow_mut().take_signal(&self.name)?;
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
        match shared.poll_signal(&self.signal.name, self.receiver, cx) {
            Some(payloads) => Poll::Ready(decode_signal(&self.signal.name, &payloads)),
            None => Poll::Pending,
        }
    }
}

impl<T> Drop for Recv<T> {
    fn drop(&mut self) {
        self.signal.shared.borrow_mut().leave_signal(&self.signal.name, self.receiver);
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
