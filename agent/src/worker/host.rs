//! The worker at work: tasks that poll, the one thread on which workflow code runs, and activities beside each other.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidegate_engine::{
    ActivityTask, ActivityTaskToken, HistoryPart, QueryAnswer, Refusal, Reply, Request, StickyAttributes,
    WorkflowTask, WorkflowTaskCompletion,
};
use tidegate_model::id::{Namespace, TaskQueue};
use tidegate_model::limits;
use tidegate_model::payload::{Failure, FailureInfo};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::activity::{Beat, Handler, Handlers, outcome_of};
use super::executor::{Answer, Executor};
use super::fault::Fault;
use super::health::Health;
use super::local_work::{LocalWork, Work};
use super::replay::Turn;
use super::service::{ServiceError, WorkflowService};
use super::version::CodeVersion;
use super::watchdog::{Ask, WorkflowThreads};
use super::workflow::{Activity, Registry, Workflow};

/// How long a worker waits before it polls again after a refusal.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// Polls that wait at once, for each kind of task: enough that a group commit finds several to answer.
const POLLERS: usize = 2;

/// What may be set of a worker.
#[derive(Debug, Clone)]
pub struct Options {
    /// Runs kept in memory between their tasks; 0 keeps none, and each task brings the whole history.
    pub cached_runs_max: usize,
    /// Workflow tasks between poll and answer.
    pub workflow_tasks_max: usize,
    /// Activities at once; as many local ones beside them.
    pub activities_max: usize,
    /// Whether turns are repeated from the beginning of their history and compared.
    pub shadow_replay: ShadowReplay,
    /// How long workflow code may take from one poll to the next before its thread is left behind.
    pub deadlock_timeout: Duration,
}

/// Which turns are repeated from the beginning of their history, to see that the code says the same again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ShadowReplay {
    /// None.
    Off,
    /// One in [`limits::SHADOW_REPLAY_EVERY`], where the history is not too long.
    #[default]
    Sampled,
    /// Each. For development: it costs a replay a turn.
    Always,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cached_runs_max: limits::CACHED_RUNS_MAX,
            workflow_tasks_max: limits::WORKFLOW_TASKS_AT_ONCE_MAX,
            activities_max: limits::ACTIVITIES_AT_ONCE_MAX,
            shadow_replay: ShadowReplay::default(),
            deadlock_timeout: Duration::from_secs(limits::WORKFLOW_DEADLOCK_SECONDS),
        }
    }
}

