//! Task queues: what waits for a worker, and which polls wait for a task.
//!
//! The waiting tasks are derived from the runs; polls belong to the process and are gone with it, and so is what a
//! person sees of who polled and how fast tasks come and go. A task whose time has not come (an activity in its
//! back-off) stands in its queue already, and is handed out from then on.

mod traffic;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tidegate_model::event::Priority;
use tidegate_model::id::{EventId, Namespace, RunId, TaskQueue};
use tidegate_model::limits::{POLL_SECONDS_MAX, STICKY_UNPOLLED_SECONDS_MAX};
use tidegate_model::time::Timestamp;

use crate::request::{TaskQueueDescription, TaskQueueKind, Ticket};

use traffic::{Pollers, Rate};

/// Which tasks a queue has. Queues of one name and different kinds have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum QueueKind {
    /// Workflow tasks, on a normal queue or a sticky one.
    WorkflowTasks,
    /// Activity tasks.
    ActivityTasks,
}

impl From<TaskQueueKind> for QueueKind {
    fn from(kind: TaskQueueKind) -> Self {
        match kind {
            TaskQueueKind::Workflow => Self::WorkflowTasks,
            TaskQueueKind::Activity => Self::ActivityTasks,
        }
    }
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QueueKey {
    pub(crate) kind: QueueKind,
    pub(crate) namespace: Namespace,
    pub(crate) name: TaskQueue,
}

/// Which tasks of a queue go first: 0 before all others. Temporal counts from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Level(u8);

/// Priorities there are: Temporal's default.
const LEVELS: usize = 5;

impl Level {
    /// Of what has none: Temporal's 3.
    pub(crate) const DEFAULT: Self = Self(2);
}

/// The level of a task: its own priority, or else its run's. A key beyond the last is the last.
pub(crate) fn level(own: Option<&Priority>, run: Option<&Priority>) -> Level {
    let key = [own, run].into_iter().flatten().map(|priority| priority.priority_key).find(|key| *key != 0);
    key.map_or(Level::DEFAULT, |key| {
        let last = u8::try_from(LEVELS - 1).expect("a handful of levels");
        Level(u8::try_from(key - 1).unwrap_or(last).min(last))
    })
}

/// A task that waits for a worker. Within a level they are handed out by age, whichever run they are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ready {
    pub(crate) priority: Level,
    /// Not handed out before.
    pub(crate) at: Timestamp,
    /// The run.
    pub(crate) run_id: RunId,
    pub(crate) what: What,
}

/// What a worker is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// The workflow task: a run has one at most.
    WorkflowTask,
    /// A workflow task that only this process knows of.
    SpeculativeTask,
    /// The query of this id, as a task of its own.
    Query(u64),
    /// The activity of this scheduled event.
    Activity(EventId),
}

/// A poll that waits for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Poll {
    pub(crate) ticket: Ticket,
    pub(crate) identity: String,
    /// Which worker of its process; empty for none.
    pub(crate) worker_instance_key: String,
    expires: Timestamp,
}

/// All queues.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    queues: BTreeMap<QueueKey, Queue>,
    /// When each queue with a poll and a task can match them.
    matches: BTreeSet<(Timestamp, QueueKey)>,
    /// Which queue each waiting poll is at.
    tickets: BTreeMap<Ticket, QueueKey>,
    /// When each waiting poll is answered empty.
    expiries: BTreeSet<(Timestamp, Ticket)>,
}

#[derive(Debug, Default)]
struct Queue {
    ready: [BTreeSet<Ready>; LEVELS],
    polls: VecDeque<Poll>,
    /// When a poll was last seen to come or to wait.
    seen: Option<Timestamp>,
    pollers: Pollers,
    dispatched: Rate,
}

impl Queue {
    fn matches_at(&self) -> Option<Timestamp> {
        if self.polls.is_empty() {
            return None;
        }
        self.firsts().map(|ready| ready.at).min()
    }

    /// The oldest task of each level.
    fn firsts(&self) -> impl Iterator<Item = &Ready> {
        self.ready.iter().filter_map(BTreeSet::first)
    }

