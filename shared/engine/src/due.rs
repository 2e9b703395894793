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
    AttemptExpires,
}

impl Engine {
    /// Does all that is due in a run: after a month without power, its timers fire together and one workflow task sees
    /// them.
    pub(crate) fn run_due(&mut self, step: &mut Step<'_>, run_id: RunId) {
        let mut arriving = Vec::new();
        let mut bytes = 0;
        for (_, id, what) in due_in(self.run(run_id), step.now) {
            let events = match what {
                What::TimerFires(timer_id) => vec![Event::TimerFired { timer_id, started_event_id: id }],
                What::AttemptExpires => self.time_out_activity(step, run_id, id),
            };
            bytes += events.iter().map(|event| codec::to_cbor(event).len()).sum::<usize>();
            arriving.extend(events);
            // Thousands of activities that end at once, each with its last failure, must not make a batch that does
            // not fit the wire.
            if bytes >= BUFFERED_BYTES_MAX {
                self.arrive(step, run_id, std::mem::take(&mut arriving));
                bytes = 0;
            }
        }
        self.arrive(step, run_id, arriving);
        let task = self.run(run_id).workflow_tasks.current();
        if let Some(task) = task.filter(|task| task.is_due(step.now)) {
            let out = task.lease().is_some();
            let timeout_type = if out { TimeoutType::StartToClose } else { TimeoutType::ScheduleToStart };
            self.time_out_workflow_task(step, run_id, timeout_type);
        }
    }
}

/// In the order it was due.
fn due_in(run: &Run, now: Timestamp) -> Vec<(Timestamp, EventId, What)> {
    let fires = run.timers.due(now).map(|(at, id, timer_id)| (at, id, What::TimerFires(timer_id.to_owned())));
    let expires = run.activities.expired(now).map(|(at, id)| (at, id, What::AttemptExpires));
    let mut due: Vec<_> = fires.chain(expires).collect();
    due.sort_by_key(|(at, id, _)| (*at, *id));
    due
}
