//! The run that follows another: it continues as new, is tried again, or its cron schedule comes round.

use std::time::Duration;

use tidegate_engine::{ContinueAsNew, CronSchedule};
use tidegate_model::event::{ContinueAsNewInitiator, ContinuedAsNew, Event, WorkflowExecutionStarted};
use tidegate_model::id::{EventId, Namespace, RunId, WorkflowId};
use tidegate_model::payload::{Failure, FailureInfo, Payloads, RetryPolicy, RetryState, TimeoutType};

use super::Reference;
use super::start::{task_timeout, with_defaults};

const SHORTEST_RUN: Duration = Duration::from_secs(1);

/// See the module.
pub(super) type Successor = (Namespace, WorkflowId, RunId, WorkflowExecutionStarted);

/// Why there is no further attempt, or how long until it.
pub(super) fn retried(policy: &RetryPolicy, attempt: u32, failure: &Failure) -> Result<Duration, RetryState> {
    let (is_final, kind, delay) = match &failure.info {
        FailureInfo::Application { kind, non_retryable, next_retry_delay, .. } => {
            (*non_retryable, Some(kind.as_str()), *next_retry_delay)
        }
        FailureInfo::Timeout { timeout_type, .. } => {
            let is_retried = matches!(timeout_type, TimeoutType::StartToClose | TimeoutType::Heartbeat);
            (!is_retried, None, None)
        }
        FailureInfo::Server { non_retryable } => (*non_retryable, None, None),
        FailureInfo::Canceled { .. } | FailureInfo::Terminated => (true, None, None),
        FailureInfo::ResetWorkflow { .. }
        | FailureInfo::ChildWorkflow { .. }
        | FailureInfo::Activity { .. } => (false, None, None),
    };
    let is_named =
        kind.is_some_and(|kind| policy.non_retryable_error_types.iter().any(|named| named == kind));
    if is_final || is_named {
        return Err(RetryState::NonRetryableFailure);
    }
    if policy.maximum_attempts != 0 && attempt >= policy.maximum_attempts {
        return Err(RetryState::MaximumAttemptsReached);
    }
    Ok(delay.unwrap_or_else(|| backoff(policy, attempt)))
}

/// Whether another attempt is made at all, however many there were.
pub(super) fn is_retryable(policy: &RetryPolicy, failure: &Failure) -> bool {
    retried(&RetryPolicy { maximum_attempts: 0, ..policy.clone() }, 1, failure).is_ok()
}

/// How long until the attempt after this one.
pub(super) fn backoff(policy: &RetryPolicy, attempt: u32) -> Duration {
    let times = policy.backoff_coefficient.powi(i32::try_from(attempt).expect("a small number") - 1);
    let seconds = (policy.initial_interval.as_secs_f64() * times).min(policy.maximum_interval.as_secs_f64());
    Duration::from_secs_f64(seconds)
}

impl Reference {
    pub(super) fn begin_successor(&mut self, successor: Successor) {
        self.begin_with(successor, None);
    }

    /// The next run of a cron schedule, after one that has completed.
    pub(super) fn after_success(&mut self, run_id: RunId, result: &Payloads) -> Option<Successor> {
        let backoff = self.until_next_cron(run_id)?;
        Some(self.begun_anew(run_id, ContinueAsNewInitiator::CronSchedule, backoff, result.clone(), None))
    }

    /// The run that follows one that has failed or timed out; and why it is no retry, if it is none.
    pub(super) fn after_failure(
        &mut self,
        run_id: RunId,
        failure: &Failure,
    ) -> (RetryState, Option<Successor>) {
        let run = self.run(run_id);
        let retry = match &run.started().retry_policy {
            None => Err(RetryState::RetryPolicyNotSet),
            Some(policy) => retried(policy, run.started().attempt, failure).and_then(|backoff| {
                let is_too_late = run.execution_expires().is_some_and(|end| self.now + backoff > end);
                if is_too_late { Err(RetryState::Timeout) } else { Ok(backoff) }
            }),
        };
        let (state, following) = match retry {
            Ok(backoff) => (RetryState::InProgress, Some((ContinueAsNewInitiator::Retry, backoff))),
            Err(state) => {
                let cron = self.until_next_cron(run_id);
                (state, cron.map(|backoff| (ContinueAsNewInitiator::CronSchedule, backoff)))
            }
        };
        let last_result = self.run(run_id).started().last_completion_result.clone();
        let successor = following.map(|(initiator, backoff)| {
            self.begun_anew(run_id, initiator, backoff, last_result, Some(failure.clone()))
        });
        (state, successor)
    }

