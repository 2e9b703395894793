//! What a source's stamp means as a time. A stamp that does not say what it means is refused, not guessed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tidegate_model::reading::SourceStamp;
use tidegate_model::time::Timestamp;

/// Whose time a window counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeOf {
    /// The stamps the source sent. A reading without one that can be understood is in no window.
    Source {
        /// What a number counts; without it numbers are refused.
        unit: Option<TimeUnit>,
        /// How far ahead of UTC a date without a zone is; without it such dates are refused.
        zone: Option<ZoneOffset>,
    },
    /// When the reading arrived.
    Gateway,
}

/// What a number since 1970-01-01T00:00:00Z counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// A fixed offset from UTC, from −23:59 to +23:59, in minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ZoneOffset {
    minutes: i16,
}

/// Why a text is not an offset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an offset from UTC")]
pub struct InvalidZoneOffset(String);

impl FromStr for ZoneOffset {
    type Err = InvalidZoneOffset;

    fn from_str(text: &str) -> Result<Self, InvalidZoneOffset> {
        let mut rest = Cursor { rest: text.as_bytes() };
        rest.offset().filter(|_| rest.rest.is_empty()).ok_or_else(|| InvalidZoneOffset(text.to_owned()))
    }
}

impl TryFrom<String> for ZoneOffset {
    type Error = InvalidZoneOffset;
    fn try_from(text: String) -> Result<Self, InvalidZoneOffset> {
        text.parse()
    }
}

impl From<ZoneOffset> for String {
    fn from(offset: ZoneOffset) -> Self {
        offset.to_string()
    }
}

impl fmt::Display for ZoneOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minutes < 0 { '-' } else { '+' };
        write!(f, "{sign}{:02}:{:02}", self.minutes.abs() / 60, self.minutes.abs() % 60)
    }
}

const MICROS: i64 = 1_000_000;

/// The time a source's stamp names; `None` when it does not say.
pub(super) fn read(
    stamp: &SourceStamp,
    unit: Option<TimeUnit>,
    zone: Option<ZoneOffset>,
) -> Option<Timestamp> {
    match stamp {
        SourceStamp::Int(count) => {
            let micros = match unit? {
                TimeUnit::Seconds => count.checked_mul(MICROS)?,
                TimeUnit::Milliseconds => count.checked_mul(1_000)?,
            };
            within(micros)
        }
        SourceStamp::Number(count) => {
            let micros = match unit? {
                TimeUnit::Seconds => count * 1e6,
                TimeUnit::Milliseconds => count * 1e3,
            };
            // Far below the 2^63 at which the conversion would saturate, so that it is exact to the microsecond.
            #[expect(clippy::cast_possible_truncation, reason = "bounded in the line below")]
            (micros.abs() < 4e17).then(|| micros.round() as i64).and_then(within)
        }
        SourceStamp::Text(text) => read_date(text, zone),
    }
}

/// Years 0 to 9999: what a date in the usual form can name, and what the arithmetic of windows cannot overflow.
fn within(micros: i64) -> Option<Timestamp> {
    (FIRST_MICROS..=LAST_MICROS).contains(&micros).then(|| Timestamp::from_micros(micros))
}

const FIRST_MICROS: i64 = days_before(0, 1, 1) * 86_400 * MICROS;
const LAST_MICROS: i64 = days_before(10_000, 1, 1) * 86_400 * MICROS - 1;

/// RFC 3339, and the forms sensors write instead: `/` for `-`, a space for `T`, no fraction or one of any length, no zone
/// (when the pipeline names one). A leap second counts as the second after it.
fn read_date(text: &str, zone: Option<ZoneOffset>) -> Option<Timestamp> {
    let mut rest = Cursor { rest: text.trim().as_bytes() };
    let year = rest.number(4)?;
    let separator = rest.one_of(b"-/")?;
    let month = rest.number(2).filter(|month| (1..=12).contains(month))?;
    rest.one_of(&[separator])?;
    let day = rest.number(2).filter(|day| (1..=days_in(year, month)).contains(day))?;
    rest.one_of(b"Tt ")?;
    let hour = rest.number(2).filter(|hour| *hour < 24)?;
    rest.one_of(b":")?;
    let minute = rest.number(2).filter(|minute| *minute < 60)?;
    let second = match rest.one_of(b":") {
        Some(_) => rest.number(2).filter(|second| *second <= 60)?,
        None => 0,
    };
    let fraction = match rest.one_of(b".,") {
        Some(_) => rest.fraction()?,
        None => 0,
    };
    let offset = if rest.rest.is_empty() { zone? } else { rest.zone()? };
    if !rest.rest.is_empty() {
        return None;
    }
    let minutes = (days_before(year, month, day) * 24 + hour) * 60 + minute - i64::from(offset.minutes);
    within((minutes * 60 + second) * MICROS + fraction)
}

struct Cursor<'t> {
    rest: &'t [u8],
}

