//! What a schedule's times are made of, in the names of Temporal's API, and the canonical form that a schedule is kept
//! and shown in.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::limits::{
    SCHEDULE_COMMENT_BYTES_MAX, SCHEDULE_RANGES_MAX, SCHEDULE_SPEC_ENTRIES_MAX, TIMEZONE_DATA_BYTES_MAX,
};
use tidegate_model::time::Timestamp;

use super::text;
use super::times::SpecTimes;

/// The times of a schedule: everything its calendars and intervals name, less what the exclusions name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ScheduleSpec {
    /// Times on the wall clock, a set for each field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub structured_calendar: Vec<StructuredCalendarSpec>,
    /// Times in cron's notation: 5 fields from the minute on, 6 with a year, 7 with seconds in front; `@hourly`,
    /// `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually`; `@every 1h/5m` for an interval with a
    /// phase; `CRON_TZ=` or `TZ=` before the fields, a comment after `#`. Empty in the canonical form.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cron_string: Vec<String>,
    /// Times on the wall clock, as text. Empty in the canonical form.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calendar: Vec<CalendarSpec>,
    /// Times at equal distances.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interval: Vec<IntervalSpec>,
    /// Times that are left out, as text. Empty in the canonical form.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude_calendar: Vec<CalendarSpec>,
    /// Times that are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude_structured_calendar: Vec<StructuredCalendarSpec>,
    /// Nothing before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// Nothing after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    /// Each time is put off by chance, by up to this and never past the one that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Duration>,
    /// Whose clock the calendars mean: a name of the IANA database; empty is UTC.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub timezone_name: String,
    /// The definition of the zone in place of the database's: the bytes of a TZif file; empty for none.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "serde_bytes")]
    pub timezone_data: Vec<u8>,
}

/// Times on the wall clock: those that are in each of the sets. An empty set matches nothing, but for the year, where
/// it matches all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StructuredCalendarSpec {
    /// 0 to 59.
    pub second: Vec<FieldRange>,
    /// 0 to 59.
    pub minute: Vec<FieldRange>,
    /// 0 to 23.
    pub hour: Vec<FieldRange>,
    /// 1 to 31.
    pub day_of_month: Vec<FieldRange>,
    /// 1 to 12.
    pub month: Vec<FieldRange>,
    /// 2000 to 2100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub year: Vec<FieldRange>,
    /// 0 to 6, Sunday to Saturday.
    pub day_of_week: Vec<FieldRange>,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// Every `step`th number from `start` to `end`, both among them. In the canonical form `end` is not below `start` and
/// `step` not below 1; on input 0 stands for "as `start`" and for 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FieldRange {
    /// The first.
    pub start: i32,
    /// The last, if the step meets it.
    pub end: i32,
    /// The distance.
    pub step: i32,
}

/// Times on the wall clock, as text: `*`, `7`, `1-5`, `*/10`, `3-59/15`, and lists of these. Names and their beginnings
/// stand for months (three letters) and days of the week (two letters); 7 is Sunday too. What is empty has a default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CalendarSpec {
    /// Default `0`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub second: String,
    /// Default `0`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub minute: String,
    /// Default `0`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hour: String,
    /// Default `*`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub day_of_month: String,
    /// Default `*`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub month: String,
    /// Default `*`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub year: String,
    /// Default `*`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub day_of_week: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// The times 1970 + n · `interval` + `phase`, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IntervalSpec {
    /// At least a second.
    pub interval: Duration,
    /// Less than the interval; `None` is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Duration>,
}

/// What is wrong with a spec: the field, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct SpecError {
    /// By its path, as in `structured_calendar[0].hour[1].end`.
    pub field: String,
    /// In words.
    pub reason: String,
}

impl SpecError {
    pub(super) fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

/// First year a calendar can name (Temporal's `minCalendarYear`).
pub(super) const YEAR_MIN: i32 = 2000;
/// Last year in which a schedule does anything (Temporal's `maxCalendarYear`).
pub(super) const YEAR_MAX: i32 = 2100;

impl ScheduleSpec {
    /// The same times in the form that is kept and shown: text has become calendars and intervals, ranges are spelt
    /// out, and a zone that cron strings name has become the spec's. A canonical spec is its own canonical form.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn canonical(&self) -> Result<Self, SpecError> {
        let mut spec = Self {
            cron_string: Vec::new(),
            calendar: Vec::new(),
            exclude_calendar: Vec::new(),
            ..self.clone()
        };
        let entries = self.structured_calendar.len()
            + self.cron_string.len()
            + self.calendar.len()
            + self.interval.len()
            + self.exclude_calendar.len()
            + self.exclude_structured_calendar.len();
        if entries > SCHEDULE_SPEC_ENTRIES_MAX {
            let reason = format!(
                "{entries} calendars, cron strings, intervals and exclusions; SCHEDULE_SPEC_ENTRIES_MAX is \
                 {SCHEDULE_SPEC_ENTRIES_MAX}"
            );
            return Err(SpecError::new("spec", reason));
        }
        for (number, calendar) in self.calendar.iter().enumerate() {
            spec.structured_calendar.push(text::structured(&format!("calendar[{number}]"), calendar)?);
        }
        for (number, calendar) in self.exclude_calendar.iter().enumerate() {
            let field = format!("exclude_calendar[{number}]");
            spec.exclude_structured_calendar.push(text::structured(&field, calendar)?);
        }
        spec.take_cron_strings(&self.cron_string)?;
        for (list, calendars) in [
            ("structured_calendar", &mut spec.structured_calendar),
            ("exclude_structured_calendar", &mut spec.exclude_structured_calendar),
        ] {
            for (number, calendar) in calendars.iter_mut().enumerate() {
                calendar.spell_out(&format!("{list}[{number}]"))?;
            }
        }
        for (number, interval) in spec.interval.iter().enumerate() {
            interval.check(&format!("interval[{number}]"))?;
        }
        if spec.timezone_data.len() > TIMEZONE_DATA_BYTES_MAX {
            let bytes = spec.timezone_data.len();
            let reason = format!("{bytes} bytes; TIMEZONE_DATA_BYTES_MAX is {TIMEZONE_DATA_BYTES_MAX}");
            return Err(SpecError::new("timezone_data", reason));
        }
        SpecTimes::new(&spec)?;
        Ok(spec)
    }

