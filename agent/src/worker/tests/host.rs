//! The worker at work: its tasks, its thread and its activities, on an engine behind a lock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidegate_engine::{
    Effect, Engine, Input, QueryRejectCondition, QueryWorkflow, Record, Refusal, Reply, Request,
    StartWorkflow, Step, Ticket, WorkflowQuery,
};
use tidegate_model::chance::Chance;
use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::id::{BootId, Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, FailureInfo, Header, Payload, RetryPolicy};
use tidegate_model::time::{ClockState, Stamp, Timestamp};
use tokio::sync::{Notify, oneshot};

use super::workflows::{Double, Note};
use crate::worker::{
    ActivityContext, Context, Options, Running, ServiceError, ShadowReplay, Worker, Workflow,
    WorkflowService, join,
};

/// An engine behind a lock. Its time goes on with the runtime's, and its deadlines are kept.
pub(super) struct Service {
    state: Mutex<State>,
    changed: Notify,
    began: tokio::time::Instant,
    /// By how much the engine's time has been put ahead.
    ahead: Mutex<Duration>,
}

struct State {
    engine: Engine,
    chance: Chance,
    next_ticket: u64,
    waiting: BTreeMap<Ticket, oneshot::Sender<Result<Reply, Refusal>>>,
    histories: BTreeMap<RunId, Vec<HistoryBatch>>,
    requests: Vec<&'static str>,
}

impl Service {
    pub(super) fn new() -> Arc<Self> {
        let state = State {
            engine: Engine::new(),
            chance: Chance::new(3),
            next_ticket: 1,
            waiting: BTreeMap::new(),
            histories: BTreeMap::new(),
            requests: Vec::new(),
        };
        #[expect(clippy::disallowed_methods, reason = "the engine of this test keeps the runtime's time")]
        let began = tokio::time::Instant::now();
        let service = Arc::new(Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            began,
            ahead: Mutex::default(),
        });
        tokio::spawn(Arc::clone(&service).keep_deadlines());
        service
    }

    fn now(&self) -> Timestamp {
        let ahead = *self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        Timestamp::from_micros(1_800_000_000_000_000) + self.began.elapsed() + ahead
    }

    /// Puts the engine's time ahead.
    pub(super) fn skip(&self, time: Duration) {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) += time;
        self.changed.notify_waiters();
    }

    fn step(&self, decide: impl FnOnce(&mut Engine, &mut Step<'_>)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { engine, chance, waiting, histories, .. } = &mut *state;
        let (mut records, mut effects) = (Vec::new(), Vec::new());
        let now = self.now();
        let stamp = Stamp {
            boot: BootId::from_u128(1),
            boottime_ns: 0,
            wall: now,
            state: ClockState::Unset,
            error_us: None,
        };
        decide(engine, &mut Step { now, stamp, chance, records: &mut records, effects: &mut effects });
        for record in records {
            if let Record::History(batch) = record {
                histories.entry(batch.run_id).or_default().push(batch);
            }
        }
        for Effect::Reply { ticket, reply } in effects {
            if let Some(waiting) = waiting.remove(&ticket) {
                drop(waiting.send(reply));
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    async fn keep_deadlines(self: Arc<Self>) {
        loop {
            let changed = self.changed.notified();
            let deadline = {
                let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.engine.next_deadline()
            };
            let wait = deadline.map_or(Duration::from_secs(3_600), |(at, _)| at.saturating_since(self.now()));
            if tokio::time::timeout(wait, changed).await.is_err() {
                self.step(Engine::handle_deadline);
            }
        }
    }

    pub(super) async fn start<W: Workflow>(&self, id: &str, input: &str) -> RunId {
        self.start_with_tasks_of::<W>(id, input, Duration::from_secs(10)).await
    }

    /// Starts a run whose workflow tasks have this time-out.
    pub(super) async fn start_with_tasks_of<W: Workflow>(
        &self,
        id: &str,
        input: &str,
        time: Duration,
    ) -> RunId {
        let start = StartWorkflow {
            input: vec![Payload::json(input)],
            identity: "test".to_owned(),
            request_id: id.to_owned(),
            workflow_task_timeout: Some(time),
            ..StartWorkflow::new(
                namespace(),
                WorkflowId::new(id).expect("an id"),
                W::TYPE.to_owned(),
                queue(),
            )
        };
        match self.call(Request::StartWorkflowExecution(start)).await {
            Ok(Reply::Started { run_id, .. }) => run_id,
            other => panic!("not started: {other:?}"),
        }
    }

    /// Waits for the first event of a run that is such a one.
    pub(super) async fn first(&self, run: RunId, is_such: impl Fn(&Event) -> bool) -> Event {
        loop {
            let changed = self.changed.notified();
            let found = {
                let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let mut events = state.histories[&run].iter().flat_map(|batch| &batch.events);
                events.find(|event| is_such(event)).cloned()
            };
            if let Some(event) = found {
                return event;
            }
            changed.await;
        }
    }

    /// Waits for the run's last event.
    async fn end(&self, run: RunId) -> Event {
        let is_end = |event: &Event| {
            matches!(event, Event::WorkflowExecutionCompleted { .. } | Event::WorkflowExecutionFailed { .. })
        };
        self.first(run, is_end).await
    }

    pub(super) async fn result(&self, run: RunId) -> String {
        let end = self.end(run).await;
        let Event::WorkflowExecutionCompleted { result, .. } = end else { panic!("not completed: {end:?}") };
        String::from_utf8(result[0].data.to_vec()).expect("JSON is text")
    }

    fn requests(&self) -> Vec<&'static str> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).requests.clone()
    }
}

/// Abandons a poll that is dropped.
struct Abandon<'s>(&'s Service, Ticket);
impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        let waits =
            self.0.state.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(&self.1).is_some();
        if waits {
            self.0.step(|engine, step| engine.handle(step, Input::Abandon { ticket: self.1 }));
        }
    }
}

