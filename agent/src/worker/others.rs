//! Other executions, as workflow code deals with them: children, and those it signals or asks to cancel.

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_engine::{Command, StartChildWorkflow};
use tidegate_model::event::{ParentClosePolicy, WorkflowIdReusePolicy};
use tidegate_model::id::{Execution, Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, Header, RetryPolicy};

use super::context::{Context, header};
use super::state::{Shared, canceled};
use super::workflow::{Workflow, from_payloads, to_payloads};

impl Context {
    /// Asks for a child workflow. It is started when the call is awaited, or by [`ChildCall::start`].
    pub fn child<W: Workflow>(&self, workflow_id: impl Into<String>, input: W::Input) -> ChildCall<W> {
        ChildCall {
            cx: self.clone(),
            workflow_id: workflow_id.into(),
            input,
            options: ChildOptions::default(),
        }
    }

    /// Signals an execution of the run's own namespace. Awaiting tells whether it was there.
    pub fn signal_workflow(&self, workflow_id: &str, name: &str, value: &impl Serialize) -> Request {
        self.signal_other(workflow_id, name, value, false)
    }

    /// Asks an execution of the run's own namespace to cancel itself. Awaiting tells whether it was there.
    pub fn cancel_workflow(&self, workflow_id: &str, reason: impl Into<String>) -> Request {
        self.cancel_other(workflow_id, reason.into(), false)
    }

    fn signal_other(&self, workflow_id: &str, name: &str, value: &impl Serialize, child: bool) -> Request {
        let mut shared = self.shared();
        let mark = shared.begin_other();
        match (to_payloads(value), execution(&shared, workflow_id)) {
            (Ok(input), Ok(target)) => shared.push(Command::SignalExternalWorkflowExecution {
                target,
                signal_name: name.to_owned(),
                input,
                control: mark.to_string(),
                child_workflow_only: child,
                header: Header::new(),
            }),
            (Err(reason), _) => {
                shared.fail(format!("the value of signal {name:?} has no JSON form: {reason}"))
            }
            (Ok(_), Err(reason)) => shared.fail(reason),
        }
        drop(shared);
        Request { cx: self.clone(), mark }
    }

    fn cancel_other(&self, workflow_id: &str, reason: String, child: bool) -> Request {
        let mut shared = self.shared();
        let mark = shared.begin_other();
        match execution(&shared, workflow_id) {
            Ok(target) => shared.push(Command::RequestCancelExternalWorkflowExecution {
                target,
                control: mark.to_string(),
                child_workflow_only: child,
                reason,
            }),
            Err(reason) => shared.fail(reason),
        }
        drop(shared);
        Request { cx: self.clone(), mark }
    }
}

fn execution(shared: &Shared, workflow_id: &str) -> Result<Execution, String> {
    let workflow_id =
        WorkflowId::new(workflow_id).map_err(|error| format!("{workflow_id:?} is no id: {error}"))?;
    Ok(Execution { namespace: shared.info.namespace.clone(), workflow_id, run_id: None })
}

/// Waits for what came of a request to another execution: a failure says that it was not there. Dropping it leaves
/// the request to itself.
#[derive(Debug)]
#[must_use = "whether the other execution was there is known when it is awaited"]
pub struct Request {
    cx: Context,
    mark: u64,
}

impl Future for Request {
    type Output = Result<(), Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        match self.cx.shared().poll_other(self.mark, cx) {
            Some(result) => Poll::Ready(result.map(drop)),
            None => Poll::Pending,
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.cx.shared().leave_other(self.mark);
    }
}

#[derive(Debug, Default)]
struct ChildOptions {
    namespace: Option<Namespace>,
    task_queue: Option<TaskQueue>,
    execution_timeout: Option<Duration>,
    run_timeout: Option<Duration>,
    parent_close_policy: ParentClosePolicy,
    reuse_policy: WorkflowIdReusePolicy,
    retry: Option<RetryPolicy>,
    cron_schedule: String,
    memo: Header,
    search_attributes: Header,
}

/// A child workflow that can still be furnished with options.
#[derive(Debug)]
#[must_use = "nothing is asked for before the call is awaited or started"]
pub struct ChildCall<W: Workflow> {
    cx: Context,
    workflow_id: String,
    input: W::Input,
    options: ChildOptions,
}

impl<W: Workflow> ChildCall<W> {
    /// Where its workers poll. The parent's own queue unless said.
    pub fn task_queue(mut self, queue: TaskQueue) -> Self {
        self.options.task_queue = Some(queue);
        self
    }

    /// In which namespace it runs. The parent's own unless said.
    pub fn namespace(mut self, namespace: Namespace) -> Self {
        self.options.namespace = Some(namespace);
        self
    }

    /// How long all its runs together may take; above zero. No limit unless said.
    pub fn execution_timeout(mut self, duration: Duration) -> Self {
        self.options.execution_timeout = Some(duration);
        self
    }

    /// How long one run of it may take; above zero. No limit unless said.
    pub fn run_timeout(mut self, duration: Duration) -> Self {
        self.options.run_timeout = Some(duration);
        self
    }

    /// What becomes of it when the parent closes before it. It is terminated unless said.
    pub fn parent_close_policy(mut self, policy: ParentClosePolicy) -> Self {
        self.options.parent_close_policy = policy;
        self
    }

