//! Calendars as text: the notation of cron with labelled fields, and cron strings.

use tidegate_model::limits::SCHEDULE_TEXT_BYTES_MAX;

use super::duration;
use super::spec::{
    CalendarSpec, FieldRange, IntervalSpec, SpecError, StructuredCalendarSpec, YEAR_MAX, YEAR_MIN,
};

/// What a cron string amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cron {
    /// Fields, and the zone before them; empty for none.
    Calendar { calendar: StructuredCalendarSpec, zone: String },
    /// `@every`.
    Interval(IntervalSpec),
}

/// Reads a cron string; `path` is its name in errors.
pub(super) fn cron(path: &str, text: &str) -> Result<Cron, SpecError> {
    let wrong = |reason: &str| SpecError::new(path, format!("{text:?} {reason}"));
    short_enough(path, text)?;
    let mut rest = text.trim();
    let mut zone = "";
    if let Some(after) = rest.strip_prefix("CRON_TZ=").or_else(|| rest.strip_prefix("TZ=")) {
        let (name, fields) = after.split_once(' ').ok_or_else(|| wrong("has a time zone and no fields"))?;
        (zone, rest) = (name, fields);
    }
    let (fields, comment) = rest.split_once('#').unwrap_or((rest, ""));
    let fields = fields.trim();
    if let Some(every) = fields.strip_prefix("@every") {
        let (interval, phase) =
            every.split_once('/').map_or((every, None), |(interval, phase)| (interval, Some(phase)));
        let read = |text: &str| duration::parse(text.trim()).map_err(|reason| SpecError::new(path, reason));
        let phase = phase.map(read).transpose()?;
        return Ok(Cron::Interval(IntervalSpec { interval: read(interval)?, phase }));
    }
    let calendar = labelled(spelt_out(fields), comment.trim()).ok_or_else(|| {
        wrong("has not 5 fields (minute, hour, day of month, month, day of week), 6 (and a year) or 7 (a second first)")
    })?;
    Ok(Cron::Calendar { calendar: structured(path, &calendar)?, zone: zone.to_owned() })
}

fn spelt_out(fields: &str) -> &str {
    match fields {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        fields => fields,
    }
}

fn labelled(fields: &str, comment: &str) -> Option<CalendarSpec> {
    let fields: Vec<String> = fields.split_whitespace().take(8).map(str::to_owned).collect();
    let of = |second: String, year: String, [minute, hour, day_of_month, month, day_of_week]: [String; 5]| {
        CalendarSpec {
            second,
            minute,
            hour,
            day_of_month,
            month,
            year,
            day_of_week,
            comment: comment.to_owned(),
        }
    };
    let none = String::new;
    match <[String; 5]>::try_from(fields) {
        Ok(five) => Some(of(none(), none(), five)),
        Err(fields) => match <[String; 6]>::try_from(fields) {
            Ok([minute, hour, day, month, weekday, year]) => {
                Some(of(none(), year, [minute, hour, day, month, weekday]))
            }
            Err(fields) => match <[String; 7]>::try_from(fields) {
                Ok([second, minute, hour, day, month, weekday, year]) => {
                    Some(of(second, year, [minute, hour, day, month, weekday]))
                }
                Err(_) => None,
            },
        },
    }
}

/// The sets that a calendar's texts name; `path` is its name in errors.
pub(super) fn structured(path: &str, calendar: &CalendarSpec) -> Result<StructuredCalendarSpec, SpecError> {
    let read = |field: &Field, text: &str, default: &str| {
        let path = format!("{path}.{}", field.name);
        short_enough(&path, text)?;
        let text = if text.trim().is_empty() { default } else { text.trim() };
        field.ranges(text).map_err(|reason| SpecError::new(path, reason))
    };
    let year = if calendar.year.trim() == "*" { "" } else { calendar.year.trim() };
    Ok(StructuredCalendarSpec {
        second: read(&Field::plain("second", 0, 59), &calendar.second, "0")?,
        minute: read(&Field::plain("minute", 0, 59), &calendar.minute, "0")?,
        hour: read(&Field::plain("hour", 0, 23), &calendar.hour, "0")?,
        day_of_month: read(&Field::plain("day_of_month", 1, 31), &calendar.day_of_month, "*")?,
        month: read(&Field { names: MONTHS, ..Field::plain("month", 1, 12) }, &calendar.month, "*")?,
        // All years are no ranges.
        year: if year.is_empty() {
            Vec::new()
        } else {
            read(&Field::plain("year", YEAR_MIN, YEAR_MAX), year, "*")?
        },
        day_of_week: read(
            &Field { names: WEEKDAYS, ..Field::plain("day_of_week", 0, 7) },
            &calendar.day_of_week,
            "*",
        )?,
        comment: calendar.comment.clone(),
    })
}

