//! Polls, and the queues they wait at.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_engine::{PollerDescription, Reply, TaskQueueDescription, TaskQueueKind, Ticket};
use tidegate_model::id::{Namespace, RunId, TaskQueue};
use tidegate_model::payload::TimeoutType;
use tidegate_model::time::Timestamp;

use super::Reference;
use super::run::{Run, Task};

const POLL_TIMEOUT: Duration = Duration::from_secs(60);
/// A queue that nobody has polled for so long is deserted.
const UNPOLLED: Duration = Duration::from_secs(10);
/// For so long a worker that has ended gets no task.
const RETIRED: Duration = Duration::from_secs(30);
/// For so long it is shown who polled.
const SHOWN: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: TaskQueueKind,
    pub(super) namespace: Namespace,
    pub(super) queue: TaskQueue,
}

#[derive(Clone)]
pub(super) struct Poll {
    pub(super) ticket: Ticket,
    pub(super) key: Key,
    pub(super) identity: String,
    pub(super) instance: String,
    pub(super) until: Timestamp,
}

/// A worker that said it ends.
#[derive(Clone)]
pub(super) struct Ended {
    namespace: Namespace,
    instance: String,
    until: Timestamp,
}

/// Who came to a queue.
#[derive(Clone, Default)]
pub(super) struct Queue {
    /// When anybody was last seen to come, wait or go.
    seen: Option<Timestamp>,
    /// When each came last.
    came: BTreeMap<String, Timestamp>,
}

/// A task that waits on a queue. In the order in which they are handed out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Waiting {
    Workflow,
    Speculative,
    /// By when it was asked.
    Query(usize),
    Activity(u64),
}

/// From 1, the most urgent, to 5.
const DEFAULT_URGENCY: u32 = 3;

impl Run {
    fn urgency(&self) -> u32 {
        let key = self.started().priority.as_ref().map_or(0, |priority| priority.priority_key);
        if key == 0 { DEFAULT_URGENCY } else { key.min(5) }
    }
}

impl Key {
    pub(super) fn of_workflows(namespace: &Namespace, queue: &TaskQueue) -> Self {
        Self { kind: TaskQueueKind::Workflow, namespace: namespace.clone(), queue: queue.clone() }
    }

    const fn nothing(&self) -> Reply {
        match self.kind {
            TaskQueueKind::Workflow => Reply::WorkflowTask(None),
            TaskQueueKind::Activity => Reply::ActivityTask(None),
        }
    }
}

impl Reference {
    pub(super) fn poll(&mut self, ticket: Ticket, key: Key, identity: String, instance: String) {
        let now = self.now;
        let is_it = |ended: &Ended| {
            ended.namespace == key.namespace && ended.instance == instance && now < ended.until
        };
        if !instance.is_empty() && self.volatile.ended.iter().any(is_it) {
            self.reply(ticket, Ok(key.nothing()));
            return;
        }
        let queue = self.volatile.queues.entry(key.clone()).or_default();
        queue.seen = Some(self.now);
        queue.came.insert(identity.clone(), self.now);
        let until = self.now + POLL_TIMEOUT;
        self.volatile.polls.push(Poll { ticket, key, identity, instance, until });
    }

    fn take_poll(&mut self, at: usize) -> Poll {
        let poll = self.volatile.polls.remove(at);
        self.volatile.queues.entry(poll.key.clone()).or_default().seen = Some(self.now);
        poll
    }

    pub(super) fn was_polled(&self, key: &Key) -> bool {
        let seen = self.volatile.queues.get(key).and_then(|queue| queue.seen);
        self.volatile.polls.iter().any(|poll| poll.key == *key)
            || seen.is_some_and(|seen| self.now.saturating_since(seen) < UNPOLLED)
    }

    pub(super) fn abandon_poll(&mut self, ticket: Ticket) {
        if let Some(at) = self.volatile.polls.iter().position(|poll| poll.ticket == ticket) {
            drop(self.take_poll(at));
        }
    }

    /// Polls that have waited long enough are answered: there was nothing.
    pub(super) fn expire_polls(&mut self) {
        let now = self.now;
        self.dismiss_polls(|poll| poll.until <= now);
    }

    fn dismiss_polls(&mut self, is_meant: impl Fn(&Poll) -> bool) {
        while let Some(at) = self.volatile.polls.iter().position(&is_meant) {
            let poll = self.take_poll(at);
            self.reply(poll.ticket, Ok(poll.key.nothing()));
        }
    }

    /// A worker is gone: its polls, its tasks, and its cache.
    pub(super) fn shut_down(&mut self, identity: &str) {
        self.dismiss_polls(|poll| poll.identity == identity);
        let runs: Vec<RunId> = self.runs.values().filter(|run| run.is_open()).map(|run| run.run_id).collect();
        for run_id in runs {
            self.take_back(run_id, identity);
        }
        self.ask_others(identity);
    }

