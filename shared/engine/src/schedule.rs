//! What times a schedule names: the spec as Temporal's API has it, its canonical form, and the next time after a given
//! one. Pure calendar arithmetic; what is done at those times is no concern of this module.
//!
//! A calendar matches **literally**, as Temporal's does: an instant is taken when the clock on the wall of the named
//! zone shows what the fields say. So a daily 02:30 does not happen on the day that has no 02:30, and a daily 01:30
//! happens twice on the day that has two. Leap seconds do not exist.

mod spec;
mod text;
mod duration;
mod calendar;
mod civil;
mod zone;
mod times;
#[cfg(test)]
mod tests;

pub(crate) use calendar::{Calendar, last_year_of, mask};
pub use duration::parse as parse_duration;
pub use spec::{CalendarSpec, FieldRange, IntervalSpec, ScheduleSpec, SpecError, StructuredCalendarSpec};
pub use times::{SearchLimit, SpecTime, SpecTimes};
pub(crate) use zone::Zone;
