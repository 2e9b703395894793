//! How long closed runs are remembered: until their namespace's retention is over, until there are too many, or until
//! somebody deletes them.

use std::time::Duration;

use tidegate_model::id::{Namespace, RunId, WorkflowId};
use tidegate_model::limits::DEADLINES_PER_GROUP_MAX;
use tidegate_model::payload::Payloads;
use tidegate_model::time::Timestamp;

use crate::engine::{Engine, Step};
use crate::record::{NamespaceRecord, Record, StateChange};
use crate::request::{Refusal, Reply};

use super::Known;

impl Engine {
    /// An open run is terminated first.
    pub(crate) fn delete_run(
        &mut self,
        step: &mut Step<'_>,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Result<Reply, Refusal> {
        let known = self.find(namespace, workflow_id, run_id)?;
        let (run_id, is_open) = (known.run_id(), matches!(known, Known::Open(_)));
        if is_open {
            self.terminate_to_delete(step, run_id, "Delete workflow execution");
        }
        self.forget_runs(step, vec![run_id]);
        Ok(Reply::Done)
    }

    /// When the next closed run has been kept long enough, or runs of a deleted namespace wait to be removed.
    pub(crate) fn next_removal(&self) -> Option<(Timestamp, &'static str)> {
        let deleted = self.namespaces.deleted().map(|entry| (entry.info.updated, "namespace deletion"));
        let over = self.listing.namespaces().filter_map(|namespace| {
            let oldest = self.listing.of(namespace, None).next_back()?.close_time()?;
            Some((oldest + self.retention_of(namespace), "retention"))
        });
        deleted.chain(over).min_by_key(|(at, _)| *at)
    }

    /// Forgets what has been kept long enough, and goes on removing deleted namespaces. What is more than fits a group
    /// stays due.
    pub(crate) fn remove_what_is_over(&mut self, step: &mut Step<'_>) {
        if self.next_removal().is_none_or(|(at, _)| at > step.now) {
            return;
        }
        let mut over: Vec<RunId> = Vec::new();
        for namespace in self.listing.namespaces() {
            let retention = self.retention_of(namespace);
            let closed = self.listing.of(namespace, None).rev().map_while(|place| {
                place.close_time().filter(|close| *close + retention <= step.now).map(|_| place.run_id)
            });
            over.extend(closed.take(DEADLINES_PER_GROUP_MAX - over.len()));
        }
        self.forget_runs(step, over);
        let deleted = self.namespaces.deleted().next().map(|entry| entry.info.name.clone());
        if let Some(name) = deleted {
            self.remove_namespace(step, name);
        }
    }

    /// Forgets the runs that closed first, as many as there are too many.
    pub(crate) fn forget_surplus(&mut self, step: &mut Step<'_>) {
        let surplus = self.closed.len().saturating_sub(self.settings.closed_runs_kept_max);
        let runs = self.closed.oldest_first().map(|closed| closed.summary.run_id).take(surplus).collect();
        self.forget_runs(step, runs);
    }

    /// A group's worth of the runs of a deleted namespace, and the namespace itself when none is left.
    fn remove_namespace(&mut self, step: &mut Step<'_>, name: Namespace) {
        let places: Vec<_> = self.listing.of(&name, None).take(DEADLINES_PER_GROUP_MAX).collect();
        for place in places.iter().filter(|place| place.close_time().is_none()) {
            self.terminate_to_delete(step, place.run_id, "Delete namespace");
        }
        self.forget_runs(step, places.into_iter().map(|place| place.run_id).collect());
        if self.listing.count(&name) == 0 {
            let forgotten = NamespaceRecord::Forgotten { name };
            self.commit(step, Record::State(StateChange::Namespace(forgotten)));
        }
    }

    fn terminate_to_delete(&mut self, step: &mut Step<'_>, run_id: RunId, reason: &str) {
        self.terminate_run(step, run_id, reason.to_owned(), Payloads::new(), String::new());
    }

    fn forget_runs(&mut self, step: &mut Step<'_>, runs: Vec<RunId>) {
        if !runs.is_empty() {
            self.commit(step, Record::State(StateChange::RunsForgotten { runs }));
        }
    }

    /// That of a deleted namespace is over at once, but its runs are removed with it.
    fn retention_of(&self, namespace: &Namespace) -> Duration {
        let of_namespace = self.namespaces.get(namespace).ok().and_then(|entry| entry.info.retention);
        of_namespace.unwrap_or(self.settings.retention)
    }
}