    /// One worker of a process ends in good order: what waits for it goes to the normal queue.
    pub(super) fn shut_down_instance(
        &mut self,
        namespace: &Namespace,
        sticky: Option<TaskQueue>,
        instance: &str,
    ) {
        let until = self.now + RETIRED;
        self.volatile.ended.push(Ended {
            namespace: namespace.clone(),
            instance: instance.to_owned(),
            until,
        });
        let sticky = sticky.map(|queue| Key::of_workflows(namespace, &queue));
        self.dismiss_polls(|poll| {
            poll.key.namespace == *namespace
                && (!instance.is_empty() && poll.instance == instance || sticky.as_ref() == Some(&poll.key))
        });
        let Some(key) = sticky else { return };
        if let Some(queue) = self.volatile.queues.get_mut(&key) {
            queue.seen = None;
            queue.came.clear();
        }
        let stranded: Vec<RunId> =
            self.waiting(&key, Timestamp::MAX).into_iter().map(|(_, run_id, _)| run_id).collect();
        for run_id in stranded {
            let Some(run) = self.runs.get(&run_id) else { continue };
            if run.task.as_ref().is_some_and(Task::waits_sticky) {
                self.time_out_task(run_id, TimeoutType::ScheduleToStart);
            }
            self.move_speculative(run_id);
            self.unstick_queries_of(run_id);
        }
    }

    /// What waits on a queue and could be taken by then.
    fn waiting(&self, key: &Key, by: Timestamp) -> Vec<(Timestamp, RunId, Waiting)> {
        let urgency = |run_id: RunId, what: &Waiting| match what {
            Waiting::Query(_) => DEFAULT_URGENCY,
            Waiting::Workflow | Waiting::Speculative | Waiting::Activity(_) => self.run(run_id).urgency(),
        };
        let mut waiting = Vec::new();
        if key.kind == TaskQueueKind::Activity {
            let all = self.activities_waiting(key).into_iter();
            waiting.extend(all.map(|(at, run_id, id)| (at, run_id, Waiting::Activity(id))));
        } else {
            for run in self.runs.values().filter(|run| run.is_open() && run.namespace == key.namespace) {
                let is_here = |task: &&Task| task.lease.is_none() && task.queue == key.queue;
                let task = run.task.as_ref().filter(is_here);
                waiting.extend(task.map(|task| (task.scheduled_time, run.run_id, Waiting::Workflow)));
                let task = run.speculative.as_ref().filter(is_here);
                waiting.extend(task.map(|task| (task.scheduled_time, run.run_id, Waiting::Speculative)));
            }
            let queries = self.queries_waiting(key).into_iter();
            waiting.extend(queries.map(|(at, run_id, n)| (at, run_id, Waiting::Query(n))));
        }
        waiting.retain(|(at, _, _)| *at <= by);
        waiting.sort_by_key(|(at, run_id, what)| (urgency(*run_id, what), *at, *run_id, what.clone()));
        waiting
    }

    /// Gives the oldest of the most urgent tasks of a queue to whoever has waited there for longest. Whether there was any.
    pub(super) fn hand_something_out(&mut self) -> bool {
        for at in 0..self.volatile.polls.len() {
            let key = self.volatile.polls[at].key.clone();
            let Some((_, run_id, what)) = self.waiting(&key, self.now).into_iter().next() else { continue };
            let poll = self.take_poll(at);
            let task = match what {
                Waiting::Workflow => self.hand_out_task(run_id, poll.ticket, poll.identity),
                Waiting::Speculative => self.hand_out_speculative(run_id, poll.ticket, poll.identity),
                Waiting::Query(n) => {
                    self.hand_out_query(n, poll);
                    return true;
                }
                Waiting::Activity(id) => {
                    self.hand_out_activity(run_id, id, &poll);
                    return true;
                }
            };
            self.reply(poll.ticket, Ok(Reply::WorkflowTask(Some(Box::new(task)))));
            return true;
        }
        false
    }

    pub(super) fn describe_queue(&self, key: &Key) -> Reply {
        let now = self.now;
        let waiting = self.waiting(key, now);
        let queue = self.volatile.queues.get(key).cloned().unwrap_or_default();
        let mut came = queue.came;
        came.retain(|_, at| now.saturating_since(*at) < SHOWN);
        let here = self.volatile.polls.iter().filter(|poll| poll.key == *key);
        came.extend(here.map(|poll| (poll.identity.clone(), now)));
        let mut pollers: Vec<PollerDescription> = came
            .into_iter()
            .map(|(identity, last_access_time)| PollerDescription { identity, last_access_time })
            .collect();
        pollers.sort_by_key(|poller| std::cmp::Reverse(poller.last_access_time));
        Reply::TaskQueueDescribed(Box::new(TaskQueueDescription {
            pollers,
            backlog_count: waiting.len() as u64,
            backlog_age: waiting.iter().map(|(at, _, _)| now.saturating_since(*at)).max().unwrap_or_default(),
            tasks_add_rate: 0.0,
            tasks_dispatch_rate: 0.0,
        }))
    }
}
