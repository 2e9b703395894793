//! Schedules at work: what is due, what it starts, and what is in the way of that.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tidegate_engine::{
    Backfill, CancelWorkflow, OverlapPolicy, Refusal, Reply, RunStatus, Schedule as Wanted,
    ScheduleActionResult, StartWorkflow, TerminateWorkflow,
};
use tidegate_model::event::{Event, WorkflowIdReusePolicy};
use tidegate_model::id::{Namespace, RunId, ScheduleId, WorkflowId};
use tidegate_model::payload::{Failure, Header, Payload, Payloads};
use tidegate_model::time::Timestamp;

use super::Reference;
use super::schedule_times::after;

/// Which schedule.
pub(super) type Key = (Namespace, ScheduleId);

const WAITING_MAX: usize = 1_000;
const TIMES_AT_ONCE: usize = 10_000;
const STARTS_AT_ONCE: usize = 10;
const RECENT_MAX: usize = 10;
const PACE: Duration = Duration::from_secs(1);
/// One that has nothing left to do is kept for so long.
const IDLE: Duration = Duration::from_secs(7 * 86_400);

/// See the module.
#[derive(Clone)]
pub(super) struct Schedule {
    pub(super) wanted: Wanted,
    pub(super) memo: Header,
    pub(super) token: u64,
    pub(super) created: Timestamp,
    pub(super) updated: Option<Timestamp>,
    pub(super) create_request: String,
    pub(super) requests: Vec<String>,
    /// Times up to this one are dealt with.
    pub(super) dealt_with: Timestamp,
    pub(super) next_number: u64,
    pub(super) waiting: Vec<Action>,
    pub(super) backfills: VecDeque<Backfill>,
    pub(super) running: Vec<Running>,
    pub(super) recent: Vec<ScheduleActionResult>,
    pub(super) counts: Counts,
    last_result: Payloads,
    last_failure: Option<Failure>,
    /// It is to be looked at by then, whatever the calendar shows.
    pub(super) attention: Option<Timestamp>,
}

/// An action whose time has come.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Action {
    pub(super) number: u64,
    pub(super) time: Timestamp,
    pub(super) overlap: Option<OverlapPolicy>,
    /// By hand.
    pub(super) manual: bool,
}

/// What was started and is not settled; and how it closed.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) workflow_id: WorkflowId,
    pub(super) run_id: RunId,
    pub(super) closed: Option<End>,
}

#[derive(Clone)]
pub(super) struct End {
    status: RunStatus,
    result: Payloads,
    failure: Option<Failure>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) actions: u64,
    pub(super) missed: u64,
    pub(super) skipped: u64,
    pub(super) dropped: u64,
}

/// What becomes of the actions that wait.
#[derive(Default)]
struct Verdict {
    beside: Vec<Action>,
    next: Option<Action>,
    waiting: Vec<Action>,
    skipped: BTreeSet<u64>,
    cancels: bool,
    terminates: bool,
}

impl Schedule {
    pub(super) fn new(wanted: Wanted, memo: Header, request: String, now: Timestamp) -> Self {
        Self {
            wanted,
            memo,
            token: 1,
            created: now,
            updated: None,
            create_request: request,
            requests: Vec::new(),
            dealt_with: now,
            next_number: 1,
            waiting: Vec::new(),
            backfills: VecDeque::new(),
            running: Vec::new(),
            recent: Vec::new(),
            counts: Counts::default(),
            last_result: Payloads::new(),
            last_failure: None,
            attention: None,
        }
    }

    /// Whether one of its times leads to anything.
    pub(super) fn can_act(&self) -> bool {
        let state = &self.wanted.state;
        !state.paused && (!state.limited_actions || state.remaining_actions > 0)
    }

    fn next_time(&self) -> Option<Timestamp> {
        after(&self.wanted.spec, self.dealt_with).next()
    }

    fn policy(&self, own: Option<OverlapPolicy>) -> OverlapPolicy {
        own.unwrap_or(self.wanted.policies.overlap_policy)
    }

