//! Activities: what they are told, how they are found by name, and how one attempt is carried out.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use tidegate_engine::ActivityTask;
use tidegate_model::payload::{Failure, Payloads};

use super::workflow::{Activity, from_payloads, to_payloads};

/// What an activity is told about itself. An attempt may be repeated after a crash although it succeeded, so whatever
/// it does to the world should carry [`ActivityContext::idempotency_key`].
#[derive(Debug, Clone)]
pub struct ActivityContext {
    task: Arc<ActivityTask>,
}

impl ActivityContext {
    /// What an attempt of this task is told.
    #[must_use]
    pub fn of(task: ActivityTask) -> Self {
        Self { task: Arc::new(task) }
    }

    /// The task as the engine gave it.
    #[must_use]
    pub fn task(&self) -> &ActivityTask {
        &self.task
    }

    /// `<run>/<event that scheduled it>/<activity id>`: the same for all attempts, and for no other activity.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        let ActivityTask { token, activity_id, .. } = &*self.task;
        format!("{}/{}/{activity_id}", token.run_id, token.scheduled_event_id)
    }
}

/// What carries out activities of a type. Any function from context and input to a future of a result is one.
pub trait Handler<A: Activity>: Send + Sync + 'static {
    /// Carries out one attempt. It is dropped at its time-out. A failure is tried again as the retry policy says,
    /// unless it is marked as not to be; a panic counts as a failure.
    fn handle(
        &self,
        cx: ActivityContext,
        input: A::Input,
    ) -> impl Future<Output = Result<A::Output, Failure>> + Send;
}

impl<A, F, R> Handler<A> for F
where
    A: Activity,
    F: Fn(ActivityContext, A::Input) -> R + Send + Sync + 'static,
    R: Future<Output = Result<A::Output, Failure>> + Send,
{
    fn handle(
        &self,
        cx: ActivityContext,
        input: A::Input,
    ) -> impl Future<Output = Result<A::Output, Failure>> + Send {
        self(cx, input)
    }
}

type Attempt = Pin<Box<dyn Future<Output = Result<Payloads, Failure>> + Send>>;

/// Handlers by activity type.
#[derive(Clone, Default)]
pub(super) struct Handlers {
    types: BTreeMap<&'static str, Arc<dyn Fn(ActivityContext) -> Attempt + Send + Sync>>,
}

impl Handlers {
    pub(super) fn add<A: Activity>(&mut self, handler: impl Handler<A>) {
        let handler = Arc::new(handler);
        let attempt = move |cx: ActivityContext| -> Attempt {
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                let input: A::Input = from_payloads(&cx.task.input).map_err(|reason| {
                    let message = format!("the input is not what activity {} takes: {reason}", A::TYPE);
                    Failure::application(message, "UndecodableInput", true)
                })?;
                let output = handler.handle(cx, input).await?;
                to_payloads(&output).map_err(|reason| {
                    let message = format!("the result of activity {} has no JSON form: {reason}", A::TYPE);
                    Failure::application(message, "UnencodableResult", true)
                })
            })
        };
        self.types.insert(A::TYPE, Arc::new(attempt));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// One attempt. Its panics and its time-out are the caller's to catch.
    pub(super) fn attempt(&self, task: ActivityTask) -> Attempt {
        match self.types.get(task.activity_type.as_str()) {
            Some(attempt) => attempt(ActivityContext::of(task)),
            None => {
                let known: Vec<&str> = self.types.keys().copied().collect();
                let message = format!(
                    "this worker has no activity type {:?}; it has: {}",
                    task.activity_type,
                    known.join(", ")
                );
                // To be tried again: the release that knows it may be about to be installed.
                Box::pin(async move { Err(Failure::application(message, "UnknownActivity", false)) })
            }
        }
    }
}

impl std::fmt::Debug for Handlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.types.keys()).finish()
    }
}
