//! The rules of updates in a history: each is let in once, and ends once, with the event that let it in.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::event::Event;
use tidegate_model::id::EventId;

use super::Broken;

/// What was seen of a run's updates.
#[derive(Default)]
pub(super) struct Updates {
    /// Carried over by a reset.
    admitted: BTreeSet<String>,
    accepted: BTreeMap<String, EventId>,
    completed: BTreeSet<String>,
}

impl Updates {
    /// Reads an event; those that are not about updates are passed over.
    pub(super) fn take(&mut self, id: EventId, event: &Event) -> Result<(), Broken> {
        if let Event::WorkflowExecutionUpdateAdmitted { request } = event {
            self.admitted.insert(request.update_id.clone());
        }
        if let Event::WorkflowExecutionUpdateAccepted {
            protocol_instance_id: update,
            accepted_request_message_id,
            accepted_request_sequencing_event_id,
            accepted_request,
        } = event
        {
            let is_carried_over = self.admitted.remove(update);
            let is_new = !self.accepted.contains_key(update) && !self.completed.contains(update);
            must!(is_new, "{id}: update {update} is let in twice");
            must!(
                accepted_request.is_some() != is_carried_over,
                "{id}: the request of update {update} is in history once"
            );
            must!(*accepted_request_message_id == format!("{update}/request"), "{id}: a strange message");
            must!(*accepted_request_sequencing_event_id < id, "{id}: an update from the future");
            self.accepted.insert(update.clone(), id);
        }
        if let Event::WorkflowExecutionUpdateCompleted { update_id, identity, accepted_event_id, .. } = event
        {
            let accepted = self.accepted.remove(update_id);
            must!(accepted == Some(*accepted_event_id), "{id}: update {update_id} ends, but {accepted:?}");
            must!(identity == "caller", "{id}: update {update_id} was asked by {identity:?}");
            self.completed.insert(update_id.clone());
        }
        Ok(())
    }

    /// One that a reset carried over is not let in.
    pub(super) fn reject(&mut self, update: &str) -> Result<(), Broken> {
        must!(self.admitted.remove(update), "update {update} is rejected, but was not carried over");
        Ok(())
    }
}