    fn expires(&self) -> Option<Timestamp> {
        let has_future = self.next_time().is_some() && self.can_act();
        let is_busy = !self.waiting.is_empty() || !self.backfills.is_empty() || !self.running.is_empty();
        if has_future || is_busy || self.wanted.state.paused {
            return None;
        }
        let last = self.recent.last().map(|action| action.actual_time);
        [Some(self.created), self.updated, last].into_iter().flatten().max().map(|last| last + IDLE)
    }

    /// When the calendar brings something.
    pub(super) fn due(&self) -> Option<Timestamp> {
        if self.attention.is_some() {
            return None;
        }
        self.next_time().filter(|_| self.can_act()).or_else(|| self.expires())
    }

    /// Times that came while nothing could be done are not made up for.
    pub(super) fn pass_idle_time(&mut self, now: Timestamp) {
        if !self.can_act() {
            self.dealt_with = self.dealt_with.max(now);
        }
    }

    fn settle_closed(&mut self) {
        let (closed, running) =
            std::mem::take(&mut self.running).into_iter().partition(|running| running.closed.is_some());
        self.running = running;
        let closed: Vec<Running> = closed;
        for Running { workflow_id, run_id, closed } in closed {
            let Some(End { status, result, failure }) = closed else { continue };
            if let Some(recent) = self.recent.iter_mut().find(|recent| recent.run_id == run_id) {
                recent.status = status;
            }
            let kind = match status {
                RunStatus::Failed => Some("failure"),
                RunStatus::TimedOut => Some("timeout"),
                _ => None,
            };
            if let Some(kind) =
                kind.filter(|_| self.wanted.policies.pause_on_failure && !self.wanted.state.paused)
            {
                self.wanted.state.paused = true;
                self.wanted.state.notes = format!("paused due to workflow {kind}: {workflow_id}");
                self.token += 1;
            }
            match status {
                RunStatus::Completed => {
                    if !result.is_empty() {
                        self.last_result = result;
                    }
                    self.last_failure = None;
                }
                RunStatus::Failed => self.last_failure = failure,
                _ => {}
            }
        }
        self.attention = Some(Timestamp::EPOCH);
    }

    /// The times that have come by themselves, at most so many of them; how many were missed, and whether there are more.
    fn take_times(&mut self, now: Timestamp, beside_max: usize, came: &mut Vec<Action>) -> bool {
        if !self.can_act() {
            return false;
        }
        let allows_all = self.policy(None) == OverlapPolicy::AllowAll;
        let most = if allows_all { beside_max } else { TIMES_AT_ONCE };
        let window = self.wanted.policies.catchup_window.unwrap_or_default();
        let times = after(&self.wanted.spec, self.dealt_with).take_while(|time| *time <= now);
        for (n, time) in times.enumerate() {
            if n >= TIMES_AT_ONCE || came.len() >= most {
                return true;
            }
            self.dealt_with = time;
            if self.updated.is_some_and(|updated| updated > time) {
                continue;
            }
            if now.saturating_since(time) > window {
                self.counts.missed += 1;
            } else {
                came.push(self.action(time, None, false));
            }
        }
        false
    }

    fn action(&mut self, time: Timestamp, overlap: Option<OverlapPolicy>, manual: bool) -> Action {
        let number = self.next_number;
        self.next_number += 1;
        Action { number, time, overlap, manual }
    }

    /// The times of the first stretch that is to be made up for. Whether there are more.
    fn take_backfill(&mut self, beside_max: usize, came: &mut Vec<Action>) -> bool {
        let Some(backfill) = self.backfills.front().copied() else { return false };
        let places = (WAITING_MAX / 2).saturating_sub(self.waiting.len() + came.len());
        let allows_all = self.policy(backfill.overlap_policy) == OverlapPolicy::AllowAll;
        let most = if allows_all { beside_max.min(places) } else { places };
        if most == 0 {
            return allows_all && beside_max == 0;
        }
        let times = after(&self.wanted.spec, backfill.start_time);
        let times: Vec<Timestamp> =
            times.take_while(|time| *time <= backfill.end_time).take(most + 1).collect();
        for time in times.iter().take(most) {
            came.push(self.action(*time, backfill.overlap_policy, true));
        }
        if times.len() > most {
            self.backfills[0].start_time = times[most - 1];
            return true;
        }
        self.backfills.pop_front();
        !self.backfills.is_empty()
    }

