//! What only this process knows of updates: those the workflow has not let in yet, and who waits for which.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidegate_model::event::{UpdateOutcome, UpdateRequest};
use tidegate_model::id::{EventId, RunId};
use tidegate_model::limits::{UPDATE_WAIT_SECONDS_MAX, UPDATE_WAITS_MAX, UPDATES_ADMITTED_BYTES_MAX};
use tidegate_model::payload::Payload;
use tidegate_model::time::Timestamp;

use super::{Standing, unknown_update};
use crate::alarms::Alarm;
use crate::engine::{Effect, Engine, Step};
use crate::request::{Refusal, Reply, StartWorkflow, Ticket, UpdateMessage, UpdateStage};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Conversations {
    /// In the order they were admitted.
    admitted: BTreeMap<RunId, Vec<Admitted>>,
    /// Of all requests in there.
    bytes: usize,
    waits: BTreeMap<Ticket, Wait>,
    /// Of each run.
    tickets: BTreeMap<RunId, BTreeSet<Ticket>>,
}

#[derive(Debug)]
struct Admitted {
    request: UpdateRequest,
    /// A worker has been given it.
    is_sent: bool,
    /// That worker has asked for time and still has it: its next task does not bring it again.
    is_in_hand: bool,
}

#[derive(Debug)]
struct Wait {
    wanted: Wanted,
    until: Timestamp,
}

/// What somebody waits for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) run_id: RunId,
    pub(super) update_id: String,
    pub(super) stage: UpdateStage,
    pub(super) origin: Origin,
}

/// Which request it was, and so what becomes of it when the run closes.
#[derive(Debug)]
pub(super) enum Origin {
    /// An update, or a poll of one; of one run alone, where that was named.
    Update { is_pinned: bool },
    /// An update with a start that started the run.
    Started,
    /// An update with a start that was content with an open run; what it would start should that close first.
    Joined { start: Option<Box<StartWorkflow>> },
}

impl Origin {
    /// Whether it may not go on in the run that follows.
    pub(super) fn is_pinned(&self) -> bool {
        match self {
            Self::Update { is_pinned } => *is_pinned,
            Self::Started | Self::Joined { .. } => false,
        }
    }

    fn started(&self) -> Option<bool> {
        match self {
            Self::Update { .. } => None,
            Self::Started => Some(true),
            Self::Joined { .. } => Some(false),
        }
    }

    /// Of the two halves of a request with a start it is the update that is refused.
    pub(super) fn refusal(&self, refusal: Refusal) -> Refusal {
        match self {
            Self::Update { .. } => refusal,
            Self::Started | Self::Joined { .. } => {
                Refusal::MultiOperation { is_start: false, refusal: Box::new(refusal) }
            }
        }
    }
}

impl Conversations {
    pub(super) fn admit(&mut self, run_id: RunId, request: UpdateRequest) {
        self.bytes += size(&request);
        let admitted = Admitted { request, is_sent: false, is_in_hand: false };
        self.admitted.entry(run_id).or_default().push(admitted);
    }

    /// An update has been let in, or not: whatever becomes of it is known elsewhere.
    pub(super) fn dismiss(&mut self, run_id: RunId, update_id: &str) {
        let Some(admitted) = self.admitted.get_mut(&run_id) else { return };
        if let Some(at) = admitted.iter().position(|admitted| admitted.request.update_id == update_id) {
            self.bytes -= size(&admitted.remove(at).request);
        }
        if admitted.is_empty() {
            self.admitted.remove(&run_id);
        }
    }

    /// All that a run has, which will get no further there.
    pub(super) fn dismiss_all(&mut self, run_id: RunId) -> Vec<UpdateRequest> {
        let admitted = self.admitted.remove(&run_id).into_iter().flatten();
        let requests: Vec<UpdateRequest> = admitted.map(|admitted| admitted.request).collect();
        self.bytes -= requests.iter().map(size).sum::<usize>();
        requests
    }

    pub(super) fn is_admitted(&self, run_id: RunId, update_id: &str) -> bool {
        self.of_run(run_id).any(|admitted| admitted.request.update_id == update_id)
    }

