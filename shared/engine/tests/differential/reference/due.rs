//! What happens by itself, when its time has come.

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

impl Reference {
    /// It is now this late. Does all that is due by now.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        self.now = now;
        self.expire_polls();
        let ids: Vec<RunId> = self.runs.keys().copied().collect();
        for run_id in ids {
            if self.run(run_id).is_open() && next_due(self.run(run_id)).is_some_and(|at| at <= now) {
                self.do_what_is_due(run_id);
            }
        }
        self.settle();
    }

    fn do_what_is_due(&mut self, run_id: RunId) {
        if self.expire(run_id) {
            return;
        }
        let now = self.now;
        if self.run(run_id).first_task_due().is_some_and(|at| at <= now) {
            self.schedule_task(run_id);
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
            attempts_expire(run)
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
        if let Some(task) = task {
            let out = task.lease.map(|(_, since, _)| since + task.timeout);
            if out.is_some_and(|at| at <= now) {
                self.time_out_task(run_id, TimeoutType::StartToClose);
            } else if out.is_none() && task.sticky_until.is_some_and(|at| at <= now) {
                self.time_out_task(run_id, TimeoutType::ScheduleToStart);
            }
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
}

/// The first of its time-outs that ends, for each attempt at an activity.
fn attempts_expire(run: &Run) -> impl Iterator<Item = (Timestamp, EventId, TimeoutType)> {
    run.activities().into_iter().filter_map(|(id, scheduled)| {
        let attempt = &run.attempts[&id];
        let of_all = scheduled
            .schedule_to_close_timeout
            .map(|timeout| (attempt.scheduled + timeout, TimeoutType::ScheduleToClose));
        let of_attempt = match &attempt.out {
            Some((_, since)) => {
                scheduled.start_to_close_timeout.map(|timeout| (*since + timeout, TimeoutType::StartToClose))
            }
            None => scheduled
                .schedule_to_start_timeout
                .map(|timeout| (attempt.waits_from + timeout, TimeoutType::ScheduleToStart)),
        };
        let (at, timeout_type) = of_all.into_iter().chain(of_attempt).min()?;
        Some((at, id, timeout_type))
    })
}

fn next_due(run: &Run) -> Option<Timestamp> {
    let timers = run.timers().into_values().map(|(_, at)| at);
    let task = run.task.iter().filter_map(|task| match &task.lease {
        Some((_, since, _)) => Some(*since + task.timeout),
        None => task.sticky_until,
    });
    timers
        .chain(attempts_expire(run).map(|(at, _, _)| at))
        .chain(task)
        .chain(run.first_task_due())
        .chain(run.expires())
        .min()
}
