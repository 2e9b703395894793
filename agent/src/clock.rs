//! The only clock. Reads the kernel's clocks and what the kernel knows of their error; judges nothing else.
//!
//! The state comes from the kernel (`adjtimex(2)`, read-only) and not from a daemon's files, so that chrony, ntpd,
//! systemd-timesyncd and PTP look the same.

use std::fs;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rtime_clock::adjtime::{Timex, adjtimex};
use rustix::time::{ClockId, Timespec, clock_gettime};
use tidegate_model::id::{BootId, InvalidId};
use tidegate_model::time::{ClockState, Stamp, Timestamp};
use tracing::warn;

/// No gateway that runs this release can live before 2026-11-01T00:00:00Z. Raised with each release; a constant in
/// the source, so that the same source builds the same bytes.
pub const RELEASED: Timestamp = Timestamp::from_micros(1_793_491_200_000_000);

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// `STA_UNSYNC | STA_CLOCKERR` of `adjtimex(2)`: no source disciplines the clock, or its hardware has failed.
const NOT_DISCIPLINED: i32 = 0x0040 | 0x1000;
/// `NTP_PHASE_LIMIT`: at this bound the kernel itself gives up and says unsynchronised.
const ERROR_US_MAX: i64 = 16_000_000;
/// The kernel's bound grows by 500 ppm, half a millisecond in this time, so one look serves all readings in it.
const KERNEL_LOOK_NS: u64 = 1_000_000_000;

/// Takes stamps. Clones share what was read from the kernel.
#[derive(Debug, Clone)]
pub struct Clock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    boot: BootId,
    floor: Timestamp,
    last_look: Mutex<Option<Look>>,
}

/// One `adjtimex`.
#[derive(Debug, Clone, Copy)]
struct Look {
    boottime_ns: u64,
    discipline: Option<Discipline>,
}

/// What the kernel says of its wall clock.
#[derive(Debug, Clone, Copy)]
struct Discipline {
    disciplined: bool,
    error_us: i64,
}

/// Why there is no clock.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// Not Linux, or `/proc` is not mounted.
    #[error("failed to read the boot id from {BOOT_ID}; is /proc mounted?")]
    BootIdUnreadable(#[source] io::Error),
    /// The file holds something else.
    #[error("{BOOT_ID} does not hold a boot id")]
    BootIdInvalid(#[source] InvalidId),
}

impl Clock {
    /// A clock for this boot. A wall clock below `floor` (the last time persisted) or below [`RELEASED`] was never
    /// set.
    ///
    /// # Errors
    /// [`ClockError`] when the kernel does not say which boot this is.
    pub fn open(floor: Timestamp) -> Result<Self, ClockError> {
        let boot = fs::read_to_string(BOOT_ID).map_err(ClockError::BootIdUnreadable)?;
        let boot = boot.trim().parse().map_err(ClockError::BootIdInvalid)?;
        let floor = floor.max(RELEASED);
        Ok(Self { shared: Arc::new(Shared { boot, floor, last_look: Mutex::new(None) }) })
    }

    /// The clocks as they stand.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        let boottime = clock_gettime(ClockId::Boottime);
        let wall = clock_gettime(ClockId::Realtime);
        let boottime_ns = u64::try_from(nanos(boottime)).unwrap_or(0);
        let wall = Timestamp::from_micros(nanos(wall).div_euclid(1_000));
        let (state, error_us) = classify(self.discipline(boottime_ns), wall, self.shared.floor);
        Stamp { boot: self.shared.boot, boottime_ns, wall, state, error_us }
    }

    fn discipline(&self, boottime_ns: u64) -> Option<Discipline> {
        let mut last = self.shared.last_look.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some(look) if boottime_ns.saturating_sub(look.boottime_ns) < KERNEL_LOOK_NS => look.discipline,
            Some(Look { discipline: before, .. }) => {
                let discipline = read_discipline().ok();
                *last = Some(Look { boottime_ns, discipline });
                if before.is_some() && discipline.is_none() {
                    warn!("the kernel no longer tells the state of its clock");
                }
                discipline
            }
            None => {
                let discipline = match read_discipline() {
                    Ok(discipline) => Some(discipline),
                    Err(error) => {
                        warn!(
                            %error,
                            "the kernel does not tell the state of its clock (adjtimex): readings are marked \
                             \"holdover\"; a sandbox must allow the system calls adjtimex and clock_adjtime"
                        );
                        None
                    }
                };
                *last = Some(Look { boottime_ns, discipline });
                discipline
            }
        }
    }
}

