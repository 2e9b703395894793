//! Queries: they go along with a workflow task, or are tasks of their own where the workflow has seen all there is.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_engine::{
    HistoryPart, QueryAnswer, QueryRejectCondition, QueryToken, QueryWorkflow, Refusal, Reply, RunStatus,
    Ticket, WorkflowQuery, WorkflowTask, WorkflowTaskToken,
};
use tidegate_model::id::{RunId, TaskQueue};
use tidegate_model::time::Timestamp;

use super::Reference;
use super::polls::{Key, Poll};

const PATIENCE: Duration = Duration::from_secs(30);
/// From this attempt on the workflow's code is taken to be broken.
pub(super) const FAILING: u32 = 3;

/// One that waits for an answer.
#[derive(Clone)]
pub(super) struct Query {
    pub(super) ticket: Ticket,
    pub(super) run_id: RunId,
    pub(super) asked: WorkflowQuery,
    until: Timestamp,
    state: State,
}

#[derive(Clone)]
enum State {
    /// Goes along with the next workflow task.
    Buffered,
    Ready {
        queue: TaskQueue,
        at: Timestamp,
        sticky_until: Option<Timestamp>,
    },
    /// A worker has been asked.
    Asked {
        identity: String,
        sticky_until: Option<Timestamp>,
    },
}

impl Query {
    pub(super) fn is_buffered(&self) -> bool {
        matches!(self.state, State::Buffered)
    }

    fn sticky_until(&self) -> Option<Timestamp> {
        match &self.state {
            State::Buffered => None,
            State::Ready { sticky_until, .. } | State::Asked { sticky_until, .. } => *sticky_until,
        }
    }
}

#[derive(PartialEq, Eq)]
enum Way {
    WithTask,
    Direct,
}

fn not_found() -> Refusal {
    Refusal::NotFound(String::from("workflow execution not found"))
}

impl Reference {
    /// The answer where none has to be waited for.
    pub(super) fn query(&mut self, ticket: Ticket, wanted: QueryWorkflow) -> Option<Result<Reply, Refusal>> {
        let run_id = match self.meant(&wanted.namespace, &wanted.workflow_id, wanted.run_id) {
            Ok(run_id) => run_id,
            Err(refusal) => return Some(Err(refusal)),
        };
        let status = self.run(run_id).status();
        let is_rejected = match wanted.reject_condition {
            QueryRejectCondition::None => false,
            QueryRejectCondition::NotOpen => status != RunStatus::Running,
            QueryRejectCondition::NotCompletedCleanly => {
                !matches!(status, RunStatus::Running | RunStatus::Completed)
            }
        };
        if is_rejected {
            return Some(Ok(Reply::QueryRejected { status }));
        }
        let way = match self.way_of_query(run_id) {
            Ok(way) => way,
            Err(refusal) => return Some(Err(refusal)),
        };
        let buffered =
            self.volatile.queries.iter().filter(|query| query.run_id == run_id && query.is_buffered());
        if way == Way::WithTask && buffered.count() >= self.settings.buffered_queries_max {
            let limit = "BUFFERED_QUERIES_MAX";
            return Some(Err(Refusal::ResourceExhausted { limit, message: String::new() }));
        }
        self.volatile.queries.push(Query {
            ticket,
            run_id,
            asked: wanted.query,
            until: self.now + PATIENCE,
            state: State::Buffered,
        });
        if way == Way::Direct {
            self.query_directly(self.volatile.queries.len() - 1);
        }
        None
    }

    fn way_of_query(&self, run_id: RunId) -> Result<Way, Refusal> {
        let not_ready = || Err(Refusal::WorkflowNotReady(String::new()));
        let run = self.runs.get(&run_id).ok_or_else(not_found)?;
        let has_answered = run.previous_started() > 0;
        if !run.is_open() {
            return if has_answered { Ok(Way::Direct) } else { not_ready() };
        }
        if run.next_attempt >= FAILING {
            not_ready()
        } else if run.has_task() {
            Ok(Way::WithTask)
        } else if has_answered {
            Ok(Way::Direct)
        } else if run.first_task_due().is_some_and(|at| at <= self.now + PATIENCE) {
            Ok(Way::WithTask)
        } else {
            not_ready()
        }
    }

