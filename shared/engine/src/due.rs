//! What happens by itself in a run: all that is due, in one transition.

use tidegate_model::codec;
use tidegate_model::event::Event;
use tidegate_model::id::{EventId, RunId};
use tidegate_model::limits::BUFFERED_BYTES_MAX;
use tidegate_model::payload::TimeoutType;
use tidegate_model::time::Timestamp;

use crate::engine::{Engine, Step};
use crate::run::Run;

enum What {
    /// Under this name.
    TimerFires(String),
    ActivityTimesOut(TimeoutType),
}

impl Engine {
    /// Does all that is due in a run: after a month without power, its timers fire together and one workflow task sees
    /// them. Thousands of activities that end at once, each with its last failure, are more than a commit holds: then
    /// the rest stays due. Gives the bytes of what came of it.
    pub(crate) fn run_due(&mut self, step: &mut Step<'_>, run_id: RunId) -> usize {
        // Whatever else was due in a run that is over, nobody is there to see it.
        if let Some(bytes) = self.expire(step, run_id) {
            return bytes;
        }
        self.schedule_first_task(step, run_id);
        let mut arriving = Vec::new();
        let mut bytes = 0;
        for (_, id, what) in due_in(self.run(run_id), step.now, self.index.awake_since()) {
            if bytes >= BUFFERED_BYTES_MAX {
                self.arrive(step, run_id, arriving);
                return bytes;
            }
            let before = step.records.len();
            let events = match what {
                What::TimerFires(timer_id) => vec![Event::TimerFired { timer_id, started_event_id: id }],
                What::ActivityTimesOut(timeout_type) => {
                    self.time_out_activity(step, run_id, id, timeout_type)
                }
            };
            bytes += events.iter().map(|event| codec::to_cbor(event).len()).sum::<usize>();
            bytes += step.records[before..].iter().map(|record| codec::to_cbor(record).len()).sum::<usize>();
            arriving.extend(events);
        }
        self.arrive(step, run_id, arriving);
        let task = self.run(run_id).workflow_tasks.current();
        if let Some(task) = task.filter(|task| task.is_due(step.now)) {
            let out = task.lease().is_some();
            let timeout_type = if out { TimeoutType::StartToClose } else { TimeoutType::ScheduleToStart };
            self.time_out_workflow_task(step, run_id, timeout_type);
        }
        bytes
    }
}

/// In the order it was due.
fn due_in(run: &Run, now: Timestamp, awake_since: Option<Timestamp>) -> Vec<(Timestamp, EventId, What)> {
    let fires = run.timers.due(now).map(|(at, id, timer_id)| (at, id, What::TimerFires(timer_id.to_owned())));
    let expired = run.activities.expired(now, awake_since);
    let expires = expired.map(|(at, id, timeout_type)| (at, id, What::ActivityTimesOut(timeout_type)));
    let mut due: Vec<_> = fires.chain(expires).collect();
    due.sort_by_key(|(at, id, _)| (*at, *id));
    due
}
