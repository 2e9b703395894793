//! Queries that go along with a workflow task, and are answered in its completion.

use std::collections::BTreeMap;

use tidegate_model::id::RunId;

use super::State;
use crate::engine::{Engine, Step};
use crate::request::{QueryAnswer, WorkflowQuery};

impl Engine {
    pub(super) fn buffered_of(&self, run_id: RunId) -> impl Iterator<Item = (u64, &WorkflowQuery)> {
        self.queries.of_run(run_id).into_iter().filter_map(|id| {
            let query = self.queries.get(id);
            matches!(query.state, State::Buffered).then_some((id, &query.query))
        })
    }

    /// What a workflow task of a run that is handed out takes along. A task that fails takes them along again.
    pub(crate) fn queries_for_task(&self, run_id: RunId) -> BTreeMap<String, WorkflowQuery> {
        self.buffered_of(run_id).map(|(id, query)| (name(id), query.clone())).collect()
    }

    /// The answers that came with a completion. Those to queries nobody waits for are ignored.
    pub(crate) fn take_query_results(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        mut results: BTreeMap<String, QueryAnswer>,
    ) {
        let waiting: Vec<u64> = self.buffered_of(run_id).map(|(id, _)| id).collect();
        for id in waiting {
            if let Some(answer) = results.remove(&name(id)) {
                self.reply_to_query(step, id, answer);
            }
        }
    }
}

/// A query's id as workers see it.
fn name(id: u64) -> String {
    format!("{id:016x}")
}
