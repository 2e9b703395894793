//! Activities: what they are told, how they are found by name, and how one attempt is carried out.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_engine::ActivityTask;
use tidegate_model::payload::{Failure, Payloads};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinError;

use super::state::canceled;
use super::workflow::{Activity, from_payloads, to_payloads};

/// What an activity is told about itself. An attempt may be repeated after a crash although it succeeded, so whatever
/// it does to the world should carry [`ActivityContext::idempotency_key`].
#[derive(Debug, Clone)]
pub struct ActivityContext {
    task: Arc<ActivityTask>,
    /// Who carries heartbeats to the engine, where anybody does.
    pulse: Option<mpsc::UnboundedSender<Beat>>,
}

/// One heartbeat: what it reports, and where the answer goes.
#[derive(Debug)]
pub(super) struct Beat {
    pub(super) details: Payloads,
    pub(super) is_over: oneshot::Sender<bool>,
}

impl ActivityContext {
    /// What an attempt of this task is told.
    #[must_use]
    pub fn of(task: ActivityTask) -> Self {
        Self { task: Arc::new(task), pulse: None }
    }

    /// Reports progress, and says whether this attempt is to end: its cancellation was asked for, or it was paused or
    /// reset, or its time is over. Whoever ends for a cancellation returns [`ActivityContext::canceled`].
    ///
    /// Details that have no JSON form are reported as none. In a local activity, and without a worker around it,
    /// as in a test that calls a handler by hand, a heartbeat goes nowhere and the attempt goes on.
    pub async fn heartbeat(&self, details: &impl Serialize) -> bool {
        let Some(pulse) = &self.pulse else { return false };
        let (is_over, answer) = oneshot::channel();
        let details = to_payloads(details).unwrap_or_default();
        // A worker that does not listen any more has given the attempt up.
        pulse.send(Beat { details, is_over }).is_err() || answer.await.unwrap_or(true)
    }

    /// What the attempt before this one last reported.
    ///
    /// # Errors
    /// It is not a `T`.
    pub fn last_heartbeat<T: DeserializeOwned>(&self) -> Result<Option<T>, serde_json::Error> {
        if self.task.heartbeat_details.is_empty() {
            return Ok(None);
        }
        from_payloads(&self.task.heartbeat_details).map(Some)
    }

    /// The failure of an attempt that ends because it was asked to.
    #[must_use]
    pub fn canceled(&self) -> Failure {
        canceled("the activity was cancelled")
    }

    /// The task as the engine gave it.
    #[must_use]
    pub fn task(&self) -> &ActivityTask {
        &self.task
    }

    /// `<run>/<event that scheduled it>/<activity id>`: the same for all attempts, and for no other activity. No event
    /// schedules a local activity, which has 0 there.
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

    /// One attempt. Its panics and its time-out are the caller's to catch. Without a pulse its heartbeats go nowhere.
    pub(super) fn attempt(&self, task: ActivityTask, pulse: Option<mpsc::UnboundedSender<Beat>>) -> Attempt {
        match self.types.get(task.activity_type.as_str()) {
            Some(attempt) => attempt(ActivityContext { task: Arc::new(task), pulse }),
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

/// What an attempt with a task of its own came to, where its panic is a failure; `None` when it was given up.
pub(super) fn outcome_of(
    ended: Result<Result<Payloads, Failure>, JoinError>,
) -> Option<Result<Payloads, Failure>> {
    match ended {
        Ok(outcome) => Some(outcome),
        Err(error) if error.is_panic() => {
            let panic = error.into_panic();
            let words = panic.downcast_ref::<&str>().copied();
            let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            let message = format!("activity panicked: {}", words.unwrap_or("without words"));
            Some(Err(Failure::application(message, "Panic", false)))
        }
        Err(_) => None,
    }
}

impl std::fmt::Debug for Handlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.types.keys()).finish()
    }
}
