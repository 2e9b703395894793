//! How long to wait before the next attempt: exponential, with full jitter, so that a fleet does not come back as one.

use std::time::Duration;

use tidegate_model::chance::Chance;

/// The first pause is drawn below this.
const FIRST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Backoff {
    chance: Chance,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(seed: u64, longest: Duration) -> Self {
        Self { chance: Chance::new(seed), longest, failures: 0 }
    }

    /// The pause after one more failure: uniform from 0 to a cap that doubles, up to the longest.
    pub(super) fn next(&mut self) -> Duration {
        let cap = FIRST.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        let micros = u64::try_from(cap.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.chance.below(micros))
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_no_further() {
        let mut longest_seen = Duration::ZERO;
        for seed in 0..200 {
            let mut backoff = Backoff::new(seed, Duration::from_secs(60));
            for cap in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
                let pause = backoff.next();
                assert!(pause < Duration::from_secs(cap), "{pause:?}");
                longest_seen = longest_seen.max(pause);
            }
        }
        assert!(longest_seen > Duration::from_secs(50));
    }

    #[test]
    fn a_reset_begins_anew() {
        let mut backoff = Backoff::new(1, Duration::from_secs(60));
        for _ in 0..100 {
            backoff.next();
        }
        backoff.reset();
        assert!(backoff.next() < FIRST);
    }

    #[test]
    fn two_gateways_do_not_wait_alike() {
        let pauses = |seed| {
            let mut backoff = Backoff::new(seed, Duration::from_secs(60));
            [backoff.next(), backoff.next(), backoff.next()]
        };
        assert_ne!(pauses(1), pauses(2));
    }
}
