//! An engine with a host around it: a clock, a log, and the suspicion that something is wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_engine::{
    Effect, Engine, HistoryPart, Input, Record, Refusal, Reply, Request, Settings, Step, Ticket, WorkflowTask,
};
use tidegate_model::chance::Chance;
use tidegate_model::codec;
use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::id::{BootId, EventId, RunId};
use tidegate_model::limits::{ROW_BYTES_MAX, WIRE_BYTES_MAX};
use tidegate_model::time::{ClockState, Stamp, Timestamp};

use crate::checker::Checker;

/// 2026-01-01T00:00:00Z.
const BEGINNING: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// What came of a step: replies, by the ticket of their request.
pub(crate) type Replies = Vec<(Ticket, Result<Reply, Refusal>)>;

/// See the module.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) now: Timestamp,
    pub(crate) chance: Chance,
    /// All there are, in order.
    pub(crate) records: Vec<Record>,
    pub(crate) histories: BTreeMap<RunId, Vec<HistoryBatch>>,
    /// The state from the records alone, as they come off a disk.
    shadow: Engine,
    pub(crate) checker: Checker,
    /// Leaves out what costs time with each run there is, for tests of large numbers.
    pub(crate) is_crowded: bool,
    /// How many records each step took.
    pub(crate) steps: Vec<usize>,
    next_ticket: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            engine: Engine::new(),
            now: BEGINNING,
            chance: Chance::new(seed),
            records: Vec::new(),
            histories: BTreeMap::new(),
            shadow: Engine::new(),
            checker: Checker::default(),
            is_crowded: false,
            steps: Vec::new(),
            next_ticket: 1,
        }
    }

    /// Other limits than the default, from the beginning.
    pub(crate) fn set_settings(&mut self, settings: Settings) {
        self.engine = Engine::new().with_settings(settings.clone());
        self.shadow = Engine::new().with_settings(settings);
    }

    /// Makes a request, and does what is due by then, as a host's loop would.
    pub(crate) fn request(&mut self, request: Request) -> (Ticket, Replies) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let is_question = matches!(
            request,
            Request::QueryWorkflow(_)
                | Request::RespondQueryTaskCompleted { .. }
                | Request::WaitForHistory(_)
        );
        let before = self.records.len();
        let mut replies = self.step(|engine, step| engine.handle(step, Input::Request { ticket, request }));
        assert!(!is_question || self.records.len() == before, "a question leaves no record");
        replies.extend(self.do_what_is_due());
        (ticket, replies)
    }

    pub(crate) fn abandon(&mut self, ticket: Ticket) -> Replies {
        self.step(|engine, step| engine.handle(step, Input::Abandon { ticket }))
    }

    /// Time passes; what becomes due is done when it is due.
    pub(crate) fn wait(&mut self, duration: Duration) -> Replies {
        let until = self.now + duration;
        let mut replies = Vec::new();
        while let Some((at, _)) = self.engine.next_deadline().filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at);
            replies.extend(self.do_what_is_due());
        }
        self.now = until;
        replies
    }

    /// The power is off for a time: what became due is done when it is back. Polls are gone.
    pub(crate) fn power_off(&mut self, duration: Duration) -> Replies {
        self.crash();
        self.now = self.now + duration;
        self.do_what_is_due()
    }

    /// The process ends and begins anew from its snapshot.
    pub(crate) fn crash(&mut self) {
        self.engine = Engine::restore(&self.engine.snapshot()).expect("an engine reads its own snapshot");
    }

    fn do_what_is_due(&mut self) -> Replies {
        let mut replies = Vec::new();
        while self.engine.next_deadline().is_some_and(|(at, _)| at <= self.now) {
            replies.extend(self.step(Engine::handle_deadline));
        }
        replies
    }

    pub(crate) fn step(&mut self, decide: impl FnOnce(&mut Engine, &mut Step<'_>)) -> Replies {
        let Decided { records, effects } = decided(&mut self.engine, self.now, &mut self.chance, decide);
        let mut bytes = 0;
        for record in &records {
            let size = codec::to_cbor(record).len();
            assert!(size < WIRE_BYTES_MAX, "a record of {size} bytes does not fit the wire");
            bytes += size;
            self.shadow.apply(&through_the_log(record));
            self.checker.take(record).unwrap_or_else(|broken| panic!("{broken}\nby {record:?}"));
            if let Record::History(batch) = record {
                self.histories.entry(batch.run_id).or_default().push(batch.clone());
            }
        }
        assert!(bytes < ROW_BYTES_MAX, "a step of {bytes} bytes does not fit a row of the log");
        self.steps.push(records.len());
        self.records.extend(records);
        if !self.is_crowded {
            self.checker.settled().unwrap_or_else(|broken| panic!("{broken}"));
            self.compare_with_shadow();
        }
        let replies: Replies =
            effects.into_iter().map(|Effect::Reply { ticket, reply }| (ticket, reply)).collect();
        for (_, reply) in &replies {
            if let Ok(Reply::WorkflowTask(Some(task))) = reply {
                self.check_task(task);
            }
        }
        replies
    }

    fn compare_with_shadow(&self) {
        let live = self.engine.snapshot();
        assert!(live == self.shadow.snapshot(), "a replayed engine is in the state of the live one");
        let restored = Engine::restore(&live).expect("an engine reads its own snapshot");
        assert!(live == restored.snapshot(), "a restored engine is in the state it was restored from");
        assert_eq!(self.shadow.next_deadline(), restored.next_deadline(), "and waits for the same");
    }

    /// A task's history is what an SDK accepts: dense, from the first event or from where the worker stopped, up to
    /// the started event of this very attempt.
    fn check_task(&self, task: &WorkflowTask) {
        if task.query.is_some() {
            self.check_query_task(task);
            return;
        }
        let (first, events) = self.events_of(task);
        let expected =
            if matches!(task.history, HistoryPart::Whole) { 1 } else { task.previous_started_event_id + 1 };
        assert_eq!(first, expected, "history begins where the worker stopped");
        assert_eq!(
            first + events.len() as u64 - 1,
            task.started_event_id,
            "history ends with the task's start"
        );
        let last = events.last().expect("there is the start at least");
        assert!(matches!(last, Event::WorkflowTaskStarted { .. }), "and not with {}", last.type_name());
        assert_eq!(task.token.started_event_id, task.started_event_id);
        assert_eq!(task.token.attempt, task.attempt);
        // A first attempt that is not in history is speculative: only updates are a reason for one.
        let is_speculative = task.attempt == 1 && !task.messages.is_empty() && !task.transient.is_empty();
        let is_shown_only = task.attempt > 1 || is_speculative;
        assert_eq!(task.transient.len(), if is_shown_only { 2 } else { 0 });
    }

    /// A query that is a task of its own starts nothing, and comes with all events or none.
    fn check_query_task(&self, task: &WorkflowTask) {
        assert_eq!(task.started_event_id, 0, "nothing was started");
        assert_eq!(task.transient, [], "and nothing is shown that is not history");
        assert!(task.previous_started_event_id > 0, "the workflow has run before");
        assert!(self.histories.contains_key(&task.token.run_id), "the run has a history");
        match &task.history {
            HistoryPart::Whole => {}
            HistoryPart::Since(batches) => assert_eq!(batches, &[], "the worker has the run in its cache"),
        }
    }

    /// What a host would send with a task.
    pub(crate) fn events_of(&self, task: &WorkflowTask) -> (EventId, Vec<Event>) {
        let given = match &task.history {
            HistoryPart::Whole => self.histories.get(&task.token.run_id).expect("a run has a history"),
            HistoryPart::Since(batches) => batches,
        };
        let first = given.first().expect("a task has a history").first_event_id;
        for pair in given.windows(2) {
            assert_eq!(pair[0].next_event_id(), pair[1].first_event_id, "no batch is left out");
        }
        let events = given.iter().flat_map(|batch| &batch.events).chain(&task.transient).cloned();
        (first, events.collect())
    }
}