    /// Whether its id may have been used before. It may unless said.
    pub fn reuse_policy(mut self, policy: WorkflowIdReusePolicy) -> Self {
        self.options.reuse_policy = policy;
        self
    }

    /// How it is tried again when it failed. Not at all unless said.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.options.retry = Some(policy);
        self
    }

    /// When it runs again after it closed, in Temporal's cron format. Never unless said.
    pub fn cron_schedule(mut self, schedule: impl Into<String>) -> Self {
        self.options.cron_schedule = schedule.into();
        self
    }

    /// What is remembered with it.
    pub fn memo<'a>(mut self, entries: impl IntoIterator<Item = (&'a str, serde_json::Value)>) -> Self {
        self.options.memo = header(entries);
        self
    }

    /// What it is found by.
    pub fn search_attributes<'a>(
        mut self,
        attributes: impl IntoIterator<Item = (&'a str, serde_json::Value)>,
    ) -> Self {
        self.options.search_attributes = header(attributes);
        self
    }

    /// Starts it now, to be awaited later or beside others.
    pub fn start(self) -> ChildFuture<W::Output>
    where
        W::Input: Serialize,
    {
        let Self { cx, workflow_id, input, options } = self;
        let mut shared = cx.shared();
        let started = shared.begin_other();
        let ended = shared.begin_other();
        let input = to_payloads(&input)
            .map_err(|reason| format!("the input of child {workflow_id:?} has no JSON form: {reason}"));
        let id = WorkflowId::new(workflow_id.clone())
            .map_err(|error| format!("{workflow_id:?} is no id of a child: {error}"));
        match (input, id) {
            (Ok(input), Ok(workflow_id)) => {
                shared.push(Command::StartChildWorkflowExecution(Box::new(StartChildWorkflow {
                    namespace: options.namespace,
                    workflow_id,
                    workflow_type: W::TYPE.to_owned(),
                    task_queue: options.task_queue,
                    input,
                    workflow_execution_timeout: options.execution_timeout,
                    workflow_run_timeout: options.run_timeout,
                    workflow_task_timeout: None,
                    parent_close_policy: options.parent_close_policy,
                    control: started.to_string(),
                    workflow_id_reuse_policy: options.reuse_policy,
                    retry_policy: options.retry,
                    cron_schedule: options.cron_schedule,
                    header: Header::new(),
                    memo: options.memo,
                    search_attributes: options.search_attributes,
                    priority: None,
                    user_metadata: None,
                })));
            }
            (Err(reason), _) | (_, Err(reason)) => shared.fail(reason),
        }
        drop(shared);
        ChildFuture { cx, workflow_id, started, ended, output: PhantomData }
    }
}

impl<W: Workflow> IntoFuture for ChildCall<W>
where
    W::Input: Serialize,
    W::Output: DeserializeOwned,
{
    type Output = Result<W::Output, Failure>;
    type IntoFuture = ChildFuture<W::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.start()
    }
}

/// Waits for a child: its result, or the failure it ended with. Dropping it leaves the child to itself, and to its
/// parent's close policy.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct ChildFuture<T> {
    cx: Context,
    workflow_id: String,
    started: u64,
    ended: u64,
    output: PhantomData<fn() -> T>,
}

impl<T> ChildFuture<T> {
    /// Waits until the child runs, and gives its first run. To be called once; a failure says why it could not be
    /// started.
    ///
    /// # Errors
    /// Its id is taken, or its namespace is not there.
    pub async fn started(&self) -> Result<RunId, Failure> {
        let started = std::future::poll_fn(|cx| match self.cx.shared().poll_other(self.started, cx) {
            Some(result) => Poll::Ready(result),
            None => Poll::Pending,
        });
        Ok(from_payloads(&started.await?).expect("the event of a start names the run"))
    }

    /// Asks the child to cancel itself; it ends when and how it likes. One that was asked for in this very turn is
    /// not started at all.
    pub fn cancel(&self) {
        let mut shared = self.cx.shared();
        if !shared.is_other_waiting(self.ended) {
            return;
        }
        let control = self.started.to_string();
        let wished = shared.commands.iter().position(
            |command| matches!(command, Command::StartChildWorkflowExecution(child) if child.control == control),
        );
        if let Some(at) = wished {
            shared.commands.remove(at);
            let never = || Err(canceled("the child was cancelled before it was started"));
            let wakers = [self.started, self.ended].map(|mark| shared.resolve_other(mark, never()));
            drop(shared);
            wakers.into_iter().flatten().for_each(Waker::wake);
            return;
        }
        drop(shared);
        drop(self.cx.cancel_other(&self.workflow_id, "cancelled by its parent".to_owned(), true));
    }

    /// Signals the child.
    pub fn signal(&self, name: &str, value: &impl Serialize) -> Request {
        self.cx.signal_other(&self.workflow_id, name, value, true)
    }
}

impl<T: DeserializeOwned> Future for ChildFuture<T> {
    type Output = Result<T, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let mut shared = self.cx.shared();
        let Some(result) = shared.poll_other(self.ended, cx) else { return Poll::Pending };
        shared.output(format_args!("child {:?}", self.workflow_id), result)
    }
}

impl<T> Drop for ChildFuture<T> {
    fn drop(&mut self) {
        let mut shared = self.cx.shared();
        shared.leave_other(self.started);
        shared.leave_other(self.ended);
    }
}