    fn verdict(&self, all: &[Action]) -> Verdict {
        let is_running = !self.running.is_empty();
        let mut verdict = Verdict::default();
        for action in all {
            let policy = self.policy(action.overlap);
            if policy == OverlapPolicy::AllowAll {
                verdict.beside.push(*action);
            } else if !is_running && verdict.next.is_none() {
                verdict.next = Some(*action);
            } else {
                match policy {
                    OverlapPolicy::BufferAll => verdict.waiting.push(*action),
                    OverlapPolicy::BufferOne if verdict.waiting.is_empty() => verdict.waiting.push(*action),
                    OverlapPolicy::CancelOther | OverlapPolicy::TerminateOther if is_running => {
                        verdict.cancels |= policy == OverlapPolicy::CancelOther;
                        verdict.terminates |= policy == OverlapPolicy::TerminateOther;
                        verdict.waiting.push(*action);
                    }
                    OverlapPolicy::CancelOther | OverlapPolicy::TerminateOther => {
                        // The later one goes before the one that has not been started.
                        let before = verdict.next.replace(*action);
                        verdict.skipped.extend(before.map(|action| action.number));
                    }
                    OverlapPolicy::Skip | OverlapPolicy::BufferOne | OverlapPolicy::AllowAll => {
                        verdict.skipped.insert(action.number);
                    }
                }
            }
        }
        verdict
    }

    /// What may be started, beside others or not; and what may not any more.
    fn permitted(&self, verdict: &Verdict) -> (Vec<(Action, bool)>, BTreeSet<u64>) {
        let state = &self.wanted.state;
        let mut left = match (state.paused, state.limited_actions) {
            (true, _) => 0,
            (false, true) => state.remaining_actions,
            (false, false) => u64::MAX,
        };
        let (mut starts, mut refused) = (Vec::new(), BTreeSet::new());
        let beside = verdict.beside.iter().map(|action| (*action, true));
        for (action, beside) in beside.chain(verdict.next.map(|action| (action, false))) {
            if action.manual || left > 0 {
                left -= u64::from(!action.manual);
                starts.push((action, beside));
            } else {
                refused.insert(action.number);
            }
        }
        (starts, refused)
    }
}

impl Reference {
    pub(super) fn do_due_schedules(&mut self) {
        for _ in 0..1_000 {
            let now = self.now;
            let attention = self.schedules.iter().filter_map(|(key, it)| Some((it.attention?, key.clone())));
            let attention = attention.min().filter(|(at, _)| *at <= now);
            let due = || {
                let due = self.schedules.iter().filter_map(|(key, it)| Some((it.due()?, key.clone())));
                due.min().filter(|(at, _)| *at <= now)
            };
            let Some((_, key)) = attention.or_else(due) else { return };
            self.run_schedule(&key);
        }
        panic!("a schedule is always due");
    }

    /// What was due under a schedule as it is comes before what is done to it.
    pub(super) fn bring_up_to_date(&mut self, key: &Key) {
        if self.schedules.get(key).and_then(Schedule::due).is_some_and(|due| due <= self.now) {
            self.run_schedule(key);
        }
    }