    /// To the worker that has the run in its cache, where that polls; else to any.
    fn query_directly(&mut self, n: usize) {
        let now = self.now;
        let run = self.run(self.volatile.queries[n].run_id);
        let sticky = run.sticky.as_ref().filter(|_| run.is_open()).map(|sticky| sticky.attributes.clone());
        let sticky = sticky.filter(|it| self.was_polled(&Key::of_workflows(&run.namespace, &it.task_queue)));
        let state = match sticky {
            Some(it) => State::Ready {
                queue: it.task_queue,
                at: now,
                sticky_until: Some(now + it.schedule_to_start_timeout),
            },
            None => State::Ready { queue: run.started().task_queue.clone(), at: now, sticky_until: None },
        };
        self.volatile.queries[n].state = state;
    }

    /// The worker that has the run in its cache does not answer: any other may.
    fn unstick_query(&mut self, n: usize) {
        let now = self.now;
        let query = &self.volatile.queries[n];
        let state = match self.runs.get(&query.run_id) {
            Some(run) => {
                State::Ready { queue: run.started().task_queue.clone(), at: now, sticky_until: None }
            }
            None => State::Buffered,
        };
        self.volatile.queries[n].state = state;
    }

    pub(super) fn unstick_queries_of(&mut self, run_id: RunId) {
        for n in 0..self.volatile.queries.len() {
            let query = &self.volatile.queries[n];
            let waits_there = matches!(query.state, State::Ready { sticky_until: Some(_), .. });
            if query.run_id == run_id && waits_there {
                self.unstick_query(n);
            }
        }
    }

    pub(super) fn ask_others(&mut self, identity: &str) {
        for n in 0..self.volatile.queries.len() {
            if matches!(&self.volatile.queries[n].state, State::Asked { identity: who, .. } if who == identity)
            {
                self.unstick_query(n);
            }
        }
    }

    /// Runs have changed: queries may have to take another way.
    pub(super) fn settle_queries(&mut self) {
        let mut n = 0;
        while n < self.volatile.queries.len() {
            let query = &self.volatile.queries[n];
            let run_id = query.run_id;
            let is_gone = !self.runs.contains_key(&run_id);
            match &query.state {
                // A worker that has been asked may still answer.
                State::Buffered | State::Ready { .. } if is_gone => {
                    self.end_query(n, Err(not_found()));
                    continue;
                }
                State::Buffered => match self.way_of_query(run_id) {
                    Ok(Way::WithTask) => {}
                    Ok(Way::Direct) => self.query_directly(n),
                    Err(refusal) => {
                        self.end_query(n, Err(refusal));
                        continue;
                    }
                },
                State::Ready { queue, sticky_until: Some(_), .. } => {
                    let run = self.runs.get(&run_id).filter(|run| run.is_open());
                    let sticky = run.and_then(|run| run.sticky.as_ref());
                    if sticky.is_none_or(|sticky| sticky.attributes.task_queue != *queue) {
                        self.unstick_query(n);
                    }
                }
                State::Ready { sticky_until: None, .. } | State::Asked { .. } => {}
            }
            n += 1;
        }
    }

    fn end_query(&mut self, n: usize, answer: Result<Reply, Refusal>) {
        let query = self.volatile.queries.remove(n);
        self.reply(query.ticket, answer);
    }

    /// The queries that wait on a queue: since when, and the how-manieth.
    pub(super) fn queries_waiting(&self, key: &Key) -> Vec<(Timestamp, RunId, usize)> {
        let mut waiting = Vec::new();
        for (n, query) in self.volatile.queries.iter().enumerate() {
            let namespace = self.any_run(query.run_id).map(|run| &run.namespace);
            if let State::Ready { queue, at, .. } = &query.state
                && *queue == key.queue
                && namespace == Some(&key.namespace)
            {
                waiting.push((*at, query.run_id, n));
            }
        }
        waiting
    }

