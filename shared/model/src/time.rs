//! Time with its doubt. Nothing here reads a clock: stamps are taken at the edge and passed in.
//!
//! Three kinds of time, never mixed: the kernel's monotonic boot time (durations), the wall clock as it stood (raw,
//! never rewritten), and the engine's [`Timestamp`], which never goes back and never leaps.

use core::fmt;
use core::ops::{Add, RangeInclusive, Sub};
use core::str::FromStr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::BootId;

/// UTC in microseconds since 1970-01-01T00:00:00Z, leap seconds not counted. Spans ±292,000 years, so that a
/// recording dated 2896 is an ordinary value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// Later than every other.
    pub const MAX: Self = Self(i64::MAX);

    /// Microseconds since 1970, UTC.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970, UTC.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970, UTC, rounded towards the past.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Time since `earlier`, zero when `earlier` is later.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    /// Year, month, day, hour, minute, second, microsecond of the proleptic Gregorian calendar in UTC.
    /// Algorithm: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
    #[must_use]
    fn civil(self) -> (i64, u8, u8, u8, u8, u8, u32) {
        const DAY: i64 = 86_400_000_000;
        let days = self.0.div_euclid(DAY);
        let in_day = self.0.rem_euclid(DAY);
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let day_of_era = z.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let mp = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let second = in_day / 1_000_000;
        let narrow = |n: i64| u8::try_from(n).expect("calendar fields are below 60");
        (
            year,
            narrow(month),
            narrow(day),
            narrow(second / 3_600),
            narrow(second / 60 % 60),
            narrow(second % 60),
            u32::try_from(in_day % 1_000_000).expect("a remainder of a million"),
        )
    }
}

/// RFC 3339 in UTC with milliseconds (`2026-11-23T18:40:31.123Z`).
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day, hour, minute, second, micros) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", micros / 1_000)
    }
}

/// Why a text is not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidTime;

impl fmt::Display for InvalidTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time is written as RFC 3339 says: 2026-11-23T18:40:31.123Z, or with an offset, +02:00")
    }
}

impl core::error::Error for InvalidTime {}

/// RFC 3339. Digits of the second beyond the sixth are cut off; a leap second is not understood.
impl FromStr for Timestamp {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let mut rest = text.as_bytes();
        let year = digits(&mut rest, 4, 0..=9_999)?;
        expect(&mut rest, b"-")?;
        let month = digits(&mut rest, 2, 1..=12)?;
        expect(&mut rest, b"-")?;
        let day = digits(&mut rest, 2, 1..=days_in(year, month))?;
        expect(&mut rest, b"Tt ")?;
        let hour = digits(&mut rest, 2, 0..=23)?;
        expect(&mut rest, b":")?;
        let minute = digits(&mut rest, 2, 0..=59)?;
        expect(&mut rest, b":")?;
        let second = digits(&mut rest, 2, 0..=59)?;
        let micros = fraction(&mut rest)?;
        let offset_minutes = offset(rest)?;
        let minutes = (days_since_1970(year, month, day) * 24 + hour) * 60 + minute - offset_minutes;
        Ok(Self((minutes * 60 + second) * 1_000_000 + micros))
    }
}

/// Takes so many digits off the front.
fn digits(rest: &mut &[u8], count: usize, range: RangeInclusive<i64>) -> Result<i64, InvalidTime> {
    let (taken, left) = rest.split_at_checked(count).ok_or(InvalidTime)?;
    *rest = left;
    let mut value = 0;
    for digit in taken {
        value = value * 10 + i64::from(char::from(*digit).to_digit(10).ok_or(InvalidTime)?);
    }
    if range.contains(&value) { Ok(value) } else { Err(InvalidTime) }
}

/// Takes one of these off the front.
fn expect(rest: &mut &[u8], any_of: &[u8]) -> Result<(), InvalidTime> {
    let (first, left) = rest.split_first().ok_or(InvalidTime)?;
    *rest = left;
    if any_of.contains(first) { Ok(()) } else { Err(InvalidTime) }
}

