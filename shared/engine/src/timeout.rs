//! What time does to a run as a whole: its first workflow task may have to wait, and it may only take so long.

use serde::{Deserialize, Serialize};
use tidegate_model::codec;
use tidegate_model::event::{Event, WorkflowExecutionStarted};
use tidegate_model::id::RunId;
use tidegate_model::payload::{Failure, RetryState, TimeoutType};
use tidegate_model::time::Timestamp;

use crate::deadlines::Due;
use crate::engine::{Engine, Step};
use crate::index::{Entry, Index};
use crate::run::Head;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Times {
    /// When the first workflow task is due, while none came yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_task: Option<Timestamp>,
    /// When the run has taken too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run_expires: Option<Timestamp>,
    /// When all runs of its chain together have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    execution_expires: Option<Timestamp>,
}

impl Times {
    /// A run has its time from its first workflow task on, and never more than its chain.
    pub(crate) fn of(start_time: Timestamp, started: &WorkflowExecutionStarted) -> Self {
        let backoff = started.first_workflow_task_backoff;
        let execution_expires = started.workflow_execution_expiration_time;
        Self {
            first_task: (!backoff.is_zero()).then(|| start_time + backoff),
            run_expires: started
                .workflow_run_timeout
                .map(|timeout| start_time + backoff + timeout)
                .map(|expires| execution_expires.map_or(expires, |chain| chain.min(expires))),
            execution_expires,
        }
    }

    /// Whether the run still waits for its first workflow task's time: a signal in that time starts none.
    pub(crate) fn waits_for_first_task(&self) -> bool {
        self.first_task.is_some()
    }

    /// Whether its first workflow task comes within this time.
    pub(crate) fn first_task_comes_by(&self, time: Timestamp) -> bool {
        self.first_task.is_some_and(|at| at <= time)
    }

    /// When the run times out.
    pub(crate) fn run_expires(&self) -> Option<Timestamp> {
        self.run_expires
    }

    /// When its chain does.
    pub(crate) fn execution_expires(&self) -> Option<Timestamp> {
        self.execution_expires
    }

    pub(crate) fn entries(&self, head: &Head) -> impl Iterator<Item = Entry> {
        let first_task = self.first_task.map(|at| Entry::Due(at, head.run_id, Due::FirstTask));
        let expiry = self.expires().map(|at| Entry::Due(at, head.run_id, Due::Expiry));
        first_task.into_iter().chain(expiry)
    }

    fn expires(&self) -> Option<Timestamp> {
        self.run_expires.into_iter().chain(self.execution_expires).min()
    }

    fn is_first_task_due(&self, now: Timestamp) -> bool {
        self.first_task.is_some_and(|at| at <= now)
    }

    /// Whatever brought it: its time, or something that does not wait for that.
    pub(crate) fn first_task_came(&mut self, head: &Head, index: &mut Index) {
        if self.first_task.is_some() {
            index.take(self.entries(head));
            self.first_task = None;
            index.put(self.entries(head));
        }
    }

    /// A fork has all its time again, and so has its chain (`RefreshExpirationTimeoutTask`).
    pub(crate) fn begin_anew(
        &mut self,
        head: &Head,
        now: Timestamp,
        started: &WorkflowExecutionStarted,
        index: &mut Index,
    ) {
        index.take(self.entries(head));
        self.execution_expires = started.workflow_execution_timeout.map(|timeout| now + timeout);
        self.run_expires = started
            .workflow_run_timeout
            .map(|timeout| now + timeout)
            .map(|expires| self.execution_expires.map_or(expires, |chain| chain.min(expires)));
        index.put(self.entries(head));
    }
}

impl Engine {
    /// Schedules a run's first workflow task, when it has waited long enough for it.
    pub(crate) fn schedule_first_task(&mut self, step: &mut Step<'_>, run_id: RunId) {
        if !self.run(run_id).times.is_first_task_due(step.now) {
            return;
        }
        // An update does not wait for it: the task that brings one, and is out, is the first.
        self.firm_up(step, run_id);
        let run = self.run(run_id);
        if run.times.is_first_task_due(step.now) {
            let scheduled = self.task_scheduled(step.now, run);
            self.write(step, run_id, vec![scheduled]);
        }
    }

    /// Ends a run that has taken too long, and gives the bytes of that. Another follows as its retry policy or its cron
    /// schedule wants it, unless the time of the whole chain is over.
    pub(crate) fn expire(&mut self, step: &mut Step<'_>, run_id: RunId) -> Option<usize> {
        let run = self.run(run_id);
        let is_over = |expires: Option<Timestamp>| expires.is_some_and(|at| at <= step.now);
        if !is_over(run.times.expires()) {
            return None;
        }
        let before = step.records.len();
        let (retry_state, successor) = if is_over(run.times.execution_expires) {
            (RetryState::Timeout, None)
        } else {
            let failure = Failure::timeout("workflow timeout", TimeoutType::StartToClose);
            run.after_failure(step.now, step.chance.run_id(step.now), &failure)
        };
        let new_execution_run_id = successor.as_ref().map(|successor| successor.run_id);
        self.close_over_task(
            step,
            run_id,
            Event::WorkflowExecutionTimedOut { retry_state, new_execution_run_id },
        );
        if let Some(successor) = successor {
            self.begin(step, successor, None);
        }
        Some(step.records[before..].iter().map(|record| codec::to_cbor(record).len()).sum())
    }
}