fn short_enough(path: &str, text: &str) -> Result<(), SpecError> {
    if text.len() > SCHEDULE_TEXT_BYTES_MAX {
        let reason = format!("{} bytes; SCHEDULE_TEXT_BYTES_MAX is {SCHEDULE_TEXT_BYTES_MAX}", text.len());
        return Err(SpecError::new(path, reason));
    }
    Ok(())
}

/// Names in a field: the number of the first, the letters that are enough, and all of them.
struct Names {
    first: i32,
    letters: usize,
    all: &'static [&'static str],
}

const NO_NAMES: Names = Names { first: 0, letters: usize::MAX, all: &[] };
const MONTHS: Names = Names {
    first: 1,
    letters: 3,
    all: &[
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ],
};
const WEEKDAYS: Names = Names {
    first: 0,
    letters: 2,
    all: &["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"],
};

struct Field {
    name: &'static str,
    first: i32,
    last: i32,
    names: Names,
}

impl Field {
    const fn plain(name: &'static str, first: i32, last: i32) -> Self {
        Self { name, first, last, names: NO_NAMES }
    }

    fn ranges(&self, text: &str) -> Result<Vec<FieldRange>, String> {
        let mut ranges = Vec::new();
        for part in text.split(',') {
            self.range(part, &mut ranges).map_err(|reason| format!("{part:?} {reason}"))?;
        }
        Ok(ranges)
    }

    fn range(&self, part: &str, ranges: &mut Vec<FieldRange>) -> Result<(), String> {
        let (values, step) = match part.split_once('/') {
            None => (part, None),
            Some((_, step)) if step.contains('/') => return Err("has more than one slash".to_owned()),
            Some((values, step)) => {
                let step = step.parse::<i32>().ok().filter(|step| *step >= 1);
                (values, Some(step.ok_or("has a step that is not a number from 1 on")?))
            }
        };
        let (start, mut end) = match values.split_once('-') {
            None if values == "*" => (self.first, self.last),
            None => {
                let start = self.value(values, self.first)?;
                // A step without an end goes on to the last.
                (start, if step.is_some() { self.last } else { start })
            }
            Some((_, end)) if end.contains('-') => return Err("has more than one dash".to_owned()),
            Some((start, end)) => {
                let start = self.value(start, self.first)?;
                (start, self.value(end, start)?)
            }
        };
        let step = step.unwrap_or(1);
        // Sunday is 0 and 7, and a set of days of the week has only the 0.
        if self.last == 7 && end == 7 {
            let is_met = (7 - start) % step == 0;
            if is_met && (step > 1 || start > 1) {
                ranges.push(FieldRange { start: 0, end: 0, step: 1 });
            }
            if start == 7 {
                return Ok(());
            }
            end = 6;
        }
        ranges.push(FieldRange { start, end, step });
        Ok(())
    }

    /// A number or a name, from `from` to the field's last.
    fn value(&self, text: &str, from: i32) -> Result<i32, String> {
        let named = (text.len() >= self.names.letters)
            .then(|| self.names.all.iter().zip(self.names.first..).find(|(name, _)| is_beginning(text, name)))
            .flatten()
            .map(|(_, number)| number);
        let digits = || text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let value = named.or_else(digits).filter(|value| (from..=self.last).contains(value));
        value.ok_or_else(|| format!("is not in the range {from} to {}", self.last))
    }
}

fn is_beginning(text: &str, name: &str) -> bool {
    name.get(..text.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(text))
}
