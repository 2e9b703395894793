//! Both sides of the comparison, and a host around the engine: a log, a clock, crashes.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_engine::{
    ActivityRef, ActivityTaskToken, Effect, Engine, Input, Record, Refusal, Reply, Request, Settings, Step,
    Ticket, WorkflowTaskToken,
};
use tidegate_model::chance::Chance;
use tidegate_model::codec;
use tidegate_model::event::HistoryBatch;
use tidegate_model::id::{BootId, RunId};
use tidegate_model::time::{ClockState, Stamp, Timestamp};

use crate::gist;
use crate::program::{Crash, Op};
use crate::reference::Reference;

/// 2026-01-01T00:00:00Z.
const BEGINNING: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

type Replies = Vec<(Ticket, Result<Reply, Refusal>)>;

/// What differs, in words.
pub(crate) type Difference = String;

/// Tasks that were handed out, in order.
pub(crate) struct HandedOut<Token> {
    pub(crate) all: Vec<Token>,
    /// The places of those that nobody has answered.
    pub(crate) unanswered: Vec<usize>,
}

impl<Token: PartialEq> HandedOut<Token> {
    fn new() -> Self {
        Self { all: Vec::new(), unanswered: Vec::new() }
    }

    fn push(&mut self, token: Token) {
        self.unanswered.push(self.all.len());
        self.all.push(token);
    }

    fn answered(&mut self, token: &Token) {
        let Self { all, unanswered } = self;
        unanswered.retain(|at| all[*at] != *token);
    }
}

/// See the module.
pub(crate) struct Sides {
    pub(crate) engine: Engine,
    pub(crate) reference: Reference,
    pub(crate) now: Timestamp,
    chance: Chance,
    /// What is on disk.
    pub(crate) records: Vec<Record>,
    /// The state at some record, as it was stored then.
    snapshot: (usize, Vec<u8>),
    /// A fault planted in what comes back from the disk.
    pub(crate) on_recovery: Option<fn(Vec<Record>) -> Vec<Record>>,
    /// A host that answers before it commits.
    pub(crate) answers_too_early: bool,
    /// How much of each run's history has been compared.
    compared: BTreeMap<RunId, usize>,
    pub(crate) histories: BTreeMap<RunId, Vec<HistoryBatch>>,
    pub(crate) workflow_tasks: HandedOut<WorkflowTaskToken>,
    pub(crate) activities: HandedOut<ActivityTaskToken>,
    /// Polls, in order.
    pub(crate) polls: Vec<Ticket>,
    pub(crate) answered: Vec<String>,
    next_ticket: u64,
}

impl Sides {
    pub(crate) fn new() -> Self {
        let engine = Engine::new().with_settings(settings());
        Self {
            snapshot: (0, engine.snapshot()),
            engine,
            reference: Reference::new(BEGINNING),
            now: BEGINNING,
            chance: Chance::new(7),
            records: Vec::new(),
            on_recovery: None,
            answers_too_early: false,
            compared: BTreeMap::new(),
            histories: BTreeMap::new(),
            workflow_tasks: HandedOut::new(),
            activities: HandedOut::new(),
            polls: Vec::new(),
            answered: Vec::new(),
            next_ticket: 1,
        }
    }

    /// Does one operation on both sides and compares them.
    pub(crate) fn run(&mut self, op: &Op) -> Result<(), Difference> {
        match op {
            Op::Wait { seconds } => self.wait(Duration::from_secs(*seconds)),
            Op::PowerOff { seconds } => {
                self.crash(Crash::Records)?;
                self.now = self.now + Duration::from_secs(*seconds);
                self.wait(Duration::ZERO)
            }
            Op::Crash(crash) => self.crash(*crash),
            Op::Lost(op) => self.lose(op),
            Op::Abandon { poll } => {
                let Some(ticket) = poll.of(&self.polls).copied() else { return Ok(()) };
                let replies = self.step(|engine, step| engine.handle(step, Input::Abandon { ticket }));
                self.reference.abandon(ticket);
                self.compare(replies)
            }
            Op::Ask(asked) => {
                let Some(request) = asked.request(self) else { return Ok(()) };
                let ticket = Ticket(self.next_ticket);
                self.next_ticket += 1;
                if asked.is_poll() {
                    self.polls.push(ticket);
                }
                self.forget_answered(&request);
                let asked = request.clone();
                let replies =
                    self.step(|engine, step| engine.handle(step, Input::Request { ticket, request: asked }));
                self.reference.request(ticket, request);
                self.compare(replies)?;
                self.wait(Duration::ZERO)
            }
        }
    }

