//! The only clock of the bridge. Stamps say when the bridge heard of something; what devices stamp is theirs.

use std::fs;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use tidegate_model::id::BootId;
use tidegate_model::time::{ClockState, Stamp, Timestamp};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Takes stamps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    boot: BootId,
}

impl Clock {
    /// Asks the kernel which boot this is.
    pub(crate) fn new() -> io::Result<Self> {
        let text = fs::read_to_string(BOOT_ID)?;
        let boot = text.trim().parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Self { boot })
    }

    /// The clocks as they stand. No error bound is stated: nothing at the centre is decided on one.
    pub(crate) fn stamp(&self) -> Stamp {
        let boottime = clock_gettime(ClockId::Boottime);
        let nanos = i128::from(boottime.tv_sec) * 1_000_000_000 + i128::from(boottime.tv_nsec);
        Stamp {
            boot: self.boot,
            boottime_ns: u64::try_from(nanos).unwrap_or(0),
            wall: wall(),
            state: ClockState::Holdover,
            error_us: None,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the module that owns the clock")]
fn wall() -> Timestamp {
    let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
    };
    Timestamp::from_micros(micros)
}
