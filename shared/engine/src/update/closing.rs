//! What becomes of updates when their run changes or closes.

use tidegate_model::event::UpdateRequest;
use tidegate_model::id::RunId;
use tidegate_model::time::Timestamp;

use super::completed;
use super::conversation::{Origin, Wanted};
use crate::engine::{Effect, Engine, Step};
use crate::request::{Refusal, Reply, Ticket, UpdateWorkflow};

impl Engine {
    /// A run has changed: a speculative task may be out of date, one may be wanted, whoever waits may be answered.
    pub(crate) fn settle_updates(&mut self, step: &mut Step<'_>, run_id: RunId) {
        self.drop_stale_speculative(run_id);
        if self.run_if_open(run_id).is_some() {
            self.deliver_updates(step.now, run_id);
            self.answer_update_waits(step, run_id);
        } else {
            self.end_conversation(step, run_id);
        }
    }

    /// Updates that wait for a workflow task get one, where none is there or coming.
    pub(crate) fn deliver_updates(&mut self, now: Timestamp, run_id: RunId) {
        if self.run_if_open(run_id).is_some() && self.conversations.admitted_in(run_id) > 0 {
            self.speculate(now, run_id);
        }
    }

    /// The updates the workflow let in have their outcome, if only a failure. The others go on in the run that follows
    /// in the chain, or end here.
    fn end_conversation(&mut self, step: &mut Step<'_>, run_id: RunId) {
        let requests = self.conversations.dismiss_all(run_id);
        let next = self.next_in_chain(run_id);
        for ticket in self.conversations.waiting(run_id) {
            let Some(wanted) = self.end_update_wait(ticket) else { continue };
            let request = requests.iter().find(|request| request.update_id == wanted.update_id);
            let ended = match (self.update_standing(run_id, &wanted.update_id), next) {
                (Some(standing), _) => Ok(Some(wanted.reply(standing))),
                (None, Some(next)) if !wanted.origin.is_pinned() => {
                    self.go_on(step, next, ticket, wanted, request)
                }
                (None, Some(_)) => Err(wanted.origin.refusal(completed())),
                (None, None) => self.restart_or_end(step, ticket, wanted, request),
            };
            if let Some(reply) = ended.transpose() {
                step.effects.push(Effect::Reply { ticket, reply });
            }
        }
    }

    /// The open run of the same chain.
    fn next_in_chain(&self, run_id: RunId) -> Option<RunId> {
        let closed = &self.closed.get(run_id)?.summary;
        let run = self.current(&closed.namespace, &closed.workflow_id)?;
        (run.summary().first_run_id == closed.first_run_id).then_some(run.head.run_id)
    }

    /// An update the workflow has not seen is asked anew of the next run. The limits were kept when it was admitted.
    fn go_on(
        &mut self,
        step: &Step<'_>,
        next: RunId,
        ticket: Ticket,
        wanted: Wanted,
        request: Option<&UpdateRequest>,
    ) -> Result<Option<Reply>, Refusal> {
        if let Some(request) = request.filter(|_| self.update_standing(next, &wanted.update_id).is_none()) {
            self.conversations.admit(next, request.clone());
            self.deliver_updates(step.now, next);
        }
        self.wait_for_update(step, ticket, Wanted { run_id: next, ..wanted })
    }

    /// Whoever would have started a run had none been open starts it now, once.
    fn restart_or_end(
        &mut self,
        step: &mut Step<'_>,
        ticket: Ticket,
        wanted: Wanted,
        request: Option<&UpdateRequest>,
    ) -> Result<Option<Reply>, Refusal> {
        let Wanted { run_id, update_id: _, stage, origin } = wanted;
        match (origin, request) {
            (Origin::Joined { start: Some(start) }, Some(request)) => {
                let update = UpdateWorkflow {
                    namespace: start.namespace.clone(),
                    workflow_id: start.workflow_id.clone(),
                    run_id: None,
                    first_execution_run_id: None,
                    wait: stage,
                    request: request.clone(),
                };
                self.update_with_start_once(step, ticket, *start, update)
            }
            (origin, _) if self.closed.get(run_id).is_some() => {
                // Temporal's words.
                let message = String::from("workflow update was aborted by closing workflow");
                Err(origin.refusal(Refusal::NotFound(message)))
            }
            (origin, _) => {
                let message = format!("workflow execution not found: run {run_id}");
                Err(origin.refusal(Refusal::NotFound(message)))
            }
        }
    }
}
