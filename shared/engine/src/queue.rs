//! Task queues: what waits for a worker, and which polls wait for a task.
//!
//! The waiting tasks are derived from the runs; polls belong to the process and are gone with it. A task whose time
//! has not come (an activity in its back-off) stands in its queue already, and is handed out from then on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tidegate_model::id::{EventId, Namespace, RunId, TaskQueue};
use tidegate_model::limits::{POLL_SECONDS_MAX, STICKY_UNPOLLED_SECONDS_MAX};
use tidegate_model::time::Timestamp;

use crate::request::Ticket;

/// Which tasks a queue has. Queues of one name and different kinds have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum QueueKind {
    /// Workflow tasks, on a normal queue or a sticky one.
    WorkflowTasks,
    /// Activity tasks.
    ActivityTasks,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QueueKey {
    pub(crate) kind: QueueKind,
    pub(crate) namespace: Namespace,
    pub(crate) name: TaskQueue,
}

/// A task that waits for a worker. The order is the one they are handed out in: by age, whichever run they are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ready {
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
    ready: BTreeSet<Ready>,
    polls: VecDeque<Poll>,
    /// When a poll was last seen to come or to wait.
    seen: Option<Timestamp>,
}

impl Queue {
    fn matches_at(&self) -> Option<Timestamp> {
        self.ready.first().filter(|_| !self.polls.is_empty()).map(|ready| ready.at)
    }

    /// Whether there is anything to remember about it at `now`.
    fn is_live(&self, now: Timestamp) -> bool {
        !self.ready.is_empty() || !self.polls.is_empty() || self.was_polled(now)
    }

    fn was_polled(&self, now: Timestamp) -> bool {
        let window = Duration::from_secs(STICKY_UNPOLLED_SECONDS_MAX);
        !self.polls.is_empty() || self.seen.is_some_and(|seen| now.saturating_since(seen) < window)
    }
}

impl Queues {
    /// A task waits.
    pub(crate) fn put(&mut self, key: QueueKey, ready: Ready) {
        self.change(key, |queue| {
            let fresh = queue.ready.insert(ready);
            debug_assert!(fresh, "a task is put once");
        });
    }

    /// A task waits no longer.
    pub(crate) fn take(&mut self, key: QueueKey, ready: Ready) {
        self.change(key, |queue| {
            let found = queue.ready.remove(&ready);
            debug_assert!(found, "a task that is taken was put");
        });
    }

    /// A poll comes, and waits.
    pub(crate) fn poll(&mut self, now: Timestamp, key: QueueKey, ticket: Ticket, identity: String) {
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
            queue.polls.push_back(Poll { ticket, identity, expires });
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

    /// All polls of a worker stop waiting.
    pub(crate) fn abandon_all_of(&mut self, now: Timestamp, identity: &str) -> Vec<(Ticket, QueueKind)> {
        let theirs: Vec<(Ticket, QueueKind)> = self
            .queues
            .iter()
            .flat_map(|(key, queue)| queue.polls.iter().map(move |poll| (key.kind, poll)))
            .filter(|(_, poll)| poll.identity == identity)
            .map(|(kind, poll)| (poll.ticket, kind))
            .collect();
        for (ticket, _) in &theirs {
            self.abandon(now, *ticket).expect("the poll was found at its queue a moment ago");
        }
        theirs
    }

    /// The next task that can be handed out, and the poll it goes to. The poll is gone from its queue; the task leaves
    /// when whoever hands it out has recorded so.
    pub(crate) fn next_match(&mut self, now: Timestamp) -> Option<(Ready, Poll)> {
        let (_, key) = self.matches.first().filter(|(at, _)| *at <= now)?.clone();
        let ready = *self.queues.get(&key)?.ready.first()?;
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
        if queue.ready.is_empty() && queue.polls.is_empty() && queue.seen.is_none() {
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
