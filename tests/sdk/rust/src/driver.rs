//! What every step needs: starting workflows under ids of this run, and calls that outlast a server that is away.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::TryStreamExt;
use temporalio_client::errors::{
    AsyncActivityError, ClientError, WorkflowGetResultError, WorkflowInteractionError, WorkflowQueryError,
    WorkflowStartError, WorkflowUpdateError, WorkflowUpdateWithStartError,
};
use temporalio_client::schedules::ScheduleError;
use temporalio_client::tonic::{Code, Status};
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, WorkflowExecution, WorkflowExecutionInfo,
    WorkflowHandle, WorkflowListOptions, WorkflowStartOptions,
};
use temporalio_common::{HasWorkflowDefinition, UntypedWorkflow};
use temporalio_sdk::{Runtime, Worker, WorkerOptions};

use crate::activities::Gateway;
use crate::workflows::with_all_workflows;

const PATIENCE: Duration = Duration::from_secs(60);

pub type Handle<W> = WorkflowHandle<Client, W>;

/// A workflow that can be started by its type.
pub trait Workflow: HasWorkflowDefinition<Input: Clone + Send, Output: 'static> + Default {}

impl<W: HasWorkflowDefinition<Input: Clone + Send, Output: 'static> + Default> Workflow for W {}

pub struct Driver {
    pub client: Client,
    pub task_queue: String,
    pub gateway: Gateway,
    runtime: Runtime,
    run: String,
    started: Mutex<BTreeSet<String>>,
}

impl Driver {
    pub async fn connect(address: &str, namespace: &str) -> Result<Self> {
        let runtime = Runtime::from_current_tokio(Default::default())?;
        let target = format!("http://{address}").parse::<temporalio_client::Url>()?;
        let connection = Connection::connect(ConnectionOptions::new(target).build()).await?;
        let client = Client::new(connection, ClientOptions::new(namespace).build())?;
        let run = format!("rust-{:08x}", std::process::id() ^ since_the_epoch().subsec_nanos());
        Ok(Self {
            client,
            task_queue: format!("sdk-{run}"),
            gateway: Gateway::default(),
            runtime,
            run,
            started: Mutex::default(),
        })
    }

    pub fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.run)
    }

    /// Remembers that this workflow belongs to the run.
    pub fn note(&self, name: &str) -> String {
        let id = self.id(name);
        self.started.lock().expect("nobody panics with it").insert(id.clone());
        id
    }

    pub fn started(&self) -> BTreeSet<String> {
        self.started.lock().expect("nobody panics with it").clone()
    }

    /// Does `work` while a worker is there for it.
    pub async fn with_worker<T>(&self, task_queue: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let options = WorkerOptions::new(task_queue)
            // By default a heartbeat waits for most of its timeout, and so does the news of a cancellation.
            .max_heartbeat_throttle_interval(Duration::from_millis(200))
            .register_activities(self.gateway.clone());
        let options = with_all_workflows!(options).build();
        let mut worker = Worker::new(&self.runtime, self.client.clone(), options)?;
        let stop = worker.shutdown_handle();
        let mut running = pin!(worker.run());
        let done = tokio::select! {
            ended = &mut running => bail!("the worker ended by itself: {ended:?}"),
            done = work => done?,
        };
        stop();
        running.await?;
        Ok(done)
    }

    pub fn options(&self, name: &str) -> temporalio_client::WorkflowStartOptionsBuilder {
        WorkflowStartOptions::new(self.task_queue.clone(), self.note(name))
    }

    pub async fn start<W: Workflow>(&self, name: &str, input: impl Into<W::Input>) -> Result<Handle<W>> {
        self.start_with(self.options(name).build(), input).await
    }

    /// Starts a workflow; where it has been started by a call whose answer was lost, that one counts.
    pub async fn start_with<W: Workflow>(
        &self,
        options: WorkflowStartOptions,
        input: impl Into<W::Input>,
    ) -> Result<Handle<W>> {
        let input = input.into();
        let start = async || self.client.start_workflow(W::default(), input.clone(), options.clone()).await;
        match persistently(start).await {
            Err(WorkflowStartError::AlreadyStarted { .. }) => Ok(self.handle(&options.workflow_id)),
            started => Ok(started?),
        }
    }

    pub async fn execute<W: Workflow>(&self, name: &str, input: impl Into<W::Input>) -> Result<W::Output> {
        Ok(result(&self.start::<W>(name, input).await?).await?)
    }

    /// A handle of a workflow, whichever its current run is.
    pub fn handle<W: HasWorkflowDefinition>(&self, id: &str) -> Handle<W> {
        self.client.get_workflow_handle(id)
    }

    /// A handle of one run of a workflow.
    pub fn of_run(&self, id: &str, run_id: &str) -> Handle<UntypedWorkflow> {
        let info = WorkflowExecutionInfo::builder()
            .namespace(self.client.options().namespace.clone())
            .workflow_id(id)
            .run_id(run_id)
            .build();
        info.bind_untyped(self.client.clone())
    }

    pub async fn list(&self, query: &str) -> Result<Vec<WorkflowExecution>, ClientError> {
        let found = async || {
            let stream = self.client.list_workflows(query, WorkflowListOptions::default());
            stream.try_collect().await
        };
        persistently(found).await
    }

    pub async fn list_ids(&self, query: &str) -> Result<Vec<String>> {
        Ok(self.list(query).await?.iter().map(|each| each.id().to_owned()).collect())
    }
}

