//! The `cron_schedule` of a workflow: classic cron with five fields, and `@every`. Which run follows is decided when one
//! has closed, so runs never overlap and what was missed is not made up for.
//!
//! The notation is that of the library Temporal uses (robfig/cron v3, `ParseStandard`), the waiting time that of
//! `common/backoff/cron.go`. Against a schedule's calendars: day of month and day of week are joined by *or* where both
//! are restricted, 7 is no day of the week, names have exactly three letters.

use std::time::Duration;

use tidegate_model::limits::CRON_BYTES_MAX;
use tidegate_model::time::Timestamp;

use crate::schedule::{Calendar, Zone, last_year_of, mask, parse_duration};

/// A `cron_schedule` that can be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronSchedule(Times);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Times {
    /// At these times of a zone's clock.
    Calendar(Calendar, Zone),
    /// At multiples of this after the time the run was due, in whole seconds.
    Every(i64),
}

/// What is wrong with a `cron_schedule`, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cron_schedule {schedule:?}: {reason}")]
pub struct CronError {
    /// As it was given.
    schedule: String,
    reason: String,
}

/// A time is looked for in this year and so many more; a day that does not come by then (30 February) never does.
const YEARS_SEARCHED: i64 = 5;

impl CronSchedule {
    /// Reads one, and finds that it has a time after `now`.
    ///
    /// # Errors
    /// The field that is wrong, or that no time is in all fields.
    pub fn new(now: Timestamp, text: &str) -> Result<Self, CronError> {
        let wrong =
            |reason: String| CronError { schedule: text.chars().take(CRON_BYTES_MAX).collect(), reason };
        if text.len() > CRON_BYTES_MAX {
            return Err(wrong(format!("it has {} bytes; CRON_BYTES_MAX is {CRON_BYTES_MAX}", text.len())));
        }
        let schedule = Self(Times::parse(text).map_err(wrong)?);
        match schedule.0.next(now) {
            Some(_) => Ok(schedule),
            None => Err(wrong(format!("no time in the next {YEARS_SEARCHED} years is in all its fields"))),
        }
    }

    /// How long after `now` the next run begins, in whole seconds: at the first of its times that is not past, counted
    /// from when the last run was due (its start and the back-off that preceded its first workflow task). What lies
    /// between is left out. A workflow that is started with a cron schedule was due `now`. `None` when there is no
    /// such time.
    #[must_use]
    pub fn backoff(&self, now: Timestamp, due: Timestamp) -> Option<Duration> {
        let next = if now < due {
            due
        } else {
            match &self.0 {
                // The first that is after `due` and not before `now`.
                Times::Calendar(..) => self.0.next(due.max(now - Duration::from_micros(1)))?,
                Times::Every(seconds) => {
                    let since =
                        Timestamp::from_micros(due.as_micros().div_euclid(SECOND).saturating_mul(SECOND));
                    let elapsed = now.as_micros().saturating_sub(since.as_micros());
                    let length = seconds.saturating_mul(SECOND);
                    let whole = elapsed.div_euclid(length) + i64::from(elapsed.rem_euclid(length) != 0);
                    let next = whole.max(1).checked_mul(length)?.checked_add(since.as_micros())?;
                    Timestamp::from_micros(next)
                }
            }
        };
        let wait = next.saturating_since(now);
        Some(Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() != 0)))
    }
}

/// Microseconds.
const SECOND: i64 = 1_000_000;

