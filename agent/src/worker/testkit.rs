//! The test kit: an engine in memory, virtual time and scripted activities, to try workflow code on. Everything the
//! worker does between poll and answer is the real thing; what is missing is the disk, the runtime and the waiting.
//!
//! docs/workflows.md shows it at work.

mod attempt;
mod client;
mod history;
mod locals;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tidegate_engine::{
    ActivityTask, Effect, Engine, HistoryPart, IndexedValueType, Input, QueryAnswer, Record, Refusal, Reply,
    Request, Step, StickyAttributes, Ticket, WorkflowTask, WorkflowTaskCompletion,
};
use tidegate_model::chance::Chance;
use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::id::{BootId, Namespace, RunId, TaskQueue};
use tidegate_model::payload::{Failure, FailureInfo, Payloads, TimeoutType};
use tidegate_model::time::{ClockState, Stamp, Timestamp};

pub use attempt::Attempt;
pub use client::Update;
pub use history::replay;

use locals::{AtWork, Held};

use super::executor::{Answer, Executor};
use super::fault::Fault;
use super::replay::Turn;
use super::state::canceled;
use super::version::CodeVersion;
use super::workflow::{Activity, Registry, Workflow, from_payloads, to_payloads};

const IDENTITY: &str = "testkit";
const STICKY: &str = "testkit/sticky";
/// What the code is called until [`World::build_id`] says otherwise.
const BUILD: &str = "test";
const START: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// What an attempt comes to; `None` when it falls silent.
type Script = Box<dyn FnMut(&mut Attempt<'_>) -> Option<Result<Payloads, Failure>>>;

/// The world a workflow runs in. One worker polls one task queue in it: what is sent to another waits for ever, or for
/// its time-out.
pub struct World {
    engine: Engine,
    chance: Chance,
    now: Timestamp,
    next_ticket: u64,
    replies: BTreeMap<Ticket, Result<Reply, Refusal>>,
    /// Polls that wait, by kind and queue.
    polls: BTreeMap<(&'static str, TaskQueue), Ticket>,
    /// What each step of the engine appended: together it is the log.
    log: Vec<Vec<Record>>,
    histories: BTreeMap<RunId, Vec<HistoryBatch>>,
    /// The runs in the order of their start.
    runs: Vec<RunId>,
    registry: Registry,
    executor: Executor,
    build: String,
    shadow: bool,
    sticky: bool,
    activities: BTreeMap<&'static str, Script>,
    /// Workflow tasks that wait for local activities.
    held: Vec<Held>,
    faults: Vec<String>,
    turns: u64,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// An empty world. Every turn of a workflow is replayed from the beginning and compared.
    #[must_use]
    pub fn new() -> Self {
        Self {
            engine: Engine::new(),
            chance: Chance::new(1),
            now: START,
            next_ticket: 1,
            replies: BTreeMap::new(),
            polls: BTreeMap::new(),
            log: Vec::new(),
            histories: BTreeMap::new(),
            runs: Vec::new(),
            registry: Registry::default(),
            executor: Executor::new(Registry::default(), 0, CodeVersion::of_build(BUILD)),
            build: BUILD.to_owned(),
            shadow: true,
            sticky: true,
            activities: BTreeMap::new(),
            held: Vec::new(),
            faults: Vec::new(),
            turns: 0,
        }
    }

    /// Knows a workflow type. What runs are in memory is forgotten, as when the program is installed anew.
    #[must_use]
    pub fn workflow<W: Workflow>(mut self) -> Self {
        self.registry.add::<W>();
        self.restart_worker(100, true);
        self
    }

    /// Installs the code anew under this name of its build.
    #[must_use]
    pub fn build_id(mut self, build: &str) -> Self {
        build.clone_into(&mut self.build);
        self.restart_worker(100, true);
        self
    }

    /// Carries out activities of a type as the script says.
    #[must_use]
    pub fn activity<A: Activity>(
        self,
        mut script: impl FnMut(A::Input) -> Result<A::Output, Failure> + 'static,
    ) -> Self {
        self.attempts::<A>(move |_, input| Some(script(input)))
    }

    /// Carries out activities of a type as the script says, which sees each attempt and may send heartbeats and let
    /// time pass. With `None` the attempt falls silent: its time-outs tell how it ends.
    #[must_use]
    pub fn attempts<A: Activity>(
        mut self,
        mut script: impl FnMut(&mut Attempt<'_>, A::Input) -> Option<Result<A::Output, Failure>> + 'static,
    ) -> Self {
        let script = move |attempt: &mut Attempt<'_>| {
            let input = from_payloads(&attempt.task().input).expect("the workflow encoded it");
            let outcome = script(attempt, input)?;
            Some(outcome.map(|output| to_payloads(&output).expect("outputs are JSON")))
        };
        self.activities.insert(A::TYPE, Box::new(script));
        self
    }

    /// Has search attributes of this name and type.
    #[must_use]
    pub fn search_attribute(mut self, name: &str, kind: IndexedValueType) -> Self {
        let attributes = BTreeMap::from([(name.to_owned(), kind)]);
        self.call(Request::AddSearchAttributes { namespace: namespace(), attributes })
            .expect("a name and a type that the engine takes");
        self
    }

    /// Another worker process with room for so many runs; what the former had in memory and in hand is gone.
    pub fn restart_worker(&mut self, cached_runs_max: usize, shadow: bool) {
        let version = CodeVersion::of_build(self.build.clone());
        self.executor = Executor::new(self.registry.clone(), cached_runs_max, version);
        self.shadow = shadow;
        self.sticky = cached_runs_max > 0;
        self.polls.clear();
        self.held.clear();
        self.call(Request::ShutdownWorker { identity: IDENTITY.to_owned() }).expect("always granted");
    }

    /// Another engine, which knows what the first `steps` entries of the log say and nothing else.
    pub fn crash_after(&mut self, steps: usize) {
        self.log.truncate(steps);
        self.engine = Engine::new();
        self.histories.clear();
        self.runs.clear();
        self.replies.clear();
        for record in self.log.iter().flatten() {
            self.engine.apply(record);
            remember(&mut self.histories, &mut self.runs, record);
        }
        self.restart_worker(100, true);
    }

    /// Entries in the log.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.log.len()
    }

    /// Works until nothing is left to do at this time.
    pub fn settle(&mut self) {
        loop {
            if let Some(task) = self.poll_workflow() {
                self.answer(&task);
            } else if let Some(task) = self.poll_activity() {
                self.carry_out(&task);
            } else if !self.work_locally() {
                return;
            }
        }
    }

    /// Works and lets time pass, from deadline to deadline, until the run has closed or `patience` is over.
    pub fn run(&mut self, run_id: RunId, patience: Duration) {
        let end = self.now + patience;
        loop {
            self.settle();
            if self.outcome_payloads(run_id).is_some() {
                return;
            }
            match self.next_deadline() {
                Some(at) if at <= end => self.advance_to(at),
                Some(_) | None => return,
            }
        }
    }

    /// Lets time pass, and works on whatever it brings.
    pub fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.settle();
        while let Some(at) = self.next_deadline().filter(|at| *at <= end) {
            self.advance_to(at);
            self.settle();
        }
        self.now = end;
    }

    /// Lets time pass while the worker is not there.
    pub fn pass(&mut self, duration: Duration) {
        for ticket in std::mem::take(&mut self.polls).into_values() {
            self.step(|engine, step| engine.handle(step, Input::Abandon { ticket }));
        }
        let end = self.now + duration;
        while let Some((at, _)) = self.engine.next_deadline().filter(|(at, _)| *at <= end) {
            self.advance_to(at);
        }
        self.now = end;
    }

    /// How the run ended; `None` while it is open. A run that was continued as new has the outcome of the one that
    /// follows. One that was cancelled, terminated or timed out ended with a failure of that kind.
    ///
    /// # Panics
    /// If it completed with what is not a `T`.
    #[must_use]
    pub fn outcome<T: DeserializeOwned>(&self, run_id: RunId) -> Option<Result<T, Failure>> {
        let outcome = self.outcome_payloads(run_id)?;
        Some(
            outcome.map(|result| {
                from_payloads(&result).expect("the workflow's output is what the test expects")
            }),
        )
    }

    /// The runs, in the order of their start.
    #[must_use]
    pub fn runs(&self) -> Vec<RunId> {
        self.runs.clone()
    }

    /// The latest run of an execution, such as a child.
    #[must_use]
    pub fn run_of(&self, id: &str) -> Option<RunId> {
        let is_of =
            |run: &&RunId| self.history(**run).first().is_some_and(|batch| batch.workflow_id.as_str() == id);
        self.runs.iter().rev().find(is_of).copied()
    }

    /// The run's events so far.
    #[must_use]
    pub fn history(&self, run_id: RunId) -> &[HistoryBatch] {
        self.histories.get(&run_id).map_or(&[], Vec::as_slice)
    }

    /// The types of the run's events, as Temporal names them.
    #[must_use]
    pub fn event_types(&self, run_id: RunId) -> Vec<&'static str> {
        self.history(run_id).iter().flat_map(|batch| batch.events.iter().map(Event::type_name)).collect()
    }

    /// What was wrong with workflow tasks, in order.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Workflow tasks answered.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Asks the engine something it answers at once.
    ///
    /// # Errors
    /// The engine's refusal.
    pub fn call(&mut self, request: Request) -> Result<Reply, Refusal> {
        let ticket = self.ask(request);
        self.replies.remove(&ticket).expect("only polls wait")
    }

    fn ask(&mut self, request: Request) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.step(|engine, step| engine.handle(step, Input::Request { ticket, request }));
        ticket
    }

    /// What a standing poll has brought by now; it is renewed when it was answered without a task.
    fn poll(&mut self, kind: &'static str, queue: TaskQueue, request: Request) -> Option<Reply> {
        let key = (kind, queue);
        let mut renewed = false;
        loop {
            let ticket = match self.polls.get(&key) {
                Some(ticket) => *ticket,
                None => {
                    renewed = true;
                    let ticket = self.ask(request.clone());
                    self.polls.insert(key.clone(), ticket);
                    ticket
                }
            };
            let reply = self.replies.remove(&ticket)?;
            self.polls.remove(&key);
            let reply = reply.expect("polls are not refused");
            if !matches!(reply, Reply::WorkflowTask(None) | Reply::ActivityTask(None)) {
                return Some(reply);
            }
            if renewed {
                return None;
            }
        }
    }

    fn outcome_payloads(&self, run_id: RunId) -> Option<Result<Payloads, Failure>> {
        let last = self.history(run_id).last()?.events.last()?;
        if let Event::WorkflowExecutionCompleted { result, .. } = last {
            return Some(Ok(result.clone()));
        }
        if let Event::WorkflowExecutionFailed { failure, .. } = last {
            return Some(Err(failure.clone()));
        }
        if let Event::WorkflowExecutionContinuedAsNew(next) = last {
            return self.outcome_payloads(next.new_execution_run_id);
        }
        if let Event::WorkflowExecutionCanceled { .. } = last {
            return Some(Err(canceled("the workflow was cancelled")));
        }
        if let Event::WorkflowExecutionTimedOut { .. } = last {
            return Some(Err(Failure::timeout("the workflow took too long", TimeoutType::StartToClose)));
        }
        if let Event::WorkflowExecutionTerminated { reason, .. } = last {
            let failure = Failure::application(format!("the workflow was terminated: {reason}"), "", true);
            return Some(Err(Failure { info: FailureInfo::Terminated, ..failure }));
        }
        None
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let engine = self.engine.next_deadline().map(|(at, _)| at);
        engine.into_iter().chain(self.next_local()).min()
    }

    fn advance_to(&mut self, at: Timestamp) {
        self.now = self.now.max(at);
        self.step(Engine::handle_deadline);
    }

    fn step(&mut self, decide: impl FnOnce(&mut Engine, &mut Step<'_>)) {
        let (mut records, mut effects) = (Vec::new(), Vec::new());
        let since_start = self.now.saturating_since(START);
        let mut step = Step {
            now: self.now,
            stamp: Stamp {
                boot: BootId::from_u128(1),
                boottime_ns: u64::try_from(since_start.as_nanos()).expect("a test lasts less than 584 years"),
                wall: self.now,
                state: ClockState::Synchronised,
                error_us: Some(1_000),
            },
            chance: &mut self.chance,
            records: &mut records,
            effects: &mut effects,
        };
        decide(&mut self.engine, &mut step);
        for record in &records {
            remember(&mut self.histories, &mut self.runs, record);
        }
        if !records.is_empty() {
            self.log.push(records);
        }
        for Effect::Reply { ticket, reply } in effects {
            self.replies.insert(ticket, reply);
        }
    }

    /// The next workflow task, from the sticky queue first, as a poll at this moment would bring it.
    pub(super) fn poll_workflow(&mut self) -> Option<WorkflowTask> {
        let sticky = TaskQueue::new(STICKY).expect("a fixed name");
        let queues = self.sticky.then_some(sticky).into_iter().chain([queue()]);
        for task_queue in queues {
            let identity = IDENTITY.to_owned();
            let poll = Request::PollWorkflowTaskQueue {
                namespace: namespace(),
                task_queue: task_queue.clone(),
                identity,
                worker_instance_key: String::new(),
            };
            if let Some(Reply::WorkflowTask(Some(task))) = self.poll("workflow", task_queue, poll) {
                return Some(*task);
            }
        }
        None
    }

    /// Answers a workflow task as the worker does.
    pub(super) fn answer(&mut self, task: &WorkflowTask) {
        self.answer_holding(task, BTreeMap::new());
    }

    /// [`World::answer`] with local activities that are under way.
    fn answer_holding(&mut self, task: &WorkflowTask, at_work: BTreeMap<String, AtWork>) {
        self.turns += 1;
        let run_id = task.token.run_id;
        let whole = matches!(task.history, HistoryPart::Whole).then(|| self.history(run_id).to_vec());
        let mut answer = self.executor.answer(task, whole, self.shadow);
        if matches!(answer, Answer::NeedsHistory) {
            answer = self.executor.answer(task, Some(self.histories[&run_id].clone()), self.shadow);
        }
        match answer {
            Answer::Working(work) => self.hold(task, work, at_work),
            answer @ (Answer::Turn(..) | Answer::Query(_) | Answer::Fault(_) | Answer::NeedsHistory) => {
                drop(self.tell(task, answer, false));
            }
        }
    }

    /// Tells the engine what came of a task; with `wants_more` as one of several that local activities take.
    fn tell(&mut self, task: &WorkflowTask, answer: Answer, wants_more: bool) -> Option<Reply> {
        let run_id = task.token.run_id;
        let taken = match answer {
            Answer::Turn(turn, queries) => self.respond(task, turn, queries, wants_more),
            Answer::Query(answer) => {
                let (token, _) = task.query.clone().expect("it was asked");
                self.call(Request::RespondQueryTaskCompleted { token, answer })
            }
            Answer::Fault(fault) => {
                self.faults.push(fault.to_string());
                self.call(Request::RespondWorkflowTaskFailed {
                    token: task.token.clone(),
                    cause: fault.cause(),
                    failure: fault.failure(),
                    identity: IDENTITY.to_owned(),
                })
            }
            // Another task of the run has come meanwhile.
            Answer::NeedsHistory => return None,
            Answer::Working(_) => unreachable!("it is held"),
        };
        if let Some(fault) = taken.as_ref().err().and_then(Fault::of_refusal) {
            self.faults.push(fault.to_string());
        }
        let goes_back =
            matches!(taken, Ok(Reply::WorkflowTaskCompleted { reset_history_event_id: Some(_), .. }));
        if taken.is_err() || goes_back {
            self.executor.forget(run_id);
        }
        taken.ok()
    }

    fn respond(
        &mut self,
        task: &WorkflowTask,
        Turn { commands, messages, version }: Turn,
        query_results: BTreeMap<String, QueryAnswer>,
        wants_more: bool,
    ) -> Result<Reply, Refusal> {
        let sticky = self.sticky.then(|| StickyAttributes {
            task_queue: TaskQueue::new(STICKY).expect("a fixed name"),
            schedule_to_start_timeout: Duration::from_secs(10),
        });
        self.call(Request::RespondWorkflowTaskCompleted(Box::new(WorkflowTaskCompletion {
            sticky,
            messages,
            query_results,
            return_new_workflow_task: wants_more,
            force_create_new_workflow_task: wants_more,
            sdk_metadata: version.map(|version| version.to_payload()),
            ..WorkflowTaskCompletion::new(task.token.clone(), commands, IDENTITY)
        })))
    }

    fn poll_activity(&mut self) -> Option<ActivityTask> {
        let identity = IDENTITY.to_owned();
        let poll = Request::PollActivityTaskQueue {
            namespace: namespace(),
            task_queue: queue(),
            identity,
            worker_instance_key: String::new(),
        };
        match self.poll("activity", queue(), poll) {
            Some(Reply::ActivityTask(task)) => task.map(|task| *task),
            Some(_) | None => None,
        }
    }

    fn carry_out(&mut self, task: &ActivityTask) {
        let outcome = match self.activities.remove_entry(task.activity_type.as_str()) {
            None => Some(Err(Failure::application("no script for it", "UnknownActivity", true))),
            Some((activity_type, mut script)) => {
                let outcome = script(&mut Attempt::of(self, task));
                self.activities.entry(activity_type).or_insert(script);
                outcome
            }
        };
        let (token, identity) = (task.token.clone(), IDENTITY.to_owned());
        let respond = match outcome {
            None => return,
            Some(Ok(result)) => {
                Request::RespondActivityTaskCompleted { task: token.into(), result, identity }
            }
            Some(Err(Failure { info: FailureInfo::Canceled { details }, .. })) => {
                Request::RespondActivityTaskCanceled { task: token.into(), details, identity }
            }
            Some(Err(failure)) => Request::RespondActivityTaskFailed {
                task: token.into(),
                failure,
                last_heartbeat_details: None,
                identity,
            },
        };
        // It may come too late, which is for the engine to say.
        drop(self.call(respond));
    }
}

fn remember(histories: &mut BTreeMap<RunId, Vec<HistoryBatch>>, runs: &mut Vec<RunId>, record: &Record) {
    if let Record::History(batch) = record {
        let history = histories.entry(batch.run_id).or_default();
        if history.is_empty() {
            runs.push(batch.run_id);
        }
        history.push(batch.clone());
    }
}

fn namespace() -> Namespace {
    Namespace::new("default").expect("a fixed name")
}

fn queue() -> TaskQueue {
    TaskQueue::new("tests").expect("a fixed name")
}
