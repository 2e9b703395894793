//! Updates, as far as only a process knows of them: those that no workflow has let in, and who waits for which.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_engine::{Refusal, Reply, StartWorkflow, Ticket, UpdateMessage, UpdateStage, UpdateWorkflow};
use tidegate_model::event::{UpdateOutcome, UpdateRequest, WorkflowIdConflictPolicy};
use tidegate_model::id::{EventId, Namespace, RunId, WorkflowId};
use tidegate_model::payload::Failure;
use tidegate_model::time::Timestamp;

use super::Reference;
use super::queries::FAILING;
use super::updates::{Update, failed_with_the_run};

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub(super) struct Admitted {
    request: UpdateRequest,
    /// A worker has been given it.
    is_sent: bool,
    /// That worker has asked for time and still has it: its next task does not bring it again.
    is_in_hand: bool,
}

#[derive(Clone)]
pub(super) struct Wait {
    pub(super) ticket: Ticket,
    run_id: RunId,
    update_id: String,
    stage: UpdateStage,
    pub(super) origin: Origin,
    until: Timestamp,
}

/// Which request it was, and so what becomes of it when the run closes.
#[derive(Clone)]
pub(super) enum Origin {
    Update {
        is_pinned: bool,
    },
    /// With a start that started the run.
    Started,
    /// With a start that was content with an open run, and what to start should that close first.
    Joined {
        start: Option<Box<StartWorkflow>>,
    },
}

type Standing = (UpdateStage, Option<UpdateOutcome>);
type Answered = Option<Result<Reply, Refusal>>;

impl Origin {
    pub(super) fn refusal(&self, refusal: Refusal) -> Refusal {
        match self {
            Self::Update { .. } => refusal,
            Self::Started | Self::Joined { .. } => of_update(refusal),
        }
    }

    fn started(&self) -> Option<bool> {
        match self {
            Self::Update { .. } => None,
            Self::Started => Some(true),
            Self::Joined { .. } => Some(false),
        }
    }
}

impl Wait {
    fn reply(&self, (stage, outcome): Standing) -> Reply {
        Reply::Update { run_id: self.run_id, stage, outcome, started: self.origin.started() }
    }
}

fn of_update(refusal: Refusal) -> Refusal {
    Refusal::MultiOperation { is_start: false, refusal: Box::new(refusal) }
}

fn check(request: &UpdateRequest) -> Result<(), Refusal> {
    if request.update_id.is_empty() { Err(Refusal::InvalidArgument(String::new())) } else { Ok(()) }
}

fn unknown() -> Refusal {
    Refusal::NotFound(String::from("update not found"))
}

fn completed() -> Refusal {
    Refusal::NotFound(String::from("workflow execution already completed"))
}

impl Reference {
    pub(super) fn update(&mut self, ticket: Ticket, wanted: UpdateWorkflow) -> Answered {
        self.try_update(ticket, wanted).transpose()
    }

    fn try_update(&mut self, ticket: Ticket, wanted: UpdateWorkflow) -> Result<Option<Reply>, Refusal> {
        check(&wanted.request)?;
        let run_id = self.meant(&wanted.namespace, &wanted.workflow_id, wanted.run_id)?;
        let first = self.run(run_id).started().first_execution_run_id;
        if wanted.first_execution_run_id.is_some_and(|wanted| wanted != first) {
            return Err(Refusal::NotFound(String::from("workflow execution not found")));
        }
        let origin = Origin::Update { is_pinned: wanted.run_id.is_some() };
        self.admit(ticket, run_id, wanted.request, wanted.wait, origin)
    }

    pub(super) fn poll_update(
        &mut self,
        ticket: Ticket,
        (namespace, workflow_id, run_id): (Namespace, WorkflowId, Option<RunId>),
        update_id: String,
        wait: Option<UpdateStage>,
    ) -> Answered {
        if update_id.is_empty() {
            return Some(Err(Refusal::InvalidArgument(String::new())));
        }
        let origin = Origin::Update { is_pinned: run_id.is_some() };
        let stage = wait.unwrap_or(UpdateStage::Admitted);
        match self.meant(&namespace, &workflow_id, run_id) {
            Ok(run_id) => self.wait_for(ticket, run_id, update_id, stage, origin).transpose(),
            Err(refusal) => Some(Err(refusal)),
        }
    }

