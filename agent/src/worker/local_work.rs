//! Local activities at work: their attempts one after the other, and when they are over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidegate_engine::{
    ActivityTask, ActivityTaskToken, RetryVerdict, WorkflowTask, retry_verdict, shortened_failure,
};
use tidegate_model::limits::{LOCAL_RESULT_BYTES_MAX, WORKFLOW_TASK_HEARTBEAT_PERCENT};
use tidegate_model::payload::{Failure, Header, Payload, Payloads, TimeoutType};
use tidegate_model::time::Timestamp;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use super::activity::{Handlers, outcome_of};
use super::local_state::{Ended, LocalTask, Outcome};

/// What is left to do for a turn that cannot be answered yet.
#[derive(Debug)]
pub(super) struct Work {
    /// All that is under way; what was and is not any more has been given up.
    pub(super) tasks: Vec<LocalTask>,
    /// After how long the workflow task is to be answered nevertheless, and another asked for.
    pub(super) heartbeat: Duration,
}

impl Work {
    /// With workflow tasks of this time-out.
    pub(super) fn new(tasks: Vec<LocalTask>, workflow_task_timeout: Duration) -> Self {
        Self { tasks, heartbeat: workflow_task_timeout * WORKFLOW_TASK_HEARTBEAT_PERCENT / 100 }
    }
}

/// What follows an attempt.
#[derive(Debug)]
pub(super) enum Next {
    /// Another one, after this time.
    Again(Duration),
    /// Nothing more that the workflow task has to wait for.
    Ended(Box<Ended>),
}

impl LocalTask {
    /// How long an attempt may take that begins now; zero when the time of all attempts is over.
    pub(super) fn time_left(&self, now: Timestamp) -> Duration {
        let one = if self.start_to_close.is_zero() { Duration::MAX } else { self.start_to_close };
        self.expires().map_or(one, |expires| one.min(expires.saturating_since(now)))
    }

    /// What follows attempt `attempt`, which ended now; `None` is its time-out.
    pub(super) fn judge(
        &self,
        attempt: u32,
        outcome: Option<Result<Payloads, Failure>>,
        now: Timestamp,
    ) -> Next {
        let outcome = outcome.unwrap_or_else(|| {
            Err(if self.expires().is_some_and(|expires| expires <= now) {
                Failure::timeout("the attempts took too long together", TimeoutType::ScheduleToClose)
            } else {
                Failure::timeout("the attempt took too long", TimeoutType::StartToClose)
            })
        });
        let size = |result: &Payloads| result.iter().map(Payload::size).sum::<usize>();
        let outcome = outcome.and_then(|result| match size(&result) {
            size if size > LOCAL_RESULT_BYTES_MAX => {
                let message = format!("the result has {size} bytes; it may have {LOCAL_RESULT_BYTES_MAX}");
                Err(Failure::application(message, "ResultTooLarge", true))
            }
            _ => Ok(result),
        });
        let failure = match outcome {
            Ok(result) => return Next::Ended(Box::new(self.ended(attempt, Outcome::Completed(result)))),
            Err(failure) => failure,
        };
        let outcome = match retry_verdict(&self.retry, attempt, &failure).before(now, self.expires()) {
            RetryVerdict::Again(wait) if wait <= self.threshold => return Next::Again(wait),
            RetryVerdict::Again(wait) => Outcome::Later(shortened_failure(failure), wait),
            RetryVerdict::Over(state) => Outcome::Failed(self.failure(shortened_failure(failure), state)),
        };
        Next::Ended(Box::new(self.ended(attempt, outcome)))
    }

