//! The next time of a spec. A function of the spec alone: the same on every machine and at every replay.

use tidegate_model::chance::Chance;
use tidegate_model::limits::SCHEDULE_SEARCH_STEPS_MAX;
use tidegate_model::time::Timestamp;

use super::calendar::{Calendar, mask};
use super::spec::{FieldRange, ScheduleSpec, SpecError, StructuredCalendarSpec, YEAR_MAX, YEAR_MIN};
use super::zone::Zone;

/// One time of a spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecTime {
    /// As the calendar or interval says; whole seconds.
    pub nominal: Timestamp,
    /// With its jitter, whole milliseconds later: when it is due.
    pub actual: Timestamp,
}

/// A search that took `SCHEDULE_SEARCH_STEPS_MAX` steps and found only times that are excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the spec excludes nearly all of its times: none is left among the next SCHEDULE_SEARCH_STEPS_MAX = \
     {SCHEDULE_SEARCH_STEPS_MAX}"
)]
pub struct SearchLimit;

/// A spec made ready for searching.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecTimes {
    zone: Zone,
    sources: Vec<Source>,
    excluded: Vec<Calendar>,
    /// Seconds since 1970: nothing before this, …
    first: i64,
    /// … and nothing after this.
    last: i64,
    jitter_millis: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Calendar(Calendar),
    /// Both in seconds.
    Interval {
        length: i64,
        phase: i64,
    },
}

impl SpecTimes {
    /// Makes a canonical spec ready.
    ///
    /// # Errors
    /// The time zone is not known, or its definition cannot be read.
    pub fn new(spec: &ScheduleSpec) -> Result<Self, SpecError> {
        let name = &spec.timezone_name;
        let zone = if spec.timezone_data.is_empty() {
            Zone::named(name).ok_or_else(|| {
                let reason =
                    format!("{name:?} is not in the IANA database, where zones are called Europe/Berlin");
                SpecError::new("timezone_name", reason)
            })?
        } else {
            Zone::from_tzif(name, &spec.timezone_data)
                .map_err(|reason| SpecError::new("timezone_data", format!("not a TZif file: {reason}")))?
        };
        let seconds = |duration: std::time::Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        let intervals = spec.interval.iter().map(|interval| Source::Interval {
            length: seconds(interval.interval).max(1),
            phase: seconds(interval.phase.unwrap_or_default()),
        });
        let start = spec.start_time.unwrap_or(Timestamp::EPOCH).max(Timestamp::EPOCH).as_micros();
        Ok(Self {
            zone,
            sources: spec
                .structured_calendar
                .iter()
                .map(|calendar| Source::Calendar(calendar.into()))
                .chain(intervals)
                .collect(),
            excluded: spec.exclude_structured_calendar.iter().map(Calendar::from).collect(),
            first: start.div_euclid(1_000_000) + i64::from(start % 1_000_000 != 0),
            last: spec
                .end_time
                .map_or(i64::MAX, |end| end.as_micros().div_euclid(1_000_000))
                .min(SECONDS_END - 1),
            jitter_millis: u32::try_from(spec.jitter.unwrap_or_default().as_millis()).unwrap_or(u32::MAX),
        })
    }

    /// The first time whose nominal time is after `after`; its jitter follows from `seed` and from it. `None` when the
    /// spec has no more, which is so after the year 2100 in any case.
    ///
    /// # Errors
    /// [`SearchLimit`], instead of searching on among times that are excluded.
    pub fn next(&self, seed: &str, after: Timestamp) -> Result<Option<SpecTime>, SearchLimit> {
        self.after(seed, after).next().transpose()
    }

    /// The times after `after`, in order, found within one search's steps in all.
    pub(crate) fn after<'a>(&'a self, seed: &'a str, after: Timestamp) -> Upcoming<'a> {
        let from = after.as_micros().div_euclid(1_000_000).saturating_add(1).max(self.first);
        let heads = self.sources.iter().map(|source| Head { source, at: Some(i64::MIN) }).collect();
        Upcoming { times: self, seed, from, heads, steps_left: SCHEDULE_SEARCH_STEPS_MAX }
    }

    /// The first time of any source from `from` on, excluded or not.
    fn raw_next(&self, from: i64) -> Option<i64> {
        self.sources.iter().filter_map(|source| source.next(&self.zone, from)).min()
    }

