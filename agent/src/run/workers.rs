//! The built-in workers: one for pipelines, one for each task queue of workflow code that is compiled in.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tidegate_model::id::TaskQueue;

use super::namespace;
use crate::activities;
use crate::client::Client;
use crate::config;
use crate::mqtt::MqttHandle;
use crate::pipeline::{PIPELINE_QUEUE, PipelineWorkflow};
use crate::worker::{Health, Options, Running, ShadowReplay, Worker};

/// Workflow code that is compiled into the agent: what [`cli::main_with`](crate::cli::main_with) takes beside the
/// command line.
pub struct Native {
    task_queue: TaskQueue,
    furnish: Box<dyn FnOnce(Worker) -> Worker + Send>,
}

impl Native {
    /// A worker of this task queue. `furnish` gives it workflow and activity types; `mqtt.publish` and `http.post`, where
    /// the agent has them, it knows already.
    pub fn new(task_queue: TaskQueue, furnish: impl FnOnce(Worker) -> Worker + Send + 'static) -> Self {
        Self { task_queue, furnish: Box::new(furnish) }
    }
}

impl std::fmt::Debug for Native {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Native").field("task_queue", &self.task_queue).finish_non_exhaustive()
    }
}

/// Workers at work.
pub(super) struct Workers<Token: Send + 'static> {
    running: Vec<Running<Client<Token>>>,
}

impl<Token: Send + 'static> Workers<Token> {
    /// Starts those of `natives` and, where there is a broker, the pipelines'.
    ///
    /// # Errors
    /// The engine or the operating system does not have them.
    pub(super) async fn start(
        client: &Client<Token>,
        broker: Option<&MqttHandle>,
        settings: &config::Worker,
        natives: Vec<Native>,
    ) -> anyhow::Result<Self> {
        let pipelines = broker.map(|_| {
            let queue = PIPELINE_QUEUE.parse().expect("a task queue by its form");
            Native::new(queue, |worker| worker.workflow::<PipelineWorkflow>())
        });
        let client = Arc::new(client.clone());
        let mut running = Vec::new();
        for Native { task_queue, furnish } in pipelines.into_iter().chain(natives) {
            let identity = match task_queue.as_str() {
                PIPELINE_QUEUE => "built-in".to_owned(),
                other => format!("built-in/{other}"),
            };
            let worker = Worker::new(namespace(), task_queue.clone(), identity).options(options(settings));
            let worker = furnish(activities::register(worker, broker.cloned())?);
            let started = worker.start(Arc::clone(&client)).await;
            running.push(started.with_context(|| format!("the built-in worker of task queue {task_queue}"))?);
        }
        Ok(Self { running })
    }

    /// How each is.
    pub(super) fn health(&self) -> Vec<Arc<Health>> {
        self.running.iter().map(Running::health).collect()
    }

    /// See [`Running::stop`].
    pub(super) async fn stop(self, grace: Duration) {
        let mut stopping = tokio::task::JoinSet::new();
        for worker in self.running {
            stopping.spawn(worker.stop(grace));
        }
        stopping.join_all().await;
    }
}

fn options(settings: &config::Worker) -> Options {
    Options {
        shadow_replay: match settings.shadow_replay {
            config::ShadowReplay::Off => ShadowReplay::Off,
            config::ShadowReplay::Sampled => ShadowReplay::Sampled,
            config::ShadowReplay::Always => ShadowReplay::Always,
        },
        deadlock_timeout: settings.deadlock_timeout.get(),
        ..Options::default()
    }
}
