//! Describe and list.

use tidegate_model::id::{Namespace, RunId, WorkflowId};

use crate::engine::Engine;
use crate::request::{Refusal, Reply, RunSummary};
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
            .map(|summary| Reply::Described(Box::new(summary)))
            .ok_or_else(|| not_found(workflow_id, run_id))
    }

    /// Open runs first, then closed ones, the newest first in both: Temporal's order.
    pub(crate) fn list(&self, limit: usize) -> Reply {
        let open = self.open_newest_first().map(Run::summary);
        let closed = self.closed.newest_first().map(|closed| closed.summary.clone());
        Reply::Listed(open.chain(closed).take(limit).collect())
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
