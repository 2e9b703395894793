//! The built-in workers: one for pipelines, one for each task queue of workflow code that is compiled in.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
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
        let mut queues = BTreeSet::new();
        for Native { task_queue, furnish } in pipelines.into_iter().chain(natives) {
            ensure!(
                queues.insert(task_queue.clone()),
                "task queue {task_queue} is named twice among the workflow code that is compiled in; give all types of a \
                 queue to one worker (pipelines have {PIPELINE_QUEUE:?})"
            );
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

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tidegate_engine::{Request, StartWorkflow};
    use tidegate_log::{Runtime, Store};
    use tidegate_model::id::{BootId, Epoch, WorkflowId};
    use tidegate_model::payload::Failure;
    use tidegate_model::time::{ClockState, Stamp, Timestamp};

    use super::*;
    use crate::client::Waiting;
    use crate::control::{self, Caller, Control};
    use crate::gateway::{Effect, Gateway};
    use crate::run::metrics;
    use crate::worker::{Context as Cx, Workflow};

    struct Panics;
    impl Workflow for Panics {
        const TYPE: &'static str = "panics";
        type Input = ();
        type Output = ();
        async fn run(_: Cx, (): ()) -> Result<(), Failure> {
            panic!("no bed in sight")
        }
    }

    fn native(queue: &str) -> Native {
        Native::new(queue.parse().expect("a task queue by its form"), |worker| worker.workflow::<Panics>())
    }

    #[tokio::test]
    async fn a_blocked_run_is_seen_by_whoever_looks_at_it_and_in_the_metrics() {
        let mut gateway = Gateway::<()>::new(u64::MAX).without_bridge();
        let options = tidegate_log::Options {
            cache_bytes: 1 << 20,
            preallocate_bytes: 0,
            new_epoch: Epoch::from_u128(1),
        };
        let (store, _) = Store::open_in_memory(&options, &mut gateway).expect("memory is there");
        let (reader, waiting) = (store.reader(), Arc::new(Waiting::default()));
        let answers = Arc::clone(&waiting);
        let runtime = Runtime {
            clock: Box::new(|| Stamp {
                boot: BootId::from_u128(1),
                boottime_ns: 0,
                wall: Timestamp::EPOCH,
                state: ClockState::Unset,
                error_us: None,
            }),
            seed: 7,
            perform: Box::new(move |effects| {
                for effect in effects {
                    if let Effect::Answer { ticket, answer } = effect {
                        answers.answer(ticket, answer);
                    }
                }
            }),
            stopped: Box::new({
                let waiting = Arc::clone(&waiting);
                move |_| waiting.close()
            }),
        };
        let log = tidegate_log::spawn(store, gateway, runtime);
        let client = Client::new(log.clone(), reader, waiting);
        let settings = config::Worker::default();
        let twice = Workers::start(&client, None, &settings, vec![native("home"), native("home")]).await;
        let refused = twice.err().expect("two workers of one queue would take each other's tasks");
        assert!(refused.to_string().starts_with("task queue home is named twice"), "{refused}");

        let workers =
            Workers::start(&client, None, &settings, vec![native("home")]).await.expect("it starts");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("control.sock");
        let socket = control::bind(&path).expect("a socket in a folder of its own");
        let router = control::router(Control {
            client: client.clone(),
            namespace: namespace(),
            shell_status: Box::new(|| Value::Null),
            metrics: metrics::render(log.clone(), None, workers.health()),
            workers: workers.health(),
        });
        let serving = tokio::spawn(async move { axum::serve(socket, router).await });
        let start = StartWorkflow::new(
            namespace(),
            WorkflowId::new("a").expect("an id"),
            "panics".to_owned(),
            "home".parse().expect("a task queue by its form"),
        );
        client
            .call(Request::StartWorkflowExecution(StartWorkflow { request_id: "1".to_owned(), ..start }))
            .await
            .expect("it starts");
        let caller = Caller::new(&path).expect("the socket is there");
        // The second attempt follows the first at once; until then nothing is wrong with the run.
        let described = loop {
            let run: Value =
                caller.get("/v1/workflow", &[("id", "a".to_owned())]).await.expect("it is there");
            if run["blocked"].is_object() {
                break run;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(
            (&described["status"], &described["blocked"]["kind"]),
            (&"Running".into(), &"Panic".into())
        );
        let message = described["blocked"]["message"].as_str().expect("in words");
        assert!(message.contains("workers.rs:") && message.ends_with("no bed in sight"), "{message}");
        let counts = workers.health()[0].counts();
        assert_eq!(counts.blocked_runs, 1);
        let status = client.status().await.expect("the log answers");
        let page = metrics::render(log.clone(), None, workers.health())(&status);
        assert!(page.contains("\ntidegate_worker_runs_blocked 1\n"), "{page}");
        assert!(page.contains("\ntidegate_worker_faults_total{kind=\"Panic\"} "), "{page}");
        workers.stop(Duration::from_secs(1)).await;
        serving.abort();
    }
}
