//! What workflow code says to updates, in the completion of a workflow task.

use tidegate_model::codec;
use tidegate_model::event::{Event, UpdateOutcome, UpdateRequest, WorkflowTaskFailedCause};
use tidegate_model::id::{EventId, RunId};
use tidegate_model::limits::SPECULATIVE_EVENTS_MAX;
use tidegate_model::payload::Failure;

use super::conversation::message_id;
use super::server_failure;
use crate::bounds;
use crate::engine::{Engine, Step};
use crate::failure;
use crate::plan::{BadCommand, Draft};
use crate::record::{Record, StateChange};
use crate::request::{Refusal, WorkerMessage, WorkerMessageBody, WorkflowTaskCompletion};

const CAUSE: WorkflowTaskFailedCause = WorkflowTaskFailedCause::BadUpdateWorkflowExecutionMessage;

impl Draft<'_> {
    /// The message a command names: here is its place.
    pub(crate) fn take_message(&mut self, message_id: &str) -> Result<(), BadCommand> {
        let Some(at) = self.messages.iter().position(|message| message.id == message_id) else {
            return Err(bad(format!("ProtocolMessageCommand referenced absent message ID {message_id}")));
        };
        let message = self.messages.remove(at);
        self.take(message)
    }

    /// The messages no command names, behind the commands. One that would be an event behind the run's last comes to
    /// nothing: its update ends with the run.
    pub(crate) fn take_other_messages(&mut self, closes: bool) -> Result<(), BadCommand> {
        for message in std::mem::take(&mut self.messages) {
            let is_rejection = matches!(message.body, WorkerMessageBody::Rejection { .. });
            if !closes || is_rejection {
                self.take(message)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, WorkerMessage { id: _, update_id, body }: WorkerMessage) -> Result<(), BadCommand> {
        bounds::required_id("update id", &update_id).map_err(bad)?;
        match body {
            WorkerMessageBody::Acceptance {
                accepted_request_message_id,
                accepted_request_sequencing_event_id,
                accepted_request,
            } => {
                let not_set = |what| Err(bad(format!("{what} in the acceptance of {update_id} is not set")));
                if accepted_request_message_id.is_empty() {
                    return not_set("accepted_request_message_id");
                }
                if accepted_request_sequencing_event_id == 0 {
                    return not_set("accepted_request_sequencing_event_id");
                }
                self.accept(update_id, accepted_request_sequencing_event_id, accepted_request)
            }
            WorkerMessageBody::Rejection { failure } => self.reject(update_id, failure),
            WorkerMessageBody::Response { outcome } => self.respond(update_id, outcome),
        }
    }

    fn accept(
        &mut self,
        update_id: String,
        sequencing_event_id: EventId,
        as_given: Option<Box<UpdateRequest>>,
    ) -> Result<(), BadCommand> {
        self.is_undecided(&update_id, "Acceptance")?;
        let asked = self.asked.get(update_id.as_str()).map(|request| Box::new((*request).clone()));
        // A restart loses the updates of a workflow task that is recorded. The worker says what it was given, and so
        // they go on.
        let request = asked.or(as_given.filter(|given| given.update_id == update_id));
        let carried_over = self.run.updates.admitted.get(&update_id);
        let asked_by = carried_over.or(request.as_ref().map(|request| &request.identity)).cloned();
        let Some(asked_by) = asked_by else {
            return Err(bad(format!(
                "update {update_id} wasn't found on the server. This is most likely a transient error which will be \
                 resolved automatically by retries"
            )));
        };
        let request = request.filter(|_| carried_over.is_none());
        self.updates.insert(update_id.clone(), Some((self.next_event_id(), asked_by)));
        let accepted = Event::WorkflowExecutionUpdateAccepted {
            accepted_request_message_id: message_id(&update_id),
            accepted_request_sequencing_event_id: sequencing_event_id,
            accepted_request: request,
            protocol_instance_id: update_id,
        };
        self.push(CAUSE, accepted)
    }

    /// Of one that is unknown nobody waits to hear.
    fn reject(&mut self, update_id: String, failure: Failure) -> Result<(), BadCommand> {
        self.is_undecided(&update_id, "Rejection")?;
        self.updates.insert(update_id.clone(), None);
        self.rejected.push((update_id, failure));
        Ok(())
    }

    fn respond(&mut self, update_id: String, outcome: UpdateOutcome) -> Result<(), BadCommand> {
        bounds::blob("update outcome", codec::to_cbor(&outcome).len(), self.settings).map_err(bad)?;
        let accepted = match self.updates.get(&update_id) {
            Some(in_this_task) => in_this_task.clone(),
            None => self.run.updates.accepted.get(&update_id).map(|accepted| {
                let super::Accepted { event_id, identity } = accepted;
                (*event_id, identity.clone())
            }),
        };
        let Some((accepted_event_id, identity)) = accepted else {
            return Err(bad(out_of_turn(&update_id, "Response")));
        };
        self.updates.insert(update_id.clone(), None);
        let completed =
            Event::WorkflowExecutionUpdateCompleted { update_id, identity, outcome, accepted_event_id };
        self.push(CAUSE, completed)
    }

    /// The workflow says once whether it lets an update in.
    fn is_undecided(&self, update_id: &str, what: &str) -> Result<(), BadCommand> {
        let before = &self.run.updates;
        let is_decided = self.updates.contains_key(update_id)
            || before.accepted.contains_key(update_id)
            || before.completed.contains_key(update_id);
        if is_decided { Err(bad(out_of_turn(update_id, what))) } else { Ok(()) }
    }
}

impl Engine {
    /// Whether nothing came of a speculative task, so that it can be forgotten: no command, no update let in. One that
    /// showed its worker many events is kept, so that these are not shown again and again.
    pub(crate) fn came_to_nothing(&self, completion: &WorkflowTaskCompletion) -> bool {
        let rejects = |message: &WorkerMessage| matches!(message.body, WorkerMessageBody::Rejection { .. });
        self.is_speculative(&completion.token)
            && completion.commands.is_empty()
            && !completion.force_create_new_workflow_task
            && completion.messages.iter().all(rejects)
            && self.run_if_open(completion.token.run_id).is_some_and(|run| {
                let since = run.next_event_id - run.workflow_tasks.previous_started_event_id();
                // The start of the task before, and its completion, are no news.
                since <= 2 + SPECULATIVE_EVENTS_MAX
            })
    }

    /// What came of the updates of a workflow task that no event speaks of. Those the worker was given and said nothing
    /// of are rejected: one that knows nothing of updates would be given them again and again. Not so where it has only
    /// asked for more time.
    pub(crate) fn settle_messages(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        rejected: Vec<(String, Failure)>,
        asks_for_time: bool,
    ) {
        for (update_id, failure) in rejected {
            self.reject_update(step, run_id, &update_id, failure);
        }
        let Some(run) = self.run_if_open(run_id) else { return };
        let carried_over: Vec<String> = run.updates.admitted.keys().cloned().collect();
        let (undecided, decided): (Vec<String>, Vec<String>) =
            self.conversations.sent(run_id).into_iter().partition(|id| run.updates.standing(id).is_none());
        for update_id in decided {
            self.conversations.dismiss(run_id, &update_id);
        }
        if asks_for_time {
            self.conversations.keep_in_hand(run_id);
            return;
        }
        for update_id in undecided.into_iter().chain(carried_over) {
            self.reject_update(step, run_id, &update_id, unprocessed());
        }
    }

    /// The worker's answer cannot be carried out: whoever waits for the updates it was given has to ask again.
    pub(crate) fn refuse_sent_updates(&mut self, step: &mut Step<'_>, run_id: RunId) {
        // Temporal's words.
        let message = "Unable to perform workflow execution update due to unexpected workflow task failure.";
        let refusal = Refusal::WorkflowNotReady(String::from(message));
        for update_id in self.conversations.sent(run_id) {
            self.conversations.dismiss(run_id, &update_id);
            self.refuse_update(step, run_id, &update_id, &refusal);
        }
    }

    fn reject_update(&mut self, step: &mut Step<'_>, run_id: RunId, update_id: &str, failure: Failure) {
        let run = self.run_if_open(run_id);
        if run.is_some_and(|run| run.updates.admitted.contains_key(update_id)) {
            let update_id = update_id.to_owned();
            self.commit(step, Record::State(StateChange::UpdateRejected { run_id, update_id }));
        }
        self.conversations.dismiss(run_id, update_id);
        let failure = failure::bounded(failure, &self.settings);
        self.tell_rejected(step, run_id, update_id, &UpdateOutcome::Failure(failure));
    }
}

fn bad(reason: impl std::fmt::Display) -> BadCommand {
    BadCommand::new(CAUSE, reason)
}

fn out_of_turn(update_id: &str, what: &str) -> String {
    format!("invalid state transition attempted for Update {update_id}: received {what} message out of turn")
}

/// Temporal's failure.
fn unprocessed() -> Failure {
    server_failure(
        "Workflow Update is rejected because it wasn't processed by worker. Probably, Workflow Update is not \
         supported by the worker.",
        "UnprocessedUpdate",
    )
}