fn read_discipline() -> io::Result<Discipline> {
    // All zero is a question: no mode is set, so nothing is changed and no privilege is needed.
    let mut answer = Timex::new();
    adjtimex(&mut answer)?;
    #[allow(clippy::useless_conversion, reason = "a C long, which has 32 bits on armv7")]
    let error_us = i64::from(answer.0.maxerror);
    Ok(Discipline { disciplined: answer.0.status & NOT_DISCIPLINED == 0, error_us })
}

/// What to state of a wall clock, and the bound on its error.
fn classify(discipline: Option<Discipline>, wall: Timestamp, floor: Timestamp) -> (ClockState, Option<u32>) {
    // A source that disciplines the clock to a time before this release is as wrong as no source.
    if wall < floor {
        return (ClockState::Unset, None);
    }
    match discipline {
        Some(Discipline { disciplined: true, error_us }) if (0..ERROR_US_MAX).contains(&error_us) => {
            (ClockState::Synchronised, u32::try_from(error_us).ok())
        }
        Some(_) | None => (ClockState::Holdover, None),
    }
}

fn nanos(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(discipline: Option<(bool, i64)>, wall: &str, expected: (ClockState, Option<u32>)) {
        let discipline = discipline.map(|(disciplined, error_us)| Discipline { disciplined, error_us });
        let wall = match wall {
            "1970" => Timestamp::from_micros(12_000_000),
            "now" => RELEASED + std::time::Duration::from_secs(86_400),
            other => unreachable!("{other} is not a time of this test"),
        };
        assert_eq!(classify(discipline, wall, RELEASED), expected);
    }

    #[test]
    fn a_boot_in_1970_is_unset_whatever_the_kernel_says() {
        check(Some((false, 16_000_000)), "1970", (ClockState::Unset, None));
        check(Some((true, 500)), "1970", (ClockState::Unset, None));
        check(None, "1970", (ClockState::Unset, None));
    }

    #[test]
    fn a_plausible_clock_without_a_source_is_in_holdover() {
        check(Some((false, 16_000_000)), "now", (ClockState::Holdover, None));
        check(Some((false, 500)), "now", (ClockState::Holdover, None));
    }

    #[test]
    fn a_disciplined_clock_states_its_bound() {
        check(Some((true, 0)), "now", (ClockState::Synchronised, Some(0)));
        check(Some((true, 1_250)), "now", (ClockState::Synchronised, Some(1_250)));
    }

    #[test]
    fn a_bound_that_bounds_nothing_is_not_stated() {
        check(Some((true, 16_000_000)), "now", (ClockState::Holdover, None));
        check(Some((true, i64::MAX)), "now", (ClockState::Holdover, None));
        check(Some((true, -1)), "now", (ClockState::Holdover, None));
    }

    #[test]
    fn a_kernel_that_refuses_to_answer_leaves_holdover() {
        check(None, "now", (ClockState::Holdover, None));
    }

    #[test]
    fn stamps_of_one_boot_never_go_back() {
        let clock = Clock::open(Timestamp::EPOCH).expect("Linux names its boot");
        let first = clock.stamp();
        let second = clock.clone().stamp();
        assert_eq!(first.boot, second.boot);
        assert!(first.boottime_ns <= second.boottime_ns);
    }

    #[test]
    fn a_wall_clock_below_what_was_persisted_was_never_set() {
        let clock = Clock::open(Timestamp::MAX).expect("Linux names its boot");
        assert_eq!(clock.stamp().state, ClockState::Unset);
    }

    #[test]
    fn the_release_date_reads_as_it_is_documented() {
        assert_eq!(RELEASED.to_string(), "2026-11-01T00:00:00.000Z");
    }
}
