//! Answers workflow tasks: finds the run in memory or makes it anew from its history, and keeps it for the next task.
//! Lives on one plain thread that has entered no runtime, so that workflow code finds none.

use std::collections::BTreeMap;

use tidegate_engine::{
    HistoryPart, QueryAnswer, WorkerMessage, WorkerMessageBody, WorkflowQuery, WorkflowTask,
    WorkflowTaskToken,
};
use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::id::RunId;

use super::ahead::Ahead;
use super::fault::{self, Fault};
use super::local_state::Ended;
use super::local_work::Work;
use super::replay::{Entry, Replay, Turn, entries};
use super::version::CodeVersion;
use super::workflow::Registry;

/// Runs and their code.
pub(super) struct Executor {
    registry: Registry,
    cache: Cache,
    /// Runs whose task waits for local activities.
    held: BTreeMap<RunId, Held>,
    version: CodeVersion,
}

/// A run in the middle of a turn.
struct Held {
    token: WorkflowTaskToken,
    run: Replay,
    /// For the repetition, where the turn is to be repeated.
    whole: Option<Vec<HistoryBatch>>,
}

/// What became of a workflow task.
#[derive(Debug)]
pub(super) enum Answer {
    /// The code says this, and to the queries that came along this.
    Turn(Turn, BTreeMap<String, QueryAnswer>),
    /// The code has local activities under way: to be gone on with as they end ([`Executor::go_on`]).
    Working(Work),
    /// What it says to a query that came alone.
    Query(QueryAnswer),
    /// The code and the history do not go together.
    Fault(Fault),
    /// The run is not in memory: give the task again with its whole history.
    NeedsHistory,
}

impl Executor {
    /// `cached_max` runs are kept warm. `version` is the code's.
    pub(super) fn new(registry: Registry, cached_max: usize, version: CodeVersion) -> Self {
        Self { registry, cache: Cache::new(cached_max), held: BTreeMap::new(), version }
    }

    /// Answers one task. `whole` is the run's history from the log, where it was asked for. With `shadow` the turn is
    /// repeated from the beginning of the history and compared; that wants the whole history.
    pub(super) fn answer(
        &mut self,
        task: &WorkflowTask,
        whole: Option<Vec<HistoryBatch>>,
        shadow: bool,
    ) -> Answer {
        let answer = self.try_answer(task, whole, shadow);
        self.told(answer)
    }

    /// Goes on with a turn that waits for local activities: with one that has ended, or to its conclusion as it stands,
    /// with the others still under way. [`Answer::NeedsHistory`] says that this turn is not waiting here.
    pub(super) fn go_on(&mut self, task: &WorkflowTask, ended: Option<Ended>) -> Answer {
        let answer = self.try_go_on(task, ended);
        self.told(answer)
    }

    fn told(&self, answer: Result<Option<Answer>, Fault>) -> Answer {
        match answer {
            Ok(Some(answer)) => answer,
            Ok(None) => Answer::NeedsHistory,
            // What is in memory is in an unknown state: the next attempt begins anew.
            Err(fault) => Answer::Fault(fault.seen_by(&self.version)),
        }
    }

    /// Forgets a run whose answer was not taken: what it asked for is not in its history.
    pub(super) fn forget(&mut self, run_id: RunId) {
        self.cache.take(run_id);
        self.held.remove(&run_id);
    }

    fn try_answer(
        &mut self,
        task: &WorkflowTask,
        whole: Option<Vec<HistoryBatch>>,
        shadow: bool,
    ) -> Result<Option<Answer>, Fault> {
        if let Some((_, query)) = &task.query {
            return Ok(self.answer_query(task, query, whole.as_deref()).map(Answer::Query));
        }
        let run_id = task.token.run_id;
        if shadow && whole.is_none() {
            return Ok(None);
        }
        let warm = self.cache.take(run_id).and_then(|run| goes_on(run, task));
        let (mut run, events) = match (warm, &whole) {
            (Some((run, events)), _) => (run, events),
            (None, Some(whole)) => self.begin(task, whole)?,
            (None, None) => return Ok(None),
        };
        run.lead(events, Ahead::new(task.messages.clone()))?;
        self.hold_or_finish(task, run, whole.filter(|_| shadow)).map(Some)
    }

    fn try_go_on(&mut self, task: &WorkflowTask, ended: Option<Ended>) -> Result<Option<Answer>, Fault> {
        let run_id = task.token.run_id;
        // Another task of the run may have come meanwhile, as this one took too long.
        if self.held.get(&run_id).is_none_or(|held| held.token != task.token) {
            return Ok(None);
        }
        let Some(Held { mut run, whole, .. }) = self.held.remove(&run_id) else { return Ok(None) };
        match ended {
            Some(ended) => {
                run.end_local(ended)?;
                self.hold_or_finish(task, run, whole).map(Some)
            }
            None => self.finish(task, run, whole).map(Some),
        }
    }

    fn hold_or_finish(
        &mut self,
        task: &WorkflowTask,
        run: Replay,
        whole: Option<Vec<HistoryBatch>>,
    ) -> Result<Answer, Fault> {
        let tasks = run.local_tasks();
        if tasks.is_empty() {
            return self.finish(task, run, whole);
        }
        let work = Work::new(tasks, run.workflow_task_timeout());
        self.held.insert(task.token.run_id, Held { token: task.token.clone(), run, whole });
        Ok(Answer::Working(work))
    }