/// What an engine decided in one step.
#[derive(Debug, PartialEq)]
pub(crate) struct Decided {
    pub(crate) records: Vec<Record>,
    pub(crate) effects: Vec<Effect>,
}

/// Lets an engine decide.
pub(crate) fn decided(
    engine: &mut Engine,
    now: Timestamp,
    chance: &mut Chance,
    decide: impl FnOnce(&mut Engine, &mut Step<'_>),
) -> Decided {
    let mut records = Vec::new();
    let mut effects = Vec::new();
    let mut step = Step { now, stamp: stamp(now), chance, records: &mut records, effects: &mut effects };
    decide(engine, &mut step);
    Decided { records, effects }
}

/// The state after records, starting from a state.
pub(crate) fn replay(mut engine: Engine, records: &[Record]) -> Engine {
    for record in records {
        engine.apply(&through_the_log(record));
    }
    engine
}

/// A record as it comes back from a disk.
fn through_the_log(record: &Record) -> Record {
    let reread = codec::from_cbor(&codec::to_cbor(record)).expect("a record is understood");
    assert_eq!(record, &reread, "a record comes back as it went");
    reread
}

fn stamp(now: Timestamp) -> Stamp {
    let since = now.saturating_since(BEGINNING);
    Stamp {
        boot: BootId::from_u128(1),
        boottime_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
        wall: now,
        state: ClockState::Synchronised,
        error_us: Some(500),
    }
}
