//! One schedule: what its changes amount to. The only place where one changes.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::codec;
use tidegate_model::id::{Namespace, RunId, ScheduleId, WorkflowId};
use tidegate_model::limits::{
    CATCH_UP_WINDOW_SECONDS, SCHEDULE_IDLE_SECONDS_MAX, SCHEDULE_RECENT_ACTIONS_MAX,
    SCHEDULE_REQUEST_IDS_MAX, SCHEDULE_WAITING_MAX,
};
use tidegate_model::payload::{Failure, Header, Payloads};
use tidegate_model::time::Timestamp;

use crate::record::{BackfillProgress, ScheduleChange, ScheduleChangeKind, StartedAction, WaitingAction};
use crate::request::{Backfill, RunStatus, Schedule, ScheduleActionResult};
use crate::schedule::{SpecTime, SpecTimes};

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Scheduled {
    pub(super) namespace: Namespace,
    pub(super) schedule_id: ScheduleId,
    pub(super) schedule: Schedule,
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub(super) memo: Header,
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub(super) search_attributes: Header,
    pub(super) conflict_token: u64,
    pub(super) create_time: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) update_time: Option<Timestamp>,
    pub(super) create_request_id: String,
    /// Of updates and patches, the oldest first.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(super) request_ids: VecDeque<String>,
    /// Times up to this one are dealt with.
    pub(super) dealt_with: Timestamp,
    pub(super) next_number: u64,
    /// In the order of their numbers.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(super) waiting: VecDeque<WaitingAction>,
    /// `start_time` itself is dealt with.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(super) backfills: VecDeque<Backfill>,
    /// In the order they were started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) running: Vec<RunningAction>,
    /// In the order they were taken.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(super) recent: VecDeque<ScheduleActionResult>,
    #[serde(default)]
    pub(super) counts: Counts,
    /// Of the last action's run that had one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) last_result: Payloads,
    /// Of the last action's run, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_failure: Option<Box<Failure>>,
    /// It is to be looked at, whatever the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) attention: Option<Attention>,
    /// Follows from the rest.
    #[serde(skip)]
    pub(super) outlook: Outlook,
}

/// When to look at a schedule that needs it: engine time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Attention {
    Now,
    At(Timestamp),
}

/// What was started and has not been settled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RunningAction {
    pub(super) workflow_id: WorkflowId,
    /// The first of the chain.
    pub(super) run_id: RunId,
    /// How the chain closed. It may be taken up again in the same step: a reset terminates a run and begins another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) closed: Option<Box<ChainEnd>>,
}

/// How a chain of runs ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChainEnd {
    pub(crate) status: RunStatus,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) result: Payloads,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
}

/// See `ScheduleInfo`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) action: u64,
    pub(super) missed_catchup_window: u64,
    pub(super) overlap_skipped: u64,
    pub(super) buffer_dropped: u64,
}

/// What the spec says of the future.
#[derive(Debug, Clone, Default)]
pub(super) struct Outlook {
    /// `None` when the spec cannot be followed.
    pub(super) times: Option<SpecTimes>,
    pub(super) seed: String,
    /// Bytes of the action, as they are stored.
    pub(super) action_bytes: usize,
    /// From where `next` was searched.
    searched_from: Option<Timestamp>,
    /// The first time that is not dealt with; `None` when there is none.
    pub(super) next: Option<SpecTime>,
    /// Why there is none, if that is not as it should be.
    pub(super) error: String,
}

impl Scheduled {
    /// The schedule that a change creates.
    pub(super) fn create(change: &ScheduleChange) -> Option<Self> {
        let ScheduleChangeKind::Created { schedule, memo, search_attributes, request_id } = &change.change
        else {
            return None;
        };
        let mut scheduled = Self {
            namespace: change.namespace.clone(),
            schedule_id: change.schedule_id.clone(),
            schedule: (**schedule).clone(),
            memo: memo.clone(),
            search_attributes: search_attributes.clone(),
            conflict_token: 1,
            create_time: change.time,
            update_time: None,
            create_request_id: request_id.clone(),
            request_ids: VecDeque::new(),
            dealt_with: change.time,
            next_number: 1,
            waiting: VecDeque::new(),
            backfills: VecDeque::new(),
            running: Vec::new(),
            recent: VecDeque::new(),
            counts: Counts::default(),
            last_result: Payloads::new(),
            last_failure: None,
            attention: None,
            outlook: Outlook::default(),
        };
        scheduled.look_out();
        Some(scheduled)
    }