impl WorkflowService for Service {
    async fn call(&self, request: Request) -> Result<Reply, ServiceError> {
        let (sender, receiver) = oneshot::channel();
        let ticket = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let shutdown = matches!(request, Request::ShutdownWorker { .. });
            state.requests.push(if shutdown { "shutdown" } else { "other" });
            let ticket = Ticket(state.next_ticket);
            state.next_ticket += 1;
            state.waiting.insert(ticket, sender);
            ticket
        };
        let _abandon = Abandon(self, ticket);
        self.step(|engine, step| engine.handle(step, Input::Request { ticket, request }));
        Ok(receiver.await.map_err(|_| ServiceError::Stopped)??)
    }

    async fn history(&self, run: RunId) -> Result<Vec<HistoryBatch>, ServiceError> {
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner).histories[&run].clone())
    }
}

pub(super) struct Sum;
impl Workflow for Sum {
    const TYPE: &'static str = "sum";
    type Input = i64;
    type Output = i64;
    async fn run(cx: Context, n: i64) -> Result<i64, Failure> {
        let (a, b) = join(cx.activity::<Double>(n), cx.activity::<Double>(n + 1)).await;
        cx.timer(Duration::from_millis(1)).await;
        Ok(a? + b?)
    }
}

struct Noted;
impl Workflow for Noted {
    const TYPE: &'static str = "noted";
    type Input = u32;
    type Output = String;
    async fn run(cx: Context, attempts: u32) -> Result<String, Failure> {
        let policy = RetryPolicy {
            initial_interval: Duration::from_millis(1),
            maximum_attempts: attempts,
            ..RetryPolicy::default()
        };
        let note =
            cx.activity::<Note>("n".to_owned()).start_to_close(Duration::from_millis(50)).retry(policy);
        Ok(match note.await {
            Ok(()) => "done".to_owned(),
            Err(failure) => failure.cause.map(|cause| cause.message).unwrap_or_default(),
        })
    }
}

pub(super) fn worker() -> Worker {
    Worker::new(namespace(), queue(), "worker-1")
        .workflow::<Sum>()
        .workflow::<Noted>()
        .activity::<Double>(|_: ActivityContext, n: i64| async move { Ok(2 * n) })
}

