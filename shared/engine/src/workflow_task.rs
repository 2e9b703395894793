//! The workflow task: the one lease on a run, and the state machine around it.
//!
//! Scheduled → started → completed, failed or timed out. The first attempt is history. Further ones are *transient*:
//! their scheduled and started events exist in the poll reply only, and are made real when the attempt succeeds, so
//! that code which keeps failing does not grow the log. Whatever new event arrives makes the task a normal one again.

pub(crate) mod answer;
mod end;
mod hand_out;
mod speculative;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::event::Event;
use tidegate_model::id::{EventId, TaskQueue};
use tidegate_model::limits::{
    WORKFLOW_TASK_HEARTBEAT_SECONDS_MAX, WORKFLOW_TASK_RETRY_SECONDS, WORKFLOW_TASK_RETRY_SECONDS_MAX,
    WORKFLOW_TASK_TIMEOUT_SECONDS, WORKFLOW_TASK_TIMEOUT_SECONDS_MAX,
};
use tidegate_model::time::Timestamp;

pub(crate) use speculative::Speculative;

use crate::deadlines::Due;
use crate::engine::Engine;
use crate::index::{Entry, Index};
use crate::queue::{self, QueueKey, QueueKind, Ready, What};
use crate::request::WorkflowTaskToken;
use crate::run::{Head, Run};
use crate::workers::Held;

/// A run's workflow tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct WorkflowTasks {
    /// How long the first attempt of one may take.
    timeout: Duration,
    /// Which attempt the next task is, from 1.
    attempt: u32,
    /// The started event of the last completed one; 0 before the first.
    previous_started_event_id: EventId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<WorkflowTask>,
    /// Between the completion of a task that did nothing but beat and the scheduling of the next one right behind it:
    /// since when that goes on.
    #[serde(skip)]
    beating_since: Option<Timestamp>,
}

/// The task that waits, or is out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct WorkflowTask {
    queue: TaskQueue,
    /// While a transient one waits this is the id it would get.
    scheduled_event_id: EventId,
    scheduled_time: Timestamp,
    attempt: u32,
    start_to_close: Duration,
    /// When it leaves the sticky queue; `None` on the normal one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sticky_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease: Option<Lease>,
    /// When the first of the tasks was scheduled that did nothing but ask for the next; `None` where this is it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    beating_since: Option<Timestamp>,
}

/// A worker has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) started_event_id: EventId,
    pub(crate) time: Timestamp,
    pub(crate) identity: String,
    /// The poll's own id.
    pub(crate) request_id: String,
    /// What the worker was told of the history's length: the same when it is written, whatever the settings are then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) suggest_continue_as_new: bool,
}

/// The time-out asked for, with the server's default and cap.
pub(crate) fn completed_timeout(wanted: Option<Duration>) -> Duration {
    wanted
        .filter(|wanted| !wanted.is_zero())
        .unwrap_or(Duration::from_secs(WORKFLOW_TASK_TIMEOUT_SECONDS))
        .min(Duration::from_secs(WORKFLOW_TASK_TIMEOUT_SECONDS_MAX))
}

/// How long an attempt may take. From the third on it is longer each time, because a failed transient attempt is not
/// answered but left to time out: this is the back-off of a workflow whose code is broken
/// (`workflow_task_state_machine.go`, `getStartToCloseTimeout`).
fn timeout_of_attempt(first: Duration, attempt: u32) -> Duration {
    let Some(doublings) = attempt.checked_sub(3) else { return first };
    let added = WORKFLOW_TASK_RETRY_SECONDS.saturating_mul(1_u64.checked_shl(doublings).unwrap_or(u64::MAX));
    first + Duration::from_secs(added.min(WORKFLOW_TASK_RETRY_SECONDS_MAX))
}