    /// Concludes a turn, and repeats it where the whole history is given.
    fn finish(
        &mut self,
        task: &WorkflowTask,
        mut run: Replay,
        whole: Option<Vec<HistoryBatch>>,
    ) -> Result<Answer, Fault> {
        let mut turn = run.conclude()?;
        turn.version = (run.recorded_version() != Some(&self.version)).then(|| self.version.clone());
        if let Some(whole) = whole {
            let (mut twin, events) = self.begin(task, &whole)?;
            let again = twin.feed(events, Ahead::again(&turn))?;
            fault::check_shadow(&turn.commands, &again.commands)?;
            fault::check_shadow_messages(&let_in(&turn.messages), &again.messages)?;
        }
        let answers = task.queries.iter().map(|(id, query)| (id.clone(), run.query(query))).collect();
        if !run.is_closed() {
            self.cache.put(task.token.run_id, run);
        }
        Ok(Answer::Turn(turn, answers))
    }

    /// Answers a query that came alone, with the run in memory or from its whole history.
    fn answer_query(
        &mut self,
        task: &WorkflowTask,
        query: &WorkflowQuery,
        whole: Option<&[HistoryBatch]>,
    ) -> Option<QueryAnswer> {
        let run_id = task.token.run_id;
        if let Some(mut run) = self.cache.take(run_id) {
            let answer = run.query(query);
            self.cache.put(run_id, run);
            return Some(answer);
        }
        let whole = entries(whole?.to_vec());
        let replayed =
            Replay::begin(&self.registry, &task.namespace, &task.workflow_id, run_id, whole.first())
                .and_then(|mut run| run.feed(whole, Ahead::default()).map(|_| run));
        Some(match replayed {
            Ok(mut run) => run.query(query),
            Err(fault) => QueryAnswer::Failed {
                message: format!("the run could not be led to where it is: {fault}"),
                failure: Some(Box::new(fault.failure())),
            },
        })
    }

    fn begin(&self, task: &WorkflowTask, whole: &[HistoryBatch]) -> Result<(Replay, Vec<Entry>), Fault> {
        // The log may have gone on, with the end of this very task; the transient pair is not in it.
        let mut events = entries(whole.to_vec());
        events.retain(|entry| entry.id <= task.started_event_id);
        append_transient(&mut events, task);
        if events.last().is_none_or(|last| last.id != task.started_event_id) {
            return Err(Fault::BadHistory(format!(
                "the history ends at event {}, and the task is of event {}",
                events.last().map_or(0, |last| last.id),
                task.started_event_id
            )));
        }
        let run = Replay::begin(
            &self.registry,
            &task.namespace,
            &task.workflow_id,
            task.token.run_id,
            events.first(),
        )?;
        Ok((run, events))
    }
}

/// What a repetition says again: a rejection leaves no trace.
fn let_in(messages: &[WorkerMessage]) -> Vec<WorkerMessage> {
    let is_rejection = |message: &&WorkerMessage| matches!(message.body, WorkerMessageBody::Rejection { .. });
    messages.iter().filter(|message| !is_rejection(message)).cloned().collect()
}

/// The new events for a run in memory; `None` when they do not follow what it knows.
fn goes_on(run: Replay, task: &WorkflowTask) -> Option<(Replay, Vec<Entry>)> {
    let HistoryPart::Since(batches) = &task.history else { return None };
    let mut events = entries(batches.clone());
    append_transient(&mut events, task);
    let first = events.first()?;
    // A run in memory waits for the trace of its last answer. Anything else means that the answer was not taken.
    (first.id == run.next_event() && matches!(first.event, Event::WorkflowTaskCompleted { .. }))
        .then_some((run, events))
}

fn append_transient(events: &mut Vec<Entry>, task: &WorkflowTask) {
    let next = events.last().map_or(1, |last| last.id + 1);
    let transient = (next..).zip(&task.transient).map(|(id, event)| Entry {
        id,
        time: task.started_time,
        event: event.clone(),
    });
    events.extend(transient);
}

/// Runs in memory; the one idle longest gives way.
struct Cache {
    max: usize,
    clock: u64,
    runs: BTreeMap<RunId, (u64, Replay)>,
    by_use: BTreeMap<u64, RunId>,
}

impl Cache {
    fn new(max: usize) -> Self {
        Self { max, clock: 0, runs: BTreeMap::new(), by_use: BTreeMap::new() }
    }

    fn take(&mut self, run_id: RunId) -> Option<Replay> {
        let (used, run) = self.runs.remove(&run_id)?;
        self.by_use.remove(&used);
        Some(run)
    }

    fn put(&mut self, run_id: RunId, run: Replay) {
        self.clock += 1;
        self.by_use.insert(self.clock, run_id);
        self.runs.insert(run_id, (self.clock, run));
        while self.runs.len() > self.max {
            let (_, idle) = self.by_use.pop_first().expect("each run has its place in the order of use");
            self.runs.remove(&idle);
        }
    }
}
