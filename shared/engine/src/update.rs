//! Updates: questions to workflow code that may change it.
//!
//! An update that is *admitted* is known to this process only, and gone with it. The workflow's validator lets it in
//! (*accepted*, event 41) or not, which leaves no trace; its outcome (*completed*, event 43) is history again. What a
//! run's history says of its updates is here; what only this process knows is `conversation`.

mod closing;
mod conversation;
mod messages;
mod with_start;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidegate_model::codec;
use tidegate_model::event::{Event, HistoryBatch, UpdateOutcome, UpdateRequest};
use tidegate_model::id::{EventId, Namespace, RunId, WorkflowId};
use tidegate_model::limits::{
    UPDATE_OUTCOMES_BYTES_MAX, UPDATE_OUTCOMES_OF_CLOSED_BYTES_MAX, WORKFLOW_TASK_FAILING_ATTEMPT,
};
use tidegate_model::payload::Failure;

use crate::bounds;
use crate::engine::{Engine, Step};
use crate::request::{Refusal, Reply, Ticket, UpdateStage, UpdateWorkflow};
use crate::run::Run;

pub(crate) use conversation::Conversations;
use conversation::{Origin, Wanted};

/// The updates of a run that its history knows, by their ids.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Updates {
    /// Carried over by a reset, and not answered yet: who asked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    admitted: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    accepted: BTreeMap<String, Accepted>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    completed: BTreeMap<String, Completed>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Accepted {
    event_id: EventId,
    /// Who asked.
    identity: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Completed {
    event_id: EventId,
    /// Of the outcome that is kept.
    bytes: usize,
    /// While it is kept; the history has it in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<UpdateOutcome>,
}

/// What is remembered of the updates of a closed run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct ClosedUpdates {
    outcomes: BTreeMap<String, UpdateOutcome>,
    /// There were more: only the history knows them.
    is_partial: bool,
}

/// How far an update is, and what came of it.
type Standing = (UpdateStage, Option<UpdateOutcome>);

impl Updates {
    pub(crate) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// All there were.
    pub(crate) fn count(&self) -> usize {
        self.admitted.len() + self.accepted.len() + self.completed.len()
    }

    fn in_flight(&self) -> usize {
        self.admitted.len() + self.accepted.len()
    }

    /// Event 47.
    pub(crate) fn admitted(&mut self, request: &UpdateRequest) {
        self.admitted.insert(request.update_id.clone(), request.identity.clone());
    }

    /// Event 41.
    pub(crate) fn accepted(&mut self, event_id: EventId, update_id: &str, request: Option<&UpdateRequest>) {
        let carried_over = self.admitted.remove(update_id);
        let identity = request.map(|request| request.identity.clone()).or(carried_over).unwrap_or_default();
        self.accepted.insert(update_id.to_owned(), Accepted { event_id, identity });
    }

    /// Event 43.
    pub(crate) fn completed(&mut self, event_id: EventId, update_id: &str, outcome: &UpdateOutcome) {
        self.accepted.remove(update_id);
        let kept = Completed { event_id, bytes: size(outcome), outcome: Some(outcome.clone()) };
        self.completed.insert(update_id.to_owned(), kept);
        while self.completed.values().map(|done| done.bytes).sum::<usize>() > UPDATE_OUTCOMES_BYTES_MAX {
            let kept = self.completed.values_mut().filter(|done| done.outcome.is_some());
            let oldest = kept.min_by_key(|done| done.event_id).expect("what has bytes is kept");
            (oldest.outcome, oldest.bytes) = (None, 0);
        }
    }

    /// One carried over by a reset was rejected.
    pub(crate) fn rejected(&mut self, update_id: &str) {
        self.admitted.remove(update_id);
    }

    fn standing(&self, update_id: &str) -> Option<Standing> {
        if let Some(done) = self.completed.get(update_id) {
            Some((UpdateStage::Completed, done.outcome.clone()))
        } else if self.accepted.contains_key(update_id) {
            Some((UpdateStage::Accepted, None))
        } else {
            self.admitted.contains_key(update_id).then_some((UpdateStage::Admitted, None))
        }
    }