    /// A task that is being answered is not answered again, unless somebody insists.
    fn forget_answered(&mut self, request: &Request) {
        if let Request::RespondWorkflowTaskCompleted(completion) = request {
            self.workflow_tasks.answered(&completion.token);
        } else if let Request::RespondWorkflowTaskFailed { token, .. } = request {
            self.workflow_tasks.answered(token);
        } else if let Request::RespondActivityTaskCompleted { task: ActivityRef::Token(token), .. }
        | Request::RespondActivityTaskFailed { task: ActivityRef::Token(token), .. } = request
        {
            self.activities.answered(token);
        }
    }

    /// An operation that is decided on, and then the power goes: nobody has heard of it.
    fn lose(&mut self, op: &Op) -> Result<(), Difference> {
        let Op::Ask(asked) = op else { return Ok(()) };
        if let Some(request) = asked.request(self) {
            let ticket = Ticket(self.next_ticket);
            self.next_ticket += 1;
            let (mut records, mut effects) = (Vec::new(), Vec::new());
            let mut chance = self.chance.clone();
            let mut step = Step {
                now: self.now,
                stamp: stamp(self.now),
                chance: &mut chance,
                records: &mut records,
                effects: &mut effects,
            };
            self.engine.handle(&mut step, Input::Request { ticket, request: request.clone() });
            if self.answers_too_early {
                self.reference.learn_names(&records);
                self.reference.request(ticket, request);
                drop(self.reference.take_replies());
            }
        }
        self.crash(Crash::Records)
    }

    /// Time passes; what becomes due is done when it is due.
    fn wait(&mut self, duration: Duration) -> Result<(), Difference> {
        let until = self.now + duration;
        for _ in 0..10_000 {
            let Some((at, _)) = self.engine.next_deadline().filter(|(at, _)| *at <= until) else {
                self.now = until;
                self.reference.advance(until);
                // Where the engine has nothing to do, the reference has not either.
                return self.compare(Vec::new());
            };
            self.now = self.now.max(at);
            let replies = self.step(Engine::handle_deadline);
            self.reference.advance(self.now);
            self.compare(replies)?;
        }
        Err(String::from("there is always something due"))
    }

    fn crash(&mut self, crash: Crash) -> Result<(), Difference> {
        let from_disk = |records: &[Record]| -> Vec<Record> {
            let reread = |record| codec::from_cbor(&codec::to_cbor(record)).expect("a record is understood");
            records.iter().map(reread).collect()
        };
        let (at, snapshot) = &self.snapshot;
        let (from, engine) = match crash {
            Crash::Snapshot => (self.records.len(), Engine::restore(&self.engine.snapshot())),
            Crash::Records => (0, Ok(Engine::new())),
            Crash::OlderSnapshot => (*at, Engine::restore(snapshot)),
        };
        let engine = engine.map_err(|error| format!("a snapshot is not understood: {error}"))?;
        let mut engine = engine.with_settings(settings());
        let mut records = from_disk(&self.records[from..]);
        if let Some(fault) = self.on_recovery {
            records = fault(records);
        }
        for record in &records {
            engine.apply(record);
        }
        self.engine = engine;
        self.reference.crash();
        self.polls.clear();
        self.wait(Duration::ZERO)
    }

