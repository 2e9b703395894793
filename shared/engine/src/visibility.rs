//! What is to be seen of runs: finding one, describing it, listing and counting those that a filter lets through, and
//! how long closed ones stay.
//!
//! A list follows from the runs there are, in the same instant, so it is never behind: Temporal's is.

mod query;
mod token;
mod filter;
mod column;
mod duration;
mod listing;
mod shown;
mod upsert;
mod describe;
mod list;
mod retention;

use tidegate_model::id::{Namespace, RunId, WorkflowId};

pub(crate) use filter::{Filter, Row};
pub(crate) use listing::{Listing, Place};
pub(crate) use shown::Shown;

use crate::closed::ClosedRun;
use crate::engine::Engine;
use crate::request::Refusal;
use crate::run::Run;

/// A run that is there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Known<'a> {
    Open(&'a Run),
    Closed(&'a ClosedRun),
}

impl Known<'_> {
    pub(crate) fn run_id(&self) -> RunId {
        match self {
            Self::Open(run) => run.head.run_id,
            Self::Closed(closed) => closed.summary.run_id,
        }
    }
}

impl Engine {
    /// The run a caller means: the one named, the open one, or the last to have closed.
    pub(crate) fn find(
        &self,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Result<Known<'_>, Refusal> {
        let is_meant = |id: RunId| run_id.is_none_or(|run_id| run_id == id);
        let open = self.current(namespace, workflow_id).filter(|run| is_meant(run.head.run_id));
        let closed = || self.closed.of(namespace, workflow_id).find(|closed| is_meant(closed.summary.run_id));
        open.map(Known::Open)
            .or_else(|| closed().map(Known::Closed))
            .ok_or_else(|| not_found(workflow_id, run_id))
    }

    /// The open run a caller means.
    pub(crate) fn find_open(
        &self,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Result<&Run, Refusal> {
        match self.find(namespace, workflow_id, run_id)? {
            Known::Open(run) => Ok(run),
            Known::Closed(_) => Err(completed()),
        }
    }

    /// The run a caller means, whether it is open or has closed.
    pub(crate) fn find_any(
        &self,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Result<RunId, Refusal> {
        Ok(self.find(namespace, workflow_id, run_id)?.run_id())
    }

    /// The open run of this id, for who comes back with a token.
    pub(crate) fn open_run(&self, run_id: RunId) -> Result<&Run, Refusal> {
        self.run_if_open(run_id).ok_or_else(|| match self.closed.get(run_id) {
            Some(_) => completed(),
            None => Refusal::NotFound(format!("workflow execution not found: run {run_id}")),
        })
    }
}

/// Temporal's words; callers compare them.
pub(crate) fn completed() -> Refusal {
    Refusal::NotFound(String::from("workflow execution already completed"))
}

pub(crate) fn not_found(workflow_id: &WorkflowId, run_id: Option<RunId>) -> Refusal {
    Refusal::NotFound(match run_id {
        Some(run_id) => format!("workflow execution not found: {workflow_id}, run {run_id}"),
        None => format!("workflow execution not found: {workflow_id}"),
    })
}