    fn next_allowed(
        &self,
        source: &Source,
        from: i64,
        steps_left: &mut usize,
    ) -> Result<Option<i64>, SearchLimit> {
        let mut from = from;
        while let Some(found) = source.next(&self.zone, from).filter(|found| *found <= self.last) {
            let Some(last_excluded) = self.excluded_until(source, found) else { return Ok(Some(found)) };
            *steps_left = steps_left.checked_sub(1 + self.excluded.len()).ok_or(SearchLimit)?;
            from = last_excluded + 1;
        }
        Ok(None)
    }

    /// When a time of a source is excluded: the last instant up to which all its times are.
    fn excluded_until(&self, source: &Source, at: i64) -> Option<i64> {
        let calendar = match source {
            Source::Calendar(calendar) => Some(calendar),
            Source::Interval { .. } => None,
        };
        let local = if self.excluded.is_empty() { return None } else { at + self.zone.offset(at) };
        let hits = self.excluded.iter().filter(|excluded| excluded.matches(local));
        hits.map(|excluded| excluded.covers_until(calendar, &self.zone, at)).max()
    }

    fn jitter(&self, seed: &str, nominal: i64) -> Timestamp {
        let whole = |seconds: i64| Timestamp::from_micros(seconds.saturating_mul(1_000_000));
        if self.jitter_millis == 0 {
            return whole(nominal);
        }
        let to_next = self.raw_next(nominal + 1).map_or(i64::MAX, |next| next - nominal);
        let most =
            u64::from(self.jitter_millis).min(u64::try_from(to_next).unwrap_or(0).saturating_mul(1_000));
        whole(nominal) + std::time::Duration::from_millis(Chance::new(hash(seed, nominal)).below(most))
    }
}

/// See [`SpecTimes::after`]. Ends after a [`SearchLimit`].
pub(crate) struct Upcoming<'a> {
    times: &'a SpecTimes,
    seed: &'a str,
    from: i64,
    heads: Vec<Head<'a>>,
    steps_left: usize,
}

/// The next allowed time of one source, stale when it is before the time looked for; `None` when there is none.
struct Head<'a> {
    source: &'a Source,
    at: Option<i64>,
}

impl Iterator for Upcoming<'_> {
    type Item = Result<SpecTime, SearchLimit>;

    fn next(&mut self) -> Option<Self::Item> {
        for head in &mut self.heads {
            if head.at.is_some_and(|at| at < self.from) {
                match self.times.next_allowed(head.source, self.from, &mut self.steps_left) {
                    Ok(found) => head.at = found,
                    Err(limit) => {
                        self.heads.clear();
                        return Some(Err(limit));
                    }
                }
            }
        }
        let nominal = self.heads.iter().filter_map(|head| head.at).min()?;
        let at = Timestamp::from_micros(nominal * 1_000_000);
        self.from = nominal + 1;
        Some(Ok(SpecTime { nominal: at, actual: self.times.jitter(self.seed, nominal) }))
    }
}

/// 2101-01-01T00:00:00Z: no schedule does anything from then on.
const SECONDS_END: i64 = 4_133_980_800;

impl Source {
    fn next(&self, zone: &Zone, from: i64) -> Option<i64> {
        match self {
            Self::Calendar(calendar) => calendar.next(zone, from, i64::from(YEAR_MAX)),
            Self::Interval { length, phase } => {
                let since = (from - 1 - phase).div_euclid(*length) + 1;
                Some(since.checked_mul(*length)?.checked_add(*phase)?).filter(|at| *at < SECONDS_END)
            }
        }
    }
}

impl From<&StructuredCalendarSpec> for Calendar {
    fn from(spec: &StructuredCalendarSpec) -> Self {
        Self {
            seconds: set(&spec.second),
            minutes: set(&spec.minute),
            hours: set(&spec.hour),
            days: set(&spec.day_of_month),
            months: set(&spec.month),
            weekdays: set(&spec.day_of_week),
            years: (!spec.year.is_empty()).then(|| years(&spec.year)),
            either_day: false,
        }
    }
}

fn set(ranges: &[FieldRange]) -> u64 {
    let number = |n: i32| u32::try_from(n).unwrap_or(0);
    ranges.iter().fold(0, |set, range| set | mask(number(range.start), number(range.end), number(range.step)))
}

fn years(ranges: &[FieldRange]) -> u128 {
    let listed = ranges
        .iter()
        .flat_map(|range| (range.start..=range.end).step_by(usize::try_from(range.step).unwrap_or(1).max(1)));
    listed
        .filter(|year| (YEAR_MIN..=YEAR_MAX).contains(year))
        .fold(0, |years, year| years | 1 << (year - YEAR_MIN))
}

/// FNV-1a of the seed and the time: part of what a schedule means, so it never changes.
fn hash(seed: &str, nominal: i64) -> u64 {
    seed.bytes().chain(nominal.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