    /// Where a run is open that will do and closes before it lets the update in, all is done once more.
    pub(super) fn update_with_start(
        &mut self,
        ticket: Ticket,
        start: StartWorkflow,
        update: UpdateWorkflow,
    ) -> Answered {
        let again = Some(Box::new(start.clone()));
        self.join_or_start(ticket, start, update, again).transpose()
    }

    fn join_or_start(
        &mut self,
        ticket: Ticket,
        start: StartWorkflow,
        update: UpdateWorkflow,
        again: Option<Box<StartWorkflow>>,
    ) -> Result<Option<Reply>, Refusal> {
        let UpdateWorkflow { wait, request, .. } = update;
        check(&request).map_err(of_update)?;
        let found = self.meant(&start.namespace, &start.workflow_id, None).ok();
        if let Some(run_id) = found {
            let standing = self.standing(run_id, &request.update_id);
            if let Some((UpdateStage::Completed, Some(outcome))) = &standing
                && *outcome != failed_with_the_run()
            {
                let (stage, outcome) = (UpdateStage::Completed, Some(outcome.clone()));
                return Ok(Some(Reply::Update { run_id, stage, outcome, started: Some(false) }));
            }
            let run = self.run(run_id);
            let is_repeated = !start.request_id.is_empty() && start.request_id == run.started().request_id;
            let is_content = start.workflow_id_conflict_policy == WorkflowIdConflictPolicy::UseExisting;
            if run.is_open() && (standing.is_some() || is_repeated || is_content) {
                let origin = Origin::Joined { start: again };
                return self.admit(ticket, run_id, request, wait, origin).map_err(of_update);
            }
        }
        let started = self.start(start);
        let started = started
            .map_err(|refusal| Refusal::MultiOperation { is_start: true, refusal: Box::new(refusal) })?;
        let Reply::Started { run_id, fresh: true, .. } = started else {
            return Err(of_update(completed()));
        };
        self.admit(ticket, run_id, request, wait, Origin::Started).map_err(of_update)
    }

    /// Takes an update in where it is not known, and waits for its stage.
    fn admit(
        &mut self,
        ticket: Ticket,
        run_id: RunId,
        request: UpdateRequest,
        stage: UpdateStage,
        origin: Origin,
    ) -> Result<Option<Reply>, Refusal> {
        let update_id = request.update_id.clone();
        if self.standing(run_id, &update_id).is_none() {
            let run = self.run(run_id);
            if !run.is_open() {
                return Err(completed());
            }
            if run.next_attempt >= FAILING {
                return Err(Refusal::WorkflowNotReady(String::new()));
            }
            let updates = run.updates();
            let admitted = self.volatile.admitted.get(&run_id).map_or(0, Vec::len);
            let in_flight = updates.values().filter(|update| !matches!(update, Update::Completed { .. }));
            if in_flight.count() + admitted >= self.settings.updates_in_flight_max {
                let limit = "UPDATES_IN_FLIGHT_MAX";
                return Err(Refusal::ResourceExhausted { limit, message: String::new() });
            }
            if updates.len() + admitted >= self.settings.updates_per_run_max {
                return Err(Refusal::FailedPrecondition(String::new()));
            }
            self.put(run_id, request);
            self.speculate_if_wanted(run_id);
        }
        self.wait_for(ticket, run_id, update_id, stage, origin)
    }

    fn put(&mut self, run_id: RunId, request: UpdateRequest) {
        let admitted = Admitted { request, is_sent: false, is_in_hand: false };
        self.volatile.admitted.entry(run_id).or_default().push(admitted);
    }

    fn standing(&self, run_id: RunId, update_id: &str) -> Option<Standing> {
        let run = self.runs.get(&run_id)?;
        let admitted = self.volatile.admitted.get(&run_id).into_iter().flatten();
        let is_admitted = admitted.into_iter().any(|admitted| admitted.request.update_id == update_id);
        run.standing(update_id).or(is_admitted.then_some((UpdateStage::Admitted, None)))
    }

    fn wait_for(
        &mut self,
        ticket: Ticket,
        run_id: RunId,
        update_id: String,
        stage: UpdateStage,
        origin: Origin,
    ) -> Result<Option<Reply>, Refusal> {
        let standing = self.standing(run_id, &update_id).ok_or_else(unknown)?;
        let wait = Wait { ticket, run_id, update_id, stage, origin, until: self.now + PATIENCE };
        if standing.0 >= stage {
            return Ok(Some(wait.reply(standing)));
        }
        self.volatile.update_waits.push(wait);
        Ok(None)
    }

