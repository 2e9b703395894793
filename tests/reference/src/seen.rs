//! What the outside has seen: tasks that were handed out, polls that wait, the histories in the log. A program speaks of
//! these only.

use std::collections::BTreeMap;

use tidegate_engine::{
    ActivityRef, ActivityTaskToken, ListToken, QueryToken, Record, Reply, Request, Ticket, WorkflowTask,
};
use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::id::{Namespace, RunId, WorkflowId};
use tidegate_model::time::Timestamp;

use crate::Answer;

/// See the module.
#[derive(Clone, Default)]
pub struct Seen {
    /// All events, by run.
    pub histories: BTreeMap<RunId, Vec<HistoryBatch>>,
    pub(crate) workflow_tasks: HandedOut<WorkflowTask>,
    pub(crate) activities: HandedOut<ActivityTaskToken>,
    pub(crate) queries: HandedOut<QueryToken>,
    /// Whose activities were scheduled, in order.
    pub(crate) activities_scheduled: Vec<(Namespace, WorkflowId)>,
    /// Who waits for something, in order.
    pub(crate) waiting: Vec<Ticket>,
    /// Where the last list went on.
    pub(crate) page: Option<ListToken>,
    /// The last word about a schedule's version.
    pub(crate) conflict_token: u64,
}

/// Tasks that were handed out, in order.
#[derive(Clone)]
pub(crate) struct HandedOut<Task> {
    pub(crate) all: Vec<Task>,
    /// The places of those that nobody has answered.
    pub(crate) unanswered: Vec<usize>,
}

impl<Task> Default for HandedOut<Task> {
    fn default() -> Self {
        Self { all: Vec::new(), unanswered: Vec::new() }
    }
}

impl<Task> HandedOut<Task> {
    fn push(&mut self, task: Task) {
        self.unanswered.push(self.all.len());
        self.all.push(task);
    }

    fn answered(&mut self, is_it: impl Fn(&Task) -> bool) {
        let Self { all, unanswered } = self;
        unanswered.retain(|at| !is_it(&all[*at]));
    }
}

impl Seen {
    pub(crate) fn record(&mut self, record: &Record) {
        if let Record::History(batch) = record {
            self.histories.entry(batch.run_id).or_default().push(batch.clone());
            if batch.events.iter().any(|event| matches!(event, Event::ActivityTaskScheduled(_))) {
                self.activities_scheduled.push((batch.namespace.clone(), batch.workflow_id.clone()));
            }
        }
    }

    /// A task that is being answered is not answered again, unless somebody insists.
    pub(crate) fn ask(&mut self, request: &Request) {
        if let Request::RespondWorkflowTaskCompleted(completion) = request {
            self.workflow_tasks.answered(|task| task.token == completion.token);
        } else if let Request::RespondWorkflowTaskFailed { token, .. } = request {
            self.workflow_tasks.answered(|task| task.token == *token);
        } else if let Request::RespondQueryTaskCompleted { token, .. } = request {
            self.queries.answered(|asked| asked == token);
        } else if let Request::RespondActivityTaskCompleted { task: ActivityRef::Token(token), .. }
        | Request::RespondActivityTaskFailed { task: ActivityRef::Token(token), .. }
        | Request::RespondActivityTaskCanceled { task: ActivityRef::Token(token), .. } = request
        {
            self.activities.answered(|out| out == token);
        }
    }

    pub(crate) fn hear(&mut self, (ticket, answer): &Answer) {
        self.waiting.retain(|waits| waits != ticket);
        match answer {
            Ok(Reply::WorkflowTask(Some(task)) | Reply::WorkflowTaskCompleted { next: Some(task), .. }) => {
                match &task.query {
                    Some((token, _)) => self.queries.push(token.clone()),
                    None => self.workflow_tasks.push(task.as_ref().clone()),
                }
            }
            Ok(Reply::ActivityTask(Some(task))) => self.activities.push(task.token.clone()),
            Ok(Reply::Listed { next, .. }) => self.page.clone_from(next),
            Ok(Reply::ScheduleCreated { conflict_token }) => self.conflict_token = *conflict_token,
            Ok(Reply::ScheduleDescribed(described)) => self.conflict_token = described.conflict_token,
            Ok(_) | Err(_) => {}
        }
    }

    /// The process is gone, and with it all who waited.
    pub(crate) fn crash(&mut self) {
        self.waiting.clear();
    }

    /// The runs of an execution, the first to begin first.
    pub(crate) fn runs_of(&self, (namespace, workflow_id): &(Namespace, WorkflowId)) -> Vec<RunId> {
        let of = |batches: &Vec<HistoryBatch>| {
            batches[0].namespace == *namespace && batches[0].workflow_id == *workflow_id
        };
        self.histories.iter().filter(|(_, batches)| of(batches)).map(|(run_id, _)| *run_id).collect()
    }

    /// The time of the last thing that was seen.
    pub(crate) fn latest(&self) -> Timestamp {
        let times =
            self.histories.values().filter_map(|batches| batches.last()).map(|batch| batch.event_time);
        times.max().unwrap_or(Timestamp::EPOCH)
    }

    /// The events of a run at which a workflow task was completed.
    pub(crate) fn completed_tasks(&self, run_id: RunId) -> Vec<u64> {
        let batches = self.histories.get(&run_id).into_iter().flatten();
        let completed = batches
            .flat_map(HistoryBatch::numbered)
            .filter(|(_, event)| matches!(event, Event::WorkflowTaskCompleted { .. }));
        completed.map(|(id, _)| id).collect()
    }

    pub(crate) fn first_run_of(&self, run_id: RunId) -> RunId {
        match &self.histories[&run_id][0].events[0] {
            Event::WorkflowExecutionStarted(started) => started.first_execution_run_id,
            other => panic!("a history begins with its beginning, not with {}", other.type_name()),
        }
    }

    /// A run's history, and those of the runs that continued it as new.
    pub(crate) fn chain(&self, run_id: RunId) -> Vec<HistoryBatch> {
        let mut all = Vec::new();
        let mut next = Some(run_id);
        while let Some(run_id) = next {
            all.extend(self.histories.get(&run_id).into_iter().flatten().cloned());
            next = match all.last().and_then(|batch: &HistoryBatch| batch.events.last()) {
                Some(Event::WorkflowExecutionContinuedAsNew(as_new)) => Some(as_new.new_execution_run_id),
                Some(_) | None => None,
            };
        }
        all
    }
}
