//! The run that follows another: it continues as new, is tried again, or its cron schedule comes round.
//!
//! It begins in the transition in which the other closes, so that there is no time without an open run of the
//! execution. A retry goes before the next time of a cron schedule.

use std::time::Duration;

use tidegate_model::event::{
    ContinueAsNewInitiator, ContinuedAsNew, Event, WorkflowExecutionStarted, WorkflowTaskFailedCause,
};
use tidegate_model::id::RunId;
use tidegate_model::limits::{DURATION_SECONDS_MAX, WORKFLOW_ID_REUSE_MILLIS_MIN};
use tidegate_model::payload::{Failure, Header, Payloads, RetryState};
use tidegate_model::time::Timestamp;

use crate::bounds::{self, Wrong};
use crate::command::ContinueAsNew;
use crate::cron::CronSchedule;
use crate::failure;
use crate::plan::{BadCommand, Draft, NewRun};
use crate::retry::{self, Verdict};
use crate::run::Run;
use crate::start::{completed_run_timeout, completed_task_timeout};

/// What is kept of a run's beginning while it is open: all of it where a retry or a cron schedule may begin it anew,
/// without the payloads where neither can.
pub(crate) fn kept(started: &WorkflowExecutionStarted) -> WorkflowExecutionStarted {
    if started.retry_policy.is_some() || !started.cron_schedule.is_empty() {
        return started.clone();
    }
    without_payloads(started)
}

/// The beginning of a run that nobody will begin anew.
pub(crate) fn without_payloads(started: &WorkflowExecutionStarted) -> WorkflowExecutionStarted {
    WorkflowExecutionStarted {
        workflow_type: started.workflow_type.clone(),
        task_queue: started.task_queue.clone(),
        input: Payloads::new(),
        continued_failure: None,
        last_completion_result: Payloads::new(),
        retry_policy: started.retry_policy.clone(),
        cron_schedule: started.cron_schedule.clone(),
        parent: started.parent.clone(),
        root: started.root.clone(),
        identity: started.identity.clone(),
        request_id: started.request_id.clone(),
        header: Header::new(),
        memo: Header::new(),
        search_attributes: Header::new(),
        priority: started.priority.clone(),
        user_metadata: started.user_metadata.clone(),
        ..*started
    }
}

impl Run {
    /// The run that follows when this one has completed.
    pub(crate) fn after_success(&self, now: Timestamp, run_id: RunId, result: &Payloads) -> Option<NewRun> {
        let initiator = ContinueAsNewInitiator::CronSchedule;
        let backoff = self.cron_backoff(now)?;
        Some(self.begun_anew(now, run_id, initiator, backoff, result.clone(), None))
    }

    /// The run that follows when this one has failed or timed out, and why none is a retry.
    pub(crate) fn after_failure(
        &self,
        now: Timestamp,
        run_id: RunId,
        failure: &Failure,
    ) -> (RetryState, Option<NewRun>) {
        let (state, following) = match self.retry_backoff(now, failure) {
            Ok(backoff) => (RetryState::InProgress, Some((ContinueAsNewInitiator::Retry, backoff))),
            Err(state) => {
                let cron = self.cron_backoff(now);
                (state, cron.map(|backoff| (ContinueAsNewInitiator::CronSchedule, backoff)))
            }
        };
        let successor = following.map(|(initiator, backoff)| {
            let result = self.started.last_completion_result.clone();
            self.begun_anew(now, run_id, initiator, backoff, result, Some(failure.clone()))
        });
        (state, successor)
    }

    fn retry_backoff(&self, now: Timestamp, failure: &Failure) -> Result<Duration, RetryState> {
        let policy = self.started.retry_policy.as_ref().ok_or(RetryState::RetryPolicyNotSet)?;
        match retry::verdict(policy, self.started.attempt, failure) {
            Verdict::Over(state) => Err(state),
            Verdict::Again(backoff) => {
                let is_too_late = self.times.execution_expires().is_some_and(|end| now + backoff > end);
                if is_too_late { Err(RetryState::Timeout) } else { Ok(backoff) }
            }
        }
    }

    /// How long until the cron schedule's next time; `None` without one.
    fn cron_backoff(&self, now: Timestamp) -> Option<Duration> {
        if self.started.cron_schedule.is_empty() {
            return None;
        }
        CronSchedule::new(now, &self.started.cron_schedule).ok()?.backoff(now, self.execution_time())
    }

    /// A run like this one, as it was started.
    fn begun_anew(
        &self,
        now: Timestamp,
        run_id: RunId,
        initiator: ContinueAsNewInitiator,
        backoff: Duration,
        last_completion_result: Payloads,
        continued_failure: Option<Failure>,
    ) -> NewRun {
        let started = WorkflowExecutionStarted {
            last_completion_result,
            continued_failure,
            first_workflow_task_backoff: self.unhurried(now, backoff),
            ..self.started.as_ref().clone()
        };
        self.followed_by(run_id, initiator, started)
    }

