//! Local activities, as workflow code calls them: short work that this worker does itself, without the task queue.

use std::cell::RefCell;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tidegate_engine::completed_retry_policy;
use tidegate_model::payload::{Failure, RetryPolicy};

use super::calls::start_to_close;
use super::context::Context;
use super::local_state::LocalTask;
use super::state::Shared;
use super::workflow::{Activity, to_payloads};

impl Context {
    /// Asks for an activity that this worker carries out itself while it holds the run's workflow task: nothing is
    /// written before it is done, and then its outcome alone. For what takes seconds at most and is asked for often. A
    /// crash before the outcome is written has it carried out again, by the same
    /// [idempotency key](super::ActivityContext::idempotency_key). The call is made when it is awaited, or by
    /// [`LocalActivityCall::start`].
    pub fn local_activity<A: Activity>(&self, input: A::Input) -> LocalActivityCall<A> {
        LocalActivityCall {
            cx: self.clone(),
            input,
            start_to_close: None,
            schedule_to_close: Duration::ZERO,
            retry: None,
            local_retry_threshold: None,
        }
    }
}

/// A local activity that can still be furnished with options.
#[derive(Debug)]
#[must_use = "nothing is asked for before the call is awaited or started"]
pub struct LocalActivityCall<A: Activity> {
    cx: Context,
    input: A::Input,
    start_to_close: Option<Duration>,
    schedule_to_close: Duration,
    retry: Option<RetryPolicy>,
    local_retry_threshold: Option<Duration>,
}

impl<A: Activity> LocalActivityCall<A> {
    /// How long one attempt may take; above zero. One minute unless this or [`LocalActivityCall::schedule_to_close`] is
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

    /// How it is tried again. Temporal's default unless said: for ever, with growing pauses.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// The longest pause between two attempts over which the worker holds the workflow task. A longer one becomes a
    /// durable timer. The time-out of the run's workflow tasks unless said.
    pub fn local_retry_threshold(mut self, duration: Duration) -> Self {
        self.local_retry_threshold = Some(duration);
        self
    }

    /// Makes the call now, to be awaited later or beside others.
    pub fn start(self) -> LocalActivityFuture<A::Output> {
        let mut shared = self.cx.shared();
        let input = to_payloads(&self.input).unwrap_or_else(|reason| {
            shared.fail(format!("the input of local activity {} has no JSON form: {reason}", A::TYPE));
            Vec::new()
        });
        let retry = completed_retry_policy(self.retry).unwrap_or_else(|reason| {
            shared.fail(format!("local activity {} cannot be asked for: {reason}", A::TYPE));
            RetryPolicy::default()
        });
        let start_to_close = start_to_close(self.start_to_close, self.schedule_to_close);
        let threshold = self.local_retry_threshold.unwrap_or(shared.started.workflow_task_timeout);
        let task = LocalTask {
            id: String::new(),
            activity_type: A::TYPE.to_owned(),
            input,
            attempt: 1,
            scheduled_time: shared.now,
            start_to_close,
            schedule_to_close: self.schedule_to_close,
            retry,
            threshold,
        };
        let id = shared.begin_local(task);
        drop(shared);
        LocalActivityFuture { shared: self.cx.shared_handle(), id, output: PhantomData }
    }
}

impl<A: Activity> IntoFuture for LocalActivityCall<A> {
    type Output = Result<A::Output, Failure>;
    type IntoFuture = LocalActivityFuture<A::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.start()
    }
}

/// Waits for a local activity: its result, or the failure after which it is not tried again. Dropping it cancels it.
#[derive(Debug)]
#[must_use = "a local activity that is dropped is cancelled"]
pub struct LocalActivityFuture<T> {
    shared: Rc<RefCell<Shared>>,
    id: String,
    output: PhantomData<fn() -> T>,
}

impl<T> LocalActivityFuture<T> {
    /// Gives the activity up: awaiting it gives a failure whose cause is a cancellation, at once, unless its outcome was
    /// there before. An attempt under way is dropped where it waits, as at its time-out. The code decides this by
    /// itself, so that nothing is written of it.
    pub fn cancel(&self) {
        let waker = self.shared.borrow_mut().cancel_local(&self.id);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T: DeserializeOwned> Future for LocalActivityFuture<T> {
    type Output = Result<T, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let mut shared = self.shared.borrow_mut();
        let Some(result) = shared.poll_local(&self.id, cx) else { return Poll::Pending };
        shared.output(format_args!("local activity {}", self.id), result)
    }
}

impl<T> Drop for LocalActivityFuture<T> {
    fn drop(&mut self) {
        self.shared.borrow_mut().leave_local(&self.id);
    }
}