    /// Takes a change into the state. Deletion is for whoever keeps it.
    pub(super) fn apply(&mut self, change: &ScheduleChange) {
        let time = change.time;
        match &change.change {
            ScheduleChangeKind::Created { .. } | ScheduleChangeKind::Deleted => {}
            ScheduleChangeKind::Updated { schedule, memo, search_attributes, request_id } => {
                self.pass_idle_time(time);
                self.schedule = (**schedule).clone();
                if let Some(memo) = memo {
                    self.memo.clone_from(memo);
                }
                if let Some(search_attributes) = search_attributes {
                    self.search_attributes.clone_from(search_attributes);
                }
                self.update_time = Some(time);
                self.conflict_token += 1;
                self.remember_request(request_id);
                self.attention = Some(Attention::Now);
                self.outlook = Outlook::default();
            }
            ScheduleChangeKind::Patched { trigger, backfills, pause, request_id } => {
                if let Some(trigger) = trigger {
                    self.next_number = trigger.number + 1;
                    if self.waiting.len() < SCHEDULE_WAITING_MAX {
                        self.waiting.push_back(*trigger);
                    } else {
                        self.counts.buffer_dropped += 1;
                    }
                }
                self.backfills.extend(backfills.iter().copied());
                if let Some((paused, notes)) = pause {
                    self.pass_idle_time(time);
                    self.schedule.state.paused = *paused;
                    self.schedule.state.notes.clone_from(notes);
                    self.conflict_token += 1;
                }
                self.remember_request(request_id);
                self.attention = Some(Attention::Now);
            }
            ScheduleChangeKind::RunsClosed => self.settle_closed_runs(),
            ScheduleChangeKind::TimesCame {
                to,
                backfill,
                waiting,
                left_out,
                next_number,
                overlap_skipped,
                missed_catchup_window,
                buffer_dropped,
            } => {
                self.dealt_with = *to;
                match backfill {
                    Some(BackfillProgress::Reached(reached)) => {
                        if let Some(first) = self.backfills.front_mut() {
                            first.start_time = *reached;
                        }
                    }
                    Some(BackfillProgress::Done) => drop(self.backfills.pop_front()),
                    None => {}
                }
                let is_out =
                    |number: u64| left_out.iter().any(|(first, last)| (*first..=*last).contains(&number));
                self.waiting.retain(|action| !is_out(action.number));
                self.waiting.extend(waiting.iter().copied());
                self.next_number = *next_number;
                self.count(*overlap_skipped, *missed_catchup_window, *buffer_dropped);
            }
            ScheduleChangeKind::Acted {
                started,
                left_out,
                overlap_skipped,
                missed_catchup_window,
                buffer_dropped,
                again,
            } => {
                for action in started {
                    self.take_started(action, time);
                }
                self.waiting.retain(|action| !left_out.contains(&action.number));
                self.count(*overlap_skipped, *missed_catchup_window, *buffer_dropped);
                self.attention = again.map(Attention::At);
            }
        }
        self.look_out();
    }

    /// Whether a time of the spec leads to anything.
    pub(super) fn can_act(&self) -> bool {
        let state = &self.schedule.state;
        !state.paused && (!state.limited_actions || state.remaining_actions > 0)
    }

    /// Whether an action that may not overlap has to wait.
    pub(super) fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// How late an action may be.
    pub(super) fn catch_up_window(&self) -> Duration {
        let window = self.schedule.policies.catchup_window;
        window.unwrap_or(Duration::from_secs(CATCH_UP_WINDOW_SECONDS))
    }

    /// When the calendar brings something: a time of the spec, or the end of a schedule that has nothing left to do.
    pub(super) fn calendar_due(&self) -> Option<Timestamp> {
        if self.attention.is_some() {
            return None;
        }
        match self.outlook.next {
            Some(next) if self.can_act() => Some(next.actual),
            Some(_) | None => self.expires(),
        }
    }

