//! Watches the clocks and records an anchor when they change: at the start, after a step, when the kernel gains or
//! loses its time source, and now and then so that drift can be corrected later.

use std::time::Duration;

use tidegate_model::time::{ClockState, Stamp};

use crate::client::Client;
use crate::clock::Clock;
use crate::config::Clock as Settings;
use crate::gateway::Input;
use crate::mqtt::AckToken;

/// Looks at the clocks for as long as the agent lives.
pub(super) async fn watch(clock: Clock, settings: Settings, client: Client<AckToken>) {
    let mut anchor: Option<Stamp> = None;
    let mut look = tokio::time::interval(settings.check_every.get());
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let stamp = clock.stamp();
        let Some(why) = reason(anchor.as_ref(), &stamp, settings.step.get(), settings.anchor_every.get())
        else {
            continue;
        };
        tracing::debug!(why, state = ?stamp.state, wall = %stamp.wall, "clock anchor");
        if why == STEPPED {
            tracing::warn!(wall = %stamp.wall, "the wall clock was stepped; timers run on, undisturbed");
        }
        if stamp.state == ClockState::Unset && anchor.is_none_or(|before| before.state != ClockState::Unset) {
            tracing::warn!(
                wall = %stamp.wall,
                "the wall clock was never set; readings keep their boot time and are dated once it is: \
                 give the gateway a time source (chrony, systemd-timesyncd, an RTC)"
            );
        }
        anchor = Some(stamp);
        if client.send(Input::Anchor(stamp)).await.is_err() {
            return;
        }
    }
}

const STEPPED: &str = "the wall clock stepped";

/// Why the clocks are worth an anchor, if they are.
fn reason(anchor: Option<&Stamp>, stamp: &Stamp, step: Duration, every: Duration) -> Option<&'static str> {
    let Some(anchor) = anchor else { return Some("the agent started") };
    let passed = Duration::from_nanos(stamp.boottime_ns.saturating_sub(anchor.boottime_ns));
    let expected = anchor.wall + passed;
    let difference = stamp.wall.saturating_since(expected).max(expected.saturating_since(stamp.wall));
    if anchor.boot != stamp.boot {
        Some("another boot")
    } else if anchor.state != stamp.state {
        Some("the kernel's time source changed")
    } else if difference >= step {
        Some(STEPPED)
    } else if passed >= every {
        Some("it is time for one")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::id::BootId;
    use tidegate_model::time::Timestamp;

    fn stamp(seconds: u64, wall_ms: i64, state: ClockState) -> Stamp {
        Stamp {
            boot: BootId::from_u128(1),
            boottime_ns: seconds * 1_000_000_000,
            wall: Timestamp::from_micros(wall_ms * 1_000),
            state,
            error_us: None,
        }
    }

    fn check(later: Stamp, expected: Option<&str>) {
        let anchor = stamp(10, 1_000_000, ClockState::Holdover);
        let found = reason(Some(&anchor), &later, Duration::from_millis(500), Duration::from_secs(3_600));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_clock_that_runs_on_needs_no_anchor() {
        check(stamp(20, 1_010_100, ClockState::Holdover), None);
    }

    #[test]
    fn a_step_either_way_is_recorded() {
        check(stamp(20, 1_610_000, ClockState::Holdover), Some(STEPPED));
        check(stamp(20, 900_000, ClockState::Holdover), Some(STEPPED));
    }

    #[test]
    fn a_gained_time_source_is_recorded() {
        check(stamp(20, 1_010_000, ClockState::Synchronised), Some("the kernel's time source changed"));
    }

    #[test]
    fn drift_is_recorded_now_and_then() {
        check(stamp(3_700, 4_690_000, ClockState::Holdover), Some("it is time for one"));
    }
}