    /// Runs have changed: tasks that only this process knows of may be out of date, whoever waits may be answered.
    pub(super) fn settle_updates(&mut self) {
        let runs: Vec<RunId> = self.runs.keys().chain(self.forgotten.keys()).copied().collect();
        for run_id in runs {
            self.drop_stale_speculative(run_id);
            if self.is_open(run_id) {
                self.speculate_if_wanted(run_id);
                self.answer_reached(run_id);
            } else {
                self.end_conversation(run_id);
            }
        }
    }

    fn waiting_for(&self, run_id: RunId) -> Vec<Ticket> {
        let theirs = self.volatile.update_waits.iter().filter(|wait| wait.run_id == run_id);
        let mut tickets: Vec<Ticket> = theirs.map(|wait| wait.ticket).collect();
        tickets.sort();
        tickets
    }

    fn end_wait(&mut self, ticket: Ticket) -> Option<Wait> {
        let at = self.volatile.update_waits.iter().position(|wait| wait.ticket == ticket)?;
        Some(self.volatile.update_waits.remove(at))
    }

    pub(super) fn end_waits_for(&mut self, run_id: RunId, update_id: &str) -> Vec<Wait> {
        let all = std::mem::take(&mut self.volatile.update_waits);
        let (theirs, others) =
            all.into_iter().partition(|wait| wait.run_id == run_id && wait.update_id == update_id);
        self.volatile.update_waits = others;
        theirs
    }

    fn answer_reached(&mut self, run_id: RunId) {
        for ticket in self.waiting_for(run_id) {
            let wait = self.volatile.update_waits.iter().find(|wait| wait.ticket == ticket);
            let is_reached = wait.is_some_and(|wait| {
                self.standing(run_id, &wait.update_id).is_some_and(|(stage, _)| stage >= wait.stage)
            });
            if is_reached {
                self.tell_standing(ticket);
            }
        }
    }

    /// How far it is, whether that was waited for or not.
    pub(super) fn tell_standing(&mut self, ticket: Ticket) {
        let Some(wait) = self.end_wait(ticket) else { return };
        let answer = match self.standing(wait.run_id, &wait.update_id) {
            Some(standing) => Ok(wait.reply(standing)),
            None => Err(wait.origin.refusal(unknown())),
        };
        self.reply(ticket, answer);
    }

    /// What was let in has its outcome, if only a failure; the rest goes on in the run that follows, or ends here.
    fn end_conversation(&mut self, run_id: RunId) {
        let admitted = self.volatile.admitted.remove(&run_id).unwrap_or_default();
        let next = self.runs.get(&run_id).and_then(|run| {
            let next = self.open(&run.namespace, &run.workflow_id)?;
            let first = run.started().first_execution_run_id;
            (self.run(next).started().first_execution_run_id == first).then_some(next)
        });
        for ticket in self.waiting_for(run_id) {
            let Some(wait) = self.end_wait(ticket) else { continue };
            let request = admitted.iter().map(|admitted| &admitted.request);
            let request = request.into_iter().find(|request| request.update_id == wait.update_id).cloned();
            let is_pinned = matches!(wait.origin, Origin::Update { is_pinned: true });
            let ended = match (self.standing(run_id, &wait.update_id), next) {
                (Some(standing), _) => Ok(Some(wait.reply(standing))),
                (None, Some(_)) if is_pinned => Err(completed()),
                (None, Some(next)) => {
                    if let Some(request) = request.filter(|_| self.standing(next, &wait.update_id).is_none())
                    {
                        self.put(next, request);
                        self.speculate_if_wanted(next);
                    }
                    self.wait_for(ticket, next, wait.update_id, wait.stage, wait.origin)
                }
                (None, None) => self.begin_anew_or_end(ticket, wait, request),
            };
            if let Some(answer) = ended.transpose() {
                self.reply(ticket, answer);
            }
        }
    }

