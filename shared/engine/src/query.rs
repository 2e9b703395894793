//! Queries: questions to workflow code that change nothing. They leave no record, and are gone with the process.
//!
//! A query sees what came before it. While a workflow task is on its way it goes along with that (`buffered`);
//! otherwise it is a task of its own (`direct`).

mod buffered;
mod direct;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidegate_model::id::RunId;
use tidegate_model::limits::{
    QUERIES_WAITING_MAX, QUERY_RESULT_BYTES_MAX, QUERY_WAIT_SECONDS_MAX, WORKFLOW_TASK_FAILING_ATTEMPT,
};
use tidegate_model::payload::Payload;
use tidegate_model::time::Timestamp;

use crate::alarms::Alarm;
use crate::bounds;
use crate::engine::{Effect, Engine, Step};
use crate::failure;
use crate::queue::{QueueKey, Ready};
use crate::request::{
    QueryAnswer, QueryRejectCondition, QueryWorkflow, Refusal, Reply, RunStatus, Ticket, WorkflowQuery,
};

/// Those that wait for an answer.
#[derive(Debug, Default)]
pub(crate) struct Queries {
    /// Of the next one: rising, so that the oldest is asked first.
    next_id: Option<u64>,
    waiting: BTreeMap<u64, Query>,
    runs: BTreeMap<RunId, BTreeSet<u64>>,
    tickets: BTreeMap<Ticket, u64>,
}

#[derive(Debug)]
struct Query {
    ticket: Ticket,
    run_id: RunId,
    query: WorkflowQuery,
    until: Timestamp,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Goes along with the next workflow task of its run.
    Buffered,
    /// Is a task of its own, and waits for a worker at this queue; until then, where that is a sticky one.
    Ready { key: QueueKey, ready: Ready, sticky_until: Option<Timestamp> },
    /// A worker has been asked.
    Asked { identity: String, sticky_until: Option<Timestamp> },
}

impl Queries {
    fn get(&self, id: u64) -> &Query {
        self.waiting.get(&id).expect("a query that is dealt with waits")
    }

    fn of_run(&self, run_id: RunId) -> Vec<u64> {
        self.runs.get(&run_id).into_iter().flatten().copied().collect()
    }

    fn put(&mut self, id: u64, query: Query) {
        self.runs.entry(query.run_id).or_default().insert(id);
        self.tickets.insert(query.ticket, id);
        self.waiting.insert(id, query);
    }

    fn take(&mut self, id: u64) -> Option<Query> {
        let query = self.waiting.remove(&id)?;
        self.tickets.remove(&query.ticket);
        if let Some(ids) = self.runs.get_mut(&query.run_id) {
            ids.remove(&id);
            if ids.is_empty() {
                self.runs.remove(&query.run_id);
            }
        }
        Some(query)
    }
}

impl Engine {
    /// Gives the reply where it need not wait.
    pub(crate) fn query(
        &mut self,
        step: &mut Step<'_>,
        ticket: Ticket,
        wanted: QueryWorkflow,
    ) -> Result<Option<Reply>, Refusal> {
        let QueryWorkflow { namespace, workflow_id, run_id, query, reject_condition } = wanted;
        bounds::required_name("query type", &query.query_type)?;
        bounds::payloads("query arguments", &query.args, &self.settings)?;
        bounds::header("query header", &query.header, &self.settings)?;
        let run_id = self.find_any(&namespace, &workflow_id, run_id)?;
        if let Some(closed) = self.closed.get(run_id) {
            let status = closed.summary.status;
            let is_rejected = match reject_condition {
                QueryRejectCondition::None => false,
                QueryRejectCondition::NotOpen => true,
                QueryRejectCondition::NotCompletedCleanly => status != RunStatus::Completed,
            };
            if is_rejected {
                return Ok(Some(Reply::QueryRejected { status }));
            }
        }
        let way = self.way_of_query(step.now, run_id)?;
        if self.queries.waiting.len() >= QUERIES_WAITING_MAX {
            let message = format!("{QUERIES_WAITING_MAX} queries wait for an answer");
            return Err(Refusal::ResourceExhausted { limit: "QUERIES_WAITING_MAX", message });
        }
        let most = self.settings.buffered_queries_max;
        if matches!(way, Way::WithTask) && self.buffered_of(run_id).count() >= most {
            let message = format!("run {run_id} has {most} queries waiting for its workflow task");
            return Err(Refusal::ResourceExhausted { limit: "BUFFERED_QUERIES_MAX", message });
        }
        // Begins anywhere: the answer to a query of an earlier process must not be taken for that to another.
        let id = self.queries.next_id.unwrap_or_else(|| step.chance.next_u64() >> 1);
        self.queries.next_id = Some(id + 1);
        let until = step.now + Duration::from_secs(QUERY_WAIT_SECONDS_MAX);
        self.alarms.put(until, Alarm::Query(id));
        self.queries.put(id, Query { ticket, run_id, query, until, state: State::Buffered });
        match way {
            Way::WithTask => {}
            Way::Direct => self.query_directly(step.now, id),
        }
        Ok(None)
    }