    fn take_cron_strings(&mut self, cron_strings: &[String]) -> Result<(), SpecError> {
        let mut zone: Option<String> = None;
        for (number, cron_string) in cron_strings.iter().enumerate() {
            let field = format!("cron_string[{number}]");
            match text::cron(&field, cron_string)? {
                text::Cron::Interval(interval) => {
                    interval.check(&field)?;
                    self.interval.push(interval);
                }
                text::Cron::Calendar { calendar, zone: named } => {
                    if let Some(other) = zone.as_ref().filter(|zone| **zone != named) {
                        let reason =
                            format!("its time zone is {named:?}, that of another cron string {other:?}");
                        return Err(SpecError::new(field, reason));
                    }
                    zone = Some(named);
                    self.structured_calendar.push(calendar);
                }
            }
        }
        let Some(zone) = zone.filter(|zone| !zone.is_empty()) else { return Ok(()) };
        if !self.timezone_data.is_empty() || !self.timezone_name.is_empty() && self.timezone_name != zone {
            let reason =
                format!("the cron strings name the time zone {zone:?}, and the spec names one of its own");
            return Err(SpecError::new("timezone_name", reason));
        }
        self.timezone_name = zone;
        Ok(())
    }
}

impl StructuredCalendarSpec {
    fn spell_out(&mut self, path: &str) -> Result<(), SpecError> {
        for (name, ranges, first, last) in [
            ("second", &mut self.second, 0, 59),
            ("minute", &mut self.minute, 0, 59),
            ("hour", &mut self.hour, 0, 23),
            ("day_of_month", &mut self.day_of_month, 1, 31),
            ("month", &mut self.month, 1, 12),
            ("year", &mut self.year, YEAR_MIN, YEAR_MAX),
            ("day_of_week", &mut self.day_of_week, 0, 6),
        ] {
            if ranges.len() > SCHEDULE_RANGES_MAX {
                let reason = format!("{} ranges; SCHEDULE_RANGES_MAX is {SCHEDULE_RANGES_MAX}", ranges.len());
                return Err(SpecError::new(format!("{path}.{name}"), reason));
            }
            for (number, range) in ranges.iter_mut().enumerate() {
                range.spell_out(&format!("{path}.{name}[{number}]"), first, last)?;
            }
        }
        if self.comment.len() > SCHEDULE_COMMENT_BYTES_MAX {
            let bytes = self.comment.len();
            let reason = format!("{bytes} bytes; SCHEDULE_COMMENT_BYTES_MAX is {SCHEDULE_COMMENT_BYTES_MAX}");
            return Err(SpecError::new(format!("{path}.comment"), reason));
        }
        Ok(())
    }
}

impl FieldRange {
    fn spell_out(&mut self, path: &str, first: i32, last: i32) -> Result<(), SpecError> {
        if !(first..=last).contains(&self.start) {
            let reason = format!("{} is not in the range {first} to {last}", self.start);
            return Err(SpecError::new(format!("{path}.start"), reason));
        }
        if self.end != 0 && !(self.start..=last).contains(&self.end) {
            let reason = format!("{} is not in the range {} (its start) to {last}", self.end, self.start);
            return Err(SpecError::new(format!("{path}.end"), reason));
        }
        if self.step < 0 {
            return Err(SpecError::new(format!("{path}.step"), format!("{} is below 0", self.step)));
        }
        self.end = self.end.max(self.start);
        self.step = self.step.max(1);
        Ok(())
    }
}

impl IntervalSpec {
    fn check(&self, path: &str) -> Result<(), SpecError> {
        if self.interval < Duration::from_secs(1) {
            let reason = format!("{:?} is less than a second", self.interval);
            return Err(SpecError::new(format!("{path}.interval"), reason));
        }
        if let Some(phase) = self.phase.filter(|phase| *phase >= self.interval) {
            let reason = format!("{phase:?} is not less than the interval, which is {:?}", self.interval);
            return Err(SpecError::new(format!("{path}.phase"), reason));
        }
        Ok(())
    }
}