    /// How many a run has.
    pub(super) fn admitted_in(&self, run_id: RunId) -> usize {
        self.admitted.get(&run_id).map_or(0, Vec::len)
    }

    /// Whether one more fits, over all runs.
    pub(super) fn has_room_for(&self, request: &UpdateRequest) -> Result<(), Refusal> {
        if self.bytes + size(request) > UPDATES_ADMITTED_BYTES_MAX {
            let message = format!("updates that no workflow has let in yet have {} bytes", self.bytes);
            return Err(Refusal::ResourceExhausted { limit: "UPDATES_ADMITTED_BYTES_MAX", message });
        }
        self.has_room_to_wait()
    }

    fn has_room_to_wait(&self) -> Result<(), Refusal> {
        if self.waits.len() >= UPDATE_WAITS_MAX {
            let message = format!("{UPDATE_WAITS_MAX} requests wait for updates");
            return Err(Refusal::ResourceExhausted { limit: "UPDATE_WAITS_MAX", message });
        }
        Ok(())
    }

    /// The requests of a run, by their ids.
    pub(crate) fn requests(&self, run_id: RunId) -> BTreeMap<&str, &UpdateRequest> {
        let requests = self.of_run(run_id).map(|admitted| &admitted.request);
        requests.map(|request| (request.update_id.as_str(), request)).collect()
    }

    /// The worker that has been given updates goes on with them in its next task.
    pub(super) fn keep_in_hand(&mut self, run_id: RunId) {
        for admitted in self.admitted.get_mut(&run_id).into_iter().flatten() {
            admitted.is_in_hand = admitted.is_sent;
        }
    }

    /// Those a worker has been given.
    pub(super) fn sent(&self, run_id: RunId) -> Vec<String> {
        let sent = self.of_run(run_id).filter(|admitted| admitted.is_sent);
        sent.map(|admitted| admitted.request.update_id.clone()).collect()
    }

    fn of_run(&self, run_id: RunId) -> impl Iterator<Item = &Admitted> {
        self.admitted.get(&run_id).into_iter().flatten()
    }

    fn put(&mut self, ticket: Ticket, wait: Wait) {
        self.tickets.entry(wait.wanted.run_id).or_default().insert(ticket);
        self.waits.insert(ticket, wait);
    }

    fn take(&mut self, ticket: Ticket) -> Option<Wait> {
        let wait = self.waits.remove(&ticket)?;
        let run_id = wait.wanted.run_id;
        if let Some(tickets) = self.tickets.get_mut(&run_id) {
            tickets.remove(&ticket);
            if tickets.is_empty() {
                self.tickets.remove(&run_id);
            }
        }
        Some(wait)
    }

    /// Who waits for updates of a run.
    pub(super) fn waiting(&self, run_id: RunId) -> Vec<Ticket> {
        self.tickets.get(&run_id).into_iter().flatten().copied().collect()
    }

    fn wanted(&self, ticket: Ticket) -> Option<&Wanted> {
        self.waits.get(&ticket).map(|wait| &wait.wanted)
    }
}

impl Engine {
    /// Updates that go along with a workflow task that is handed out; those that went along with one that came to
    /// nothing go again. One that a reset carried over does not: it is in the history, and SDKs take it from there.
    pub(crate) fn messages_for_task(
        &mut self,
        run_id: RunId,
        started_event_id: EventId,
    ) -> Vec<UpdateMessage> {
        let admitted = self.conversations.admitted.get_mut(&run_id).into_iter().flatten();
        admitted
            .filter_map(|admitted| {
                // Once: should that task come to nothing, the one after it begins from the history.
                if std::mem::take(&mut admitted.is_in_hand) {
                    return None;
                }
                admitted.is_sent = true;
                Some(UpdateMessage {
                    id: message_id(&admitted.request.update_id),
                    sequencing_event_id: started_event_id - 1,
                    request: admitted.request.clone(),
                })
            })
            .collect()
    }

