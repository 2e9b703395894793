//! What workflow code has of the world. Each wish becomes a command; each future waits for the event that answers it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_engine::{Command, ContinueAsNew};
use tidegate_model::event::{ContinueAsNewInitiator, WorkflowExecutionStarted, WorkflowParent};
use tidegate_model::id::{Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, Header, Payload, Payloads, RetryPolicy};
use tidegate_model::time::Timestamp;

use super::state::{Shared, canceled};
use super::waits::{Cancelled, Elapsed, Signal, Timer, Until};
use super::workflow::{from_payloads, to_payloads};
use super::{Either, select};

/// What [`Context::continue_as_new`] fails with, on its way out of the workflow.
pub(super) const CONTINUED: &str = "ContinueAsNew";

/// A workflow's access to the world. Cheap to clone; stays on the workflow thread.
#[derive(Debug, Clone)]
pub struct Context {
    shared: Rc<RefCell<Shared>>,
}

/// Which run the code is, and how it was started.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowInfo {
    /// Namespace of the execution.
    pub namespace: Namespace,
    /// The execution.
    pub workflow_id: WorkflowId,
    /// The run of it.
    pub run_id: RunId,
    /// Its type.
    pub workflow_type: String,
    /// Where its tasks come from.
    pub task_queue: TaskQueue,
    /// When it began.
    pub start_time: Timestamp,
    /// Which attempt of a workflow with a retry policy, from 1.
    pub attempt: u32,
    /// First run of its chain.
    pub first_execution_run_id: RunId,
    /// The run this one follows: by continue-as-new, as a retry, or by its cron schedule.
    pub continued_execution_run_id: Option<RunId>,
    /// The run this one is a child of.
    pub parent: Option<WorkflowParent>,
    /// How long the run may take.
    pub workflow_run_timeout: Option<Duration>,
    /// How long its chain may take.
    pub workflow_execution_timeout: Option<Duration>,
    /// How it is tried again when it fails.
    pub retry_policy: Option<RetryPolicy>,
    /// When it runs again after it closed; empty for never.
    pub cron_schedule: String,
}

impl WorkflowInfo {
    /// Of the run that begins so.
    pub(super) fn of(
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: RunId,
        start_time: Timestamp,
        started: &WorkflowExecutionStarted,
    ) -> Self {
        Self {
            namespace: namespace.clone(),
            workflow_id: workflow_id.clone(),
            run_id,
            workflow_type: started.workflow_type.clone(),
            task_queue: started.task_queue.clone(),
            start_time,
            attempt: started.attempt,
            first_execution_run_id: started.first_execution_run_id,
            continued_execution_run_id: started.continued_execution_run_id,
            parent: started.parent.as_deref().cloned(),
            workflow_run_timeout: started.workflow_run_timeout,
            workflow_execution_timeout: started.workflow_execution_timeout,
            retry_policy: started.retry_policy.clone(),
            cron_schedule: started.cron_schedule.clone(),
        }
    }
}

/// In what the next run differs from this one: see [`Context::continue_as_new_with`].
#[derive(Debug, Clone, Default)]
pub struct ContinueAsNewOptions {
    /// Another workflow type; empty for the same.
    pub workflow_type: String,
    /// Where its workers poll; `None` for the same queue.
    pub task_queue: Option<TaskQueue>,
    /// How long it may take; `None` for the same.
    pub run_timeout: Option<Duration>,
    /// How long its first workflow task waits.
    pub backoff: Duration,
}

impl Context {
    /// A durable timer, running from now on. Dropping it before it fires cancels it.
    pub fn timer(&self, duration: Duration) -> Timer {
        Timer::start(&self.shared, duration)
    }

    /// Waits for `future` for so long at most. A future that loses is dropped, which cancels timers, and leaves
    /// activities and children to themselves.
    ///
    /// # Errors
    /// [`Elapsed`] when the time was over first; `?` makes a time-out failure of it.
    pub async fn timeout<F: IntoFuture>(&self, duration: Duration, future: F) -> Result<F::Output, Elapsed> {
        match select(future, self.timer(duration)).await {
            Either::Left(output) => Ok(output),
            Either::Right(()) => Err(Elapsed(duration)),
        }
    }