pub(super) async fn begin(worker: Worker, service: &Arc<Service>) -> Running<Service> {
    worker.start(Arc::clone(service)).await.expect("nothing prevents it")
}

#[tokio::test]
async fn runs_are_worked_on_beside_each_other() {
    let service = Service::new();
    let running = begin(worker(), &service).await;
    let mut runs = Vec::new();
    for n in 0..50 {
        runs.push((n, service.start::<Sum>(&format!("run {n}"), &n.to_string()).await));
    }
    for (n, run) in runs {
        assert_eq!(service.result(run).await, (4 * n + 2).to_string());
    }
    running.stop(Duration::from_secs(5)).await;
    let requests = service.requests();
    assert_eq!((requests.first(), requests.last()), (Some(&"shutdown"), Some(&"shutdown")));
}

#[tokio::test]
async fn with_shadow_replay_and_a_small_memory_the_end_is_the_same() {
    let service = Service::new();
    let options = Options { cached_runs_max: 2, shadow_replay: ShadowReplay::Always, ..Options::default() };
    let running = begin(worker().options(options), &service).await;
    let mut runs = Vec::new();
    for n in 0..10 {
        runs.push((n, service.start::<Sum>(&format!("run {n}"), &n.to_string()).await));
    }
    for (n, run) in runs {
        assert_eq!(service.result(run).await, (4 * n + 2).to_string());
    }
    running.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_worker_that_comes_back_takes_up_what_the_former_had_in_hand() {
    let service = Service::new();
    let (taken, mut is_taken) = tokio::sync::mpsc::unbounded_channel();
    let hangs = worker().activity::<Note>(move |_: ActivityContext, _: String| {
        let taken = taken.clone();
        async move {
            taken.send(()).expect("the test listens");
            std::future::pending::<()>().await;
            Ok(())
        }
    });
    let former = begin(hangs, &service).await;
    let run = service.start::<Noted>("a", "5").await;
    is_taken.recv().await.expect("the attempt has begun");
    drop(former);
    let latter = worker().activity::<Note>(|_: ActivityContext, _: String| async { Ok(()) });
    let running = begin(latter, &service).await;
    assert_eq!(service.result(run).await, "\"done\"");
    running.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_query_without_a_handler_is_declined_in_words() {
    let service = Service::new();
    let running = begin(worker(), &service).await;
    let run = service.start::<Sum>("asked", "1").await;
    assert_eq!(service.result(run).await, "6");
    let query = WorkflowQuery { query_type: "status".to_owned(), args: Vec::new(), header: Header::new() };
    let asked = service.call(Request::QueryWorkflow(Box::new(QueryWorkflow {
        namespace: namespace(),
        workflow_id: WorkflowId::new("asked").expect("an id"),
        run_id: None,
        query,
        reject_condition: QueryRejectCondition::None,
    })));
    let Err(ServiceError::Refused(Refusal::QueryFailed { message, .. })) = asked.await else {
        panic!("the built-in worker has no answer");
    };
    assert_eq!(message, "the workflow has no handler of query \"status\"; it has: none");
    running.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_panic_in_an_activity_is_a_failure_and_is_tried_again() {
    let service = Service::new();
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let panics = worker().activity::<Note>(move |cx: ActivityContext, _: String| {
        let attempt = counted.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            assert_eq!(cx.task().attempt, attempt);
            assert!(attempt > 2, "attempt {attempt} is not good enough");
            Ok(())
        }
    });
    let running = begin(panics, &service).await;
    let given_up = service.start::<Noted>("a", "2").await;
    assert_eq!(service.result(given_up).await, "\"activity panicked: attempt 2 is not good enough\"");
    running.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn an_activity_that_takes_too_long_is_dropped() {
    struct Dropped(tokio::sync::mpsc::UnboundedSender<()>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.send(()).expect("the test listens");
        }
    }
    let service = Service::new();
    let (dropped, mut is_dropped) = tokio::sync::mpsc::unbounded_channel();
    let hangs = worker().activity::<Note>(move |_: ActivityContext, _: String| {
        let guard = Dropped(dropped.clone());
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    });
    let running = begin(hangs, &service).await;
    let run = service.start::<Noted>("a", "1").await;
    is_dropped.recv().await.expect("the attempt is dropped");
    let message = service.result(run).await;
    assert!(message.contains("too long") || message.contains("time"), "{message}");
    running.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn an_activity_is_known_by_the_same_key_at_every_attempt() {
    let service = Service::new();
    let (keys, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let fails = worker().activity::<Note>(move |cx: ActivityContext, _: String| {
        keys.send(cx.idempotency_key()).expect("the test listens");
        async { Err(Failure::application("no", "Test", false)) }
    });
    let running = begin(fails, &service).await;
    let run = service.start::<Noted>("a", "3").await;
    service.result(run).await;
    let keys = [seen.recv().await, seen.recv().await, seen.recv().await];
    assert_eq!(keys, std::array::from_fn(|_| Some(format!("{run}/5/1"))));
    running.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_an_attempt_reports_reaches_the_next_one() {
    let service = Service::new();
    let (begins, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let copies = worker().activity::<Note>(move |cx: ActivityContext, _: String| {
        let begins = begins.clone();
        async move {
            let from = cx.last_heartbeat::<u32>().expect("it is a number").unwrap_or(0);
            begins.send(from).expect("the test listens");
            assert!(!cx.heartbeat(&(from + 10)).await, "nobody asks for an end");
            if from < 20 { Err(Failure::application("no power", "Test", false)) } else { Ok(()) }
        }
    });
    let running = begin(copies, &service).await;
    let run = service.start::<Noted>("a", "5").await;
    assert_eq!(service.result(run).await, "\"done\"");
    let from = [begun.recv().await, begun.recv().await, begun.recv().await];
    assert_eq!(from, [Some(0), Some(10), Some(20)]);
    running.stop(Duration::from_secs(5)).await;
}

struct GivesUp;
impl Workflow for GivesUp {
    const TYPE: &'static str = "gives-up";
    type Input = ();
    type Output = bool;
    async fn run(cx: Context, (): ()) -> Result<bool, Failure> {
        let note = cx.activity::<Note>("n".to_owned()).heartbeat(Duration::from_secs(30)).start();
        cx.signal::<()>("enough").recv().await?;
        note.cancel();
        let failure = note.await.expect_err("it hears of it");
        Ok(failure.cause.is_some_and(|cause| matches!(cause.info, FailureInfo::Canceled { .. })))
    }
}

#[tokio::test]
async fn an_activity_that_is_cancelled_hears_of_it_and_says_so() {
    let service = Service::new();
    let (beats, mut beating) = tokio::sync::mpsc::unbounded_channel();
    let listens = worker().workflow::<GivesUp>().activity::<Note>(move |cx: ActivityContext, _: String| {
        let beats = beats.clone();
        async move {
            while !cx.heartbeat(&()).await {
                // A test that has heard enough hangs up.
                if beats.send(()).is_err() {
                    tokio::task::yield_now().await;
                }
            }
            Err(cx.canceled())
        }
    });
    let running = begin(listens, &service).await;
    let run = service.start::<GivesUp>("a", "null").await;
    beating.recv().await.expect("the attempt reports");
    drop(beating);
    let signal = Request::SignalWorkflowExecution {
        namespace: namespace(),
        workflow_id: WorkflowId::new("a").expect("an id"),
        run_id: None,
        signal_name: "enough".to_owned(),
        input: vec![Payload::json("null")],
        identity: "test".to_owned(),
        request_id: "1".to_owned(),
        header: Header::new(),
    };
    service.call(signal).await.expect("it is open");
    assert_eq!(service.result(run).await, "true");
    running.stop(Duration::from_secs(5)).await;
}

fn namespace() -> Namespace {
    Namespace::new("default").expect("a name")
}

fn queue() -> TaskQueue {
    TaskQueue::new("tests").expect("a name")
}