    /// What is remembered when the run has closed. Those under way have failed with it.
    pub(crate) fn into_closed(self) -> ClosedUpdates {
        let failed = self.accepted.into_iter().map(|(id, accepted)| {
            (accepted.event_id, id, Some(UpdateOutcome::Failure(failed_with_the_run())))
        });
        let done = self.completed.into_iter().map(|(id, done)| (done.event_id, id, done.outcome));
        let mut all: Vec<(EventId, String, Option<UpdateOutcome>)> = failed.chain(done).collect();
        all.sort_by_key(|(event_id, _, _)| std::cmp::Reverse(*event_id));
        let mut closed = ClosedUpdates::default();
        let mut bytes = 0;
        for (_, update_id, outcome) in all {
            bytes += update_id.len() + outcome.as_ref().map_or(0, size);
            match outcome.filter(|_| bytes <= UPDATE_OUTCOMES_OF_CLOSED_BYTES_MAX) {
                Some(outcome) => drop(closed.outcomes.insert(update_id, outcome)),
                None => closed.is_partial = true,
            }
        }
        closed
    }
}

impl ClosedUpdates {
    pub(crate) fn is_empty(&self) -> bool {
        self.outcomes.is_empty() && !self.is_partial
    }
}

impl Run {
    /// So many that the workflow should continue as new: nine tenths of what it may have, as Temporal's default is.
    pub(crate) fn has_many_updates(&self, updates_per_run_max: usize) -> bool {
        self.updates.count().saturating_mul(10) >= updates_per_run_max.saturating_mul(9)
    }
}

impl Engine {
    /// Gives the reply where it need not wait.
    pub(crate) fn update(
        &mut self,
        step: &Step<'_>,
        ticket: Ticket,
        wanted: UpdateWorkflow,
    ) -> Result<Option<Reply>, Refusal> {
        let UpdateWorkflow { namespace, workflow_id, run_id, first_execution_run_id, wait, request } = wanted;
        self.check_update(&request)?;
        let origin = Origin::Update { is_pinned: run_id.is_some() };
        let run_id = self.find_any(&namespace, &workflow_id, run_id)?;
        if first_execution_run_id.is_some_and(|first| self.first_run_of(run_id) != Some(first)) {
            return Err(Refusal::NotFound(String::from("workflow execution not found")));
        }
        self.admit_update(step, ticket, run_id, request, wait, origin)
    }

    /// Waits for a stage of an update that is known.
    pub(crate) fn poll_update(
        &mut self,
        step: &Step<'_>,
        ticket: Ticket,
        execution: (Namespace, WorkflowId, Option<RunId>),
        update_id: String,
        wait: Option<UpdateStage>,
    ) -> Result<Option<Reply>, Refusal> {
        bounds::required_id("update id", &update_id)?;
        let (namespace, workflow_id, run_id) = execution;
        let origin = Origin::Update { is_pinned: run_id.is_some() };
        let run_id = self.find_any(&namespace, &workflow_id, run_id)?;
        if self.update_standing(run_id, &update_id).is_none() {
            return Err(unknown_update(&update_id));
        }
        let stage = wait.unwrap_or(UpdateStage::Admitted);
        self.wait_for_update(step, ticket, Wanted { run_id, update_id, stage, origin })
    }

    fn check_update(&self, request: &UpdateRequest) -> Result<(), Refusal> {
        bounds::required_id("update id", &request.update_id)?;
        bounds::required_name("update name", &request.name)?;
        bounds::id("identity", &request.identity)?;
        bounds::payloads("update arguments", &request.args, &self.settings)?;
        bounds::header("update header", &request.header, &self.settings)?;
        Ok(())
    }

    /// Takes an update in where it is not known, and waits for its stage.
    fn admit_update(
        &mut self,
        step: &Step<'_>,
        ticket: Ticket,
        run_id: RunId,
        request: UpdateRequest,
        stage: UpdateStage,
        origin: Origin,
    ) -> Result<Option<Reply>, Refusal> {
        let update_id = request.update_id.clone();
        if self.update_standing(run_id, &update_id).is_none() {
            let run = self.run_if_open(run_id).ok_or_else(completed)?;
            if run.workflow_tasks.attempt() >= WORKFLOW_TASK_FAILING_ATTEMPT {
                let message =
                    "Unable to perform workflow execution update due to Workflow Task in failed state.";
                return Err(Refusal::WorkflowNotReady(String::from(message)));
            }
            self.has_room_for_update(run, &request)?;
            self.conversations.admit(run_id, request);
            self.speculate(step.now, run_id);
        }
        self.wait_for_update(step, ticket, Wanted { run_id, update_id, stage, origin })
    }