    /// Signals of this name. They are kept from the start of the run until they are received, each once.
    pub fn signal<T: DeserializeOwned>(&self, name: &str) -> Signal<T> {
        Signal::of(&self.shared, name)
    }

    /// Waits until a condition of the code's own holds. It is looked at whenever anything has happened to the run: an
    /// update's handler, or other code of it, may have changed what it depends on.
    pub fn wait_until<F: FnMut() -> bool + Unpin>(&self, condition: F) -> Until<F> {
        Until::of(&self.shared, condition)
    }

    /// Waits until somebody asks the run to cancel itself, and gives the reason. At once when that has happened.
    pub fn cancelled(&self) -> Cancelled {
        Cancelled::of(&self.shared)
    }

    /// Whether somebody has asked the run to cancel itself.
    #[must_use]
    pub fn is_cancel_requested(&self) -> bool {
        self.shared.borrow().cancel_requested.is_some()
    }

    /// The failure of a run that follows a request to cancel: returned after such a request, it closes the run as
    /// cancelled; without one, as failed.
    pub fn canceled(&self) -> Failure {
        canceled("the workflow was cancelled")
    }

    /// Ends this run and begins the next of the execution, with another input and an empty history: for what goes on
    /// for ever. To be returned: `return cx.continue_as_new(input)`. Memo, search attributes, time-outs and retry policy
    /// stay as they are. Signals that were not received are lost, so take them first ([`Signal::try_recv`]).
    ///
    /// # Errors
    /// Always: the failure that carries it out of the workflow.
    pub fn continue_as_new<T>(&self, input: impl Serialize) -> Result<T, Failure> {
        self.continue_as_new_with(input, ContinueAsNewOptions::default())
    }

    /// [`Context::continue_as_new`] as a run that differs in more than its input.
    ///
    /// # Errors
    /// Always: the failure that carries it out of the workflow.
    pub fn continue_as_new_with<T>(
        &self,
        input: impl Serialize,
        options: ContinueAsNewOptions,
    ) -> Result<T, Failure> {
        let mut shared = self.shared.borrow_mut();
        match to_payloads(&input) {
            Ok(input) => shared.continued = Some(Box::new(continuation(&shared, input, options))),
            Err(reason) => shared.fail(format!("the input of the next run has no JSON form: {reason}")),
        }
        Err(Failure::application("the run goes on as a new one", CONTINUED, true))
    }

    /// Whether the history has become so long that the run should go on as a new one.
    #[must_use]
    pub fn is_continue_as_new_suggested(&self) -> bool {
        self.shared.borrow().is_continue_as_new_suggested
    }

    /// Events of the run up to its present turn.
    #[must_use]
    pub fn history_length(&self) -> u64 {
        self.shared.borrow().history_length
    }

    /// Whether no handler of an update is at work. To be waited for before the workflow returns, as the handlers end
    /// with it: `cx.wait_until(|| cx.all_handlers_finished()).await`.
    #[must_use]
    pub fn all_handlers_finished(&self) -> bool {
        self.shared.borrow().handlers_at_work == 0
    }

    /// A value made once: the first time by the closure, in a replay from the history. For what is neither time nor
    /// chance of the context and too small for an activity. The closure must not fail, and must do nothing that may
    /// not be done twice: a crash before its turn is answered makes the value again.
    pub fn side_effect<T: Serialize + DeserializeOwned>(&self, name: &str, make: impl FnOnce() -> T) -> T {
        if let Some(recorded) = self.shared.borrow_mut().recall_side_effect(name) {
            return recorded;
        }
        let value = make();
        self.shared.borrow_mut().record_side_effect(name, &value);
        value
    }

    /// Whether the run takes new code: `true` for runs that get here for the first time, `false` for those that went
    /// by here under the old code. The answer is written into the history and holds for the whole run, which is found by
    /// it (`TemporalChangeVersion`). When no run is left that went by without it, the call and the old code can go.
    #[must_use]
    pub fn patched(&self, id: &str) -> bool {
        self.shared.borrow_mut().patched(id)
    }

