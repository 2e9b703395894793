//! Quantities as people write them: `"10s"`, `"1h 30m"`, `"64MiB"`.

use std::fmt;
use std::str::FromStr;
use std::time;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time, written as text: `"250ms"`, `"10s"`, `"1h 30m"`. Exact to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(time::Duration);

const TIMES: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

impl Duration {
    /// From whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(time::Duration::from_secs(seconds))
    }

    /// From whole milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(time::Duration::from_millis(millis))
    }

    /// The length itself.
    #[must_use]
    pub const fn get(self) -> time::Duration {
        self.0
    }
}

impl From<Duration> for time::Duration {
    fn from(duration: Duration) -> Self {
        duration.0
    }
}

impl FromStr for Duration {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        sum(text, &TIMES).map(|nanos| Self(time::Duration::from_nanos(nanos))).ok_or_else(|| {
            InvalidQuantity::new(text, "a length of time", "ms, s, m, h or d", "10s\" or \"1h 30m")
        })
    }
}

/// The shortest text that reads back as the same length.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_sum(f, self.0.as_nanos(), &TIMES, "s")
    }
}

/// A number of bytes, written as text: `"64MiB"`, `"1GB"`, `"512B"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(u64);

const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

impl Bytes {
    /// From a plain count.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The count.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for Bytes {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        sum(text, &SIZES)
            .map(Self)
            .ok_or_else(|| InvalidQuantity::new(text, "an amount of data", "B, KiB, MiB or GiB", "64MiB"))
    }
}

/// The shortest text that reads back as the same count.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_sum(f, u128::from(self.0), &SIZES, "B")
    }
}

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidQuantity {
    message: String,
}

impl InvalidQuantity {
    fn new(text: &str, what: &str, units: &str, example: &str) -> Self {
        Self {
            message: format!("{text:?} is not {what}; write whole numbers with {units}, as in \"{example}\""),
        }
    }
}

impl fmt::Display for InvalidQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for InvalidQuantity {}

/// The sum of the terms `<whole number><unit>` in a text, none when it is anything else or overflows.
fn sum(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut rest = text.trim();
    let mut total = None;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let after = after.trim_start();
        let (unit, after) =
            after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        let (_, size) = units.iter().find(|(name, _)| *name == unit)?;
        let term = number.parse::<u64>().ok()?.checked_mul(*size)?;
        total = Some(total.unwrap_or(0_u64).checked_add(term)?);
        rest = after.trim_start();
    }
    total
}

fn write_sum(f: &mut fmt::Formatter<'_>, amount: u128, units: &[(&str, u64)], zero: &str) -> fmt::Result {
    if amount == 0 {
        return write!(f, "0{zero}");
    }
    // One term where one unit divides it, the largest such; otherwise the terms from the largest down.
    if let Some((unit, size)) = units.iter().find(|(_, size)| amount.is_multiple_of(u128::from(*size)))
        && (amount / u128::from(*size) < 1_000 || *size == 1)
    {
        return write!(f, "{}{unit}", amount / u128::from(*size));
    }
    let mut rest = amount;
    let mut space = "";
    for (unit, size) in units {
        let count = rest / u128::from(*size);
        if count > 0 {
            write!(f, "{space}{count}{unit}")?;
            space = " ";
        }
        rest %= u128::from(*size);
    }
    Ok(())
}

macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

as_text!(Duration, Bytes);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_read_as_people_write_them() {
        let check = |text: &str, millis: u64| {
            assert_eq!(
                text.parse::<Duration>().map(Duration::get),
                Ok(time::Duration::from_millis(millis)),
                "{text}"
            );
        };
        check("10s", 10_000);
        check("5m", 300_000);
        check("1h 30m", 5_400_000);
        check("1h30m", 5_400_000);
        check("250ms", 250);
        check("7 d", 7 * 86_400_000);
        check("0s", 0);
    }

    #[test]
    fn a_wrong_length_of_time_says_what_is_right() {
        let right =
            "is not a length of time; write whole numbers with ms, s, m, h or d, as in \"10s\" or \"1h 30m\"";
        for wrong in ["", "10", "10 sec", "s", "-1s", "1.5s", "99999999999d", "10s x"] {
            let error = wrong.parse::<Duration>().expect_err(wrong);
            assert_eq!(error.to_string(), format!("{wrong:?} {right}"));
        }
    }

    #[test]
    fn amounts_of_data_read_as_people_write_them() {
        let check = |text: &str, bytes: u64| assert_eq!(text.parse(), Ok(Bytes::new(bytes)), "{text}");
        check("64MiB", 64 << 20);
        check("64 MiB", 64 << 20);
        check("1GB", 1_000_000_000);
        check("512B", 512);
        let error = "64M".parse::<Bytes>().expect_err("a unit short");
        assert_eq!(
            error.to_string(),
            "\"64M\" is not an amount of data; write whole numbers with B, KiB, MiB or GiB, as in \"64MiB\""
        );
    }

    #[test]
    fn quantities_print_as_text_that_reads_back() {
        for nanos in [0, 1, 1_500_000_000, 90_061_001_002_003, u64::MAX] {
            let duration = Duration(time::Duration::from_nanos(nanos));
            assert_eq!(duration.to_string().parse(), Ok(duration), "{duration}");
        }
        for bytes in [0, 1, 1_024, 1_000_000, 123_456_789, u64::MAX] {
            assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)), "{}", Bytes(bytes));
        }
        assert_eq!(Duration::from_millis(1_500).to_string(), "1s 500ms");
        assert_eq!(Bytes::new(64 << 20).to_string(), "64MiB");
    }
}
