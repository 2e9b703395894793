//! A start with an update, in one step: a run is started unless the update finds one that will do.

use tidegate_model::event::{UpdateOutcome, WorkflowIdConflictPolicy};

use super::conversation::Origin;
use super::{Standing, completed, failed_with_the_run};
use crate::engine::{Engine, Step};
use crate::request::{Refusal, Reply, StartWorkflow, Ticket, UpdateStage, UpdateWorkflow};
use crate::run::Run;

impl Engine {
    /// Gives the reply where it need not wait. Where a run is open that will do and closes before it lets the update in,
    /// all is done once more.
    pub(crate) fn update_with_start(
        &mut self,
        step: &mut Step<'_>,
        ticket: Ticket,
        start: StartWorkflow,
        update: UpdateWorkflow,
    ) -> Result<Option<Reply>, Refusal> {
        let again = Some(Box::new(start.clone()));
        self.join_or_start(step, ticket, start, update, again)
    }

    /// The same, and that is it.
    pub(super) fn update_with_start_once(
        &mut self,
        step: &mut Step<'_>,
        ticket: Ticket,
        start: StartWorkflow,
        update: UpdateWorkflow,
    ) -> Result<Option<Reply>, Refusal> {
        self.join_or_start(step, ticket, start, update, None)
    }

    fn join_or_start(
        &mut self,
        step: &mut Step<'_>,
        ticket: Ticket,
        start: StartWorkflow,
        update: UpdateWorkflow,
        again: Option<Box<StartWorkflow>>,
    ) -> Result<Option<Reply>, Refusal> {
        let UpdateWorkflow { wait, request, .. } = update;
        self.check_update(&request).map_err(of_update)?;
        let found = self.find_any(&start.namespace, &start.workflow_id, None).ok();
        let standing = found.and_then(|run_id| self.update_standing(run_id, &request.update_id));
        if let Some(run_id) = found {
            if let Some((stage, outcome)) = standing.clone().filter(is_done) {
                return Ok(Some(Reply::Update { run_id, stage, outcome, started: Some(false) }));
            }
            let joins = self.run_if_open(run_id).is_some_and(|run| {
                standing.is_some()
                    || is_repeated(&start, run)
                    || start.workflow_id_conflict_policy == WorkflowIdConflictPolicy::UseExisting
            });
            if joins {
                let origin = Origin::Joined { start: again };
                return self.admit_update(step, ticket, run_id, request, wait, origin).map_err(of_update);
            }
        }
        // What could refuse the update of a run that has just begun refuses it before.
        self.conversations.has_room_for(&request).map_err(of_update)?;
        let started = self.start(step, start).map_err(of_start)?;
        let Reply::Started { run_id, fresh: true, .. } = started else {
            // The same request has started a run before, and that has closed.
            return Err(of_update(completed()));
        };
        self.admit_update(step, ticket, run_id, request, wait, Origin::Started).map_err(of_update)
    }
}

fn of_start(refusal: Refusal) -> Refusal {
    Refusal::MultiOperation { is_start: true, refusal: Box::new(refusal) }
}

fn of_update(refusal: Refusal) -> Refusal {
    Refusal::MultiOperation { is_start: false, refusal: Box::new(refusal) }
}

/// Whether there is nothing left to do but to say what came of it. One that failed with its run is done anew.
fn is_done((stage, outcome): &Standing) -> bool {
    let is_kept =
        outcome.as_ref().is_some_and(|outcome| *outcome != UpdateOutcome::Failure(failed_with_the_run()));
    *stage == UpdateStage::Completed && is_kept
}

fn is_repeated(start: &StartWorkflow, run: &Run) -> bool {
    !start.request_id.is_empty() && start.request_id == run.head.start_request_id
}