    fn run_schedule(&mut self, key: &Key) {
        let now = self.now;
        let schedule = self.schedules.get_mut(key).expect("it was found due");
        if schedule.running.iter().any(|running| running.closed.is_some()) {
            schedule.settle_closed();
        }
        let needs_attention = schedule.attention.is_some();
        if !needs_attention && schedule.expires().is_some_and(|at| at <= now) {
            self.schedules.remove(key);
            return;
        }
        let first_new = schedule.next_number;
        let beside =
            schedule.waiting.iter().filter(|it| schedule.policy(it.overlap) == OverlapPolicy::AllowAll);
        let beside_max = STARTS_AT_ONCE.saturating_sub(beside.count());
        let mut came = Vec::new();
        let mut has_more = schedule.take_times(now, beside_max, &mut came);
        has_more |= schedule.take_backfill(beside_max.saturating_sub(came.len()), &mut came);
        let mut all: Vec<Action> = schedule.waiting.iter().chain(&came).copied().collect();
        let mut left_out = BTreeSet::new();
        let (verdict, dropped, starts) = loop {
            let mut verdict = schedule.verdict(&all);
            let is_too_many = verdict.beside.len() > STARTS_AT_ONCE;
            // The newest give way, and nothing that has been waiting.
            let waits = || verdict.waiting.iter().chain(&verdict.beside).map(|action| action.number);
            let surplus = waits().count().saturating_sub(WAITING_MAX);
            let mut dropped: Vec<u64> = waits().filter(|number| *number >= first_new).collect();
            dropped.sort();
            let dropped: BTreeSet<u64> = dropped.into_iter().rev().take(surplus).collect();
            verdict.waiting.retain(|action| !dropped.contains(&action.number));
            verdict.beside.retain(|action| !dropped.contains(&action.number));
            verdict.beside.truncate(STARTS_AT_ONCE);
            let (starts, refused) = schedule.permitted(&verdict);
            if refused.is_empty() {
                has_more |= is_too_many;
                break (verdict, dropped, starts);
            }
            all.retain(|action| !refused.contains(&action.number));
            left_out.extend(refused);
        };
        schedule.counts.skipped += verdict.skipped.len() as u64;
        schedule.counts.dropped += dropped.len() as u64;
        schedule.waiting.extend(came);
        schedule.waiting.retain(|it| !verdict.skipped.contains(&it.number) && !dropped.contains(&it.number));
        let waiting = schedule.waiting.len();
        let (mut started, mut more) = (Vec::new(), Counts::default());
        for (action, beside) in starts {
            self.take_action(key, action, beside, &mut started, &mut left_out, &mut more);
        }
        let others_wait = waiting > started.len() + left_out.len();
        let again = has_more || !left_out.is_empty() && others_wait;
        if needs_attention || again || !started.is_empty() || !left_out.is_empty() {
            let schedule = self.schedules.get_mut(key).expect("it is there");
            for (action, workflow_id, run_id, beside) in started {
                schedule.waiting.retain(|waiting| waiting.number != action.number);
                schedule.counts.actions += 1;
                if !action.manual && schedule.wanted.state.limited_actions {
                    schedule.wanted.state.remaining_actions -= 1;
                    schedule.token += 1;
                }
                schedule.recent.push(ScheduleActionResult {
                    schedule_time: action.time,
                    actual_time: now,
                    workflow_id: workflow_id.clone(),
                    run_id,
                    status: RunStatus::Running,
                });
                let surplus = schedule.recent.len().saturating_sub(RECENT_MAX);
                schedule.recent.drain(..surplus);
                if !beside {
                    schedule.running.push(Running { workflow_id, run_id, closed: None });
                }
            }
            schedule.waiting.retain(|action| !left_out.contains(&action.number));
            schedule.counts.skipped += more.skipped;
            schedule.counts.dropped += more.dropped;
            schedule.attention = again.then(|| now + PACE);
        }
        if verdict.cancels || verdict.terminates {
            self.end_running(key, verdict.terminates);
        }
    }

    fn take_action(
        &mut self,
        key: &Key,
        action: Action,
        beside: bool,
        started: &mut Vec<(Action, WorkflowId, RunId, bool)>,
        left_out: &mut BTreeSet<u64>,
        counts: &mut Counts,
    ) {
        let start = self.start_of(key, action, beside);
        let workflow_id = start.workflow_id.clone();
        match self.start(start) {
            Ok(Reply::Started { run_id, .. }) => started.push((action, workflow_id, run_id, beside)),
            Err(Refusal::AlreadyStarted { .. }) => {
                left_out.insert(action.number);
                counts.skipped += 1;
            }
            Ok(_) | Err(_) => {
                left_out.insert(action.number);
                counts.dropped += 1;
            }
        }
    }