    fn until_next_cron(&self, run_id: RunId) -> Option<Duration> {
        let run = self.run(run_id);
        let schedule = Some(&run.started().cron_schedule).filter(|schedule| !schedule.is_empty())?;
        CronSchedule::new(self.now, schedule).ok()?.backoff(self.now, run.execution_time())
    }

    /// A run like another, as that was started.
    fn begun_anew(
        &mut self,
        run_id: RunId,
        initiator: ContinueAsNewInitiator,
        backoff: Duration,
        last_completion_result: Payloads,
        continued_failure: Option<Failure>,
    ) -> Successor {
        let started = WorkflowExecutionStarted {
            last_completion_result,
            continued_failure,
            first_workflow_task_backoff: self.unhurried(run_id, backoff),
            ..self.run(run_id).started().clone()
        };
        self.following(run_id, initiator, started)
    }

    fn following(
        &mut self,
        before: RunId,
        initiator: ContinueAsNewInitiator,
        started: WorkflowExecutionStarted,
    ) -> Successor {
        let (namespace, workflow_id) =
            (self.run(before).namespace.clone(), self.run(before).workflow_id.clone());
        let run_id = self.next_run_id(&namespace, &workflow_id);
        let run = self.run(before);
        let is_retry = initiator == ContinueAsNewInitiator::Retry;
        let first = run.started();
        let started = WorkflowExecutionStarted {
            workflow_execution_timeout: first.workflow_execution_timeout,
            workflow_execution_expiration_time: run.execution_expires(),
            first_execution_run_id: first.first_execution_run_id,
            original_execution_run_id: run_id,
            continued_execution_run_id: Some(before),
            initiator: Some(initiator),
            attempt: if is_retry { first.attempt + 1 } else { 1 },
            parent: first.parent.clone(),
            root: first.root.clone(),
            identity: String::new(),
            request_id: run_id.to_string(),
            priority: first.priority.clone(),
            user_metadata: None,
            ..started
        };
        (namespace, workflow_id, run_id, started)
    }

    /// Runs of one execution begin at least a second apart.
    fn unhurried(&self, run_id: RunId, backoff: Duration) -> Duration {
        let earliest = self.run(run_id).execution_time() + SHORTEST_RUN;
        if self.now + backoff >= earliest { backoff } else { earliest.saturating_since(self.now) }
    }

    pub(super) fn continue_as_new(
        &mut self,
        run_id: RunId,
        completed_event_id: EventId,
        wanted: ContinueAsNew,
    ) -> (Event, Successor) {
        let first = self.run(run_id).started().clone();
        let run_timeout = wanted.workflow_run_timeout.or(first.workflow_run_timeout);
        let run_timeout = run_timeout.into_iter().chain(first.workflow_execution_timeout).min();
        let task_timeout =
            task_timeout(wanted.workflow_task_timeout.or(Some(first.workflow_task_timeout)), run_timeout);
        let workflow_type =
            if wanted.workflow_type.is_empty() { first.workflow_type } else { wanted.workflow_type };
        let task_queue = wanted.task_queue.unwrap_or(first.task_queue);
        let started = WorkflowExecutionStarted {
            input: wanted.input.clone(),
            workflow_task_timeout: task_timeout,
            workflow_run_timeout: run_timeout,
            continued_failure: wanted.failure.clone(),
            last_completion_result: wanted.last_completion_result.clone(),
            retry_policy: wanted.retry_policy.map(with_defaults),
            cron_schedule: wanted.cron_schedule,
            first_workflow_task_backoff: self.unhurried(run_id, wanted.backoff_start_interval),
            header: wanted.header.clone(),
            memo: wanted.memo.clone(),
            search_attributes: wanted.search_attributes.clone(),
            ..WorkflowExecutionStarted::new(workflow_type.clone(), task_queue.clone(), run_id)
        };
        let successor = self.following(run_id, wanted.initiator, started);
        let event = Event::WorkflowExecutionContinuedAsNew(Box::new(ContinuedAsNew {
            new_execution_run_id: successor.2,
            workflow_type,
            task_queue,
            input: wanted.input,
            workflow_run_timeout: run_timeout,
            workflow_task_timeout: task_timeout,
            workflow_task_completed_event_id: completed_event_id,
            backoff_start_interval: wanted.backoff_start_interval,
            initiator: wanted.initiator,
            failure: wanted.failure,
            last_completion_result: wanted.last_completion_result,
            header: wanted.header,
            memo: wanted.memo,
            search_attributes: wanted.search_attributes,
        }));
        (event, successor)
    }
}
