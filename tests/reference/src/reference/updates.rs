//! Updates, as far as a run's history knows of them.

use std::collections::BTreeMap;

use tidegate_engine::UpdateStage;
use tidegate_model::event::{Event, UpdateOutcome};
use tidegate_model::id::EventId;
use tidegate_model::payload::Failure;

use super::numbered;
use super::run::Run;

/// How far one is.
#[derive(Debug, Clone)]
pub(super) enum Update {
    /// Carried over by a reset.
    Admitted {
        identity: String,
    },
    Accepted {
        event_id: EventId,
        identity: String,
    },
    Completed {
        outcome: UpdateOutcome,
    },
}

impl Run {
    pub(super) fn updates(&self) -> BTreeMap<String, Update> {
        let mut updates = BTreeMap::new();
        for (event_id, event) in numbered(&self.history) {
            if let Event::WorkflowExecutionUpdateAdmitted { request } = event {
                let identity = request.identity.clone();
                updates.insert(request.update_id.clone(), Update::Admitted { identity });
            } else if let Event::WorkflowExecutionUpdateAccepted {
                protocol_instance_id: update_id,
                accepted_request,
                ..
            } = event
            {
                let admitted = match updates.get(update_id) {
                    Some(Update::Admitted { identity }) => Some(identity.clone()),
                    Some(_) | None => None,
                };
                let asked = accepted_request.as_ref().map(|request| request.identity.clone());
                let identity = asked.or(admitted).unwrap_or_default();
                updates.insert(update_id.clone(), Update::Accepted { event_id, identity });
            } else if let Event::WorkflowExecutionUpdateCompleted { update_id, outcome, .. } = event {
                updates.insert(update_id.clone(), Update::Completed { outcome: outcome.clone() });
            }
        }
        let is_gone = |id: &String, update: &Update| {
            matches!(update, Update::Admitted { .. }) && (self.rejected.contains(id) || !self.is_open())
        };
        updates.retain(|id, update| !is_gone(id, update));
        updates
    }

    pub(super) fn update(&self, update_id: &str) -> Option<Update> {
        self.updates().remove(update_id)
    }

    /// How far an update is. What was let in and has no outcome when the run closes has failed.
    pub(super) fn standing(&self, update_id: &str) -> Option<(UpdateStage, Option<UpdateOutcome>)> {
        Some(match self.update(update_id)? {
            Update::Admitted { .. } => (UpdateStage::Admitted, None),
            Update::Accepted { .. } if self.is_open() => (UpdateStage::Accepted, None),
            Update::Accepted { .. } => (UpdateStage::Completed, Some(failed_with_the_run())),
            Update::Completed { outcome } => (UpdateStage::Completed, Some(outcome)),
        })
    }
}

pub(super) fn failed_with_the_run() -> UpdateOutcome {
    let failure = Failure::application("", "AcceptedUpdateCompletedWorkflow", true);
    UpdateOutcome::Failure(Failure { source: String::from("Server"), ..failure })
}