    fn start_of(&self, key: &Key, action: Action, beside: bool) -> StartWorkflow {
        let schedule = &self.schedules[key];
        let workflow = &schedule.wanted.action;
        let keeps_id = schedule.wanted.policies.keep_original_workflow_id;
        let time = action.time.to_string();
        let time = format!("{}Z", time.split('.').next().unwrap_or_default());
        let workflow_id = if keeps_id {
            workflow.workflow_id.clone()
        } else {
            WorkflowId::new(format!("{}-{time}", workflow.workflow_id)).expect("short enough")
        };
        StartWorkflow {
            input: workflow.input.clone(),
            identity: identity(key),
            request_id: format!("sched-{}-{}", schedule.created.as_micros(), action.number),
            memo: workflow.memo.clone(),
            search_attributes: Header::from([
                (String::from("TemporalScheduledById"), keyword(key.1.as_str(), "Keyword")),
                (String::from("TemporalScheduledStartTime"), keyword(&time, "Datetime")),
            ]),
            workflow_run_timeout: workflow.workflow_run_timeout,
            workflow_id_reuse_policy: if action.manual || keeps_id {
                WorkflowIdReusePolicy::AllowDuplicate
            } else {
                WorkflowIdReusePolicy::RejectDuplicate
            },
            last_completion_result: if beside { Payloads::new() } else { schedule.last_result.clone() },
            continued_failure: schedule.last_failure.clone().filter(|_| !beside),
            ..StartWorkflow::new(
                key.0.clone(),
                workflow_id,
                workflow.workflow_type.clone(),
                workflow.task_queue.clone(),
            )
        }
    }

    fn end_running(&mut self, key: &Key, terminates: bool) {
        let identity = identity(key);
        for Running { workflow_id, run_id, .. } in self.schedules[key].running.clone() {
            let (namespace, first_execution_run_id) = (key.0.clone(), Some(run_id));
            // What has closed meanwhile is heard of all the same.
            drop(if terminates {
                self.terminate_meant(TerminateWorkflow {
                    namespace,
                    workflow_id,
                    run_id: None,
                    first_execution_run_id,
                    reason: String::from("terminated by schedule overlap policy"),
                    details: Payloads::new(),
                    identity: identity.clone(),
                })
            } else {
                self.cancel(CancelWorkflow {
                    namespace,
                    workflow_id,
                    run_id: None,
                    first_execution_run_id,
                    reason: String::from("cancelled by schedule overlap policy"),
                    identity: identity.clone(),
                    request_id: String::new(),
                })
            });
        }
    }

    pub(super) fn schedules_hear_of_start(&mut self, first: RunId) {
        self.schedules_hear_of(first, None);
    }

    /// A run has closed: unless another follows, so has its chain.
    pub(super) fn schedules_hear_of_close(&mut self, run_id: RunId) {
        let run = self.run(run_id);
        let first = run.started().first_execution_run_id;
        let end = |status| End { status, result: Payloads::new(), failure: None };
        let end = match run.history.last().map(|(_, event)| event) {
            Some(Event::WorkflowExecutionCompleted { result, new_execution_run_id: None, .. }) => {
                End { result: result.clone(), ..end(RunStatus::Completed) }
            }
            Some(Event::WorkflowExecutionFailed { failure, new_execution_run_id: None, .. }) => {
                End { failure: Some(failure.clone()), ..end(RunStatus::Failed) }
            }
            Some(Event::WorkflowExecutionTimedOut { new_execution_run_id: None, .. }) => {
                end(RunStatus::TimedOut)
            }
            Some(Event::WorkflowExecutionCanceled { .. }) => end(RunStatus::Canceled),
            Some(Event::WorkflowExecutionTerminated { .. }) => end(RunStatus::Terminated),
            Some(_) | None => return,
        };
        self.schedules_hear_of(first, Some(end));
    }

    fn schedules_hear_of(&mut self, first: RunId, end: Option<End>) {
        for schedule in self.schedules.values_mut() {
            if let Some(running) = schedule.running.iter_mut().find(|running| running.run_id == first) {
                if running.closed.is_some() || end.is_some() {
                    running.closed = end.clone();
                    schedule.attention = Some(Timestamp::EPOCH);
                }
            } else if let Some(recent) = schedule.recent.iter_mut().find(|recent| recent.run_id == first) {
                recent.status = end.as_ref().map_or(RunStatus::Running, |end| end.status);
            }
        }
    }
}

fn identity((namespace, schedule_id): &Key) -> String {
    format!("temporal-scheduler-{namespace}-{schedule_id}")
}

/// A text as a search attribute of this type.
fn keyword(text: &str, kind: &str) -> Payload {
    let mut payload = Payload::json(format!("\"{text}\""));
    payload.metadata.insert(String::from("type"), kind.as_bytes().to_vec().into());
    payload
}
