//! Waiting after failures: exponential, with full jitter, so that a thousand gateways do not come back at once.

use std::time::Duration;

use tidegate_model::chance::Chance;

use super::Patience;

/// How long to wait after the next failure.
#[derive(Debug)]
pub(super) struct Backoff {
    chance: Chance,
    min: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(seed: u64, patience: &Patience) -> Self {
        Self { chance: Chance::new(seed), min: patience.backoff_min, max: patience.backoff_max, failures: 0 }
    }

    /// Something went well: the next failure is the first.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Another failure: from zero to twice what was the longest before.
    pub(super) fn next(&mut self) -> Duration {
        let longest = self.min.saturating_mul(1 << self.failures.min(20)).min(self.max);
        self.failures = self.failures.saturating_add(1);
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.chance.below(micros.saturating_add(1)))
    }

    /// Waits after another failure, and at least `asked` if that is no longer than the longest wait.
    pub(super) async fn wait(&mut self, asked: Duration) {
        let wait = asked.min(self.max) + self.next();
        pause(wait).await;
    }
}

/// Lets time pass, from this call on, because the other side asked for it or because of a failure.
#[expect(
    clippy::disallowed_methods,
    reason = "the back-off itself: no machine waits here, and nothing is decided"
)]
pub(super) fn pause(wait: Duration) -> tokio::time::Sleep {
    tokio::time::sleep(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_limit_and_start_again_after_success() {
        let patience = Patience {
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(300),
            ..Patience::default()
        };
        let mut backoff = Backoff::new(7, &patience);
        let mut longest = Duration::ZERO;
        for failure in 0..1_000_u32 {
            let wait = backoff.next();
            assert!(wait <= Duration::from_secs(1 << failure.min(9)).min(patience.backoff_max));
            longest = longest.max(wait);
        }
        assert!(longest > Duration::from_secs(250), "the jitter is full: {longest:?}");
        backoff.reset();
        assert!(backoff.next() <= Duration::from_secs(1));
    }
}
