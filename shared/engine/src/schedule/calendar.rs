//! One calendar: a set for each field of the wall clock, and the search for the next time that is in all of them.

use super::civil::{self, DAY_SECONDS, Date};
use super::zone::Zone;

/// Bits of the numbers `first` to `last` with a step, as far as a mask reaches.
pub(crate) fn mask(first: u32, last: u32, step: u32) -> u64 {
    (first..=last.min(63))
        .step_by(usize::try_from(step.max(1)).unwrap_or(usize::MAX))
        .fold(0, |mask, bit| mask | 1 << bit)
}

/// All of 0 to 59.
const SIXTY: u64 = (1 << 60) - 1;

/// Sets of the numbers that match, a bit each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Calendar {
    /// 0 to 59.
    pub(crate) seconds: u64,
    /// 0 to 59.
    pub(crate) minutes: u64,
    /// 0 to 23.
    pub(crate) hours: u64,
    /// Of the month, 1 to 31.
    pub(crate) days: u64,
    /// 1 to 12.
    pub(crate) months: u64,
    /// 0 to 6, 0 is Sunday.
    pub(crate) weekdays: u64,
    /// Years less 2000, 0 to 100; `None` for every year.
    pub(crate) years: Option<u128>,
    /// One of `days` and `weekdays` is enough: the rule of classic cron where both are restricted.
    pub(crate) either_day: bool,
}

/// What of the wall clock a calendar covers around a time it matches, as seen from a source of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Covered {
    Day,
    Hour,
    Minute,
    Second,
}

impl Calendar {
    /// Whether the wall clock, in seconds since 1970 of its own, shows a time of this calendar.
    pub(crate) fn matches(&self, local: i64) -> bool {
        let (day, hour, minute, second) = split(local);
        self.hours >> hour & 1 == 1
            && self.minutes >> minute & 1 == 1
            && self.seconds >> second & 1 == 1
            && self.has_day(day)
    }

    /// The first instant at or after `from` (seconds since 1970, UTC) whose wall clock in `zone` matches, in a year up
    /// to `last_year` on that clock.
    ///
    /// Between two changes of the zone's offset wall clock and instant run alike, so the search goes from change to
    /// change: a time that a change leaps over is in no stretch, one that a change repeats is in two.
    pub(crate) fn next(&self, zone: &Zone, from: i64, last_year: i64) -> Option<i64> {
        let mut from = from;
        // Of the clock on the wall: nothing matches at or after the first and before the second.
        let mut known: Option<(i64, Option<i64>)> = None;
        loop {
            let offset = zone.offset(from);
            let local = from + offset;
            let next_local = match known {
                Some((since, next)) if since <= local && next.is_none_or(|next| local <= next) => next,
                Some(_) | None => {
                    let next = self.next_local(local, last_year);
                    known = Some((local, next));
                    next
                }
            };
            let change = zone.next_change(from);
            let Some(change) =
                change.filter(|change| civil::date(change.div_euclid(DAY_SECONDS)).year <= last_year + 1)
            else {
                return next_local.map(|local| local - offset);
            };
            if let Some(next) = next_local.filter(|next| next - offset < change) {
                return Some(next - offset);
            }
            from = change;
        }
    }

    /// The last instant of which it is known, from a match at `at`, that all of `source`'s times up to it match too.
    pub(crate) fn covers_until(&self, source: Option<&Self>, zone: &Zone, at: i64) -> i64 {
        let seconds = source.map_or(SIXTY, |source| source.seconds);
        let minutes = source.map_or(SIXTY, |source| source.minutes);
        let hours = source.map_or((1 << 24) - 1, |source| source.hours);
        let within = |inner: u64, outer: u64| inner & !outer == 0;
        let covered = if !within(seconds, self.seconds) {
            Covered::Second
        } else if !within(minutes, self.minutes) {
            Covered::Minute
        } else if !within(hours, self.hours) {
            Covered::Hour
        } else {
            Covered::Day
        };
        let length = match covered {
            Covered::Second => return at,
            Covered::Minute => 60,
            Covered::Hour => 3_600,
            Covered::Day => DAY_SECONDS,
        };
        let local = at + zone.offset(at);
        let last = at + length - 1 - local.rem_euclid(length);
        // Past a change of the offset the clock on the wall shows something else.
        zone.next_change(at).map_or(last, |change| last.min(change - 1))
    }