    fn has_room_for_update(&self, run: &Run, request: &UpdateRequest) -> Result<(), Refusal> {
        let admitted = self.conversations.admitted_in(run.head.run_id);
        let most = self.settings.updates_in_flight_max;
        if run.updates.in_flight() + admitted >= most {
            let message =
                format!("limit on number of concurrent in-flight updates has been reached ({most})");
            return Err(Refusal::ResourceExhausted { limit: "UPDATES_IN_FLIGHT_MAX", message });
        }
        let most = self.settings.updates_per_run_max;
        if run.updates.count() + admitted >= most {
            let message = format!(
                "The limit on the total number of distinct updates in this workflow has been reached ({most}). Make \
                 sure any duplicate updates share an Update ID so the server can deduplicate them, and consider \
                 rejecting updates that you aren't going to process. You can also Continue-as-New to avoid this; we \
                 recommend you check Continue-as-New Suggested in your Workflow."
            );
            return Err(Refusal::FailedPrecondition(message));
        }
        self.conversations.has_room_for(request)
    }

    /// How far an update is. Of a closed run whose updates are not all remembered, one that is unknown may be completed:
    /// the history knows.
    fn update_standing(&self, run_id: RunId, update_id: &str) -> Option<Standing> {
        if let Some(run) = self.run_if_open(run_id) {
            let admitted = || {
                let is_admitted = self.conversations.is_admitted(run_id, update_id);
                is_admitted.then_some((UpdateStage::Admitted, None))
            };
            return run.updates.standing(update_id).or_else(admitted);
        }
        let closed = &self.closed.get(run_id)?.updates;
        match closed.outcomes.get(update_id) {
            Some(outcome) => Some((UpdateStage::Completed, Some(outcome.clone()))),
            None => closed.is_partial.then_some((UpdateStage::Completed, None)),
        }
    }

    fn first_run_of(&self, run_id: RunId) -> Option<RunId> {
        let open = self.run_if_open(run_id).map(Run::summary);
        let summary = open.or_else(|| self.closed.get(run_id).map(|closed| closed.summary.clone()));
        summary.map(|summary| summary.first_run_id)
    }
}

/// What came of an update, from the history of its run: for whoever is told that it is completed and not what came of
/// it. One that was accepted and not completed has failed with its run. `None` where there was no such update.
#[must_use]
pub fn outcome_in_history(history: &[HistoryBatch], update_id: &str) -> Option<UpdateOutcome> {
    let mut found = None;
    for event in history.iter().flat_map(|batch| &batch.events) {
        if let Event::WorkflowExecutionUpdateCompleted { update_id: id, outcome, .. } = event
            && id == update_id
        {
            return Some(outcome.clone());
        }
        if let Event::WorkflowExecutionUpdateAccepted { protocol_instance_id: id, .. } = event
            && id == update_id
        {
            found = Some(UpdateOutcome::Failure(failed_with_the_run()));
        }
    }
    found
}

/// What becomes of an accepted update when its run closes: Temporal's failure.
fn failed_with_the_run() -> Failure {
    server_failure(
        "Workflow Update failed because the Workflow completed before the Update completed.",
        "AcceptedUpdateCompletedWorkflow",
    )
}

fn server_failure(message: &str, kind: &str) -> Failure {
    let failure = Failure::application(String::from(message), kind, true);
    Failure { source: String::from("Server"), ..failure }
}

fn size(outcome: &UpdateOutcome) -> usize {
    codec::to_cbor(outcome).len()
}

/// Temporal's words.
fn completed() -> Refusal {
    Refusal::NotFound(String::from("workflow execution already completed"))
}

fn unknown_update(update_id: &str) -> Refusal {
    Refusal::NotFound(format!("update {update_id:?} not found"))
}
