//! What happens by itself, when its time has come.

use tidegate_engine::Ticket;
use tidegate_model::event::Event;
use tidegate_model::id::{EventId, RunId};
use tidegate_model::payload::{Failure, RetryState, TimeoutType};
use tidegate_model::time::Timestamp;

use super::Reference;
use super::run::Run;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Fires(String),
    TimesOut(TimeoutType),
}

/// Somebody who has waited long enough.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    Follow(Ticket),
    Query(Ticket, bool),
    Update(Ticket),
    Speculative(RunId),
}

impl Reference {
    /// It is now this late. Does all that is due by now.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        self.now = now;
        self.expire_polls();
        while let Some((_, alarm)) = self.next_alarm().filter(|(at, _)| *at <= now) {
            match alarm {
                Alarm::Follow(ticket) => self.end_follow(ticket),
                Alarm::Query(ticket, for_good) => self.give_up_query(ticket, for_good),
                Alarm::Update(ticket) => self.tell_standing(ticket),
                Alarm::Speculative(run_id) => self.give_up_speculative(run_id),
            }
        }
        let ids: Vec<RunId> = self.runs.keys().copied().collect();
        for run_id in ids {
            if self.is_open(run_id) && self.next_due(self.run(run_id)).is_some_and(|at| at <= now) {
                self.do_what_is_due(run_id);
            }
        }
        self.do_due_schedules();
        self.forget_what_is_over();
        self.settle();
    }

    fn next_alarm(&self) -> Option<(Timestamp, Alarm)> {
        let follow = self.next_follow_due().map(|(at, ticket)| (at, Alarm::Follow(ticket)));
        let query = self.next_query_due().map(|(at, ticket, for_good)| (at, Alarm::Query(ticket, for_good)));
        let update = self.next_update_wait_due().map(|(at, ticket)| (at, Alarm::Update(ticket)));
        let speculative = self
            .runs
            .values()
            .filter_map(|run| Some((run.speculative.as_ref()?.due()?, Alarm::Speculative(run.run_id))));
        follow.into_iter().chain(query).chain(update).chain(speculative).min()
    }

    fn do_what_is_due(&mut self, run_id: RunId) {
        if self.expire(run_id) {
            return;
        }
        let now = self.now;
        let is_first_task_due =
            |reference: &Self| reference.run(run_id).first_task_due().is_some_and(|at| at <= now);
        if is_first_task_due(self) {
            // An update does not wait for it: the task that brings one, and is out, is the first.
            self.firm_up(run_id);
            if is_first_task_due(self) {
                self.schedule_task(run_id);
            }
        }
        let run = self.run(run_id);
        let mut due: Vec<(Timestamp, EventId, What)> = Vec::new();
        due.extend(
            run.timers()
                .into_iter()
                .filter(|(_, (_, at))| *at <= now)
                .map(|(id, (name, at))| (at, id, What::Fires(name))),
        );
        due.extend(
            self.attempts_expire(run)
                .filter(|(at, _, _)| *at <= now)
                .map(|(at, id, timeout_type)| (at, id, What::TimesOut(timeout_type))),
        );
        due.sort();
        let mut arriving = Vec::new();
        for (_, id, what) in due {
            match what {
                What::Fires(timer_id) => arriving.push(Event::TimerFired { timer_id, started_event_id: id }),
                What::TimesOut(timeout_type) => {
                    arriving.extend(self.attempt_timed_out(run_id, id, timeout_type));
                }
            }
        }
        self.arrive(run_id, arriving, true);
        let task = self.run(run_id).task.clone();
        if let Some(task) = task.filter(|task| task.due().is_some_and(|at| at <= now)) {
            let timeout_type =
                if task.lease.is_some() { TimeoutType::StartToClose } else { TimeoutType::ScheduleToStart };
            self.time_out_task(run_id, timeout_type);
        }
    }

    /// Ends a run that has taken too long. The time of the whole chain ends the chain.
    fn expire(&mut self, run_id: RunId) -> bool {
        let now = self.now;
        let run = self.run(run_id);
        if run.expires().is_none_or(|at| at > now) {
            return false;
        }
        let (retry_state, successor) = if run.execution_expires().is_some_and(|at| at <= now) {
            (RetryState::Timeout, None)
        } else {
            self.after_failure(run_id, &Failure::timeout("", TimeoutType::StartToClose))
        };
        let new_execution_run_id = successor.as_ref().map(|(_, _, run_id, _)| *run_id);
        self.close(run_id, Event::WorkflowExecutionTimedOut { retry_state, new_execution_run_id });
        if let Some(successor) = successor {
            self.begin_successor(successor);
        }
        true
    }

    /// The first of its time-outs that ends, for each attempt at an activity.
    fn attempts_expire<'a>(
        &self,
        run: &'a Run,
    ) -> impl Iterator<Item = (Timestamp, EventId, TimeoutType)> + use<'a> {
        let awake_since = self.volatile.awake_since;
        run.activities().into_iter().filter_map(move |(id, scheduled)| {
            let (at, timeout_type) = run.timeouts(id, scheduled, awake_since)?;
            Some((at, id, timeout_type))
        })
    }

    fn next_due(&self, run: &Run) -> Option<Timestamp> {
        let timers = run.timers().into_values().map(|(_, at)| at);
        timers
            .chain(self.attempts_expire(run).map(|(at, _, _)| at))
            .chain(run.task.iter().filter_map(super::run::Task::due))
            .chain(run.first_task_due())
            .chain(run.expires())
            .min()
    }
}