impl Cursor<'_> {
    fn one_of(&mut self, wanted: &[u8]) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        wanted.contains(first).then(|| {
            self.rest = rest;
            *first
        })
    }

    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        number.iter().try_fold(0, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
        })
    }

    /// Microseconds; further digits are dropped.
    fn fraction(&mut self) -> Option<i64> {
        let digits = self.rest.iter().take_while(|digit| digit.is_ascii_digit()).count();
        let (fraction, rest) = self.rest.split_at(digits);
        self.rest = rest;
        (digits > 0).then(|| {
            let padded = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(6);
            padded.fold(0, |micros, digit| micros * 10 + i64::from(digit - b'0'))
        })
    }

    fn zone(&mut self) -> Option<ZoneOffset> {
        if self.one_of(b"Zz").is_some() {
            return Some(ZoneOffset { minutes: 0 });
        }
        self.offset()
    }

    fn offset(&mut self) -> Option<ZoneOffset> {
        let sign = if self.one_of(b"+-")? == b'-' { -1 } else { 1 };
        let hours = self.number(2).filter(|hours| *hours < 24)?;
        self.one_of(b":");
        let minutes = self.number(2).filter(|minutes| *minutes < 60)?;
        i16::try_from(sign * (hours * 60 + minutes)).ok().map(|minutes| ZoneOffset { minutes })
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
/// Algorithm: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
const fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn days_in(year: i64, month: i64) -> i64 {
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_before(next_year, next_month, 1) - days_before(year, month, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, zone: Option<&str>, expected: Option<&str>) {
        let zone = zone.map(|zone| zone.parse().expect("an offset"));
        let read = read(&SourceStamp::Text(text.to_owned()), None, zone);
        assert_eq!(read.map(|time| time.to_string()).as_deref(), expected, "{text}");
    }

    #[test]
    fn dates_are_read_in_any_century() {
        check("2896-10-10T00:31:25.894Z", None, Some("2896-10-10T00:31:25.894Z"));
        check("1970-01-01T00:00:03Z", None, Some("1970-01-01T00:00:03.000Z"));
        check("1969-12-31T23:59:59.999999999Z", None, Some("1969-12-31T23:59:59.999Z"));
        check("2026-11-23T19:40:31+01:00", None, Some("2026-11-23T18:40:31.000Z"));
        check("2026-11-23t19:40:31,5-0330", None, Some("2026-11-23T23:10:31.500Z"));
        check("2024-02-29 12:00Z", None, Some("2024-02-29T12:00:00.000Z"));
        check("2016-12-31T23:59:60Z", None, Some("2017-01-01T00:00:00.000Z"));
        check("9999-12-31T23:59:59Z", None, Some("9999-12-31T23:59:59.000Z"));
    }

    #[test]
    fn a_date_without_a_zone_is_refused_unless_the_pipeline_names_one() {
        check("2010/01/01 00:00:00", None, None);
        check("2010/01/01 00:00:00", Some("-08:00"), Some("2010-01-01T08:00:00.000Z"));
        check("2010-01-01T00:00:00", Some("+00:00"), Some("2010-01-01T00:00:00.000Z"));
        check("2010-01-01T00:00:00Z", Some("-08:00"), Some("2010-01-01T00:00:00.000Z"));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for wrong in [
            "",
            "yesterday",
            "2025-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-23",
            "2026-11-23T24:00:00Z",
            "2026-11/23T00:00:00Z",
            "2026-11-23T00:00:00.Z",
            "2026-11-23T00:00:00Zx",
            "2026-11-23T00:00:00+25:00",
            "@0.145080s",
            "２０２６-11-23T00:00:00Z",
            "2026-11-2",
        ] {
            check(wrong, Some("+01:00"), None);
        }
    }

    #[test]
    fn numbers_count_what_the_pipeline_says_and_nothing_is_guessed() {
        let check = |stamp: SourceStamp, unit: Option<TimeUnit>, expected: Option<i64>| {
            assert_eq!(read(&stamp, unit, None).map(Timestamp::as_micros), expected, "{stamp:?} {unit:?}");
        };
        let (s, ms) = (Some(TimeUnit::Seconds), Some(TimeUnit::Milliseconds));
        check(SourceStamp::Int(1_795_459_231), s, Some(1_795_459_231_000_000));
        check(SourceStamp::Int(1_795_459_231_123), ms, Some(1_795_459_231_123_000));
        check(SourceStamp::Number(1_754_571_280.572), s, Some(1_754_571_280_572_000));
        check(SourceStamp::Int(0), s, Some(0));
        check(SourceStamp::Int(1), None, None);
        check(SourceStamp::Int(i64::MAX), ms, None);
        check(SourceStamp::Int(1_795_459_231_123), s, None);
        for wrong in [f64::NAN, f64::INFINITY, -1e300] {
            check(SourceStamp::Number(wrong), s, None);
        }
    }

    #[test]
    fn an_offset_reads_back_as_written() {
        for text in ["+00:00", "-08:00", "+05:45", "-23:59"] {
            assert_eq!(text.parse::<ZoneOffset>().map(|offset| offset.to_string()).as_deref(), Ok(text));
        }
        for wrong in ["8", "+8:00", "UTC", "+24:00", "-08:00x"] {
            assert!(wrong.parse::<ZoneOffset>().is_err(), "{wrong}");
        }
    }
}
