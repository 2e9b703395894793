//! The calendar beside the engine's time. The engine's time never leaps, so within a boot it can be wrong by as much as
//! the wall clock was when the power came; a schedule means the clock on the wall. While nobody has set that clock,
//! schedules wait: what their catch-up window still lets through is done once it is set.

use std::time::Duration;

use tidegate_model::limits::{SCHEDULE_CLOCK_LOOK_SECONDS, SCHEDULE_CLOCK_SECONDS};
use tidegate_model::time::{ClockState, Stamp, Timestamp};

/// What the calendar shows at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Calendar {
    /// Its time; the engine's while the clock is not set.
    pub(super) now: Timestamp,
    /// Whether it may be acted on.
    pub(super) is_set: bool,
}

impl Calendar {
    pub(super) fn new(now: Timestamp, stamp: &Stamp) -> Self {
        match stamp.state {
            ClockState::Unset => Self { now, is_set: false },
            ClockState::Holdover | ClockState::Synchronised => Self { now: stamp.wall, is_set: true },
        }
    }
}

/// How calendar and engine time last stood to each other. Never stored: each process looks for itself.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct LastLook(Option<Look>);

#[derive(Debug, Clone, Copy)]
struct Look {
    now: Timestamp,
    state: ClockState,
    /// The calendar less the engine's time, in microseconds; of the last look at a set clock.
    ahead: i64,
}

impl LastLook {
    /// Takes a look. Says whether the calendar may have been set back since the last.
    pub(super) fn look(&mut self, now: Timestamp, stamp: &Stamp) -> bool {
        let ahead = match stamp.state {
            ClockState::Unset => None,
            ClockState::Holdover | ClockState::Synchronised => {
                Some(stamp.wall.as_micros().saturating_sub(now.as_micros()))
            }
        };
        let before = self.0.filter(|look| look.state != ClockState::Unset).map(|look| look.ahead);
        self.0 = Some(Look { now, state: stamp.state, ahead: ahead.or(before).unwrap_or(0) });
        // A process that begins does not know what the calendar showed before.
        ahead.is_some_and(|ahead| before.is_none_or(|before| ahead < before))
    }

    /// When, by the engine's time, the calendar will show `due`, or has to be looked at again before that can be said.
    pub(super) fn engine_time(&self, due: Timestamp) -> Timestamp {
        let Some(look) = self.0 else { return due };
        let at = Timestamp::from_micros(due.as_micros().saturating_sub(look.ahead));
        let again = |seconds| look.now + Duration::from_secs(seconds);
        match look.state {
            ClockState::Unset => again(SCHEDULE_CLOCK_LOOK_SECONDS),
            ClockState::Holdover => at.min(again(SCHEDULE_CLOCK_LOOK_SECONDS)),
            ClockState::Synchronised => at.min(again(SCHEDULE_CLOCK_SECONDS)),
        }
    }
}