impl Times {
    /// The first time after `after`.
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let from = after.as_micros().div_euclid(SECOND);
        let next = match self {
            Self::Calendar(calendar, zone) => {
                calendar.next(zone, from + 1, last_year_of(zone, from, YEARS_SEARCHED))?
            }
            Self::Every(seconds) => from.checked_add(*seconds)?,
        };
        next.checked_mul(SECOND).map(Timestamp::from_micros)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (zone, fields) = match text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ=")) {
            Some(after) => {
                let (name, fields) = after.split_once(' ').ok_or("it has a time zone and no fields")?;
                (Zone::named(name).ok_or_else(|| format!("there is no time zone {name:?}"))?, fields.trim())
            }
            None => (Zone::UTC, text),
        };
        let fields = match fields {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            _ => fields,
        };
        if let Some(every) = fields.strip_prefix("@every ") {
            let seconds = i64::try_from(parse_duration(every)?.as_secs()).unwrap_or(i64::MAX);
            return Ok(Self::Every(seconds.max(1)));
        }
        if fields.starts_with('@') {
            return Err(format!(
                "there is no {fields}; there are @yearly, @monthly, @weekly, @daily, @hourly and @every 1h30m"
            ));
        }
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let &[minute, hour, day, month, weekday] = fields.as_slice() else {
            let found = fields.len();
            return Err(format!(
                "{found} fields; it needs 5: minute, hour, day of month, month, day of week"
            ));
        };
        let (days, any_day) = MONTH_DAYS.set(day)?;
        let (weekdays, any_weekday) = WEEKDAYS.set(weekday)?;
        let calendar = Calendar {
            seconds: 1,
            minutes: MINUTES.set(minute)?.0,
            hours: HOURS.set(hour)?.0,
            days,
            months: MONTHS.set(month)?.0,
            weekdays,
            years: None,
            either_day: !any_day && !any_weekday,
        };
        Ok(Self::Calendar(calendar, zone))
    }
}

struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    /// Of the numbers from the first on.
    names: &'static [&'static str],
}