    /// The task to be handed out.
    fn first(&self, now: Timestamp) -> Option<Ready> {
        self.firsts().find(|ready| ready.at <= now).copied()
    }

    fn is_empty(&self) -> bool {
        self.polls.is_empty() && self.ready.iter().all(BTreeSet::is_empty)
    }

    /// Whether there is anything to remember about it at `now`.
    fn is_live(&self, now: Timestamp) -> bool {
        !self.is_empty() || self.was_polled(now) || self.pollers.is_any(now)
    }

    fn was_polled(&self, now: Timestamp) -> bool {
        let window = Duration::from_secs(STICKY_UNPOLLED_SECONDS_MAX);
        !self.polls.is_empty() || self.seen.is_some_and(|seen| now.saturating_since(seen) < window)
    }

    fn level_mut(&mut self, ready: &Ready) -> &mut BTreeSet<Ready> {
        &mut self.ready[usize::from(ready.priority.0)]
    }
}

impl Queues {
    /// A task waits.
    pub(crate) fn put(&mut self, key: QueueKey, ready: Ready) {
        self.change(key, |queue| {
            let fresh = queue.level_mut(&ready).insert(ready);
            debug_assert!(fresh, "a task is put once");
        });
    }

    /// A task waits no longer.
    pub(crate) fn take(&mut self, key: QueueKey, ready: Ready) {
        self.change(key, |queue| {
            let found = queue.level_mut(&ready).remove(&ready);
            debug_assert!(found, "a task that is taken was put");
        });
    }

    /// A poll comes, and waits.
    pub(crate) fn poll(
        &mut self,
        now: Timestamp,
        key: QueueKey,
        ticket: Ticket,
        identity: String,
        worker_instance_key: String,
    ) {
        drop(self.abandon(now, ticket));
        if !self.queues.contains_key(&key) {
            // Sticky queues come and go with worker processes. Those of processes long gone are forgotten when a new
            // one shows up.
            self.queues.retain(|_, queue| queue.is_live(now));
        }
        let expires = now + Duration::from_secs(POLL_SECONDS_MAX);
        self.tickets.insert(ticket, key.clone());
        self.expiries.insert((expires, ticket));
        self.change(key, |queue| {
            queue.seen = Some(now);
            queue.pollers.seen(now, &identity);
            queue.polls.push_back(Poll { ticket, identity, worker_instance_key, expires });
        });
    }

    /// A poll waits no longer; gives its queue when it did.
    pub(crate) fn abandon(&mut self, now: Timestamp, ticket: Ticket) -> Option<QueueKey> {
        let key = self.tickets.get(&ticket)?.clone();
        self.leave(now, &key, |polls| {
            let at = polls.iter().position(|poll| poll.ticket == ticket)?;
            polls.remove(at)
        })?;
        Some(key)
    }

    /// The next poll that has waited for as long as a poll may: answered empty.
    pub(crate) fn next_expired(&mut self, now: Timestamp) -> Option<(Ticket, QueueKind)> {
        let ticket = self.expiries.first().filter(|(at, _)| *at <= now)?.1;
        self.abandon(now, ticket).map(|key| (ticket, key.kind))
    }

    /// All polls that are meant stop waiting.
    pub(crate) fn abandon_all(
        &mut self,
        now: Timestamp,
        is_meant: impl Fn(&QueueKey, &Poll) -> bool,
    ) -> Vec<(Ticket, QueueKind)> {
        let theirs: Vec<(Ticket, QueueKind)> = self
            .queues
            .iter()
            .flat_map(|(key, queue)| queue.polls.iter().map(move |poll| (key, poll)))
            .filter(|(key, poll)| is_meant(key, poll))
            .map(|(key, poll)| (poll.ticket, key.kind))
            .collect();
        for (ticket, _) in &theirs {
            self.abandon(now, *ticket).expect("the poll was found at its queue a moment ago");
        }
        theirs
    }

