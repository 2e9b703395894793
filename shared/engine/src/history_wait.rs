//! Waits for history: whoever follows a run is told when there is more of it, or when there will be no more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidegate_model::id::{EventId, Namespace, RunId, WorkflowId};
use tidegate_model::limits::{HISTORY_WAIT_SECONDS_MAX, HISTORY_WAITS_MAX};
use tidegate_model::time::Timestamp;

use crate::alarms::Alarm;
use crate::engine::{Effect, Engine, Step};
use crate::request::{HistoryStanding, Refusal, Reply, Ticket, WaitForHistory};

/// Those who wait.
#[derive(Debug, Default)]
pub(crate) struct HistoryWaits {
    tickets: BTreeMap<Ticket, Wait>,
    runs: BTreeMap<RunId, BTreeSet<Ticket>>,
}

#[derive(Debug)]
struct Wait {
    run_id: RunId,
    /// For an event after this one; `None` for the close alone.
    beyond: Option<EventId>,
    until: Timestamp,
}

impl HistoryWaits {
    fn put(&mut self, ticket: Ticket, wait: Wait) {
        self.runs.entry(wait.run_id).or_default().insert(ticket);
        self.tickets.insert(ticket, wait);
    }

    fn take(&mut self, ticket: Ticket) -> Option<Wait> {
        let wait = self.tickets.remove(&ticket)?;
        if let Some(tickets) = self.runs.get_mut(&wait.run_id) {
            tickets.remove(&ticket);
            if tickets.is_empty() {
                self.runs.remove(&wait.run_id);
            }
        }
        Some(wait)
    }
}

impl Engine {
    pub(crate) fn wait_for_history(
        &mut self,
        step: &Step<'_>,
        ticket: Ticket,
        wanted: &WaitForHistory,
    ) -> Option<Result<Reply, Refusal>> {
        let WaitForHistory { namespace, workflow_id, run_id, wait_beyond, until_closed } = wanted;
        let standing = match self.standing_of(namespace, workflow_id, *run_id) {
            Ok(standing) => standing,
            Err(refusal) => return Some(Err(refusal)),
        };
        let Some(beyond) = *wait_beyond else { return Some(Ok(Reply::History(standing))) };
        let beyond = (!until_closed).then_some(beyond);
        if is_over(standing, beyond) {
            return Some(Ok(Reply::History(standing)));
        }
        if self.history_waits.tickets.len() >= HISTORY_WAITS_MAX {
            let message = format!("{HISTORY_WAITS_MAX} requests wait for history");
            return Some(Err(Refusal::ResourceExhausted { limit: "HISTORY_WAITS_MAX", message }));
        }
        let until = step.now + Duration::from_secs(HISTORY_WAIT_SECONDS_MAX);
        self.alarms.put(until, Alarm::HistoryWait(ticket));
        self.history_waits.put(ticket, Wait { run_id: standing.run_id, beyond, until });
        None
    }

    /// A run has changed: answers those whom that concerns.
    pub(crate) fn answer_history_waits(&mut self, step: &mut Step<'_>, run_id: RunId) {
        let Some(tickets) = self.history_waits.runs.get(&run_id) else { return };
        let standing = self.standing(run_id);
        let over: Vec<Ticket> = tickets
            .iter()
            .filter(|ticket| {
                let wait = self.history_waits.tickets.get(ticket);
                wait.is_none_or(|wait| standing.is_none_or(|standing| is_over(standing, wait.beyond)))
            })
            .copied()
            .collect();
        for ticket in over {
            self.answer_history_wait(step, ticket);
        }
    }

    /// Answers one with how things are.
    pub(crate) fn answer_history_wait(&mut self, step: &mut Step<'_>, ticket: Ticket) {
        let Some(run_id) = self.forget_history_wait(ticket) else { return };
        let reply = self.standing(run_id).map(Reply::History);
        let gone = || Refusal::NotFound(format!("workflow execution not found: run {run_id}"));
        step.effects.push(Effect::Reply { ticket, reply: reply.ok_or_else(gone) });
    }

    /// Whoever waited has gone, or is answered. Gives the run.
    pub(crate) fn forget_history_wait(&mut self, ticket: Ticket) -> Option<RunId> {
        let wait = self.history_waits.take(ticket)?;
        self.alarms.take(wait.until, Alarm::HistoryWait(ticket));
        Some(wait.run_id)
    }

    fn standing_of(
        &self,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Result<HistoryStanding, Refusal> {
        let found = self.find_any(namespace, workflow_id, run_id)?;
        Ok(self.standing(found).expect("a run that was found is open or remembered"))
    }

    fn standing(&self, run_id: RunId) -> Option<HistoryStanding> {
        let open = self.run_if_open(run_id).map(|run| (run.history_length(), true));
        let closed = || self.closed.get(run_id).map(|closed| (closed.summary.history_length, false));
        let (last_event_id, is_open) = open.or_else(closed)?;
        Some(HistoryStanding { run_id, last_event_id, is_open })
    }
}

fn is_over(standing: HistoryStanding, beyond: Option<EventId>) -> bool {
    !standing.is_open || beyond.is_some_and(|beyond| standing.last_event_id > beyond)
}