    fn next_local(&self, from: i64, last_year: i64) -> Option<i64> {
        let (day, hour, minute, second) = split(from);
        let last_day = civil::days(Date { year: last_year, month: 12, day: 31 });
        let today = (day <= last_day && self.has_day(day)).then(|| self.time_of_day(hour, minute, second));
        if let Some(in_day) = today.flatten() {
            return Some(day * DAY_SECONDS + in_day);
        }
        let next_day = self.next_day(day + 1, last_day)?;
        Some(next_day * DAY_SECONDS + self.time_of_day(0, 0, 0)?)
    }

    fn has_day(&self, day: i64) -> bool {
        let date = civil::date(day);
        let of_month = self.days >> date.day & 1 == 1;
        let of_week = self.weekdays >> civil::weekday(day) & 1 == 1;
        self.has_year(date.year)
            && self.months >> date.month & 1 == 1
            && if self.either_day { of_month || of_week } else { of_month && of_week }
    }

    /// The first day that matches, from `from` to `last`.
    fn next_day(&self, from: i64, last: i64) -> Option<i64> {
        let first = civil::date(from);
        let last_date = civil::date(last);
        for year in (first.year..=last_date.year).filter(|year| self.has_year(*year)) {
            let first_month = if year == first.year { first.month } else { 1 };
            let last_month = if year == last_date.year { last_date.month } else { 12 };
            for month in (first_month..=last_month).filter(|month| self.months >> month & 1 == 1) {
                let first_of_month = civil::days(Date { year, month, day: 1 });
                let from_day = if year == first.year && month == first.month { first.day } else { 1 };
                let length = civil::days_in_month(year, month);
                if let Some(day) = lowest(self.month_days(civil::weekday(first_of_month), length), from_day) {
                    return Some(first_of_month + i64::from(day) - 1).filter(|day| *day <= last);
                }
            }
        }
        None
    }

    /// The days that match in a month that begins with this day of the week: bits 1 to `length`.
    fn month_days(&self, begins_with: u32, length: u32) -> u64 {
        let week = (self.weekdays >> begins_with | self.weekdays << (7 - begins_with)) & 0x7f;
        let five_weeks = (0..5).fold(0, |days, week_number| days | week << (7 * week_number)) << 1;
        let days = if self.either_day { self.days | five_weeks } else { self.days & five_weeks };
        days & mask(1, length, 1)
    }

    fn has_year(&self, year: i64) -> bool {
        let Some(years) = self.years else { return true };
        u32::try_from(year - 2000).is_ok_and(|bit| bit < u128::BITS && years >> bit & 1 == 1)
    }

    /// The first time of day at or after the one given, in seconds since midnight.
    fn time_of_day(&self, hour: u32, minute: u32, second: u32) -> Option<i64> {
        let seconds = |hour: u32, minute: u32, second: u32| i64::from(hour * 3_600 + minute * 60 + second);
        if self.hours >> hour & 1 == 1 {
            let in_minute = (self.minutes >> minute & 1 == 1).then(|| lowest(self.seconds, second)).flatten();
            if let Some(second) = in_minute {
                return Some(seconds(hour, minute, second));
            }
            if let Some(minute) = lowest(self.minutes, minute + 1) {
                return Some(seconds(hour, minute, lowest(self.seconds, 0)?));
            }
        }
        Some(seconds(lowest(self.hours, hour + 1)?, lowest(self.minutes, 0)?, lowest(self.seconds, 0)?))
    }
}

/// The lowest number of a set that is at least `from`.
fn lowest(set: u64, from: u32) -> Option<u32> {
    let rest = set & u64::MAX.checked_shl(from).unwrap_or(0);
    (rest != 0).then(|| rest.trailing_zeros())
}

/// Day since 1970, hour, minute, second.
fn split(local: i64) -> (i64, u32, u32, u32) {
    let in_day = u32::try_from(local.rem_euclid(DAY_SECONDS)).expect("a remainder of a day's seconds");
    (local.div_euclid(DAY_SECONDS), in_day / 3_600, in_day / 60 % 60, in_day % 60)
}

/// The year on the wall clock of a zone so many years after an instant.
pub(crate) fn last_year_of(zone: &Zone, at: i64, years: i64) -> i64 {
    civil::date((at + zone.offset(at)).div_euclid(DAY_SECONDS)).year + years
}
