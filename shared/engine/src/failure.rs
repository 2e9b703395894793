//! Failures cut to a size that can be kept.

use tidegate_model::codec;
use tidegate_model::limits::FAILURE_BYTES_MAX;
use tidegate_model::payload::{Failure, FailureInfo};

use crate::settings::Settings;

/// The failure, unless it is too large for an event: then one of the server's own, which is not tried again, with what
/// is left of it when it is cut as the cause.
pub(crate) fn bounded(failure: Failure, settings: &Settings) -> Failure {
    within(failure, settings.payload_bytes_max, true)
}

/// The failure as the state keeps it beside an attempt, where it may be tried again: in about `FAILURE_BYTES_MAX`.
#[must_use]
pub fn kept(failure: Failure) -> Failure {
    within(failure, FAILURE_BYTES_MAX, false)
}

fn within(failure: Failure, bytes_max: usize, non_retryable: bool) -> Failure {
    if codec::to_cbor(&failure).len() <= bytes_max {
        return failure;
    }
    // Temporal's words (`common.FailureReasonFailureExceedsLimit`).
    let whole = Failure::application("Failure exceeds size limit.", "", non_retryable);
    Failure { info: FailureInfo::Server { non_retryable }, cause: Some(Box::new(cut(&failure))), ..whole }
}

/// The failure in about `FAILURE_BYTES_MAX`: what decides about a retry stays, then as much text as fits; without
/// details and causes.
pub(crate) fn cut(failure: &Failure) -> Failure {
    let mut left = FAILURE_BYTES_MAX;
    let mut keep = |text: &str| {
        let kept = &text[..text.floor_char_boundary(left)];
        left -= kept.len();
        kept.to_owned()
    };
    let info = match &failure.info {
        FailureInfo::Application { kind, non_retryable, details: _, next_retry_delay, benign } => {
            FailureInfo::Application {
                kind: keep(kind),
                non_retryable: *non_retryable,
                details: Vec::new(),
                next_retry_delay: *next_retry_delay,
                benign: *benign,
            }
        }
        FailureInfo::Timeout { timeout_type, last_heartbeat_details: _ } => {
            FailureInfo::Timeout { timeout_type: *timeout_type, last_heartbeat_details: Vec::new() }
        }
        FailureInfo::Server { non_retryable } => FailureInfo::Server { non_retryable: *non_retryable },
        FailureInfo::Activity {
            scheduled_event_id,
            started_event_id,
            activity_type,
            activity_id,
            retry_state,
            identity,
        } => FailureInfo::Activity {
            scheduled_event_id: *scheduled_event_id,
            started_event_id: *started_event_id,
            activity_type: keep(activity_type),
            activity_id: keep(activity_id),
            retry_state: *retry_state,
            identity: keep(identity),
        },
        FailureInfo::Canceled { details: _ } => FailureInfo::Canceled { details: Vec::new() },
        FailureInfo::Terminated => FailureInfo::Terminated,
        FailureInfo::ResetWorkflow { last_heartbeat_details: _ } => {
            FailureInfo::ResetWorkflow { last_heartbeat_details: Vec::new() }
        }
        FailureInfo::ChildWorkflow {
            child,
            workflow_type,
            initiated_event_id,
            started_event_id,
            retry_state,
        } => FailureInfo::ChildWorkflow {
            child: child.clone(),
            workflow_type: keep(workflow_type),
            initiated_event_id: *initiated_event_id,
            started_event_id: *started_event_id,
            retry_state: *retry_state,
        },
    };
    Failure {
        message: keep(&failure.message),
        source: keep(&failure.source),
        stack_trace: keep(&failure.stack_trace),
        encoded_attributes: None,
        info,
        cause: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_failure_keeps_what_decides_about_a_retry_and_never_splits_a_character() {
        let mut failure = Failure::application("ü".repeat(FAILURE_BYTES_MAX), "Overheated", true);
        failure.cause = Some(Box::new(Failure::application("inner", "", false)));
        let cut = cut(&failure);
        assert_eq!(cut.info, failure.info);
        assert_eq!(cut.cause, None);
        assert!(cut.message.len() <= FAILURE_BYTES_MAX && cut.message.len() > FAILURE_BYTES_MAX - 100);
        assert!(cut.message.chars().all(|c| c == 'ü'));
    }

    #[test]
    fn a_failure_that_fits_is_kept_as_it_is() {
        let failure = Failure::application("x".repeat(FAILURE_BYTES_MAX * 2), "", false);
        assert_eq!(bounded(failure.clone(), &Settings::default()), failure);
    }
}
