//! What a worker says to updates in the completion of a workflow task.

use std::collections::BTreeMap;

use tidegate_engine::{WorkerMessage, WorkerMessageBody};
use tidegate_model::event::{Event, UpdateRequest, WorkflowTaskFailedCause};
use tidegate_model::id::EventId;
use tidegate_model::payload::Failure;

use super::commands::{Bad, bad};
use super::run::Run;
use super::updates::Update;

/// What has been said so far.
pub(super) struct Said<'a> {
    run: &'a Run,
    /// Updates that wait to be let in, as far as only this process knows them.
    asked: BTreeMap<String, UpdateRequest>,
    /// Those of this task: let in by this event, asked by this identity; or over.
    updates: BTreeMap<String, Option<(EventId, String)>>,
    pub(super) rejected: Vec<(String, Failure)>,
}

fn wrong(words: &str) -> Bad {
    bad(WorkflowTaskFailedCause::BadUpdateWorkflowExecutionMessage, words)
}

impl<'a> Said<'a> {
    pub(super) fn new(run: &'a Run, asked: BTreeMap<String, UpdateRequest>) -> Self {
        Self { run, asked, updates: BTreeMap::new(), rejected: Vec::new() }
    }

    /// The event that the message becomes, if it becomes any.
    pub(super) fn take(&mut self, message: WorkerMessage, event_id: EventId) -> Result<Option<Event>, Bad> {
        let WorkerMessage { update_id, body, .. } = message;
        let before = self.run.update(&update_id);
        let is_decided = self.updates.contains_key(&update_id)
            || matches!(before, Some(Update::Accepted { .. } | Update::Completed { .. }));
        match body {
            WorkerMessageBody::Acceptance {
                accepted_request_message_id,
                accepted_request_sequencing_event_id,
                accepted_request,
            } => {
                if accepted_request_message_id.is_empty() || accepted_request_sequencing_event_id == 0 {
                    return Err(wrong("it does not say what it accepts"));
                }
                if is_decided {
                    return Err(wrong("it is decided"));
                }
                let carried_over = match before {
                    Some(Update::Admitted { identity }) => Some(identity),
                    Some(_) | None => None,
                };
                // A worker that was given it before a restart says what it was given.
                let given = accepted_request.filter(|given| given.update_id == update_id);
                let request = self.asked.get(&update_id).cloned().map(Box::new).or(given);
                let asked_by =
                    carried_over.clone().or(request.as_ref().map(|request| request.identity.clone()));
                let asked_by = asked_by.ok_or_else(|| wrong("nobody asked"))?;
                self.updates.insert(update_id.clone(), Some((event_id, asked_by)));
                Ok(Some(Event::WorkflowExecutionUpdateAccepted {
                    accepted_request_message_id: format!("{update_id}/request"),
                    accepted_request_sequencing_event_id,
                    accepted_request: request.filter(|_| carried_over.is_none()),
                    protocol_instance_id: update_id,
                }))
            }
            WorkerMessageBody::Rejection { failure } => {
                if is_decided {
                    return Err(wrong("it is decided"));
                }
                self.updates.insert(update_id.clone(), None);
                self.rejected.push((update_id, failure));
                Ok(None)
            }
            WorkerMessageBody::Response { outcome } => {
                let accepted = match (self.updates.get(&update_id), before) {
                    (Some(in_this_task), _) => in_this_task.clone(),
                    (None, Some(Update::Accepted { event_id, identity })) => Some((event_id, identity)),
                    (None, _) => None,
                };
                let (accepted_event_id, identity) = accepted.ok_or_else(|| wrong("it was not let in"))?;
                self.updates.insert(update_id.clone(), None);
                Ok(Some(Event::WorkflowExecutionUpdateCompleted {
                    update_id,
                    identity,
                    outcome,
                    accepted_event_id,
                }))
            }
        }
    }
}

pub(super) fn is_rejection(message: &WorkerMessage) -> bool {
    matches!(message.body, WorkerMessageBody::Rejection { .. })
}