impl WorkflowTasks {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, attempt: 1, previous_started_event_id: 0, current: None, beating_since: None }
    }

    pub(crate) fn current(&self) -> Option<&WorkflowTask> {
        self.current.as_ref()
    }

    /// Which attempt the open task is, or the next one will be, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The started event of the last completed one; 0 before the first.
    pub(crate) fn previous_started_event_id(&self) -> EventId {
        self.previous_started_event_id
    }

    /// The next task is a first attempt, whatever became of those before.
    pub(crate) fn forget_failures(&mut self) {
        self.attempt = 1;
    }

    pub(crate) fn entries(&self, head: &Head) -> impl Iterator<Item = Entry> {
        self.current.iter().flat_map(|task| task.entries(head)).collect::<Vec<_>>().into_iter()
    }

    /// Whether workers have done nothing for so long but ask for the next task.
    fn has_beaten_too_long(&self, now: Timestamp) -> bool {
        let longest = Duration::from_secs(WORKFLOW_TASK_HEARTBEAT_SECONDS_MAX);
        self.current.as_ref().is_some_and(|task| now > task.beating_since() + longest)
    }

    fn set(&mut self, head: &Head, current: Option<WorkflowTask>, index: &mut Index) {
        index.take(self.entries(head));
        self.current = current;
        index.put(self.entries(head));
    }
}

impl WorkflowTask {
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    pub(crate) fn scheduled_time(&self) -> Timestamp {
        self.scheduled_time
    }

    fn beating_since(&self) -> Timestamp {
        self.beating_since.unwrap_or(self.scheduled_time)
    }

    pub(crate) fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// Whether it is out, under this very token.
    fn is_out_under(&self, token: &WorkflowTaskToken) -> bool {
        let lease = self.lease().map(|lease| (lease.started_event_id, &lease.request_id));
        self.scheduled_event_id == token.scheduled_event_id
            && lease == Some((token.started_event_id, &token.request_id))
            && self.attempt == token.attempt
    }

    /// The event that scheduled it; while it is transient, the one that would.
    pub(crate) fn scheduled_event_id(&self) -> EventId {
        self.scheduled_event_id
    }

    /// Whether its scheduled and started events are not in history.
    pub(crate) fn is_transient(&self) -> bool {
        self.attempt > 1
    }

    /// Whether it waits on a sticky queue.
    pub(crate) fn is_waiting_sticky(&self) -> bool {
        self.lease.is_none() && self.sticky_until.is_some()
    }

    /// Whether it, or its wait on the sticky queue, has taken too long.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        match &self.lease {
            Some(lease) => lease.time + self.start_to_close <= now,
            None => self.sticky_until.is_some_and(|until| until <= now),
        }
    }

    fn entries(&self, head: &Head) -> Vec<Entry> {
        if let Some(lease) = &self.lease {
            return vec![
                Entry::Due(lease.time + self.start_to_close, head.run_id, Due::WorkflowTask),
                Entry::Held(lease.identity.clone(), head.run_id, Held::WorkflowTask),
            ];
        }
        let key = QueueKey {
            kind: QueueKind::WorkflowTasks,
            namespace: head.namespace.clone(),
            name: self.queue.clone(),
        };
        let ready = Ready {
            priority: queue::level(None, head.priority.as_ref()),
            at: self.scheduled_time,
            run_id: head.run_id,
            what: What::WorkflowTask,
        };
        let mut entries = vec![Entry::Ready(key, ready)];
        entries.extend(self.sticky_until.map(|until| Entry::Due(until, head.run_id, Due::StickyTask)));
        entries
    }
}

impl Run {
    pub(crate) fn workflow_task_scheduled(
        &mut self,
        id: EventId,
        now: Timestamp,
        queue: &TaskQueue,
        start_to_close: Duration,
        attempt: u32,
        index: &mut Index,
    ) {
        // The pair of a transient attempt that succeeded: the task is out already, under these very ids.
        if self.has_lease() {
            return;
        }
        let sticky = self.sticky.as_ref().filter(|sticky| sticky.attributes.task_queue == *queue);
        let task = WorkflowTask {
            queue: queue.clone(),
            scheduled_event_id: id,
            scheduled_time: now,
            attempt,
            start_to_close,
            sticky_until: sticky.map(|sticky| now + sticky.attributes.schedule_to_start_timeout),
            lease: None,
            beating_since: self.workflow_tasks.beating_since.take(),
        };
        self.workflow_tasks.attempt = attempt;
        self.workflow_tasks.set(&self.head, Some(task), index);
    }

    pub(crate) fn workflow_task_started(&mut self, lease: Lease, index: &mut Index) {
        if !self.has_lease() {
            self.lease_workflow_task(lease, index);
        }
    }