    /// Nobody will poll the queue again: it counts as not polled from now on, and shows nobody who does, as one that
    /// Temporal unloads. Gives the runs whose tasks wait there.
    pub(crate) fn desert(&mut self, key: &QueueKey) -> Vec<RunId> {
        let Some(queue) = self.queues.get_mut(key) else { return Vec::new() };
        queue.seen = None;
        queue.pollers = Pollers::default();
        queue.ready.iter().flatten().map(|ready| ready.run_id).collect()
    }

    /// The next task that can be handed out, and the poll it goes to. The poll is gone from its queue; the task leaves
    /// when whoever hands it out has recorded so.
    pub(crate) fn next_match(&mut self, now: Timestamp) -> Option<(Ready, Poll)> {
        let (_, key) = self.matches.first().filter(|(at, _)| *at <= now)?.clone();
        let queue = self.queues.get_mut(&key)?;
        let ready = queue.first(now)?;
        queue.dispatched.count(now, ready.at);
        let poll = self.leave(now, &key, VecDeque::pop_front)?;
        Some((ready, poll))
    }

    /// Whether somebody waits at a queue or did so a short while ago.
    pub(crate) fn was_polled(&self, now: Timestamp, key: &QueueKey) -> bool {
        self.queues.get(key).is_some_and(|queue| queue.was_polled(now))
    }

    /// Polls waiting, over all queues.
    pub(crate) fn polls_waiting(&self) -> usize {
        self.tickets.len()
    }

    /// What waits on a queue, and who polls it.
    pub(crate) fn describe(&self, now: Timestamp, key: &QueueKey) -> TaskQueueDescription {
        let none = Queue::default();
        let queue = self.queues.get(key).unwrap_or(&none);
        let waiting = |from: Timestamp| {
            queue.ready.iter().flatten().filter(move |ready| from <= ready.at && ready.at <= now)
        };
        let oldest = queue.firsts().map(|ready| ready.at).filter(|at| *at <= now).min();
        let (added, dispatched) = queue.dispatched.in_window(now);
        let added = added + waiting(traffic::window_begins(now)).count() as u64;
        TaskQueueDescription {
            pollers: queue.pollers.describe(now, queue.polls.iter().map(|poll| poll.identity.as_str())),
            backlog_count: queue.ready.iter().flatten().filter(|ready| ready.at <= now).count() as u64,
            backlog_age: oldest.map(|at| now.saturating_since(at)).unwrap_or_default(),
            tasks_add_rate: traffic::per_second(added),
            tasks_dispatch_rate: traffic::per_second(dispatched),
        }
    }

    /// When something is to be done here, and what.
    pub(crate) fn next_deadline(&self) -> Option<(Timestamp, &'static str)> {
        let task = self.matches.first().map(|(at, _)| (*at, "a task is ready for a waiting poll"));
        let poll = self.expiries.first().map(|(at, _)| (*at, "a poll has waited long enough"));
        task.into_iter().chain(poll).min_by_key(|(at, _)| *at)
    }

    fn leave(
        &mut self,
        now: Timestamp,
        key: &QueueKey,
        pick: impl FnOnce(&mut VecDeque<Poll>) -> Option<Poll>,
    ) -> Option<Poll> {
        let mut left = None;
        self.change(key.clone(), |queue| {
            queue.seen = Some(now);
            left = pick(&mut queue.polls);
        });
        let poll = left?;
        self.tickets.remove(&poll.ticket);
        self.expiries.remove(&(poll.expires, poll.ticket));
        Some(poll)
    }

    /// Changes a queue and keeps `matches` true of it.
    fn change(&mut self, key: QueueKey, change: impl FnOnce(&mut Queue)) {
        let queue = self.queues.entry(key.clone()).or_default();
        let before = queue.matches_at();
        change(queue);
        let after = queue.matches_at();
        if queue.is_empty() && queue.seen.is_none() {
            self.queues.remove(&key);
        }
        if before != after {
            if let Some(at) = before {
                self.matches.remove(&(at, key.clone()));
            }
            if let Some(at) = after {
                self.matches.insert((at, key));
            }
        }
    }
}
