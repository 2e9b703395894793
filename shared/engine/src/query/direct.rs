//! A query as a task of its own: to the worker that has the run in its cache, with nothing else; where that one does not
//! answer in time, to any, with the whole history.

use tidegate_model::id::{EventId, Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::time::Timestamp;

use super::{State, gone};
use crate::engine::{Effect, Engine, Step};
use crate::queue::{Level, Poll, QueueKey, QueueKind, Ready, What};
use crate::request::{
    HistoryPart, QueryAnswer, QueryToken, Refusal, Reply, RunSummary, WorkflowTask, WorkflowTaskToken,
};

/// What a worker is told of a run besides its history.
struct About {
    namespace: Namespace,
    workflow_id: WorkflowId,
    workflow_type: String,
    task_queue: TaskQueue,
    previous_started_event_id: EventId,
}

impl Engine {
    /// Puts a query at its queue: the sticky one where somebody polls that.
    pub(super) fn query_directly(&mut self, now: Timestamp, id: u64) {
        let run_id = self.queries.get(id).run_id;
        let sticky = self.run_if_open(run_id).and_then(|run| {
            let sticky = &run.sticky.as_ref()?.attributes;
            let key = workflow_tasks(run.head.namespace.clone(), sticky.task_queue.clone());
            let until = now + sticky.schedule_to_start_timeout;
            self.index.queues.was_polled(now, &key).then_some((key, Some(until)))
        });
        let normal = || self.normal_queue_of_query(id).map(|key| (key, None));
        // A run that is forgotten in this very step: the next change of the query notices.
        let Some((key, sticky_until)) = sticky.or_else(normal) else { return };
        let ready = Ready { priority: Level::DEFAULT, at: now, run_id, what: What::Query(id) };
        self.change_query(id, State::Ready { key, ready, sticky_until });
    }

    /// The worker that has the run in its cache has not answered in time. Nothing is recorded of that, so the run stays
    /// tied to it.
    pub(crate) fn unstick_query(&mut self, step: &mut Step<'_>, id: u64) {
        match self.normal_queue_of_query(id) {
            Some(key) => {
                let ready = Ready {
                    priority: Level::DEFAULT,
                    at: step.now,
                    run_id: self.queries.get(id).run_id,
                    what: What::Query(id),
                };
                self.change_query(id, State::Ready { key, ready, sticky_until: None });
            }
            None => self.refuse_query(step, id, gone(self.queries.get(id).run_id)),
        }
    }

    /// A query that waits at the queue of a worker its run is no longer tied to goes to the normal one.
    pub(super) fn follow_stickiness(&mut self, step: &mut Step<'_>, id: u64) {
        let query = self.queries.get(id);
        let State::Ready { key, sticky_until: Some(_), .. } = &query.state else { return };
        let tied_to = self.run_if_open(query.run_id).and_then(|run| run.sticky.as_ref());
        if tied_to.is_none_or(|sticky| sticky.attributes.task_queue != key.name) {
            self.unstick_query(step, id);
        }
    }

    /// The queries of a run that wait at a sticky queue nobody will poll.
    pub(crate) fn move_sticky_queries(&mut self, step: &mut Step<'_>, run_id: RunId) {
        for id in self.queries.of_run(run_id) {
            if let State::Ready { sticky_until: Some(_), .. } = self.queries.get(id).state {
                self.unstick_query(step, id);
            }
        }
    }

    /// A worker is gone: what it was asked, another is asked.
    pub(crate) fn ask_others(&mut self, step: &mut Step<'_>, identity: &str) {
        let theirs: Vec<u64> = self
            .queries
            .waiting
            .iter()
            .filter(
                |(_, query)| matches!(&query.state, State::Asked { identity: who, .. } if who == identity),
            )
            .map(|(id, _)| *id)
            .collect();
        for id in theirs {
            self.unstick_query(step, id);
        }
    }

    pub(crate) fn hand_out_query(&mut self, step: &mut Step<'_>, id: u64, poll: Poll) {
        let reply = match self.query_task(id) {
            Some((task, sticky_until)) => {
                self.change_query(id, State::Asked { identity: poll.identity, sticky_until });
                Some(Box::new(task))
            }
            None => {
                let run_id = self.queries.get(id).run_id;
                self.refuse_query(step, id, gone(run_id));
                None
            }
        };
        step.effects.push(Effect::Reply { ticket: poll.ticket, reply: Ok(Reply::WorkflowTask(reply)) });
    }

    /// A worker's answer to such a task.
    pub(crate) fn take_query_answer(
        &mut self,
        step: &mut Step<'_>,
        token: &QueryToken,
        answer: QueryAnswer,
    ) -> Result<Reply, Refusal> {
        let waiting = self.queries.waiting.get(&token.query_id);
        let is_theirs = waiting
            .is_some_and(|query| query.run_id == token.run_id && !matches!(query.state, State::Buffered));
        if !is_theirs {
            // Temporal's words.
            let message = String::from("query task not found, or already expired");
            return Err(Refusal::NotFound(message));
        }
        self.reply_to_query(step, token.query_id, answer);
        Ok(Reply::Done)
    }

    fn query_task(&self, id: u64) -> Option<(WorkflowTask, Option<Timestamp>)> {
        let query = self.queries.get(id);
        let State::Ready { ready, sticky_until, .. } = &query.state else { return None };
        let about = self.about_query(id)?;
        let run_id = query.run_id;
        let history =
            if sticky_until.is_some() { HistoryPart::Since(Vec::new()) } else { HistoryPart::Whole };
        let token = WorkflowTaskToken {
            run_id,
            scheduled_event_id: 0,
            started_event_id: 0,
            attempt: 0,
            request_id: String::new(),
        };
        let task = WorkflowTask {
            token,
            namespace: about.namespace,
            workflow_id: about.workflow_id,
            workflow_type: about.workflow_type,
            task_queue: about.task_queue,
            previous_started_event_id: about.previous_started_event_id,
            started_event_id: 0,
            attempt: 1,
            history,
            transient: Vec::new(),
            started_time: ready.at,
            scheduled_time: ready.at,
            messages: Vec::new(),
            query: Some((QueryToken { run_id, query_id: id }, query.query.clone())),
            queries: std::collections::BTreeMap::new(),
        };
        Some((task, *sticky_until))
    }

    pub(super) fn normal_queue_of_query(&self, id: u64) -> Option<QueueKey> {
        self.about_query(id).map(|about| workflow_tasks(about.namespace, about.task_queue))
    }

    fn about_query(&self, id: u64) -> Option<About> {
        let run_id = self.queries.get(id).run_id;
        if let Some(run) = self.run_if_open(run_id) {
            return Some(About {
                namespace: run.head.namespace.clone(),
                workflow_id: run.head.workflow_id.clone(),
                workflow_type: run.head.workflow_type.clone(),
                task_queue: run.head.task_queue.clone(),
                previous_started_event_id: run.workflow_tasks.previous_started_event_id(),
            });
        }
        let closed = self.closed.get(run_id)?;
        let RunSummary { namespace, workflow_id, workflow_type, task_queue, .. } = closed.summary.clone();
        let previous_started_event_id = closed.previous_started_event_id;
        Some(About { namespace, workflow_id, workflow_type, task_queue, previous_started_event_id })
    }
}

fn workflow_tasks(namespace: Namespace, name: TaskQueue) -> QueueKey {
    QueueKey { kind: QueueKind::WorkflowTasks, namespace, name }
}