    /// When a schedule is deleted that has nothing left to do. One that is paused is kept: somebody may unpause it.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        let has_future = self.outlook.next.is_some() && self.can_act();
        let is_busy = !self.waiting.is_empty() || !self.backfills.is_empty() || !self.running.is_empty();
        if has_future || is_busy || self.schedule.state.paused {
            return None;
        }
        let last_action = self.recent.back().map(|action| action.actual_time);
        let last = [Some(self.create_time), self.update_time, last_action].into_iter().flatten().max()?;
        Some(last + Duration::from_secs(SCHEDULE_IDLE_SECONDS_MAX))
    }

    /// The chains whose closing it wants to hear of.
    pub(super) fn watched(&self) -> impl Iterator<Item = RunId> {
        let running = self.running.iter().map(|action| action.run_id);
        running.chain(self.recent.iter().map(|action| action.run_id))
    }

    /// A chain that it has started has closed, or goes on after all.
    pub(super) fn hear_of(&mut self, run_id: RunId, end: Option<&ChainEnd>) {
        if let Some(running) = self.running.iter_mut().find(|action| action.run_id == run_id) {
            // Most runs of a chain that begin do not take up one that was closed.
            if running.closed.is_some() || end.is_some() {
                running.closed = end.cloned().map(Box::new);
                self.attention = Some(Attention::Now);
            }
        } else if let Some(recent) = self.recent.iter_mut().find(|action| action.run_id == run_id) {
            recent.status = end.map_or(RunStatus::Running, |end| end.status);
        }
    }

    /// Whether there is a closed run to be taken into account.
    pub(super) fn has_closed_runs(&self) -> bool {
        self.running.iter().any(|action| action.closed.is_some())
    }

    fn settle_closed_runs(&mut self) {
        let (closed, running) =
            std::mem::take(&mut self.running).into_iter().partition(|a| a.closed.is_some());
        self.running = running;
        let closed: Vec<RunningAction> = closed;
        for action in closed {
            let Some(end) = action.closed else { continue };
            if let Some(recent) = self.recent.iter_mut().find(|recent| recent.run_id == action.run_id) {
                recent.status = end.status;
            }
            self.pause_after(&action.workflow_id, &end);
            match end.status {
                RunStatus::Completed => {
                    if !end.result.is_empty() {
                        self.last_result = end.result;
                    }
                    self.last_failure = None;
                }
                RunStatus::Failed => self.last_failure = end.failure.map(Box::new),
                RunStatus::Running
                | RunStatus::Canceled
                | RunStatus::Terminated
                | RunStatus::ContinuedAsNew
                | RunStatus::TimedOut => {}
            }
        }
        self.attention = Some(Attention::Now);
    }

    fn pause_after(&mut self, workflow_id: &WorkflowId, end: &ChainEnd) {
        if !self.schedule.policies.pause_on_failure || self.schedule.state.paused {
            return;
        }
        let notes = match end.status {
            RunStatus::Failed => {
                let message = end.failure.as_ref().map_or("", |failure| failure.message.as_str());
                format!("paused due to workflow failure: {workflow_id}: {message}")
            }
            RunStatus::TimedOut => format!("paused due to workflow timeout: {workflow_id}"),
            RunStatus::Running
            | RunStatus::Completed
            | RunStatus::Canceled
            | RunStatus::Terminated
            | RunStatus::ContinuedAsNew => return,
        };
        self.schedule.state.paused = true;
        self.schedule.state.notes = notes;
        self.conflict_token += 1;
    }

    /// Times that came while nothing could be done are not made up for.
    fn pass_idle_time(&mut self, time: Timestamp) {
        if !self.can_act() {
            self.dealt_with = self.dealt_with.max(time);
        }
    }

    fn take_started(&mut self, started: &StartedAction, time: Timestamp) {
        let Some(place) = self.waiting.iter().position(|action| action.number == started.number) else {
            return;
        };
        let Some(action) = self.waiting.remove(place) else { return };
        self.counts.action += 1;
        let state = &mut self.schedule.state;
        if !action.manual && state.limited_actions {
            state.remaining_actions = state.remaining_actions.saturating_sub(1);
            self.conflict_token += 1;
        }
        self.recent.push_back(ScheduleActionResult {
            schedule_time: action.due(),
            actual_time: time,
            workflow_id: started.workflow_id.clone(),
            run_id: started.run_id,
            status: RunStatus::Running,
        });
        while self.recent.len() > SCHEDULE_RECENT_ACTIONS_MAX {
            self.recent.pop_front();
        }
        if !started.beside {
            let StartedAction { workflow_id, run_id, .. } = started.clone();
            self.running.push(RunningAction { workflow_id, run_id, closed: None });
        }
    }

    fn count(&mut self, overlap_skipped: u64, missed_catchup_window: u64, buffer_dropped: u64) {
        self.counts.overlap_skipped += overlap_skipped;
        self.counts.missed_catchup_window += missed_catchup_window;
        self.counts.buffer_dropped += buffer_dropped;
    }

    fn remember_request(&mut self, request_id: &str) {
        if request_id.is_empty() {
            return;
        }
        self.request_ids.push_back(request_id.to_owned());
        while self.request_ids.len() > SCHEDULE_REQUEST_IDS_MAX {
            self.request_ids.pop_front();
        }
    }

    /// Finds the next time, where that may have changed.
    fn look_out(&mut self) {
        let outlook = &mut self.outlook;
        if outlook.searched_from == Some(self.dealt_with) {
            return;
        }
        outlook.error.clear();
        if outlook.times.is_none() {
            outlook.seed = format!("{}-{}", self.namespace, self.schedule_id);
            outlook.action_bytes = codec::to_cbor(&self.schedule.action).len();
            match SpecTimes::new(&self.schedule.spec) {
                Ok(times) => outlook.times = Some(times),
                // A zone that was known when the schedule was made: the database of this release has it no more.
                Err(error) => outlook.error = error.to_string(),
            }
        }
        outlook.searched_from = Some(self.dealt_with);
        outlook.next = match outlook.times.as_ref().map(|times| times.next(&outlook.seed, self.dealt_with)) {
            Some(Ok(next)) => next,
            Some(Err(limit)) => {
                outlook.error = limit.to_string();
                None
            }
            None => None,
        };
    }

    /// A schedule as it comes back from a snapshot.
    pub(super) fn restored(mut self) -> Self {
        self.look_out();
        self
    }
}
