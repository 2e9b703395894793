//! Both sides of the comparison: after every decision of the engine the reference is told what it was about, and both
//! must have given the same answers and written the same histories.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_engine::{Input, Request, Ticket};
use tidegate_model::id::RunId;
use tidegate_model::time::Timestamp;

use crate::coverage::Coverage;
use crate::gist;
use crate::host::{Crash, Decided, Host};
use crate::program::Op;
use crate::reference::Reference;
use crate::seen::Seen;
use crate::{Answer, Difference};

/// 2026-12-01T00:00:00Z.
const BEGINNING: Timestamp = Timestamp::from_micros(1_796_083_200_000_000);

/// See the module.
pub struct Sides<H> {
    /// Of the engine.
    pub host: H,
    /// What both sides have come to.
    pub state: State,
    /// What has happened.
    pub coverage: Coverage,
    /// What was known when each row was on disk; only of a host that has rows.
    pub kept: Vec<Kept>,
    /// A fault: a host that answers before it commits.
    pub answers_too_early: bool,
}

/// What was known when a row was on disk.
#[derive(Clone)]
pub struct Kept {
    /// Which.
    pub row: u64,
    /// Outside of the engine.
    pub state: State,
    /// The engine's own state.
    pub engine: Vec<u8>,
}

/// What is known outside of the engine.
#[derive(Clone)]
pub struct State {
    /// What should be.
    pub reference: Reference,
    /// What has been seen.
    pub seen: Seen,
    /// Engine time.
    pub now: Timestamp,
    /// How much of each run's history has been compared.
    compared: BTreeMap<RunId, usize>,
    next_ticket: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            reference: Reference::new(BEGINNING),
            seen: Seen::default(),
            now: BEGINNING,
            compared: BTreeMap::new(),
            next_ticket: 1,
        }
    }
}

impl<H: Host> Sides<H> {
    /// Both sides at their beginning.
    pub fn new(host: H) -> Self {
        Self::at(host, State::default())
    }

    /// Both sides where they were.
    pub fn at(host: H, state: State) -> Self {
        Self { host, state, coverage: Coverage::default(), kept: Vec::new(), answers_too_early: false }
    }