/// The part of a second, in microseconds; 0 where there is none.
fn fraction(rest: &mut &[u8]) -> Result<i64, InvalidTime> {
    let Some(after) = rest.strip_prefix(b".") else { return Ok(0) };
    let count = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return Err(InvalidTime);
    }
    let (taken, left) = after.split_at(count);
    *rest = left;
    let places = taken.iter().chain(&[b'0'; 6]).take(6);
    Ok(places.fold(0, |micros, digit| micros * 10 + i64::from(digit - b'0')))
}

/// `Z` or `+hh:mm`, in minutes east; nothing may follow.
fn offset(mut rest: &[u8]) -> Result<i64, InvalidTime> {
    let east = match rest {
        b"Z" | b"z" => return Ok(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return Err(InvalidTime),
    };
    rest = &rest[1..];
    let hours = digits(&mut rest, 2, 0..=23)?;
    expect(&mut rest, b":")?;
    let minutes = digits(&mut rest, 2, 0..=59)?;
    if rest.is_empty() { Ok(east * (hours * 60 + minutes)) } else { Err(InvalidTime) }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Algorithm: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros))
    }
}

/// What is known of the wall clock, as the kernel states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockState {
    /// Never set in this boot and below the floor: no RTC, or an RTC that lost its battery.
    #[default]
    Unset,
    /// Plausible, but the kernel is not disciplined by a time source: an RTC, or a source that was lost.
    Holdover,
    /// Disciplined; the stamp's error bound holds.
    Synchronised,
}

/// One look at the clocks: raw values, never rewritten. UTC is derived from these and can be corrected later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Which boot the boot time belongs to.
    #[serde(rename = "b")]
    pub boot: BootId,
    /// CLOCK_BOOTTIME in nanoseconds: runs through suspend, never steps.
    #[serde(rename = "n")]
    pub boottime_ns: u64,
    /// CLOCK_REALTIME as it stood, right or wrong.
    #[serde(rename = "w")]
    pub wall: Timestamp,
    /// What the kernel said of the wall clock.
    #[serde(rename = "s")]
    pub state: ClockState,
    /// Bound on the wall clock's error in microseconds (`timex.maxerror`); `None` when there is none to state.
    #[serde(rename = "e")]
    pub error_us: Option<u32>,
}

impl Stamp {
    /// The same look, had it been taken `ns` nanoseconds later (negative: earlier) on the same undisturbed clocks.
    #[must_use]
    pub fn shifted(self, ns: i64) -> Self {
        Self {
            boottime_ns: self.boottime_ns.saturating_add_signed(ns),
            wall: Timestamp(self.wall.0.saturating_add(ns.div_euclid(1_000))),
            ..self
        }
    }
}

/// The engine's time: derived from boot time, so that a stepped wall clock neither fires nor delays a timer.
///
/// Within a boot it advances with boot time alone. At a boot it takes up the wall clock, but never below the floor
/// (the last time persisted, or the build): a gateway that boots in 1970 goes on from where it was.
#[derive(Debug, Clone)]
pub struct SteadyClock {
    floor: Timestamp,
    base: Option<Base>,
}

#[derive(Debug, Clone, Copy)]
struct Base {
    boot: BootId,
    boottime_ns: u64,
    time: Timestamp,
}

impl SteadyClock {
    /// A clock that never shows less than `floor`.
    #[must_use]
    pub fn new(floor: Timestamp) -> Self {
        Self { floor, base: None }
    }

