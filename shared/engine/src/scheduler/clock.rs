//! The calendar beside the engine's time. The engine's time never leaps, so within a boot it can be wrong by as much as
//! the wall clock was when the power came; a schedule means the clock on the wall. While nobody has set that clock,
//! schedules wait: what their catch-up window still lets through is done once it is set.

use std::time::Duration;

use tidegate_model::limits::{
    SCHEDULE_AHEAD_SECONDS_MAX, SCHEDULE_CLOCK_LOOK_SECONDS, SCHEDULE_CLOCK_SECONDS,
};
use tidegate_model::time::{ClockState, Stamp, Timestamp};

/// What the calendar shows at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CalendarTime {
    /// Its time; the engine's while the clock is not set.
    pub(super) now: Timestamp,
    /// Whether it may be acted on.
    pub(super) is_set: bool,
}

impl CalendarTime {
    pub(super) fn new(now: Timestamp, stamp: &Stamp) -> Self {
        match stamp.state {
            ClockState::Unset => Self { now, is_set: false },
            ClockState::Holdover | ClockState::Synchronised => Self { now: stamp.wall, is_set: true },
        }
    }
}

#[expect(clippy::cast_possible_wrap, reason = "an hour")]
const SET_BACK_MICROS: i64 = SCHEDULE_AHEAD_SECONDS_MAX as i64 * 1_000_000;

/// How calendar and engine time last stood to each other. Never stored: each process looks for itself.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct ClockView(Option<Seen>);

#[derive(Debug, Clone, Copy)]
struct Seen {
    now: Timestamp,
    state: ClockState,
    /// The calendar less the engine's time, in microseconds, when it was last set.
    ahead: i64,
    /// The most that it was since it was last set back.
    ahead_most: i64,
}

impl ClockView {
    /// Takes a look. Says whether the calendar may have been set back by more than a schedule may be ahead of it.
    pub(super) fn look(&mut self, now: Timestamp, stamp: &Stamp) -> bool {
        let ahead = match stamp.state {
            ClockState::Unset => None,
            ClockState::Holdover | ClockState::Synchronised => {
                Some(stamp.wall.as_micros().saturating_sub(now.as_micros()))
            }
        };
        let Some(ahead) = ahead else {
            let (ahead, ahead_most) = self.0.map_or((0, i64::MAX), |seen| (seen.ahead, seen.ahead_most));
            self.0 = Some(Seen { now, state: stamp.state, ahead, ahead_most });
            return false;
        };
        // A process that begins does not know what the calendar showed before.
        let ahead_most = self.0.map_or(i64::MAX, |seen| seen.ahead_most).max(ahead);
        let is_set_back = ahead_most.saturating_sub(ahead) > SET_BACK_MICROS;
        let ahead_most = if is_set_back { ahead } else { ahead_most };
        self.0 = Some(Seen { now, state: stamp.state, ahead, ahead_most });
        is_set_back
    }

    /// When, by the engine's time, the calendar will show `due`, or has to be looked at again before that can be said.
    pub(super) fn engine_time(&self, due: Timestamp) -> Timestamp {
        let Some(seen) = self.0 else { return due };
        let at = Timestamp::from_micros(due.as_micros().saturating_sub(seen.ahead));
        let again = |seconds| seen.now + Duration::from_secs(seconds);
        match seen.state {
            ClockState::Unset => again(SCHEDULE_CLOCK_LOOK_SECONDS),
            ClockState::Holdover => at.min(again(SCHEDULE_CLOCK_LOOK_SECONDS)),
            ClockState::Synchronised => at.min(again(SCHEDULE_CLOCK_SECONDS)),
        }
    }
}
