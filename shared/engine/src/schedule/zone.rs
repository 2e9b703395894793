//! Time zones, from the database that is compiled in or from bytes that came with a spec: never from the machine, so
//! that the same records mean the same times wherever they are replayed.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The clock on the wall somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    pub(crate) const UTC: Self = Self(TimeZone::UTC);

    /// By its name in the IANA database, upper and lower case alike; empty is UTC.
    pub(crate) fn named(name: &str) -> Option<Self> {
        if name.is_empty() {
            return Some(Self::UTC);
        }
        // The database knows it as a UTC of no known place; as a name in a spec it is a mistake.
        if name.eq_ignore_ascii_case("Etc/Unknown") {
            return None;
        }
        TimeZoneDatabase::bundled().get(name).ok().map(Self)
    }

    /// From the bytes of a TZif file (RFC 9636). The error is the parser's reason.
    pub(crate) fn from_tzif(name: &str, data: &[u8]) -> Result<Self, String> {
        TimeZone::tzif(name, data).map(Self).map_err(|error| error.to_string())
    }

    /// How far its clock is ahead of UTC at an instant, in seconds.
    pub(crate) fn offset(&self, at: i64) -> i64 {
        i64::from(self.0.to_offset(instant(at)).seconds())
    }

    /// The first instant after `at` at which its clock may be set.
    pub(crate) fn next_change(&self, at: i64) -> Option<i64> {
        self.0
            .following(instant(at))
            .next()
            .map(|change| change.timestamp().as_second())
            .filter(|change| *change > at)
    }
}

/// Beyond the years -9999 and 9999 the rules of those years hold.
fn instant(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}