/// Why a worker could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The engine did not take back what a former incarnation had in hand.
    #[error("failed to announce the worker to the engine")]
    Service(#[from] ServiceError),
    /// The operating system gives no thread.
    #[error("failed to make the thread for workflow code")]
    Thread(#[source] std::io::Error),
}

/// A worker to be furnished with workflow and activity types, and started.
#[derive(Debug)]
pub struct Worker {
    namespace: Namespace,
    task_queue: TaskQueue,
    identity: String,
    build_id: String,
    options: Options,
    registry: Registry,
    handlers: Handlers,
}

impl Worker {
    /// A worker of one task queue. `identity` must be this worker's alone, and the same each time it starts: what a
    /// former incarnation had in hand is taken back by it.
    #[must_use]
    pub fn new(namespace: Namespace, task_queue: TaskQueue, identity: impl Into<String>) -> Self {
        Self {
            namespace,
            task_queue,
            identity: identity.into(),
            build_id: env!("CARGO_PKG_VERSION").to_owned(),
            options: Options::default(),
            registry: Registry::default(),
            handlers: Handlers::default(),
        }
    }

    /// What this build of the workflow code is called. It is written into the histories it makes, so that a run that
    /// another build blocks on can say which one wrote it. Tidegate's own version unless said.
    #[must_use]
    pub fn build_id(mut self, build_id: impl Into<String>) -> Self {
        self.build_id = build_id.into();
        self
    }

    /// Takes other options than the default.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Runs workflows of this type.
    #[must_use]
    pub fn workflow<W: Workflow>(mut self) -> Self {
        self.registry.add::<W>();
        self
    }

    /// Carries out activities of this type.
    #[must_use]
    pub fn activity<A: Activity>(mut self, handler: impl Handler<A>) -> Self {
        self.handlers.add(handler);
        self
    }

    /// Starts to work. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start<S: WorkflowService>(self, service: Arc<S>) -> Result<Running<S>, StartError> {
        service.call(Request::ShutdownWorker { identity: self.identity.clone() }).await?;
        let health = Arc::new(Health::default());
        let (registry, cached_max) = (self.registry, self.options.cached_runs_max);
        let version = CodeVersion::of_build(self.build_id);
        let threads = WorkflowThreads::start(
            move || Executor::new(registry.clone(), cached_max, version.clone()),
            self.options.deadlock_timeout,
            Arc::clone(&health),
        )
        .map_err(StartError::Thread)?;

        let (stop, stopping) = watch::channel(false);
        let sticky_queue = TaskQueue::new(format!("{}/sticky", self.identity))
            .ok()
            .filter(|_| self.options.cached_runs_max > 0);
        let shared = Arc::new(Shared {
            service: Arc::clone(&service),
            namespace: self.namespace,
            identity: self.identity.clone(),
            sticky_queue: sticky_queue.clone(),
            shadow: self.options.shadow_replay,
            turns: AtomicU64::new(0),
            threads,
            health: Arc::clone(&health),
            handlers: Arc::new(self.handlers),
            local_slots: Arc::new(Semaphore::new(self.options.activities_max)),
            stopping,
        });
        let mut pollers = JoinSet::new();
        let workflow_slots = Arc::new(Semaphore::new(self.options.workflow_tasks_max));
        let activity_slots = Arc::new(Semaphore::new(self.options.activities_max));
        for _ in 0..POLLERS {
            for queue in sticky_queue.iter().chain([&self.task_queue]) {
                pollers.spawn(poll_workflow_tasks(
                    Arc::clone(&shared),
                    queue.clone(),
                    Arc::clone(&workflow_slots),
                ));
            }
            if !shared.handlers.is_empty() {
                let queue = self.task_queue.clone();
                pollers.spawn(poll_activity_tasks(Arc::clone(&shared), queue, Arc::clone(&activity_slots)));
            }
        }
        Ok(Running { service, identity: self.identity, health, stop, pollers })
    }
}

/// A worker at work. Dropping it stops it at once; what it had in hand is given out again after its lease.
#[derive(Debug)]
pub struct Running<S> {
    service: Arc<S>,
    identity: String,
    health: Arc<Health>,
    stop: watch::Sender<bool>,
    pollers: JoinSet<()>,
}

impl<S: WorkflowService> Running<S> {
    /// How it is, for whoever asks while it works.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    /// Takes no more tasks, finishes those in hand within `grace`, and gives the rest back.
    pub async fn stop(mut self, grace: Duration) {
        self.stop.send_replace(true);
        let drained = async { while self.pollers.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, drained).await.is_err() {
            tracing::warn!(
                grace_ms = grace.as_millis(),
                "worker stops with tasks in hand; they will be given out again"
            );
            self.pollers.shutdown().await;
        }
        let shutdown = Request::ShutdownWorker { identity: self.identity.clone() };
        match self.service.call(shutdown).await {
            Ok(_) | Err(ServiceError::Stopped) => {}
            Err(error) => {
                tracing::warn!(%error, "worker could not say good-bye; its leases run out by themselves")
            }
        }
    }
}

struct Shared<S> {
    service: Arc<S>,
    namespace: Namespace,
    identity: String,
    sticky_queue: Option<TaskQueue>,
    shadow: ShadowReplay,
    /// Workflow tasks taken, for the samples.
    turns: AtomicU64,
    threads: WorkflowThreads,
    health: Arc<Health>,
    handlers: Arc<Handlers>,
    local_slots: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
}