    /// Replies where the stage is reached, waits otherwise.
    pub(super) fn wait_for_update(
        &mut self,
        step: &Step<'_>,
        ticket: Ticket,
        wanted: Wanted,
    ) -> Result<Option<Reply>, Refusal> {
        let standing = self.update_standing(wanted.run_id, &wanted.update_id);
        let standing = standing.ok_or_else(|| unknown_update(&wanted.update_id))?;
        if standing.0 >= wanted.stage {
            return Ok(Some(wanted.reply(standing)));
        }
        self.conversations.has_room_to_wait()?;
        let until = step.now + Duration::from_secs(UPDATE_WAIT_SECONDS_MAX);
        self.alarms.put(until, Alarm::UpdateWait(ticket));
        self.conversations.put(ticket, Wait { wanted, until });
        Ok(None)
    }

    /// A run has changed: answers those whose stage is reached.
    pub(super) fn answer_update_waits(&mut self, step: &mut Step<'_>, run_id: RunId) {
        for ticket in self.conversations.waiting(run_id) {
            let is_reached = self.conversations.wanted(ticket).is_some_and(|wanted| {
                let standing = self.update_standing(run_id, &wanted.update_id);
                standing.is_some_and(|(stage, _)| stage >= wanted.stage)
            });
            if is_reached {
                self.tell_standing(step, ticket);
            }
        }
    }

    /// Answers somebody with how far his update is.
    pub(crate) fn tell_standing(&mut self, step: &mut Step<'_>, ticket: Ticket) {
        let Some(wanted) = self.end_update_wait(ticket) else { return };
        let reply = match self.update_standing(wanted.run_id, &wanted.update_id) {
            Some(standing) => Ok(wanted.reply(standing)),
            None => Err(wanted.origin.refusal(unknown_update(&wanted.update_id))),
        };
        step.effects.push(Effect::Reply { ticket, reply });
    }

    /// Answers all who wait for an update that left no trace, with why it was not let in.
    pub(super) fn tell_rejected(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        update_id: &str,
        why: &UpdateOutcome,
    ) {
        for (ticket, wanted) in self.end_waits_for(run_id, update_id) {
            let reply = wanted.reply((UpdateStage::Completed, Some(why.clone())));
            step.effects.push(Effect::Reply { ticket, reply: Ok(reply) });
        }
    }

    /// Refuses all who wait for an update.
    pub(super) fn refuse_update(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        update_id: &str,
        why: &Refusal,
    ) {
        for (ticket, wanted) in self.end_waits_for(run_id, update_id) {
            step.effects.push(Effect::Reply { ticket, reply: Err(wanted.origin.refusal(why.clone())) });
        }
    }

    fn end_waits_for(&mut self, run_id: RunId, update_id: &str) -> Vec<(Ticket, Wanted)> {
        let mut waiting = self.conversations.waiting(run_id);
        let wanted = |ticket: &Ticket| self.conversations.wanted(*ticket);
        waiting.retain(|ticket| wanted(ticket).is_some_and(|wanted| wanted.update_id == update_id));
        let ended = waiting.into_iter().map(|ticket| (ticket, self.end_update_wait(ticket)));
        ended.filter_map(|(ticket, wanted)| Some((ticket, wanted?))).collect()
    }

    /// Whoever waited has gone, or is answered.
    pub(crate) fn forget_update_wait(&mut self, ticket: Ticket) {
        drop(self.end_update_wait(ticket));
    }

    pub(super) fn end_update_wait(&mut self, ticket: Ticket) -> Option<Wanted> {
        let wait = self.conversations.take(ticket)?;
        self.alarms.take(wait.until, Alarm::UpdateWait(ticket));
        Some(wait.wanted)
    }
}

impl Wanted {
    pub(super) fn reply(&self, (stage, outcome): Standing) -> Reply {
        Reply::Update { run_id: self.run_id, stage, outcome, started: self.origin.started() }
    }
}

/// What a request comes in, and what the event that accepts it says it came in.
pub(super) fn message_id(update_id: &str) -> String {
    format!("{update_id}/request")
}

fn size(request: &UpdateRequest) -> usize {
    let UpdateRequest { update_id, identity, name, args, header } = request;
    let args: usize = args.iter().map(Payload::size).sum();
    let header: usize = header.iter().map(|(name, payload)| name.len() + payload.size()).sum();
    update_id.len() + identity.len() + name.len() + args + header
}