    /// `beats` where the next task is scheduled right behind it: the worker asked for nothing else.
    pub(crate) fn workflow_task_completed(
        &mut self,
        started_event_id: EventId,
        beats: bool,
        index: &mut Index,
    ) {
        let current = self.workflow_tasks.current.as_ref();
        self.workflow_tasks.beating_since = current.filter(|_| beats).map(WorkflowTask::beating_since);
        self.workflow_tasks.set(&self.head, None, index);
        self.workflow_tasks.attempt = 1;
        self.workflow_tasks.previous_started_event_id = started_event_id;
        if let Some(sticky) = &mut self.sticky {
            sticky.forget();
        }
    }

    /// It failed or timed out. A failure on a sticky worker may be the fault of its cache: the next attempt goes to
    /// the normal queue, and is a first one.
    pub(crate) fn workflow_task_ended(&mut self, index: &mut Index) {
        self.workflow_tasks.set(&self.head, None, index);
        if self.sticky.is_some() {
            self.bind_sticky(None, index);
        } else {
            self.workflow_tasks.attempt = self.workflow_tasks.attempt.saturating_add(1);
        }
    }

    /// A worker took a transient attempt. Nothing is flushed while it is out, so the ids it would get are certain.
    pub(crate) fn start_transient_task(
        &mut self,
        time: Timestamp,
        identity: &str,
        request_id: &str,
        suggest_continue_as_new: bool,
        index: &mut Index,
    ) {
        let lease = Lease {
            started_event_id: self.next_event_id + 1,
            time,
            identity: identity.to_owned(),
            request_id: request_id.to_owned(),
            suggest_continue_as_new,
        };
        self.lease_workflow_task(lease, index);
    }

    fn lease_workflow_task(&mut self, lease: Lease, index: &mut Index) {
        let mut task = self.workflow_tasks.current.clone().expect("a task is scheduled before it is started");
        // A worker that takes the task from the normal queue has none of the run, or a stale part of it.
        if task.sticky_until.is_none() {
            self.bind_sticky(None, index);
        }
        task.lease = Some(lease);
        self.workflow_tasks.set(&self.head, Some(task), index);
    }

    /// After a failure with nothing new the task is tried again, without events.
    pub(crate) fn schedule_transient_task(&mut self, now: Timestamp, index: &mut Index) {
        let attempt = self.workflow_tasks.attempt;
        if attempt == 1 || self.workflow_tasks.current.is_some() || !self.is_open() {
            return;
        }
        let task = WorkflowTask {
            queue: self.head.task_queue.clone(),
            scheduled_event_id: self.next_event_id,
            scheduled_time: now,
            attempt,
            start_to_close: timeout_of_attempt(self.workflow_tasks.timeout, attempt),
            sticky_until: None,
            lease: None,
            beating_since: None,
        };
        self.workflow_tasks.set(&self.head, Some(task), index);
    }
}

impl Run {
    /// The event that schedules a workflow task for the worker that has just answered one.
    fn task_scheduled_for_its_worker(&self) -> Event {
        let sticky = self.sticky.as_ref().map(|sticky| &sticky.attributes.task_queue);
        self.task_scheduled_on(sticky.unwrap_or(&self.head.task_queue))
    }

    fn task_scheduled_on(&self, queue: &TaskQueue) -> Event {
        Event::WorkflowTaskScheduled {
            task_queue: queue.clone(),
            start_to_close_timeout: self.workflow_tasks.timeout,
            attempt: 1,
        }
    }
}

impl Engine {
    /// The event that schedules a workflow task of a run: on its sticky queue where somebody polls that, otherwise on
    /// the normal one.
    pub(crate) fn task_scheduled(&self, now: Timestamp, run: &Run) -> Event {
        run.task_scheduled_on(&self.queue_for_task(now, run))
    }

    /// That queue.
    fn queue_for_task(&self, now: Timestamp, run: &Run) -> TaskQueue {
        let sticky = run.sticky.as_ref().map(|sticky| &sticky.attributes.task_queue).filter(|queue| {
            let key = QueueKey {
                kind: QueueKind::WorkflowTasks,
                namespace: run.head.namespace.clone(),
                name: (*queue).clone(),
            };
            self.index.queues.was_polled(now, &key)
        });
        sticky.unwrap_or(&run.head.task_queue).clone()
    }
}