    /// The engine's time at `stamp`. Never less than what it gave before.
    pub fn at(&mut self, stamp: &Stamp) -> Timestamp {
        let time = match self.base {
            Some(base) if base.boot == stamp.boot => {
                base.time + Duration::from_nanos(stamp.boottime_ns.saturating_sub(base.boottime_ns))
            }
            Some(_) | None => {
                let trusted = match stamp.state {
                    ClockState::Unset => self.floor,
                    ClockState::Holdover | ClockState::Synchronised => stamp.wall.max(self.floor),
                };
                self.base = Some(Base { boot: stamp.boot, boottime_ns: stamp.boottime_ns, time: trusted });
                trusted
            }
        };
        self.floor = self.floor.max(time);
        self.floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn stamp(boot: u128, seconds: u64, wall_s: i64, state: ClockState) -> Stamp {
        Stamp {
            boot: BootId::from_u128(boot),
            boottime_ns: seconds * 1_000_000_000,
            wall: Timestamp::from_micros(wall_s * 1_000_000),
            state,
            error_us: None,
        }
    }

    #[test]
    fn a_time_prints_as_rfc_3339_in_any_century() {
        let check = |micros: i64, text: &str| assert_eq!(Timestamp::from_micros(micros).to_string(), text);
        check(0, "1970-01-01T00:00:00.000Z");
        check(-1, "1969-12-31T23:59:59.999Z");
        check(951_782_400_000_000, "2000-02-29T00:00:00.000Z");
        check(29_246_977_885_894_000, "2896-10-18T16:31:25.894Z");
    }

    #[test]
    fn a_time_is_read_back_from_its_text() {
        let check = |text: &str, micros: i64| assert_eq!(text.parse(), Ok(Timestamp::from_micros(micros)));
        check("1970-01-01T00:00:00Z", 0);
        check("1969-12-31T23:59:59.999Z", -1_000);
        check("2000-02-29T00:00:00.000000999Z", 951_782_400_000_000);
        check("2896-10-18t16:31:25.894z", 29_246_977_885_894_000);
        check("2026-11-23 18:40:31.1234567+05:30", 1_795_439_431_123_456);
        check("2026-11-23T10:40:31.5-02:30", 1_795_439_431_500_000);
        check("0000-01-01T00:00:00Z", -62_167_219_200_000_000);
        for day in (-1_000_000..3_000_000).step_by(997) {
            let time = Timestamp::from_micros(day * 86_400_000_000 + 45_296_789_000);
            let text = time.to_string();
            // Years of more or fewer than four digits are not RFC 3339.
            if text.len() == 24 && !text.starts_with('-') {
                check(&text, time.as_micros());
            }
        }
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for wrong in [
            "",
            "2026-11-23",
            "2026-11-23T18:40:31",
            "2026-11-23T18:40Z",
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T18:40:60Z",
            "2026-11-23T18:40:31.Z",
            "2026-11-23T18:40:31Z+",
            "2026-11-23T18:40:31+0200",
            "2026-11-23T18:40:31+24:00",
            "+026-11-23T18:40:31Z",
            "２０２６-11-23T18:40:31Z",
        ] {
            assert_eq!(wrong.parse::<Timestamp>(), Err(InvalidTime), "{wrong}");
        }
    }

    #[test]
    fn a_step_of_the_wall_clock_does_not_move_the_engine_time() {
        let mut clock = SteadyClock::new(Timestamp::EPOCH);
        let before = clock.at(&stamp(1, 10, 1_000, ClockState::Holdover));
        let after = clock.at(&stamp(1, 11, 9_000_000, ClockState::Synchronised));
        assert_eq!(after.saturating_since(before), Duration::from_secs(1));
    }

    #[test]
    fn a_boot_in_1970_goes_on_from_the_floor() {
        let floor = Timestamp::from_micros(1_700_000_000_000_000);
        let mut clock = SteadyClock::new(floor);
        assert_eq!(clock.at(&stamp(2, 3, 5, ClockState::Unset)), floor);
        assert_eq!(clock.at(&stamp(2, 4, 6, ClockState::Unset)), floor + Duration::from_secs(1));
    }

    #[test]
    fn a_reboot_with_a_good_clock_counts_the_time_without_power() {
        let mut clock = SteadyClock::new(Timestamp::EPOCH);
        let before = clock.at(&stamp(1, 10, 1_000, ClockState::Holdover));
        let after = clock.at(&stamp(2, 1, 5_000, ClockState::Holdover));
        assert_eq!(after.saturating_since(before), Duration::from_secs(4_000));
    }
}
