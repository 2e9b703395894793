//! Activities, as workflow code calls them.

use std::cell::RefCell;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tidegate_engine::ScheduleActivity;
use tidegate_model::id::TaskQueue;
use tidegate_model::payload::{Failure, RetryPolicy};

use super::context::Context;
use super::state::Shared;
use super::workflow::{Activity, to_payloads};

/// How long an attempt of an activity may take unless the workflow says otherwise.
const START_TO_CLOSE_DEFAULT: Duration = Duration::from_secs(60);

/// What bounds an attempt: what was said, or a default where nothing bounds the activity otherwise. Zero is no bound.
pub(super) fn start_to_close(said: Option<Duration>, schedule_to_close: Duration) -> Duration {
    match said {
        Some(duration) => duration,
        None if schedule_to_close.is_zero() => START_TO_CLOSE_DEFAULT,
        None => Duration::ZERO,
    }
}

impl Context {
    /// Asks for an activity. The call is made when it is awaited, or by [`ActivityCall::start`].
    pub fn activity<A: Activity>(&self, input: A::Input) -> ActivityCall<A> {
        ActivityCall {
            cx: self.clone(),
            input,
            start_to_close: None,
            schedule_to_close: Duration::ZERO,
            schedule_to_start: Duration::ZERO,
            heartbeat: Duration::ZERO,
            retry: None,
            task_queue: None,
        }
    }
}

/// An activity that can still be furnished with options.
#[derive(Debug)]
#[must_use = "nothing is asked for before the call is awaited or started"]
pub struct ActivityCall<A: Activity> {
    cx: Context,
    input: A::Input,
    start_to_close: Option<Duration>,
    schedule_to_close: Duration,
    schedule_to_start: Duration,
    heartbeat: Duration,
    retry: Option<RetryPolicy>,
    task_queue: Option<TaskQueue>,
}

impl<A: Activity> ActivityCall<A> {
    /// How long one attempt may take; above zero. One minute unless this or [`ActivityCall::schedule_to_close`] is
    /// said.
    pub fn start_to_close(mut self, duration: Duration) -> Self {
        self.start_to_close = Some(duration);
        self
    }

    /// How long all attempts together may take, with the waits between them; above zero. No limit unless said.
    pub fn schedule_to_close(mut self, duration: Duration) -> Self {
        self.schedule_to_close = duration;
        self
    }

    /// How long an attempt may wait for a worker; above zero. No limit unless said. It is not tried again after that.
    pub fn schedule_to_start(mut self, duration: Duration) -> Self {
        self.schedule_to_start = duration;
        self
    }

    /// How long an attempt may stay silent between two heartbeats; above zero. As long as it likes unless said.
    pub fn heartbeat(mut self, duration: Duration) -> Self {
        self.heartbeat = duration;
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
        let start_to_close = start_to_close(self.start_to_close, self.schedule_to_close);
        let mut shared = self.cx.shared();
        let id = shared.begin_activity();
        match to_payloads(&self.input) {
            Ok(input) => shared.schedule_activity(ScheduleActivity {
                task_queue: self.task_queue,
                input,
                retry_policy: self.retry,
                schedule_to_close_timeout: self.schedule_to_close,
                schedule_to_start_timeout: self.schedule_to_start,
                heartbeat_timeout: self.heartbeat,
                ..ScheduleActivity::new(id.clone(), A::TYPE, start_to_close)
            }),
            Err(reason) => {
                shared.fail(format!("the input of activity {} has no JSON form: {reason}", A::TYPE))
            }
        }
        drop(shared);
        ActivityFuture { shared: self.cx.shared_handle(), id, output: PhantomData }
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

impl<T> ActivityFuture<T> {
    /// Asks the activity to end early. Awaiting gives what came of it nevertheless: its result if it was done before it
    /// heard of this, else a failure whose cause is a cancellation. An activity hears of it by its heartbeats; one that
    /// was asked for in this very turn is not scheduled at all.
    pub fn cancel(&self) {
        let waker = self.shared.borrow_mut().cancel_activity(&self.id);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T: DeserializeOwned> Future for ActivityFuture<T> {
    type Output = Result<T, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let mut shared = self.shared.borrow_mut();
        let Some(result) = shared.poll_activity(&self.id, cx) else { return Poll::Pending };
        shared.output(format_args!("activity {}", self.id), result)
    }
}

impl<T> Drop for ActivityFuture<T> {
    fn drop(&mut self) {
        self.shared.borrow_mut().leave_activity(&self.id);
    }
}
