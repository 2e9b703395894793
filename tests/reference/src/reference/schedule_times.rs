//! The times of a schedule: at equal distances from 1970 on.

use std::time::Duration;

use tidegate_engine::ScheduleSpec;
use tidegate_model::time::Timestamp;

/// The times after this one.
pub(super) fn after(spec: &ScheduleSpec, after: Timestamp) -> impl Iterator<Item = Timestamp> + use<> {
    let interval = spec.interval[0];
    let (every, phase) = (interval.interval.as_secs(), interval.phase.unwrap_or_default().as_secs());
    let end = spec.end_time;
    let since = after.saturating_since(Timestamp::EPOCH).as_micros();
    // The first n with n · every + phase beyond, in whole seconds.
    let seconds = u64::try_from(since / 1_000_000).expect("a time of this century");
    let first = (seconds + 1).saturating_sub(phase).div_ceil(every);
    (first..)
        .map(move |n| Timestamp::EPOCH + Duration::from_secs(n * every + phase))
        .take_while(move |time| end.is_none_or(|end| *time <= end))
}
