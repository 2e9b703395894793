//! Describe and list.

mod query;
mod token;
mod filter;
mod column;
mod duration;

use std::time::Duration;

use tidegate_model::id::{Namespace, RunId, WorkflowId};

use crate::engine::Engine;
use crate::request::{ListWorkflows, Refusal, Reply, RunDescription, RunSummary};
use crate::run::Run;

impl Engine {
    pub(crate) fn describe(
        &self,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Result<Reply, Refusal> {
        let open = self.open_summary(namespace, workflow_id, run_id);
        let summary = open.or_else(|| self.closed_summary(namespace, workflow_id, run_id).cloned());
        summary
            .map(|summary| Reply::Described(Box::new(described(summary))))
            .ok_or_else(|| not_found(workflow_id, run_id))
    }

    /// Open runs first, then closed ones, the newest first in both: Temporal's order.
    pub(crate) fn list(&self, list: &ListWorkflows) -> Reply {
        let open = self.open_newest_first().map(Run::summary);
        let closed = self.closed.newest_first().map(|closed| closed.summary.clone());
        Reply::Listed { runs: open.chain(closed).take(list.page_size).collect(), next: None }
    }

    /// The open run a caller means.
    pub(crate) fn find_open(
        &self,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Result<&Run, Refusal> {
        let run =
            self.current(namespace, workflow_id).filter(|run| run_id.is_none_or(|id| id == run.head.run_id));
        run.ok_or_else(|| match self.closed_summary(namespace, workflow_id, run_id) {
            Some(_) => completed(),
            None => not_found(workflow_id, run_id),
        })
    }

    /// The run a caller means, whether it is open or has closed.
    pub(crate) fn find_any(
        &self,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Result<RunId, Refusal> {
        let open = self.current(namespace, workflow_id).map(|run| run.head.run_id);
        let open = open.filter(|open| run_id.is_none_or(|id| id == *open));
        let closed = || self.closed_summary(namespace, workflow_id, run_id).map(|summary| summary.run_id);
        open.or_else(closed).ok_or_else(|| not_found(workflow_id, run_id))
    }

    /// The open run of this id, for who comes back with a token.
    pub(crate) fn open_run(&self, run_id: RunId) -> Result<&Run, Refusal> {
        self.run_if_open(run_id).ok_or_else(|| match self.closed.get(run_id) {
            Some(_) => completed(),
            None => Refusal::NotFound(format!("workflow execution not found: run {run_id}")),
        })
    }

    fn open_summary(
        &self,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Option<RunSummary> {
        let run = self.current(namespace, workflow_id)?;
        run_id.is_none_or(|id| id == run.head.run_id).then(|| run.summary())
    }

    fn closed_summary(
        &self,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Option<&RunSummary> {
        let closed = match run_id {
            Some(run_id) => self.closed.get(run_id),
            None => self.closed.latest(namespace, workflow_id),
        };
        let summary = &closed?.summary;
        (summary.namespace == *namespace && summary.workflow_id == *workflow_id).then_some(summary)
    }
}

fn described(summary: RunSummary) -> RunDescription {
    RunDescription {
        summary,
        workflow_execution_timeout: None,
        workflow_run_timeout: None,
        workflow_task_timeout: Duration::ZERO,
        run_expiration_time: None,
        execution_expiration_time: None,
        cancel_requested: false,
        start_request_id: String::new(),
        user_metadata: None,
        reset_run_id: None,
        pending_activities: Vec::new(),
        pending_children: Vec::new(),
        pending_workflow_task: None,
    }
}

/// Temporal's words; callers compare them.
fn completed() -> Refusal {
    Refusal::NotFound(String::from("workflow execution already completed"))
}

fn not_found(workflow_id: &WorkflowId, run_id: Option<RunId>) -> Refusal {
    Refusal::NotFound(match run_id {
        Some(run_id) => format!("workflow execution not found: {workflow_id}, run {run_id}"),
        None => format!("workflow execution not found: {workflow_id}"),
    })
}