pub fn since_the_epoch() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// Calls until the server answers. The client repeats calls by itself for ten seconds only.
pub async fn persistently<T, E: Answer>(call: impl AsyncFn() -> Result<T, E>) -> Result<T, E> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        match call().await {
            Err(error) if error.is_away() && Instant::now() < give_up => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            answer => return answer,
        }
    }
}

pub async fn result<W: HasWorkflowDefinition<Output: 'static>>(
    handle: &Handle<W>,
) -> Result<W::Output, WorkflowGetResultError> {
    persistently(async || handle.get_result(Default::default()).await).await
}

/// Waits until `check` says yes.
pub async fn until(what: &str, check: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let give_up = Instant::now() + PATIENCE;
    while !check().await.with_context(|| format!("waiting until {what}"))? {
        ensure!(Instant::now() < give_up, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

pub fn expect<T: Debug + PartialEq<U>, U: Debug>(found: T, wanted: U) -> Result<()> {
    ensure!(found == wanted, "found {found:?}, and not {wanted:?}");
    Ok(())
}

/// An error that may be an answer of the server.
pub trait Answer {
    fn status(&self) -> Option<&Status>;

    fn is_away(&self) -> bool {
        let code = self.status().map(Status::code);
        matches!(code, Some(Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled))
    }

    fn is_not_found(&self) -> bool {
        self.status().is_some_and(|status| status.code() == Code::NotFound)
    }
}

impl Answer for Status {
    fn status(&self) -> Option<&Status> {
        Some(self)
    }
}

impl Answer for WorkflowUpdateWithStartError {
    fn status(&self) -> Option<&Status> {
        match self {
            Self::Start(error) => error.status(),
            Self::Update(error) => error.status(),
            Self::Rpc(status) => Some(status),
            _ => None,
        }
    }
}

/// The errors that carry the server's answer in these variants.
macro_rules! answers {
    ($($error:ty: $($variant:ident)|+;)+) => {$(
        impl Answer for $error {
            fn status(&self) -> Option<&Status> {
                match self {
                    $(Self::$variant(status) => Some(status),)+
                    _ => None,
                }
            }
        }
    )+};
}

answers! {
    AsyncActivityError: NotFound | Rpc;
    ClientError: Rpc;
    ScheduleError: Rpc;
    WorkflowGetResultError: NotFound | Rpc;
    WorkflowInteractionError: NotFound | Rpc;
    WorkflowQueryError: NotFound | Rpc;
    WorkflowStartError: Rpc;
    WorkflowUpdateError: NotFound | Rpc;
}