    fn begin_anew_or_end(
        &mut self,
        ticket: Ticket,
        wait: Wait,
        request: Option<UpdateRequest>,
    ) -> Result<Option<Reply>, Refusal> {
        match (wait.origin, request) {
            (Origin::Joined { start: Some(start) }, Some(request)) => {
                let update = UpdateWorkflow {
                    namespace: start.namespace.clone(),
                    workflow_id: start.workflow_id.clone(),
                    run_id: None,
                    first_execution_run_id: None,
                    wait: wait.stage,
                    request,
                };
                self.join_or_start(ticket, *start, update, None)
            }
            (origin, _) => {
                Err(origin.refusal(Refusal::NotFound(String::from("aborted by closing workflow"))))
            }
        }
    }

    pub(super) fn messages_for_task(
        &mut self,
        run_id: RunId,
        started_event_id: EventId,
    ) -> Vec<UpdateMessage> {
        let mut messages = Vec::new();
        for admitted in self.volatile.admitted.get_mut(&run_id).into_iter().flatten() {
            if std::mem::take(&mut admitted.is_in_hand) {
                continue;
            }
            admitted.is_sent = true;
            messages.push(UpdateMessage {
                id: format!("{}/request", admitted.request.update_id),
                sequencing_event_id: started_event_id - 1,
                request: admitted.request.clone(),
            });
        }
        messages
    }

    /// What of a run's updates only this process knows, by their ids.
    pub(super) fn requests_of(&self, run_id: RunId) -> BTreeMap<String, UpdateRequest> {
        let admitted = self.volatile.admitted.get(&run_id).into_iter().flatten();
        admitted.map(|admitted| (admitted.request.update_id.clone(), admitted.request.clone())).collect()
    }

    pub(super) fn sent_updates(&self, run_id: RunId) -> Vec<String> {
        let admitted = self.volatile.admitted.get(&run_id).into_iter().flatten();
        admitted
            .filter(|admitted| admitted.is_sent)
            .map(|admitted| admitted.request.update_id.clone())
            .collect()
    }

    pub(super) fn dismiss(&mut self, run_id: RunId, update_id: &str) {
        if let Some(admitted) = self.volatile.admitted.get_mut(&run_id) {
            admitted.retain(|admitted| admitted.request.update_id != update_id);
        }
    }

    /// What came of the updates of a task that no event speaks of. Those the worker was given and said nothing of are
    /// rejected, unless it has only asked for more time.
    pub(super) fn settle_messages(
        &mut self,
        run_id: RunId,
        rejected: Vec<(String, Failure)>,
        asks_for_time: bool,
    ) {
        for (update_id, failure) in rejected {
            self.reject(run_id, &update_id, failure);
        }
        if !self.is_open(run_id) {
            return;
        }
        let updates = self.run(run_id).updates();
        let carried_over = updates.iter().filter(|(_, update)| matches!(update, Update::Admitted { .. }));
        let carried_over: Vec<String> = carried_over.map(|(id, _)| id.clone()).collect();
        let (decided, undecided): (Vec<String>, Vec<String>) =
            self.sent_updates(run_id).into_iter().partition(|id| updates.contains_key(id));
        for update_id in decided {
            self.dismiss(run_id, &update_id);
        }
        if asks_for_time {
            for admitted in self.volatile.admitted.get_mut(&run_id).into_iter().flatten() {
                admitted.is_in_hand = admitted.is_sent;
            }
            return;
        }
        for update_id in undecided.into_iter().chain(carried_over) {
            let failure = Failure::application("", "UnprocessedUpdate", true);
            self.reject(run_id, &update_id, failure);
        }
    }

    fn reject(&mut self, run_id: RunId, update_id: &str, failure: Failure) {
        let run = self.run_mut(run_id);
        if run.is_open() && matches!(run.update(update_id), Some(Update::Admitted { .. })) {
            run.rejected.insert(update_id.to_owned());
        }
        self.dismiss(run_id, update_id);
        for wait in self.end_waits_for(run_id, update_id) {
            let outcome = Some(UpdateOutcome::Failure(failure.clone()));
            let reply = wait.reply((UpdateStage::Completed, outcome));
            self.reply(wait.ticket, Ok(reply));
        }
    }

    pub(super) fn forget_update_wait(&mut self, ticket: Ticket) {
        drop(self.end_wait(ticket));
    }

    pub(super) fn next_update_wait_due(&self) -> Option<(Timestamp, Ticket)> {
        self.volatile.update_waits.iter().map(|wait| (wait.until, wait.ticket)).min()
    }
}