/// Polls until told to stop; waits for the tasks it has given out to be done.
async fn poll_workflow_tasks<S: WorkflowService>(
    shared: Arc<Shared<S>>,
    queue: TaskQueue,
    slots: Arc<Semaphore>,
) {
    let mut in_hand = JoinSet::new();
    loop {
        let request = Request::PollWorkflowTaskQueue {
            namespace: shared.namespace.clone(),
            task_queue: queue.clone(),
            identity: shared.identity.clone(),
            worker_instance_key: String::new(),
        };
        let Some((permit, reply)) = shared.poll(request, &slots).await else { break };
        if let Some(Reply::WorkflowTask(Some(task))) = reply {
            let shared = Arc::clone(&shared);
            in_hand.spawn(async move {
                shared.answer_workflow_task(Arc::new(*task)).await;
                drop(permit);
            });
        }
        while in_hand.try_join_next().is_some() {}
    }
    while in_hand.join_next().await.is_some() {}
}

/// See [`poll_workflow_tasks`].
async fn poll_activity_tasks<S: WorkflowService>(
    shared: Arc<Shared<S>>,
    queue: TaskQueue,
    slots: Arc<Semaphore>,
) {
    let mut in_hand = JoinSet::new();
    loop {
        let request = Request::PollActivityTaskQueue {
            namespace: shared.namespace.clone(),
            task_queue: queue.clone(),
            identity: shared.identity.clone(),
            worker_instance_key: String::new(),
        };
        let Some((permit, reply)) = shared.poll(request, &slots).await else { break };
        if let Some(Reply::ActivityTask(Some(task))) = reply {
            let shared = Arc::clone(&shared);
            in_hand.spawn(async move {
                shared.carry_out(*task).await;
                drop(permit);
            });
        }
        while in_hand.try_join_next().is_some() {}
    }
    while in_hand.join_next().await.is_some() {}
}

