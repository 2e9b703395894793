//! What others ask of a run in memory: updates, which may change it, and queries, which may not.

use tidegate_engine::{Command, QueryAnswer, UpdateMessage, WorkerMessage, WorkerMessageBody, WorkflowQuery};
use tidegate_model::event::UpdateOutcome;
use tidegate_model::payload::{Failure, Payloads};

use super::fault::Fault;
use super::panics;
use super::replay::Replay;
use super::state::Shared;
use super::watchdog;

impl Replay {
    /// Lets an update in, or rejects it. One that was let in before is let in again, unseen by its validator.
    pub(super) fn take_update(&mut self, update: UpdateMessage, was_let_in: bool) -> Result<(), Fault> {
        if self.is_closed() {
            return Ok(());
        }
        let UpdateMessage { id: message_id, sequencing_event_id, request } = update;
        let update_id = request.update_id.clone();
        let found = self.cx.shared().handlers.update(&request.name);
        let handler = match found {
            Ok(handler) => handler,
            Err(reason) if was_let_in => {
                return Err(Fault::Undeterministic(format!("{reason}; it had let one in")));
            }
            Err(reason) => {
                self.cx.shared().reject(update_id, Failure::application(reason, "UnknownUpdate", true));
                return Ok(());
            }
        };
        if !was_let_in {
            let verdict = self.look("the validator of an update", || (handler.validate)(&request.args))?;
            if let Err(failure) = verdict {
                self.cx.shared().reject(update_id, failure);
                return Ok(());
            }
        }
        {
            let mut shared = self.cx.shared();
            let id = format!("{update_id}/accept");
            shared.push(Command::ProtocolMessage { message_id: id.clone() });
            shared.messages.push(WorkerMessage {
                id,
                update_id: update_id.clone(),
                body: WorkerMessageBody::Acceptance {
                    accepted_request_message_id: message_id,
                    accepted_request_sequencing_event_id: sequencing_event_id,
                    accepted_request: Some(Box::new(request.clone())),
                },
            });
        }
        let watch = &self.watch;
        let work =
            panics::catch(|| watch.active(|| (handler.carry_out)(&request.args))).map_err(Fault::Panicked)?;
        match work {
            Ok(work) => {
                self.cx.shared().handlers_at_work += 1;
                self.updates.push((update_id, work));
            }
            Err(failure) => self.cx.shared().respond(update_id, Err(failure)),
        }
        self.poll(Vec::new())
    }

    /// Answers a query by what the code has arrived at.
    pub(super) fn query(&mut self, query: &WorkflowQuery) -> QueryAnswer {
        let found = self.cx.shared().handlers.query(&query.query_type);
        let answer = found.and_then(|handler| {
            self.look("the handler of a query", || handler(&query.args)).map_err(|fault| fault.to_string())?
        });
        match answer {
            Ok(payloads) => QueryAnswer::Answered(payloads),
            Err(message) => QueryAnswer::Failed { message, failure: None },
        }
    }

    /// Runs something that may look, and change nothing.
    fn look<T>(&mut self, who: &'static str, body: impl FnOnce() -> T) -> Result<T, Fault> {
        self.cx.shared().read_only = Some(who);
        watchdog::beat(self.next_event().saturating_sub(1));
        let watch = &self.watch;
        let looked = panics::catch(|| watch.active(body));
        let mut shared = self.cx.shared();
        shared.read_only = None;
        match shared.fault.take() {
            Some(fault) => Err(fault),
            None => looked.map_err(Fault::Panicked),
        }
    }
}

impl Shared {
    fn reject(&mut self, update_id: String, failure: Failure) {
        let id = format!("{update_id}/reject");
        self.messages.push(WorkerMessage { id, update_id, body: WorkerMessageBody::Rejection { failure } });
    }

    /// An update's handler is done.
    pub(super) fn respond(&mut self, update_id: String, outcome: Result<Payloads, Failure>) {
        let outcome = match outcome {
            Ok(result) => UpdateOutcome::Success(result),
            Err(failure) => UpdateOutcome::Failure(failure),
        };
        let id = format!("{update_id}/complete");
        self.push(Command::ProtocolMessage { message_id: id.clone() });
        self.messages.push(WorkerMessage { id, update_id, body: WorkerMessageBody::Response { outcome } });
        self.progress = true;
    }
}
