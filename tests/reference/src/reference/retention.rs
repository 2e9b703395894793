//! How long closed runs are remembered, and how a deleted namespace goes.

use std::time::Duration;

use tidegate_engine::{NamespaceState, Refusal, Reply};
use tidegate_model::id::{Namespace, RunId, WorkflowId};
use tidegate_model::payload::Payloads;

use super::Reference;

impl Reference {
    pub(super) fn delete(
        &mut self,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Result<Reply, Refusal> {
        let run_id = self.meant(namespace, workflow_id, run_id)?;
        self.end_and_forget(run_id, "Delete workflow execution");
        Ok(Reply::Done)
    }

    fn end_and_forget(&mut self, run_id: RunId, reason: &str) {
        if self.is_open(run_id) {
            self.terminate(run_id, reason.to_owned(), Payloads::new(), String::new());
        }
        let run = self.runs.remove(&run_id).expect("it was found");
        self.forgotten.insert(run_id, run);
    }

    /// Forgets what has been kept long enough, and what is of a namespace that was deleted.
    pub(super) fn forget_what_is_over(&mut self) {
        let closed = self.runs.values().filter(|run| !run.is_open());
        let over: Vec<RunId> = closed
            .filter(|run| run.last_time() + self.retention_of(&run.namespace) <= self.now)
            .map(|run| run.run_id)
            .collect();
        for run_id in over {
            let run = self.runs.remove(&run_id).expect("found a moment ago");
            self.forgotten.insert(run_id, run);
        }
        let deleted = |known: &&super::namespaces::Known| known.info.state == NamespaceState::Deleted;
        let deleted = self.namespaces.values().find(deleted).map(|known| known.info.name.clone());
        let Some(name) = deleted else { return };
        let runs: Vec<RunId> =
            self.runs.values().filter(|run| run.namespace == name).map(|run| run.run_id).collect();
        for run_id in runs {
            self.end_and_forget(run_id, "Delete namespace");
        }
        self.namespaces.remove(&name);
    }

    fn retention_of(&self, namespace: &Namespace) -> Duration {
        let known =
            self.namespaces.get(namespace).filter(|known| known.info.state != NamespaceState::Deleted);
        known.and_then(|known| known.info.retention).unwrap_or(self.settings.retention)
    }
}