    /// Changes what the run is found by. `null` takes an attribute away; the others stay as they are.
    pub fn upsert_search_attributes<'a>(
        &self,
        changes: impl IntoIterator<Item = (&'a str, serde_json::Value)>,
    ) {
        let search_attributes = header(changes);
        let mut shared = self.shared.borrow_mut();
        upsert(&mut shared.search_attributes, &search_attributes);
        shared.push(Command::UpsertWorkflowSearchAttributes { search_attributes });
    }

    /// Changes what is remembered with the run. `null` takes an entry away; the others stay as they are.
    pub fn upsert_memo<'a>(&self, changes: impl IntoIterator<Item = (&'a str, serde_json::Value)>) {
        let upserted_memo = header(changes);
        let mut shared = self.shared.borrow_mut();
        upsert(&mut shared.memo, &upserted_memo);
        shared.push(Command::ModifyWorkflowProperties { upserted_memo });
    }

    /// What the run is found by under this name. `None` where there is nothing, or where it is not a `T`.
    #[must_use]
    pub fn search_attribute<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        read(&self.shared.borrow().search_attributes, name)
    }

    /// What is remembered with the run under this name. `None` where there is nothing, or where it is not a `T`.
    #[must_use]
    pub fn memo<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        read(&self.shared.borrow().memo, name)
    }

    /// What the last successful run of a cron schedule returned. `None` where there was none, or where it is not a `T`.
    #[must_use]
    pub fn last_completion_result<T: DeserializeOwned>(&self) -> Option<T> {
        let shared = self.shared.borrow();
        let result = &shared.started.last_completion_result;
        (!result.is_empty()).then(|| from_payloads(result).ok()).flatten()
    }

    /// How the run before this one failed: of a retry, or of a cron schedule.
    #[must_use]
    pub fn last_failure(&self) -> Option<Failure> {
        self.shared.borrow().started.continued_failure.clone()
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

    pub(super) fn new(info: WorkflowInfo, started: &WorkflowExecutionStarted) -> Self {
        Self { shared: Rc::new(RefCell::new(Shared::new(info, started))) }
    }

    pub(super) fn shared_handle(&self) -> Rc<RefCell<Shared>> {
        Rc::clone(&self.shared)
    }

    /// For the executor, which never holds it while workflow code runs.
    pub(super) fn shared(&self) -> std::cell::RefMut<'_, Shared> {
        self.shared.borrow_mut()
    }
}

/// Temporal leaves it to the worker to say what stays.
fn continuation(shared: &Shared, input: Payloads, options: ContinueAsNewOptions) -> ContinueAsNew {
    ContinueAsNew {
        workflow_type: options.workflow_type,
        task_queue: options.task_queue,
        input,
        workflow_run_timeout: options.run_timeout,
        workflow_task_timeout: None,
        backoff_start_interval: options.backoff,
        initiator: ContinueAsNewInitiator::Workflow,
        retry_policy: shared.info.retry_policy.clone(),
        cron_schedule: String::new(),
        failure: None,
        last_completion_result: Payloads::new(),
        header: shared.started.header.clone(),
        memo: shared.memo.clone(),
        search_attributes: shared.search_attributes.clone(),
    }
}

/// As the engine does it.
fn upsert(all: &mut Header, changes: &Header) {
    for (name, value) in changes {
        if value.data.as_slice() == b"null" {
            all.remove(name);
        } else {
            all.insert(name.clone(), value.clone());
        }
    }
}

fn read<T: DeserializeOwned>(header: &Header, name: &str) -> Option<T> {
    from_payloads(std::slice::from_ref(header.get(name)?)).ok()
}

pub(super) fn header<'a>(changes: impl IntoIterator<Item = (&'a str, serde_json::Value)>) -> Header {
    let payload = |value: serde_json::Value| Payload::json(value.to_string());
    changes.into_iter().map(|(name, value)| (name.to_owned(), payload(value))).collect()
}
