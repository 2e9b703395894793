//! Whoever waits for a history to go on, or to close.

use std::time::Duration;

use tidegate_engine::{HistoryStanding, Refusal, Reply, Ticket, WaitForHistory};
use tidegate_model::id::{EventId, RunId};
use tidegate_model::time::Timestamp;

use super::Reference;

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub(super) struct Wait {
    ticket: Ticket,
    run_id: RunId,
    /// For an event after this one; `None` for the close alone.
    beyond: Option<EventId>,
    until: Timestamp,
}

impl Reference {
    pub(super) fn follow(
        &mut self,
        ticket: Ticket,
        wanted: &WaitForHistory,
    ) -> Option<Result<Reply, Refusal>> {
        let run_id = match self.meant(&wanted.namespace, &wanted.workflow_id, wanted.run_id) {
            Ok(run_id) => run_id,
            Err(refusal) => return Some(Err(refusal)),
        };
        let beyond = wanted.wait_beyond.filter(|_| !wanted.until_closed);
        if wanted.wait_beyond.is_none() || self.is_reached(run_id, beyond) {
            return Some(self.standing_of(run_id));
        }
        let until = self.now + PATIENCE;
        self.volatile.history_waits.push(Wait { ticket, run_id, beyond, until });
        None
    }

    fn standing_of(&self, run_id: RunId) -> Result<Reply, Refusal> {
        let gone = || Refusal::NotFound(String::from("workflow execution not found"));
        let run = self.runs.get(&run_id).ok_or_else(gone)?;
        let last_event_id = run.history.len() as EventId;
        Ok(Reply::History(HistoryStanding { run_id, last_event_id, is_open: run.is_open() }))
    }

    fn is_reached(&self, run_id: RunId, beyond: Option<EventId>) -> bool {
        self.runs.get(&run_id).is_none_or(|run| {
            !run.is_open() || beyond.is_some_and(|beyond| run.history.len() as EventId > beyond)
        })
    }

    /// Answers those whom what has happened concerns.
    pub(super) fn settle_follows(&mut self) {
        let is_over = |wait: &Wait| self.is_reached(wait.run_id, wait.beyond);
        let over: Vec<Ticket> =
            self.volatile.history_waits.iter().filter(|wait| is_over(wait)).map(|wait| wait.ticket).collect();
        for ticket in over {
            self.end_follow(ticket);
        }
    }

    pub(super) fn end_follow(&mut self, ticket: Ticket) {
        let waits = &mut self.volatile.history_waits;
        if let Some(at) = waits.iter().position(|wait| wait.ticket == ticket) {
            let wait = waits.remove(at);
            let answer = self.standing_of(wait.run_id);
            self.reply(ticket, answer);
        }
    }

    pub(super) fn forget_follow(&mut self, ticket: Ticket) {
        self.volatile.history_waits.retain(|wait| wait.ticket != ticket);
    }

    pub(super) fn next_follow_due(&self) -> Option<(Timestamp, Ticket)> {
        self.volatile.history_waits.iter().map(|wait| (wait.until, wait.ticket)).min()
    }
}
