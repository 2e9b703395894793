//! Retry policies: Temporal's defaults, and whether and when there is a further attempt.

use std::time::Duration;

use tidegate_model::limits::DURATION_SECONDS_MAX;
use tidegate_model::payload::{Failure, FailureInfo, RetryPolicy, RetryState, TimeoutType};
use tidegate_model::time::Timestamp;

/// Intervals to the maximum, where none is given (`common/retrypolicy/retry_policy.go`).
const MAXIMUM_INTERVAL_TIMES: u32 = 100;
/// What a non-retryable type begins with that is a time-out (`common/retrypolicy`, `TimeoutFailureTypePrefix`).
const TIMEOUT_PREFIX: &str = "TemporalTimeout:";
const DURATION_MAX: Duration = Duration::from_secs(DURATION_SECONDS_MAX);

/// Whether an attempt that failed is followed by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is, after this time.
    Again(Duration),
    /// It was the last one.
    Over(RetryState),
}

impl Verdict {
    /// The same where all attempts must be over by then: a wait that goes beyond is not begun.
    #[must_use]
    pub fn before(self, now: Timestamp, expires: Option<Timestamp>) -> Self {
        match self {
            Self::Again(wait) if expires.is_some_and(|expires| now + wait > expires) => {
                Self::Over(RetryState::Timeout)
            }
            Self::Again(_) | Self::Over(_) => self,
        }
    }
}

/// The policy as it is recorded: what was left out (zero) is filled in. Without any policy the default one holds.
///
/// # Errors
/// What is wrong with the policy, in words.
pub fn completed(policy: Option<RetryPolicy>) -> Result<RetryPolicy, String> {
    let defaults = RetryPolicy::default();
    let Some(mut policy) = policy else { return Ok(defaults) };
    if let Some(wrong) = policy.non_retryable_error_types.iter().find(|kind| names_no_timeout(kind)) {
        return Err(format!(
            "the retry policy names the error type {wrong}; the time-outs are StartToClose, ScheduleToStart, \
             ScheduleToClose and Heartbeat"
        ));
    }
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
#[must_use]
pub fn verdict(policy: &RetryPolicy, attempt: u32, failure: &Failure) -> Verdict {
    if !is_retryable(policy, failure) {
        return Verdict::Over(RetryState::NonRetryableFailure);
    }
    if policy.maximum_attempts != 0 && attempt >= policy.maximum_attempts {
        return Verdict::Over(RetryState::MaximumAttemptsReached);
    }
    if let FailureInfo::Application { next_retry_delay: Some(delay), .. } = &failure.info
        && !delay.is_zero()
    {
        return Verdict::Again((*delay).min(DURATION_MAX));
    }
    Verdict::Again(backoff(policy, attempt))
}

/// The wait after attempt `attempt`: the first interval times the coefficient for each attempt before it.
pub(crate) fn backoff(policy: &RetryPolicy, attempt: u32) -> Duration {
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

/// Whether the failure is of a kind that is tried again at all.
pub(crate) fn is_retryable(policy: &RetryPolicy, failure: &Failure) -> bool {
    let is_listed = |kind: &str| policy.non_retryable_error_types.iter().any(|listed| listed == kind);
    match &failure.info {
        FailureInfo::Application { kind, non_retryable, .. } => !non_retryable && !is_listed(kind),
        FailureInfo::Server { non_retryable } => !non_retryable,
        FailureInfo::Timeout { timeout_type, .. } => match timeout_type {
            TimeoutType::StartToClose | TimeoutType::Heartbeat => {
                !is_listed(&format!("{TIMEOUT_PREFIX}{timeout_type:?}"))
            }
            TimeoutType::ScheduleToStart | TimeoutType::ScheduleToClose => false,
        },
        FailureInfo::Canceled { .. } | FailureInfo::Terminated => false,
        FailureInfo::Activity { .. }
        | FailureInfo::ChildWorkflow { .. }
        | FailureInfo::ResetWorkflow { .. } => true,
    }
}

/// Whether a type looks like a time-out and is none.
fn names_no_timeout(kind: &str) -> bool {
    const ALL: [TimeoutType; 4] = [
        TimeoutType::StartToClose,
        TimeoutType::ScheduleToStart,
        TimeoutType::ScheduleToClose,
        TimeoutType::Heartbeat,
    ];
    kind.strip_prefix(TIMEOUT_PREFIX)
        .is_some_and(|name| !ALL.iter().any(|timeout_type| format!("{timeout_type:?}") == name))
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
        let mistyped = RetryPolicy {
            non_retryable_error_types: vec![String::from("TemporalTimeout:StartToclose")],
            ..RetryPolicy::default()
        };
        assert!(refused(mistyped).contains("TemporalTimeout:StartToclose"));
    }

    #[test]
    fn a_wait_beyond_the_end_of_all_attempts_is_not_begun() {
        let (now, expires) = (Timestamp::EPOCH, Some(Timestamp::EPOCH + Duration::from_secs(5)));
        let again = |seconds| Verdict::Again(Duration::from_secs(seconds));
        assert_eq!(again(5).before(now, expires), again(5));
        assert_eq!(again(6).before(now, expires), Verdict::Over(RetryState::Timeout));
        assert_eq!(again(6).before(now, None), again(6));
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