    pub(super) fn hand_out_query(&mut self, n: usize, poll: Poll) {
        let query = self.volatile.queries[n].clone();
        let State::Ready { at, sticky_until, .. } = query.state else { return };
        let run_id = query.run_id;
        let Some(run) = self.runs.get(&run_id) else {
            self.end_query(n, Err(not_found()));
            self.reply(poll.ticket, Ok(Reply::WorkflowTask(None)));
            return;
        };
        let task = WorkflowTask {
            token: WorkflowTaskToken {
                run_id,
                scheduled_event_id: 0,
                started_event_id: 0,
                attempt: 0,
                request_id: String::new(),
            },
            namespace: run.namespace.clone(),
            workflow_id: run.workflow_id.clone(),
            workflow_type: run.started().workflow_type.clone(),
            task_queue: run.started().task_queue.clone(),
            previous_started_event_id: run.previous_started(),
            started_event_id: 0,
            attempt: 1,
            history: HistoryPart::Whole,
            transient: Vec::new(),
            started_time: at,
            scheduled_time: at,
            messages: Vec::new(),
            query: Some((
                QueryToken { run_id, query_id: self.id_of_query(&query.asked).unwrap_or_default() },
                query.asked,
            )),
            queries: BTreeMap::new(),
        };
        self.volatile.queries[n].state = State::Asked { identity: poll.identity, sticky_until };
        self.reply(poll.ticket, Ok(Reply::WorkflowTask(Some(Box::new(task)))));
    }

    pub(super) fn take_query_answer(
        &mut self,
        token: &QueryToken,
        answer: QueryAnswer,
    ) -> Result<Reply, Refusal> {
        let is_it = |query: &Query| {
            query.run_id == token.run_id
                && self.id_of_query(&query.asked) == Some(token.query_id)
                && !query.is_buffered()
        };
        let found = self.volatile.queries.iter().position(is_it);
        let n = found.ok_or_else(|| Refusal::NotFound(String::from("query task not found")))?;
        self.end_query(n, answered(answer));
        Ok(Reply::Done)
    }

    pub(super) fn take_query_results(&mut self, run_id: RunId, results: BTreeMap<String, QueryAnswer>) {
        for (id, answer) in results {
            let id = u64::from_str_radix(&id, 16).ok();
            let is_it = |query: &Query| {
                query.run_id == run_id && query.is_buffered() && self.id_of_query(&query.asked) == id
            };
            if let Some(n) = self.volatile.queries.iter().position(is_it) {
                self.end_query(n, answered(answer));
            }
        }
    }

    pub(super) fn forget_query(&mut self, ticket: Ticket) {
        self.volatile.queries.retain(|query| query.ticket != ticket);
    }

    /// Nobody has answered for long enough: when, and the how-manieth.
    pub(super) fn next_query_due(&self) -> Option<(Timestamp, Ticket, bool)> {
        let all = self.volatile.queries.iter().flat_map(|query| {
            let gives_up = (query.until, query.ticket, true);
            [Some(gives_up), query.sticky_until().map(|at| (at, query.ticket, false))].into_iter().flatten()
        });
        all.min()
    }

    pub(super) fn give_up_query(&mut self, ticket: Ticket, for_good: bool) {
        let Some(n) = self.volatile.queries.iter().position(|query| query.ticket == ticket) else { return };
        if for_good {
            self.end_query(n, Err(Refusal::FailedPrecondition(String::new())));
        } else {
            self.unstick_query(n);
        }
    }
}

fn answered(answer: QueryAnswer) -> Result<Reply, Refusal> {
    match answer {
        QueryAnswer::Answered(payloads) => Ok(Reply::Query(QueryAnswer::Answered(payloads))),
        QueryAnswer::Failed { message, failure } => Err(Refusal::QueryFailed { message, failure }),
    }
}
