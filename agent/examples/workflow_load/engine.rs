//! The engine on a store on disk, in this process, as `tidegate start-dev` has it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use tidegate::client::{Client, Waiting};
use tidegate::clock::{self, Clock};
use tidegate::gateway::{Effect, Gateway, Input};
use tidegate_engine::{ListWorkflows, Reply, Request, StartWorkflow, WaitForHistory};
use tidegate_log::{LogHandle, Options, Runtime, Store};
use tidegate_model::id::{Epoch, Namespace, TaskQueue, WorkflowId};
use tidegate_model::payload::{Header, Payload};
use tokio::sync::oneshot;

/// The namespace of everything here.
pub(crate) fn namespace() -> Namespace {
    Namespace::new("default").expect("a plain name")
}

/// The queue of everything here.
pub(crate) fn task_queue() -> TaskQueue {
    TaskQueue::new("load").expect("a plain name")
}

pub(crate) struct Host {
    pub(crate) client: Client<()>,
    pub(crate) log: LogHandle<Input<()>>,
    stopped: oneshot::Receiver<Option<tidegate_log::Error>>,
}

impl Host {
    pub(crate) fn open(file: &Path) -> anyhow::Result<Self> {
        let clock = Clock::open(clock::RELEASED)?;
        let settings = tidegate_engine::Settings {
            closed_runs_kept_max: 1_000_000,
            open_runs_max: 1_000_000,
            ..Default::default()
        };
        let mut gateway = Gateway::<()>::new(u64::MAX).without_bridge().with_engine_settings(settings);
        let options = Options { cache_bytes: 8 << 20, preallocate_bytes: 0, new_epoch: Epoch::from_u128(1) };
        let (store, _) = Store::open(file, &options, &mut gateway)
            .with_context(|| format!("{} cannot be used", file.display()))?;
        let reader = store.reader();
        let waiting = Arc::new(Waiting::default());
        let (said, stopped) = oneshot::channel();
        let answers = Arc::clone(&waiting);
        let closed = Arc::clone(&waiting);
        let log = tidegate_log::spawn(
            store,
            gateway,
            Runtime {
                clock: Box::new(move || clock.stamp()),
                seed: 1,
                perform: Box::new(move |effects| {
                    for effect in effects {
                        if let Effect::Answer { ticket, answer } = effect {
                            answers.answer(ticket, answer);
                        }
                    }
                }),
                stopped: Box::new(move |error| {
                    drop(said.send(error));
                    closed.close();
                }),
            },
        );
        Ok(Self { client: Client::new(log.clone(), reader, waiting), log, stopped })
    }

    pub(crate) async fn start(
        &self,
        workflow_type: &str,
        id: &str,
        input: &impl Serialize,
    ) -> anyhow::Result<()> {
        let start = StartWorkflow {
            input: vec![Payload::json(serde_json::to_string(input)?)],
            request_id: id.to_owned(),
            ..StartWorkflow::new(namespace(), WorkflowId::new(id)?, workflow_type.to_owned(), task_queue())
        };
        self.client.call(Request::StartWorkflowExecution(start)).await?;
        Ok(())
    }

    pub(crate) async fn signal(&self, id: &str, name: &str, value: u64) -> anyhow::Result<()> {
        let signal = Request::SignalWorkflowExecution {
            namespace: namespace(),
            workflow_id: WorkflowId::new(id)?,
            run_id: None,
            signal_name: name.to_owned(),
            input: vec![Payload::json(value.to_string())],
            identity: "load".to_owned(),
            request_id: String::new(),
            header: Header::new(),
        };
        self.client.call(signal).await?;
        Ok(())
    }

    /// Until the run has closed: the engine answers a wait after a while in any case.
    pub(crate) async fn until_closed(&self, id: &str) -> anyhow::Result<()> {
        let wait = WaitForHistory {
            namespace: namespace(),
            workflow_id: WorkflowId::new(id)?,
            run_id: None,
            wait_beyond: Some(0),
            until_closed: true,
        };
        loop {
            let reply = self.client.call(Request::WaitForHistory(wait.clone())).await?;
            let Reply::History(standing) = reply else { anyhow::bail!("no history") };
            if !standing.is_open {
                return Ok(());
            }
        }
    }

    /// How many runs have completed.
    pub(crate) async fn completed(&self) -> anyhow::Result<u64> {
        let query = "ExecutionStatus = 'Completed'".to_owned();
        let count = Request::CountWorkflowExecutions { namespace: namespace(), query };
        let reply = self.client.call(count).await?;
        let Reply::Counted { count, .. } = reply else { anyhow::bail!("no count") };
        Ok(count)
    }

    /// Until the worker has done what there was to do of so many open runs: tasks are done in the order of their
    /// coming, so three of them tell.
    pub(crate) async fn until_waiting(&self, runs: usize) -> anyhow::Result<()> {
        for n in [0, runs / 2, runs - 1] {
            while self.has_task(&format!("open-{n}")).await? {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }

    async fn has_task(&self, id: &str) -> anyhow::Result<bool> {
        let describe = Request::DescribeWorkflowExecution {
            namespace: namespace(),
            workflow_id: WorkflowId::new(id)?,
            run_id: None,
        };
        let reply = self.client.call(describe).await?;
        let Reply::Described(run) = reply else { anyhow::bail!("no description") };
        Ok(run.pending_workflow_task.is_some())
    }

    /// State transitions of all runs, as the engine counts them.
    pub(crate) async fn transitions(&self) -> anyhow::Result<u64> {
        let mut page_token = None;
        let mut sum = 0;
        loop {
            let list = ListWorkflows {
                namespace: Some(namespace()),
                query: String::new(),
                page_size: 1_000,
                page_token: page_token.take(),
            };
            let reply = self.client.call(Request::ListWorkflowExecutions(list)).await?;
            let Reply::Listed { runs, next } = reply else { anyhow::bail!("no list") };
            sum += runs.iter().map(|run| run.state_transitions).sum::<u64>();
            match next {
                Some(token) => page_token = Some(token),
                None => return Ok(sum),
            }
        }
    }

    pub(crate) async fn close(self) -> anyhow::Result<()> {
        self.log.end().await;
        match self.stopped.await? {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }
}
