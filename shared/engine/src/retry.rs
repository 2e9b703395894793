//! Retry policies: Temporal's defaults, and whether and when there is a further attempt.

use std::time::Duration;

use tidegate_model::limits::DURATION_SECONDS_MAX;
use tidegate_model::payload::{Failure, FailureInfo, RetryPolicy, RetryState, TimeoutType};

/// Intervals to the maximum, where none is given (`common/retrypolicy/retry_policy.go`).
const MAXIMUM_INTERVAL_TIMES: u32 = 100;
const DURATION_MAX: Duration = Duration::from_secs(DURATION_SECONDS_MAX);

/// Whether an attempt that failed is followed by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is, after this time.
    Again(Duration),
    /// It was the last one.
    Over(RetryState),
}

/// The policy as it is recorded: what was left out (zero) is filled in. Without any policy the default one holds.
pub(crate) fn completed(policy: Option<RetryPolicy>) -> Result<RetryPolicy, String> {
    let defaults = RetryPolicy::default();
    let Some(mut policy) = policy else { return Ok(defaults) };
    if policy.initial_interval.is_zero() {
        policy.initial_interval = defaults.initial_interval;
    }
    policy.initial_interval = policy.initial_interval.min(DURATION_MAX);
    if policy.backoff_coefficient == 0.0 {
        policy.backoff_coefficient = defaults.backoff_coefficient;
    }
    if !(policy.backoff_coefficient >= 1.0 && policy.backoff_coefficient.is_finite()) {
        return Err(format!(
            "the retry policy's coefficient is {}; it must be at least 1",
            policy.backoff_coefficient
        ));
    }
    if policy.maximum_interval.is_zero() {
        policy.maximum_interval = policy.initial_interval.saturating_mul(MAXIMUM_INTERVAL_TIMES);
    }
    policy.maximum_interval = policy.maximum_interval.min(DURATION_MAX);
    if policy.maximum_interval < policy.initial_interval {
        let (longest, first) = (policy.maximum_interval, policy.initial_interval);
        return Err(format!(
            "the retry policy's longest interval {longest:?} is shorter than its first {first:?}"
        ));
    }
    Ok(policy)
}

/// What follows the failure of attempt `attempt`.
pub(crate) fn verdict(policy: &RetryPolicy, attempt: u32, failure: &Failure) -> Verdict {
    if !is_retryable(policy, failure) {
        return Verdict::Over(RetryState::NonRetryableFailure);
    }
    if policy.maximum_attempts != 0 && attempt >= policy.maximum_attempts {
        return Verdict::Over(RetryState::MaximumAttemptsReached);
    }
    if let FailureInfo::Application { next_retry_delay: Some(delay), .. } = &failure.info {
        return Verdict::Again((*delay).min(DURATION_MAX));
    }
    Verdict::Again(backoff(policy, attempt))
}

/// The wait after attempt `attempt`: the first interval times the coefficient for each attempt before it.
fn backoff(policy: &RetryPolicy, attempt: u32) -> Duration {
    let longest = policy.maximum_interval.as_secs_f64();
    let mut wait = policy.initial_interval.as_secs_f64();
    for _ in 1..attempt {
        if policy.backoff_coefficient == 1.0 || wait >= longest {
            break;
        }
        wait *= policy.backoff_coefficient;
    }
    Duration::try_from_secs_f64(wait).unwrap_or(policy.maximum_interval).min(policy.maximum_interval)
}

fn is_retryable(policy: &RetryPolicy, failure: &Failure) -> bool {
    let is_listed = |kind: &str| policy.non_retryable_error_types.iter().any(|listed| listed == kind);
    match &failure.info {
        FailureInfo::Application { kind, non_retryable, .. } => !non_retryable && !is_listed(kind),
        FailureInfo::Server { non_retryable } => !non_retryable,
        FailureInfo::Timeout { timeout_type, .. } => match timeout_type {
            TimeoutType::StartToClose => !is_listed("TemporalTimeout:StartToClose"),
            TimeoutType::Heartbeat => !is_listed("TemporalTimeout:Heartbeat"),
            TimeoutType::ScheduleToStart | TimeoutType::ScheduleToClose => false,
        },
        FailureInfo::Canceled { .. } | FailureInfo::Terminated => false,
        FailureInfo::Activity { .. }
        | FailureInfo::ChildWorkflow { .. }
        | FailureInfo::ResetWorkflow { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(first_s: u64, coefficient: f64, longest_s: u64) -> RetryPolicy {
        RetryPolicy {
            initial_interval: Duration::from_secs(first_s),
            backoff_coefficient: coefficient,
            maximum_interval: Duration::from_secs(longest_s),
            ..RetryPolicy::default()
        }
    }

    #[test]
    fn what_a_policy_leaves_out_is_filled_in_as_temporal_does() {
        assert_eq!(completed(None), Ok(policy(1, 2.0, 100)));
        assert_eq!(completed(Some(policy(3, 0.0, 0))), Ok(policy(3, 2.0, 300)));
    }

    #[test]
    fn a_policy_that_cannot_be_followed_is_refused_with_the_reason() {
        let refused = |policy| completed(Some(policy)).expect_err("must be refused");
        assert!(refused(policy(1, 0.5, 10)).contains("must be at least 1"));
        assert!(refused(policy(1, f64::NAN, 10)).contains("NaN"));
        assert!(refused(policy(10, 2.0, 5)).contains("shorter than its first"));
    }

    #[test]
    fn waits_grow_by_the_coefficient_up_to_the_longest() {
        let waits = |policy: RetryPolicy| [1, 2, 3, 4, 5].map(|attempt| backoff(&policy, attempt).as_secs());
        assert_eq!(waits(policy(1, 2.0, 10)), [1, 2, 4, 8, 10]);
        assert_eq!(waits(policy(5, 1.0, 100)), [5, 5, 5, 5, 5]);
    }

    #[test]
    fn no_number_of_attempts_overflows_the_wait() {
        assert_eq!(backoff(&policy(1, 1e300, 7), u32::MAX), Duration::from_secs(7));
        assert_eq!(backoff(&policy(7, 1.0, 7), u32::MAX), Duration::from_secs(7));
    }
}