    /// What an attempt is told. No event scheduled it, which its idempotency key says with a zero.
    pub(super) fn activity_task(&self, of: &WorkflowTask, attempt: u32, now: Timestamp) -> ActivityTask {
        ActivityTask {
            token: ActivityTaskToken { run_id: of.token.run_id, scheduled_event_id: 0, attempt },
            namespace: of.namespace.clone(),
            workflow_id: of.workflow_id.clone(),
            workflow_type: of.workflow_type.clone(),
            activity_id: self.id.clone(),
            activity_type: self.activity_type.clone(),
            input: self.input.clone(),
            header: Header::new(),
            attempt,
            heartbeat_details: Payloads::new(),
            schedule_to_close_timeout: self.schedule_to_close,
            start_to_close_timeout: self.start_to_close,
            heartbeat_timeout: Duration::ZERO,
            retry_policy: self.retry.clone(),
            priority: None,
            scheduled_time: self.scheduled_time,
            current_attempt_scheduled_time: now,
            started_time: now,
        }
    }

    fn expires(&self) -> Option<Timestamp> {
        (!self.schedule_to_close.is_zero()).then(|| self.scheduled_time + self.schedule_to_close)
    }
}

/// The local activities of a run that are under way here, over as many workflow tasks as they take.
pub(super) struct LocalWork {
    handlers: Arc<Handlers>,
    slots: Arc<Semaphore>,
    clock: Clock,
    at_work: BTreeMap<String, AbortHandle>,
    ended: JoinSet<Box<Ended>>,
}

/// The engine's time, from a moment at which it was known.
#[derive(Debug, Clone, Copy)]
struct Clock {
    known: Timestamp,
    since: tokio::time::Instant,
}

impl Clock {
    fn now(&self) -> Timestamp {
        self.known + self.since.elapsed()
    }
}

impl LocalWork {
    /// None yet, at this time of the engine. A permit of `slots` stands for an attempt under way.
    pub(super) fn new(handlers: Arc<Handlers>, slots: Arc<Semaphore>, now: Timestamp) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "measures attempts and pauses from a time the engine gave; nothing of it is kept"
        )]
        let since = tokio::time::Instant::now();
        let clock = Clock { known: now, since };
        Self { handlers, slots, clock, at_work: BTreeMap::new(), ended: JoinSet::new() }
    }

    /// Begins what is not under way yet, and drops what is not wanted any more.
    pub(super) fn want(&mut self, of: &Arc<WorkflowTask>, tasks: Vec<LocalTask>) {
        self.at_work.retain(|id, attempts| {
            let is_wanted = tasks.iter().any(|task| task.id == *id);
            if !is_wanted {
                attempts.abort();
            }
            is_wanted
        });
        for task in tasks {
            if !self.at_work.contains_key(&task.id) {
                let (handlers, slots) = (Arc::clone(&self.handlers), Arc::clone(&self.slots));
                let id = task.id.clone();
                let attempts = self.ended.spawn(carry_out(task, Arc::clone(of), handlers, slots, self.clock));
                self.at_work.insert(id, attempts);
            }
        }
    }

    /// The next that ends.
    pub(super) async fn next(&mut self) -> Box<Ended> {
        loop {
            match self.ended.join_next().await {
                Some(Ok(ended)) => {
                    self.at_work.remove(ended.id());
                    return ended;
                }
                // It was given up.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}

/// Attempts, and the short pauses between them.
async fn carry_out(
    task: LocalTask,
    of: Arc<WorkflowTask>,
    handlers: Arc<Handlers>,
    slots: Arc<Semaphore>,
    clock: Clock,
) -> Box<Ended> {
    let mut attempt = task.attempt;
    loop {
        let slot = slots.acquire().await;
        let now = clock.now();
        let mut at_work = JoinSet::new();
        at_work.spawn(handlers.attempt(task.activity_task(&of, attempt, now), None));
        let ended = tokio::time::timeout(task.time_left(now), at_work.join_next()).await;
        let outcome = ended.ok().flatten().and_then(outcome_of);
        // It ends before the next begins.
        at_work.shutdown().await;
        drop(slot);
        match task.judge(attempt, outcome, clock.now()) {
            Next::Ended(ended) => return ended,
            Next::Again(wait) => {
                #[expect(clippy::disallowed_methods, reason = "a back-off of the activity's retry policy")]
                tokio::time::sleep(wait).await;
                attempt += 1;
            }
        }
    }
}