    /// How a query gets to workflow code as things are; refused where it cannot.
    fn way_of_query(&self, now: Timestamp, run_id: RunId) -> Result<Way, Refusal> {
        let Some(run) = self.run_if_open(run_id) else {
            let closed = self.closed.get(run_id).ok_or_else(|| gone(run_id))?;
            return if closed.previous_started_event_id > 0 {
                Ok(Way::Direct)
            } else {
                Err(not_ready("Workflow execution closed before WorkflowTaskStarted event"))
            };
        };
        if run.workflow_tasks.attempt() >= WORKFLOW_TASK_FAILING_ATTEMPT {
            return Err(not_ready("Unable to query workflow due to Workflow Task in failed state."));
        }
        if run.workflow_tasks.current().is_some() || self.has_speculative_task(run_id) {
            Ok(Way::WithTask)
        } else if run.workflow_tasks.previous_started_event_id() > 0 {
            Ok(Way::Direct)
        } else if run.times.first_task_comes_by(now + Duration::from_secs(QUERY_WAIT_SECONDS_MAX)) {
            Ok(Way::WithTask)
        } else {
            Err(not_ready("Workflow task is not scheduled yet."))
        }
    }

    /// A run has changed: its queries may have to take another way.
    pub(crate) fn settle_queries(&mut self, step: &mut Step<'_>, run_id: RunId) {
        let is_gone = self.run_if_open(run_id).is_none() && self.closed.get(run_id).is_none();
        for id in self.queries.of_run(run_id) {
            match &self.queries.get(id).state {
                // A worker that has been asked may still answer.
                State::Buffered | State::Ready { .. } if is_gone => self.refuse_query(step, id, gone(run_id)),
                State::Buffered => match self.way_of_query(step.now, run_id) {
                    Ok(Way::WithTask) => {}
                    Ok(Way::Direct) => self.query_directly(step.now, id),
                    Err(refusal) => self.refuse_query(step, id, refusal),
                },
                State::Ready { .. } => self.follow_stickiness(step, id),
                State::Asked { .. } => {}
            }
        }
    }

    fn reply_to_query(&mut self, step: &mut Step<'_>, id: u64, answer: QueryAnswer) {
        let query = self.end_query(id).expect("a query that is answered waits");
        let reply = match answer {
            QueryAnswer::Answered(payloads) => {
                let bytes = payloads.iter().map(Payload::size).sum();
                match bounds::within("query result", bytes, "QUERY_RESULT_BYTES_MAX", QUERY_RESULT_BYTES_MAX)
                {
                    Ok(()) => Ok(Reply::Query(QueryAnswer::Answered(payloads))),
                    Err(wrong) => Err(Refusal::QueryFailed { message: wrong.to_string(), failure: None }),
                }
            }
            QueryAnswer::Failed { message, failure } => {
                let failure = failure.map(|failure| Box::new(failure::bounded(*failure, &self.settings)));
                Err(Refusal::QueryFailed { message, failure })
            }
        };
        step.effects.push(Effect::Reply { ticket: query.ticket, reply });
    }

    fn refuse_query(&mut self, step: &mut Step<'_>, id: u64, refusal: Refusal) {
        let query = self.end_query(id).expect("a query that is refused waits");
        step.effects.push(Effect::Reply { ticket: query.ticket, reply: Err(refusal) });
    }

    /// Nobody has answered it.
    pub(crate) fn give_up_query(&mut self, step: &mut Step<'_>, id: u64) {
        let is_polled =
            self.normal_queue_of_query(id).is_some_and(|key| self.index.queues.was_polled(step.now, &key));
        let message = if is_polled {
            format!("the query was not answered within {QUERY_WAIT_SECONDS_MAX} s")
        } else {
            // Temporal's words.
            String::from("no poller seen for task queue recently, worker may be down")
        };
        self.refuse_query(step, id, Refusal::FailedPrecondition(message));
    }

    /// Whoever asked has gone.
    pub(crate) fn forget_query(&mut self, ticket: Ticket) {
        if let Some(id) = self.queries.tickets.get(&ticket) {
            drop(self.end_query(*id));
        }
    }

    fn end_query(&mut self, id: u64) -> Option<Query> {
        let query = self.queries.take(id)?;
        self.alarms.take(query.until, Alarm::Query(id));
        self.leave(id, &query.state);
        Some(query)
    }

    fn change_query(&mut self, id: u64, next: State) {
        let query = self.queries.waiting.get_mut(&id).expect("a query that changes waits");
        let before = std::mem::replace(&mut query.state, State::Buffered);
        self.leave(id, &before);
        self.enter(id, &next);
        self.queries.waiting.get_mut(&id).expect("found above").state = next;
    }

    fn enter(&mut self, id: u64, state: &State) {
        if let State::Ready { key, ready, .. } = state {
            self.index.queues.put(key.clone(), *ready);
        }
        if let Some(at) = state.sticky_until() {
            self.alarms.put(at, Alarm::StickyQuery(id));
        }
    }

    fn leave(&mut self, id: u64, state: &State) {
        if let State::Ready { key, ready, .. } = state {
            self.index.queues.take(key.clone(), *ready);
        }
        if let Some(at) = state.sticky_until() {
            self.alarms.take(at, Alarm::StickyQuery(id));
        }
    }
}

impl State {
    fn sticky_until(&self) -> Option<Timestamp> {
        match self {
            Self::Buffered => None,
            Self::Ready { sticky_until, .. } | Self::Asked { sticky_until, .. } => *sticky_until,
        }
    }
}

/// How a query gets to workflow code.
enum Way {
    /// Along with the workflow task that is on its way, or the next.
    WithTask,
    /// As a task of its own: the workflow has seen all there is.
    Direct,
}

fn not_ready(message: &str) -> Refusal {
    Refusal::WorkflowNotReady(String::from(message))
}

fn gone(run_id: RunId) -> Refusal {
    Refusal::NotFound(format!("workflow execution not found: run {run_id}"))
}