impl<S: WorkflowService> Shared<S> {
    /// One poll with a slot for what it may bring; `None` when it is time to stop. A slot first, so that no task is
    /// taken that would have to wait here.
    async fn poll(
        &self,
        request: Request,
        slots: &Arc<Semaphore>,
    ) -> Option<(tokio::sync::OwnedSemaphorePermit, Option<Reply>)> {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            biased;
            // An error means that the worker was dropped.
            _ = stopping.wait_for(|stop| *stop) => None,
            polled = async {
                let permit = Arc::clone(slots).acquire_owned().await.ok()?;
                match self.service.call(request).await {
                    Ok(reply) => Some((permit, Some(reply))),
                    Err(ServiceError::Stopped) => None,
                    Err(error) => {
                        tracing::warn!(%error, "worker could not poll; it tries again");
                        pause().await;
                        Some((permit, None))
                    }
                }
            } => polled,
        }
    }

    /// Answers a task, and those that follow it for as long as local activities are under way.
    async fn answer_workflow_task(&self, task: Arc<WorkflowTask>) {
        let (handlers, slots) = (Arc::clone(&self.handlers), Arc::clone(&self.local_slots));
        let mut work = LocalWork::new(handlers, slots, task.started_time);
        let mut next = Some(task);
        while let Some(task) = next {
            next = self.answer_one_task(task, &mut work).await;
        }
    }

    /// Gives the task that is to be answered next, where local activities go on in it.
    async fn answer_one_task(
        &self,
        task: Arc<WorkflowTask>,
        work: &mut LocalWork,
    ) -> Option<Arc<WorkflowTask>> {
        let run_id = task.token.run_id;
        let shadow = task.query.is_none() && self.is_shadowed(&task);
        let wants_whole = shadow || matches!(task.history, HistoryPart::Whole);
        let answer = match self.execute(&task, wants_whole, shadow).await {
            Some(Answer::NeedsHistory) => self.execute(&task, true, shadow).await,
            other => other,
        };
        let (answer, wants_more) = match answer {
            Some(Answer::Working(first)) => self.work_locally(&task, first, work).await,
            other => (other, false),
        };
        let request = match answer {
            Some(Answer::Query(answer)) => {
                let Some((token, _)) = &task.query else { return None };
                Request::RespondQueryTaskCompleted { token: token.clone(), answer }
            }
            Some(Answer::Turn(Turn { commands, messages, version }, query_results)) => {
                if shadow {
                    self.health.note_shadow_replay();
                }
                let sticky = self.sticky_queue.clone().map(|task_queue| StickyAttributes {
                    task_queue,
                    schedule_to_start_timeout: Duration::from_secs(limits::STICKY_SCHEDULE_TO_START_SECONDS),
                });
                Request::RespondWorkflowTaskCompleted(Box::new(WorkflowTaskCompletion {
                    sticky,
                    messages,
                    query_results,
                    return_new_workflow_task: wants_more,
                    force_create_new_workflow_task: wants_more,
                    sdk_metadata: version.map(|version| version.to_payload()),
                    ..WorkflowTaskCompletion::new(task.token.clone(), commands, self.identity.clone())
                }))
            }
            Some(Answer::Fault(fault)) => {
                if let Some((token, _)) = &task.query {
                    let (message, failure) = (fault.to_string(), Some(Box::new(fault.failure())));
                    let answer = QueryAnswer::Failed { message, failure };
                    self.tell(Request::RespondQueryTaskCompleted { token: token.clone(), answer }).await;
                    return None;
                }
                self.note_fault(&task, &fault);
                Request::RespondWorkflowTaskFailed {
                    token: task.token.clone(),
                    cause: fault.cause(),
                    failure: fault.failure(),
                    identity: self.identity.clone(),
                }
            }
            // No history or no thread: the lease runs out and the task is given out again.
            Some(Answer::NeedsHistory | Answer::Working(_)) | None => return None,
        };
        let is_turn = matches!(request, Request::RespondWorkflowTaskCompleted(_));
        match self.service.call(request).await {
            // The task was taken back as if it had never been: the run in memory is ahead of its history.
            Ok(Reply::WorkflowTaskCompleted { reset_history_event_id: Some(_), .. }) => {
                self.threads.forget(run_id);
            }
            Ok(Reply::WorkflowTaskCompleted { next: Some(next), .. }) => {
                self.health.note_turn(run_id);
                return Some(Arc::new(*next));
            }
            Ok(_) if is_turn => self.health.note_turn(run_id),
            Ok(_) => {}
            Err(error) => {
                self.threads.forget(run_id);
                let refusal = if let ServiceError::Refused(refusal) = &error { Some(refusal) } else { None };
                match refusal.filter(|_| is_turn).and_then(Fault::of_refusal) {
                    Some(fault) => self.note_fault(&task, &fault),
                    None => log_untaken(&error, "answer to a workflow task was not taken"),
                }
            }
        }
        None
    }

    /// Carries local activities out until the turn waits for none any more, or its task has to be answered before its
    /// time is over: then another one is wanted.
    async fn work_locally(
        &self,
        task: &Arc<WorkflowTask>,
        first: Work,
        work: &mut LocalWork,
    ) -> (Option<Answer>, bool) {
        #[expect(
            clippy::disallowed_methods,
            reason = "the lease of a workflow task, which its worker renews"
        )]
        let mut heartbeat = pin!(tokio::time::sleep(first.heartbeat));
        let mut tasks = first.tasks;
        loop {
            work.want(task, tasks);
            let ended = tokio::select! {
                biased;
                () = &mut heartbeat => None,
                ended = work.next() => Some(ended),
            };
            let wants_more = ended.is_none();
            match self.threads.answer(task, Ask::GoOn(ended)).await {
                Some(Answer::Working(more)) => tasks = more.tasks,
                answer => return (answer, wants_more),
            }
        }
    }

    fn note_fault(&self, task: &WorkflowTask, fault: &Fault) {
        let run_id = task.token.run_id;
        self.health.note_fault(run_id, &task.workflow_id, &task.workflow_type, task.attempt, fault);
        tracing::error!(
            workflow_id = %task.workflow_id,
            %run_id,
            workflow_type = task.workflow_type,
            attempt = task.attempt,
            %fault,
            "workflow is blocked: its code has to be mended"
        );
    }

    /// For an answer that leaves nothing behind here.
    async fn tell(&self, request: Request) {
        if let Err(error) = self.service.call(request).await {
            log_untaken(&error, "answer to a query was not taken");
        }
    }

    /// Whether this turn is to be repeated.
    fn is_shadowed(&self, task: &WorkflowTask) -> bool {
        match self.shadow {
            ShadowReplay::Off => false,
            ShadowReplay::Always => true,
            ShadowReplay::Sampled => {
                let turn = self.turns.fetch_add(1, Ordering::Relaxed) + 1;
                turn.is_multiple_of(limits::SHADOW_REPLAY_EVERY)
                    && task.started_event_id <= limits::SHADOW_REPLAY_EVENTS_MAX
            }
        }
    }

    /// Has the workflow thread answer; `None` when there is no history or no thread to do it with.
    async fn execute(&self, task: &Arc<WorkflowTask>, with_history: bool, shadow: bool) -> Option<Answer> {
        let whole = if with_history {
            match self.service.history(task.token.run_id).await {
                Ok(whole) => Some(whole),
                Err(error) => {
                    log_untaken(&error, "history could not be read for a workflow task");
                    return None;
                }
            }
        } else {
            None
        };
        self.threads.answer(task, Ask::Task { whole, shadow }).await
    }

    /// One attempt of an activity: its result, its failure, its panic. At its time-out it is dropped without a word:
    /// the engine keeps that time itself.
    async fn carry_out(&self, task: ActivityTask) {
        let token = task.token.clone();
        let time = task.start_to_close_timeout;
        // A task of its own, so that a panic ends the attempt alone; in a set, so that it ends with us.
        let mut attempt = JoinSet::new();
        let (pulse, beats) = unbounded_channel();
        attempt.spawn(self.handlers.attempt(task, Some(pulse)));
        let ended = async {
            tokio::select! {
                outcome = attempt.join_next() => outcome,
                never = self.carry_beats(&token, beats) => match never {},
            }
        };
        let Ok(Some(outcome)) = tokio::time::timeout(time, ended).await else { return };
        let Some(outcome) = outcome_of(outcome) else { return };
        let identity = self.identity.clone();
        let request = match outcome {
            Ok(result) => Request::RespondActivityTaskCompleted { task: token.into(), result, identity },
            Err(Failure { info: FailureInfo::Canceled { details }, .. }) => {
                Request::RespondActivityTaskCanceled { task: token.into(), details, identity }
            }
            Err(failure) => Request::RespondActivityTaskFailed {
                task: token.into(),
                failure,
                last_heartbeat_details: None,
                identity,
            },
        };
        if let Err(error) = self.service.call(request).await {
            log_untaken(&error, "outcome of an activity was not taken");
        }
    }

    /// Carries an attempt's heartbeats to the engine, one after the other.
    async fn carry_beats(
        &self,
        token: &ActivityTaskToken,
        mut beats: UnboundedReceiver<Beat>,
    ) -> std::convert::Infallible {
        while let Some(Beat { details, is_over }) = beats.recv().await {
            let beat = Request::RecordActivityTaskHeartbeat {
                task: token.clone().into(),
                details,
                identity: self.identity.clone(),
            };
            let over = match self.service.call(beat).await {
                Ok(Reply::Heartbeat { cancel_requested, paused, reset }) => {
                    cancel_requested || paused || reset
                }
                Ok(_) => false,
                Err(error) => {
                    log_untaken(&error, "heartbeat of an activity was not taken");
                    matches!(error, ServiceError::Stopped | ServiceError::Refused(Refusal::NotFound(_)))
                }
            };
            if is_over.send(over).is_err() {
                tracing::debug!("the attempt has ended before its heartbeat was answered");
            }
        }
        std::future::pending().await
    }
}

async fn pause() {
    #[expect(clippy::disallowed_methods, reason = "a back-off: the engine has just refused a poll")]
    tokio::time::sleep(REFUSED_PAUSE).await;
}

/// An answer that comes too late is everyday: the lease ran out, and another attempt is under way.
fn log_untaken(error: &ServiceError, what: &'static str) {
    match error {
        ServiceError::Stopped => {}
        ServiceError::Refused(Refusal::NotFound(reason)) => tracing::debug!(reason, "{what}: too late"),
        ServiceError::Refused(_) | ServiceError::History(_) => tracing::warn!(%error, "{what}"),
    }
}