    fn step(&mut self, decide: impl FnOnce(&mut Engine, &mut Step<'_>)) -> Replies {
        let (mut records, mut effects) = (Vec::new(), Vec::new());
        let mut step = Step {
            now: self.now,
            stamp: stamp(self.now),
            chance: &mut self.chance,
            records: &mut records,
            effects: &mut effects,
        };
        decide(&mut self.engine, &mut step);
        for record in &records {
            if let Record::History(batch) = record {
                self.histories.entry(batch.run_id).or_default().push(batch.clone());
            }
        }
        self.reference.learn_names(&records);
        self.records.extend(records);
        // Now and then a snapshot is kept, to go on from later.
        if self.records.len() > self.snapshot.0 + 40 {
            self.snapshot = (self.records.len(), self.engine.snapshot());
        }
        effects.into_iter().map(|Effect::Reply { ticket, reply }| (ticket, reply)).collect()
    }

    fn compare(&mut self, replies: Replies) -> Result<(), Difference> {
        for (ticket, reply) in &replies {
            self.answered.push(kind_of(reply));
            self.polls.retain(|poll| poll != ticket);
            match reply {
                Ok(Reply::WorkflowTask(Some(task))) => self.workflow_tasks.push(task.token.clone()),
                Ok(Reply::ActivityTask(Some(task))) => self.activities.push(task.token.clone()),
                Ok(_) | Err(_) => {}
            }
        }
        let sorted = |replies: &Replies| {
            let mut all: Vec<(Ticket, String)> =
                replies.iter().map(|(ticket, reply)| (*ticket, gist::reply(reply))).collect();
            all.sort();
            all
        };
        let expected = self.reference.take_replies();
        let (is, should) = (sorted(&replies), sorted(&expected));
        if is != should {
            return Err(format!("answers:\n  {is:?}\nshould be\n  {should:?}"));
        }
        self.compare_histories()
    }

    /// What has been compared does not change: only what is new is looked at.
    fn compare_histories(&mut self) -> Result<(), Difference> {
        let known: Vec<RunId> = self.histories.keys().copied().collect();
        if let Some(missing) = self.reference.runs.keys().find(|run_id| !known.contains(run_id)) {
            return Err(format!(
                "there should be a run {missing}: {:?}",
                self.reference.runs[missing].history
            ));
        }
        for run_id in known {
            let batches = &self.histories[&run_id];
            let is_dense = batches.windows(2).all(|pair| pair[0].next_event_id() == pair[1].first_event_id);
            if !is_dense {
                return Err(format!("the events of run {run_id} are not numbered as they come"));
            }
            let Some(run) = self.reference.runs.get(&run_id) else {
                return Err(format!("there should not be a run {run_id}: {:?}", self.histories[&run_id]));
            };
            let at = self.compared.entry(run_id).or_default();
            let is: Vec<String> = self.histories[&run_id]
                .iter()
                .flat_map(|batch| batch.events.iter().map(move |event| (batch.event_time, event)))
                .skip(*at)
                .map(|(time, event)| format!("{time} {}", gist::event(event)))
                .collect();
            let should: Vec<String> = run.history[(*at).min(run.history.len())..]
                .iter()
                .map(|(time, event)| format!("{time} {}", gist::event(event)))
                .collect();
            if is != should {
                let workflow_id = &run.workflow_id;
                return Err(format!(
                    "history of {workflow_id}, run {run_id}, from event {}:\n  {}\nshould be\n  {}",
                    *at + 1,
                    is.join("\n  "),
                    should.join("\n  ")
                ));
            }
            *at += is.len();
            if self.engine.is_open(run_id) != run.is_open() {
                return Err(format!("run {run_id} is open: {}", self.engine.is_open(run_id)));
            }
        }
        Ok(())
    }

    /// The latest run of an execution, open or closed.
    pub(crate) fn runs_of(&self, workflow: &str) -> Vec<RunId> {
        let of = |batches: &Vec<HistoryBatch>| batches[0].workflow_id.as_str() == workflow;
        self.histories.iter().filter(|(_, batches)| of(batches)).map(|(run_id, _)| *run_id).collect()
    }
}

/// Nothing is forgotten: the reference does not either.
fn settings() -> Settings {
    Settings { retention: Duration::from_secs(10 * 365 * 86_400), ..Settings::default() }
}

/// For the count of what has been seen.
fn kind_of(reply: &Result<Reply, Refusal>) -> String {
    let first_word = |words: String| words[..words.find(['(', '{', ' ']).unwrap_or(words.len())].to_owned();
    match reply {
        Ok(reply) => first_word(format!("{reply:?}")),
        Err(refusal) => format!("refused {}", first_word(format!("{refusal:?}"))),
    }
}

fn stamp(now: Timestamp) -> Stamp {
    Stamp {
        boot: BootId::from_u128(1),
        boottime_ns: 0,
        wall: now,
        state: ClockState::Synchronised,
        error_us: Some(500),
    }
}