    /// Does one operation on both sides and compares them.
    ///
    /// # Errors
    /// What differs.
    pub fn run(&mut self, op: &Op) -> Result<(), Difference> {
        match op {
            Op::Wait { seconds } => self.wait(Duration::from_secs(*seconds)),
            Op::PowerOff { seconds } => {
                self.crash(Crash::Records)?;
                self.state.now = self.state.now + Duration::from_secs(*seconds);
                self.wait(Duration::ZERO)
            }
            Op::Crash(crash) => {
                self.crash(*crash)?;
                self.wait(Duration::ZERO)
            }
            Op::Lost(asked) => {
                let Some(request) = asked.request(&self.state.seen) else { return Ok(()) };
                self.lose(request)?;
                self.crash(Crash::Records)?;
                self.wait(Duration::ZERO)
            }
            Op::Abandon { waiting } => {
                let Some(ticket) = waiting.of(&self.state.seen.waiting).copied() else { return Ok(()) };
                self.state.seen.waiting.retain(|waits| *waits != ticket);
                self.turn(Some(Asked::Abandon(ticket)))
            }
            Op::Ask(asked) => {
                let Some(request) = asked.request(&self.state.seen) else { return Ok(()) };
                self.coverage.asked(&request);
                self.state.seen.ask(&request);
                let ticket = self.ticket();
                self.state.seen.waiting.push(ticket);
                self.turn(Some(Asked::Request(ticket, Box::new(request))))?;
                self.wait(Duration::ZERO)
            }
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.state.next_ticket += 1;
        Ticket(self.state.next_ticket - 1)
    }

    /// An operation that is decided on, and then the power goes: nobody has heard of it.
    fn lose(&mut self, request: Request) -> Result<(), Difference> {
        let ticket = self.ticket();
        let input = Input::Request { ticket, request: request.clone() };
        let decided = self.host.lose(self.state.now, input)?;
        if self.answers_too_early {
            for decided in decided {
                self.state.reference.learn_names(&decided.records);
            }
            self.state.reference.request(ticket, request);
            drop(self.state.reference.take_answers());
        }
        Ok(())
    }

    /// Time passes; what becomes due is done when it is due.
    fn wait(&mut self, duration: Duration) -> Result<(), Difference> {
        let until = self.state.now + duration;
        for _ in 0..10_000 {
            let Some(at) = self.host.next_deadline().filter(|at| *at <= until) else {
                self.state.now = until;
                self.state.reference.advance(until);
                // Where the engine has nothing to do, the reference has not either.
                self.compare(Vec::new())?;
                return self.state.compare_open(|run_id| self.host.is_open(run_id));
            };
            self.state.now = self.state.now.max(at);
            self.turn(None)?;
        }
        Err(String::from("there is always something due"))
    }

    fn crash(&mut self, crash: Crash) -> Result<(), Difference> {
        self.host.crash(crash)?;
        // What waited to be written went to the disk before an orderly end.
        self.keep();
        self.state.crash();
        Ok(())
    }

    fn turn(&mut self, asked: Option<Asked>) -> Result<(), Difference> {
        let input = asked.as_ref().map(Asked::input);
        let mut asked = asked;
        for decided in self.host.turn(self.state.now, input)? {
            let Decided { now, by_itself, records, answers } = decided;
            let State { reference, seen, .. } = &mut self.state;
            reference.learn_names(&records);
            reference.wake(now);
            for answer in &answers {
                seen.hear(answer);
                reference.learn_ids(answer);
                self.coverage.answered(&answer.1);
            }
            for record in &records {
                seen.record(record);
                self.coverage.recorded(record);
            }
            match asked.take_if(|_| !by_itself) {
                Some(Asked::Request(ticket, request)) => reference.request(ticket, *request),
                Some(Asked::Abandon(ticket)) => reference.abandon(ticket),
                None => reference.advance(now),
            }
            self.state.now = now;
            self.compare(answers)?;
        }
        self.state.compare_open(|run_id| self.host.is_open(run_id))?;
        self.keep();
        Ok(())
    }

    /// Notes what is known by now, where another row is on disk.
    pub fn keep(&mut self) {
        let known = self.kept.last().map(|kept| kept.row);
        if let Some((row, engine)) = self.host.settled().filter(|(row, _)| Some(*row) != known) {
            self.kept.push(Kept { row, state: self.state.clone(), engine });
        }
    }

    fn compare(&mut self, answers: Vec<Answer>) -> Result<(), Difference> {
        let expected = self.state.reference.take_answers();
        let sorted = |answers: &[Answer]| {
            let mut all: Vec<(Ticket, String)> =
                answers.iter().map(|(ticket, answer)| (*ticket, gist::answer(answer))).collect();
            all.sort();
            all
        };
        let (is, should) = (sorted(&answers), sorted(&expected));
        if is != should {
            return Err(format!("answers:\n  {is:?}\nshould be\n  {should:?}"));
        }
        self.state.compare_histories()
    }
}

enum Asked {
    Request(Ticket, Box<Request>),
    Abandon(Ticket),
}

impl Asked {
    fn input(&self) -> Input {
        match self {
            Self::Request(ticket, request) => {
                Input::Request { ticket: *ticket, request: request.as_ref().clone() }
            }
            Self::Abandon(ticket) => Input::Abandon { ticket: *ticket },
        }
    }
}

impl State {
    /// What goes with a process.
    pub fn crash(&mut self) {
        self.reference.crash();
        self.seen.crash();
    }

    /// Both sides say the same of which runs are open.
    ///
    /// # Errors
    /// What differs.
    pub fn compare_open(&self, is_open: impl Fn(RunId) -> bool) -> Result<(), Difference> {
        let differs = |run_id: &&RunId| is_open(**run_id) != self.reference.is_open(**run_id);
        match self.seen.histories.keys().find(differs) {
            Some(run_id) => Err(format!("run {run_id} is open: {}", is_open(*run_id))),
            None => Ok(()),
        }
    }

    /// What has been compared does not change: only what is new is looked at.
    ///
    /// # Errors
    /// What differs.
    pub fn compare_histories(&mut self) -> Result<(), Difference> {
        let Self { reference, seen, compared, .. } = self;
        let histories = &seen.histories;
        if let Some((missing, run)) = reference.runs.iter().find(|(id, _)| !histories.contains_key(*id)) {
            return Err(format!("there should be a run {missing}: {:?}", run.history));
        }
        for (run_id, batches) in histories {
            let is_dense = batches.windows(2).all(|pair| pair[0].next_event_id() == pair[1].first_event_id);
            if !is_dense {
                return Err(format!("the events of run {run_id} are not numbered as they come"));
            }
            let Some(run) = reference.any_run(*run_id) else {
                return Err(format!("there should not be a run {run_id}: {batches:?}"));
            };
            let at = compared.entry(*run_id).or_default();
            let is: Vec<String> = batches
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
        }
        Ok(())
    }
}