const MINUTES: Field = Field { name: "minute", first: 0, last: 59, names: &[] };
const HOURS: Field = Field { name: "hour", first: 0, last: 23, names: &[] };
const MONTH_DAYS: Field = Field { name: "day of month", first: 1, last: 31, names: &[] };
const MONTHS: Field = Field {
    name: "month",
    first: 1,
    last: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAYS: Field = Field {
    name: "day of week",
    first: 0,
    last: 6,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

impl Field {
    /// The numbers it names, and whether it names all with a star.
    fn set(&self, text: &str) -> Result<(u64, bool), String> {
        let mut set = (0, false);
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (numbers, star) =
                self.part(part).map_err(|reason| format!("{}: {part:?} {reason}", self.name))?;
            set = (set.0 | numbers, set.1 | star);
        }
        Ok(set)
    }

    fn part(&self, part: &str) -> Result<(u64, bool), String> {
        let (values, step) = match part.split_once('/') {
            None => (part, None),
            Some((_, step)) if step.contains('/') => return Err("has more than one slash".to_owned()),
            Some((values, step)) => {
                let step = step.parse::<u32>().ok().filter(|step| *step >= 1);
                (values, Some(step.ok_or("has a step that is not a number from 1 on")?))
            }
        };
        let is_star = values == "*" || values == "?";
        let (first, last) = match values.split_once('-') {
            None if is_star => (self.first, self.last),
            None => {
                let first = self.value(values, self.first)?;
                (first, if step.is_some() { self.last } else { first })
            }
            Some((_, last)) if last.contains('-') => return Err("has more than one hyphen".to_owned()),
            Some((first, last)) => {
                let first = self.value(first, self.first)?;
                (first, self.value(last, first)?)
            }
        };
        let step = step.unwrap_or(1);
        Ok((mask(first, last, step), is_star && step == 1))
    }

    fn value(&self, text: &str, from: u32) -> Result<u32, String> {
        let named = self.names.iter().zip(self.first..).find(|(name, _)| name.eq_ignore_ascii_case(text));
        let number = named.map(|(_, number)| number).or_else(|| text.parse().ok());
        let number = number.filter(|number| (from..=self.last).contains(number));
        number.ok_or_else(|| format!("is not in the range {from} to {}", self.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let parsed: jiff::Timestamp = text.parse().expect("a time of this file");
        Timestamp::from_micros(parsed.as_microsecond())
    }

    fn refused(text: &str) -> String {
        CronSchedule::new(at("2026-11-23T12:00:00Z"), text).expect_err(text).to_string()
    }

    #[test]
    fn the_wait_is_temporals() {
        let check = |text: &str, due: &str, now: &str, wait_s: u64| {
            let schedule = CronSchedule::new(at(due), text).expect(text);
            let wait = schedule.backoff(at(now), at(due));
            assert_eq!(wait, Some(Duration::from_secs(wait_s)), "{text}, due {due}, at {now}");
        };
        let first = |text: &str, now: &str, wait_s: u64| check(text, now, now, wait_s);
        first("0 10 * * *", "2018-12-17T08:00:00-08:00", 18 * 3_600);
        first("0 10 * * *", "2018-12-18T02:00:00-08:00", 24 * 3_600);
        first("0 * * * *", "2018-12-17T08:08:00Z", 52 * 60);
        first("0 * * * *", "2018-12-17T09:00:00Z", 3_600);
        first("* * * * *", "2018-12-17T08:08:18Z", 42);
        first("* * * * *", "2018-12-17T08:08:18.5Z", 42);
        first("0 3 * * 0-6", "2018-12-17T08:00:00-08:00", 11 * 3_600);
        first("@every 30s", "2020-07-17T09:00:02-01:00", 30);
        first("@every 1ms", "2020-07-17T09:00:02Z", 1);
        check("0 10 * * *", "2018-12-17T08:00:00Z", "2018-12-17T09:00:00Z", 3_600);
        check("*/10 * * * *", "2018-12-17T00:04:00Z", "2018-12-17T01:02:00Z", 8 * 60);
        check(
            "CRON_TZ=America/New_York 5 16 * * *",
            "2021-03-14T00:00:00-04:00",
            "2021-03-14T15:05:00-04:00",
            3_600,
        );
        check(
            "TZ=America/New_York 5 4 * * *",
            "2021-11-25T00:00:00-05:00",
            "2021-11-25T03:05:00-05:00",
            3_600,
        );
        // A run that closed before it was due: its own time is still to come.
        check("@every 30m", "2020-07-17T09:00:00-01:00", "2020-07-17T08:45:00-01:00", 15 * 60);
    }

    #[test]
    fn rule_27_runs_that_were_missed_are_not_made_up_for() {
        let wait = |text: &str, due: &str, now: &str| {
            let schedule = CronSchedule::new(at(due), text).expect(text);
            schedule.backoff(at(now), at(due)).expect("there is a next time").as_secs()
        };
        assert_eq!(wait("0 10 * * *", "2018-12-17T08:00:00Z", "2018-12-20T00:00:00Z"), 10 * 3_600);
        assert_eq!(wait("0 10 * * *", "2018-12-17T08:00:00Z", "2018-12-20T10:00:00Z"), 0, "just on time");
        // `@every` keeps the rhythm of the run that was due, however long ago that was.
        assert_eq!(wait("@every 5h", "2018-12-17T08:00:00Z", "2018-12-17T09:00:00Z"), 4 * 3_600);
        assert_eq!(wait("@every 5h", "2018-12-17T08:00:00Z", "2018-12-18T00:00:00Z"), 4 * 3_600);
        assert_eq!(wait("@every 30s", "2020-07-17T09:00:02-01:00", "2020-09-17T03:00:53-01:00"), 9);
        assert_eq!(wait("@every 1s", "1999-01-01T00:00:00Z", "2026-11-23T12:00:00.25Z"), 1);
    }

    #[test]
    fn calendars_are_classic_crons() {
        let check = |text: &str, after: &str, next: &str| {
            let schedule = CronSchedule::new(at(after), text).expect(text);
            assert_eq!(schedule.0.next(at(after)), Some(at(next)), "{text} after {after}");
        };
        check("0/15 * * * *", "2012-07-09T14:45:00Z", "2012-07-09T15:00:00Z");
        check("5/15 * * * *", "2012-07-09T15:21:00Z", "2012-07-09T15:35:00Z");
        check("30 08 ? Jul Sun", "2012-07-09T15:00:00Z", "2012-07-15T08:30:00Z");
        check("0 0 9 Apr-Oct ?", "2012-07-09T23:35:00Z", "2012-08-09T00:00:00Z");
        check("0 0 29 Feb ?", "2012-07-09T23:35:00Z", "2016-02-29T00:00:00Z");
        check("0 0 * feb mon/2", "2012-07-09T23:35:00Z", "2013-02-01T00:00:00Z");
        // Day of month or day of week where both are restricted, …
        check("0 0 13 * Fri", "2012-07-07T00:00:00Z", "2012-07-13T00:00:00Z");
        check("0 0 13 * Fri", "2012-08-03T00:00:00Z", "2012-08-10T00:00:00Z");
        check("0 0 */10 * Sun", "2012-07-14T00:00:00Z", "2012-07-15T00:00:00Z");
        // … and both where one of them has a star.
        check("0 0 * * Mon", "2012-07-14T00:00:00Z", "2012-07-16T00:00:00Z");
        check("0 0 1,15 * *", "2012-07-02T00:00:00Z", "2012-07-15T00:00:00Z");
        check("@monthly", "2012-07-02T00:00:00Z", "2012-08-01T00:00:00Z");
        check("CRON_TZ=Asia/Kolkata @daily", "2012-07-02T00:00:00Z", "2012-07-02T18:30:00Z");
    }

    #[test]
    fn a_time_that_the_clock_leaps_over_is_left_out_and_one_it_repeats_comes_twice() {
        let check = |text: &str, times: &[&str]| {
            let schedule = CronSchedule::new(at(times[0]), text).expect(text);
            for pair in times.windows(2) {
                assert_eq!(schedule.0.next(at(pair[0])), Some(at(pair[1])), "{text} after {}", pair[0]);
            }
        };
        check("TZ=America/New_York 0 2 * * ?", &["2012-03-11T00:00:00-05:00", "2012-03-12T02:00:00-04:00"]);
        check(
            "TZ=America/New_York 0 * * * ?",
            &["2012-03-11T01:00:00-05:00", "2012-03-11T03:00:00-04:00", "2012-03-11T04:00:00-04:00"],
        );
        check(
            "TZ=America/New_York 0 1 * * ?",
            &[
                "2012-11-04T00:00:00-04:00",
                "2012-11-04T01:00:00-04:00",
                "2012-11-04T01:00:00-05:00",
                "2012-11-05T01:00:00-05:00",
            ],
        );
        check("TZ=America/Sao_Paulo 0 9 10 * ?", &["2018-10-17T05:00:00-04:00", "2018-11-10T06:00:00-05:00"]);
    }

    #[test]
    fn what_cannot_be_followed_is_refused_with_the_field() {
        let check = |text: &str, words: &str| assert!(refused(text).contains(words), "{}", refused(text));
        check("", "0 fields; it needs 5");
        check("invalid-cron-spec", "1 fields");
        check("* * * * * *", "6 fields");
        check("60 0 * * *", "minute: \"60\" is not in the range 0 to 59");
        check("0 24 * * *", "hour: ");
        check("0 0 0 * *", "day of month: ");
        check("0 0 * 13 *", "month: ");
        check("0 0 * * 7", "day of week: \"7\" is not in the range 0 to 6");
        check("0 0 * * XYZ", "day of week: ");
        check("5-1 * * * *", "minute: \"5-1\" is not in the range 5 to 59");
        check("1-2-3 * * * *", "more than one hyphen");
        check("*/2/3 * * * *", "more than one slash");
        check("*/0 * * * *", "a step that is not a number from 1 on");
        check("@fortnightly", "there is no @fortnightly");
        check("@every soon", "not a duration");
        check("CRON_TZ=Europe/Atlantis * * * * *", "no time zone \"Europe/Atlantis\"");
        check("CRON_TZ=Europe/Berlin", "no fields");
        check("0 0 31 2 *", "no time in the next 5 years");
        check(&"*".repeat(1_001), "CRON_BYTES_MAX is 1000");
    }
}