    /// What all runs that follow this one have of it, whatever they follow for.
    fn followed_by(
        &self,
        run_id: RunId,
        initiator: ContinueAsNewInitiator,
        started: WorkflowExecutionStarted,
    ) -> NewRun {
        let attempt = match initiator {
            ContinueAsNewInitiator::Retry => self.started.attempt.saturating_add(1),
            ContinueAsNewInitiator::Workflow | ContinueAsNewInitiator::CronSchedule => 1,
        };
        let started = WorkflowExecutionStarted {
            workflow_execution_timeout: self.started.workflow_execution_timeout,
            workflow_execution_expiration_time: self.times.execution_expires(),
            first_execution_run_id: self.started.first_execution_run_id,
            original_execution_run_id: run_id,
            continued_execution_run_id: Some(self.head.run_id),
            initiator: Some(initiator),
            attempt,
            parent: self.started.parent.clone(),
            root: self.started.root.clone(),
            identity: String::new(),
            request_id: run_id.to_string(),
            priority: self.started.priority.clone(),
            user_metadata: None,
            ..started
        };
        NewRun {
            run_id,
            namespace: self.head.namespace.clone(),
            workflow_id: self.head.workflow_id.clone(),
            started,
            not_before: self.last_event_time,
        }
    }

    /// The back-off, made so long that runs which close at once do not spin (`ContinueAsNewMinBackoff`). Counted from
    /// when this run's first workflow task was due.
    fn unhurried(&self, now: Timestamp, backoff: Duration) -> Duration {
        let shortest = Duration::from_millis(WORKFLOW_ID_REUSE_MILLIS_MIN);
        let execution_time = self.execution_time();
        if now + backoff >= execution_time + shortest {
            return backoff;
        }
        (execution_time + shortest).saturating_since(now)
    }
}

impl Draft<'_> {
    pub(crate) fn continue_as_new(&mut self, wanted: ContinueAsNew) -> Result<Event, BadCommand> {
        let bad = |reason| BadCommand::new(WorkflowTaskFailedCause::BadContinueAsNewAttributes, reason);
        let Run { head, started, .. } = self.run;
        let workflow_type =
            if wanted.workflow_type.is_empty() { head.workflow_type.clone() } else { wanted.workflow_type };
        bounds::required_name("workflow type", &workflow_type).map_err(bad)?;
        bounds::payloads("workflow input", &wanted.input, self.settings).map_err(bad)?;
        bounds::payloads("last completion result", &wanted.last_completion_result, self.settings)
            .map_err(bad)?;
        bounds::header("header", &wanted.header, self.settings).map_err(bad)?;
        bounds::header("memo", &wanted.memo, self.settings).map_err(bad)?;
        let search_attributes = self
            .attributes
            .check(&wanted.search_attributes)
            .map_err(|reason| BadCommand::new(WorkflowTaskFailedCause::BadSearchAttributes, reason))?;
        let retry_policy = wanted.retry_policy.map(|policy| retry::completed(Some(policy))).transpose();
        let retry_policy = retry_policy.map_err(|reason| bad(Wrong(reason)))?;
        if !wanted.cron_schedule.is_empty() {
            CronSchedule::new(self.now, &wanted.cron_schedule)
                .map_err(|error| bad(Wrong(error.to_string())))?;
        }
        let run_id = self.chance.run_id(self.now);
        let longest = Duration::from_secs(DURATION_SECONDS_MAX);
        let said = |timeout: Option<Duration>| timeout.filter(|timeout| !timeout.is_zero());
        let run_timeout = completed_run_timeout(
            said(wanted.workflow_run_timeout).or(started.workflow_run_timeout),
            started.workflow_execution_timeout,
        );
        let task_timeout = said(wanted.workflow_task_timeout).or(Some(started.workflow_task_timeout));
        let as_new = ContinuedAsNew {
            new_execution_run_id: run_id,
            workflow_type,
            task_queue: wanted.task_queue.unwrap_or_else(|| head.task_queue.clone()),
            input: wanted.input,
            workflow_run_timeout: run_timeout,
            workflow_task_timeout: completed_task_timeout(task_timeout, run_timeout),
            workflow_task_completed_event_id: self.completed_event_id,
            backoff_start_interval: wanted.backoff_start_interval.min(longest),
            initiator: wanted.initiator,
            failure: wanted.failure.map(|failure| failure::bounded(failure, self.settings)),
            last_completion_result: wanted.last_completion_result,
            header: wanted.header,
            memo: wanted.memo,
            search_attributes,
        };
        let begun = WorkflowExecutionStarted {
            input: as_new.input.clone(),
            workflow_task_timeout: as_new.workflow_task_timeout,
            workflow_run_timeout: as_new.workflow_run_timeout,
            continued_failure: as_new.failure.clone(),
            last_completion_result: as_new.last_completion_result.clone(),
            retry_policy,
            cron_schedule: wanted.cron_schedule,
            first_workflow_task_backoff: self.run.unhurried(self.now, as_new.backoff_start_interval),
            header: as_new.header.clone(),
            memo: as_new.memo.clone(),
            search_attributes: as_new.search_attributes.clone(),
            ..WorkflowExecutionStarted::new(as_new.workflow_type.clone(), as_new.task_queue.clone(), run_id)
        };
        self.successor = Some(self.run.followed_by(run_id, as_new.initiator, begun));
        Ok(Event::WorkflowExecutionContinuedAsNew(Box::new(as_new)))
    }
}
