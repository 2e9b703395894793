//! What goes out comes back the same; what makes no sense does not come in.

use std::time::Duration;

use proptest::prelude::*;
use serde_bytes::ByteBuf;
use tidegate_model::event::{Execution, Priority, UpdateOutcome, UpdateRequest, UserMetadata};
use tidegate_model::id::{Namespace, RunId, WorkflowId};
use tidegate_model::limits::{DURATION_SECONDS_MAX, FAILURE_CAUSES_MAX};
use tidegate_model::payload::{
    Failure, FailureInfo, Header, Payload, Payloads, RetryPolicy, RetryState, TimeoutType,
};
use tidegate_model::time::Timestamp;

use super::{inward, outward};
use crate::proto::{common, enums, failure as proto};

fn any_payload() -> impl Strategy<Value = Payload> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..8).prop_map(ByteBuf::from);
    (prop::collection::btree_map("[a-z]{0,4}", bytes(), 0..3), bytes())
        .prop_map(|(metadata, data)| Payload { metadata, data })
}

fn any_payloads() -> impl Strategy<Value = Payloads> {
    prop::collection::vec(any_payload(), 0..3)
}

fn any_header() -> impl Strategy<Value = Header> {
    prop::collection::btree_map("[a-z]{0,4}", any_payload(), 0..3)
}

fn any_duration() -> impl Strategy<Value = Duration> {
    (0..DURATION_SECONDS_MAX, 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
}

fn any_retry_state() -> impl Strategy<Value = RetryState> {
    prop::sample::select(vec![
        RetryState::InProgress,
        RetryState::NonRetryableFailure,
        RetryState::Timeout,
        RetryState::MaximumAttemptsReached,
        RetryState::RetryPolicyNotSet,
        RetryState::InternalServerError,
        RetryState::CancelRequested,
    ])
}

fn any_timeout_type() -> impl Strategy<Value = TimeoutType> {
    prop::sample::select(vec![
        TimeoutType::StartToClose,
        TimeoutType::ScheduleToStart,
        TimeoutType::ScheduleToClose,
        TimeoutType::Heartbeat,
    ])
}

fn any_execution() -> impl Strategy<Value = Execution> {
    ("[a-z]{1,8}", "[a-z ]{1,8}", any::<Option<u128>>()).prop_map(|(namespace, workflow_id, run_id)| {
        Execution {
            namespace: Namespace::new(namespace).expect("letters"),
            workflow_id: WorkflowId::new(workflow_id).expect("letters"),
            run_id: run_id.map(RunId::from_u128),
        }
    })
}

fn any_failure_info() -> impl Strategy<Value = FailureInfo> {
    let event = || 0..1_000_u64;
    prop_oneof![
        ("[A-Z]{0,4}", any::<bool>(), any_payloads(), prop::option::of(any_duration()), any::<bool>())
            .prop_map(|(kind, non_retryable, details, next_retry_delay, benign)| FailureInfo::Application {
                kind,
                non_retryable,
                details,
                next_retry_delay,
                benign
            }),
        (any_timeout_type(), any_payloads()).prop_map(|(timeout_type, last_heartbeat_details)| {
            FailureInfo::Timeout { timeout_type, last_heartbeat_details }
        }),
        any::<bool>().prop_map(|non_retryable| FailureInfo::Server { non_retryable }),
        any_payloads().prop_map(|details| FailureInfo::Canceled { details }),
        Just(FailureInfo::Terminated),
        any_payloads()
            .prop_map(|last_heartbeat_details| FailureInfo::ResetWorkflow { last_heartbeat_details }),
        (any_execution(), "[A-Z]{0,4}", event(), event(), any_retry_state()).prop_map(
            |(child, workflow_type, initiated_event_id, started_event_id, retry_state)| {
                FailureInfo::ChildWorkflow {
                    child: Box::new(child),
                    workflow_type,
                    initiated_event_id,
                    started_event_id,
                    retry_state,
                }
            }
        ),
        (event(), event(), "[A-Z]{0,4}", "[0-9]{0,4}", any_retry_state(), "[a-z@]{0,4}").prop_map(
            |(scheduled_event_id, started_event_id, activity_type, activity_id, retry_state, identity)| {
                FailureInfo::Activity {
                    scheduled_event_id,
                    started_event_id,
                    activity_type,
                    activity_id,
                    retry_state,
                    identity,
                }
            }
        ),
    ]
}

fn any_failure() -> impl Strategy<Value = Failure> {
    let link = ("[a-z]{0,6}", "[a-z]{0,6}", prop::option::of(any_payload()), any_failure_info());
    prop::collection::vec(link, 1..4).prop_map(|links| {
        let chain =
            links.into_iter().fold(None, |cause, (message, stack_trace, encoded_attributes, info)| {
                let source = "test".to_owned();
                Some(Box::new(Failure { message, source, stack_trace, encoded_attributes, info, cause }))
            });
        *chain.expect("at least one link")
    })
}

proptest! {
    #[test]
    fn a_failure_with_its_causes_comes_back_as_it_went(failure in any_failure()) {
        prop_assert_eq!(inward::failure("failure", Some(outward::failure(failure.clone()))), Ok(failure));
    }

    #[test]
    fn payloads_come_back_byte_for_byte(payloads in any_payloads(), header in any_header()) {
        prop_assert_eq!(inward::payloads(outward::payloads(payloads.clone())), payloads);
        prop_assert_eq!(inward::header(outward::header(header.clone())), header.clone());
        prop_assert_eq!(inward::memo(outward::memo(header.clone())), header.clone());
        prop_assert_eq!(inward::search_attributes(outward::search_attributes(header.clone())), header);
    }

    #[test]
    fn a_length_of_time_and_a_moment_come_back_as_they_went(
        duration in any_duration(),
        micros in -62_135_596_800_000_000..253_402_300_799_999_999_i64,
    ) {
        prop_assert_eq!(inward::duration("d", Some(outward::duration(duration))), Ok(Some(duration)));
        let at = Timestamp::from_micros(micros);
        prop_assert_eq!(inward::timestamp("t", Some(outward::timestamp(at))), Ok(Some(at)));
    }

    #[test]
    fn no_duration_and_no_moment_of_a_caller_is_too_much(seconds: i64, nanos: i32) {
        let duration = inward::duration("d", Some(prost_types::Duration { seconds, nanos }));
        let longest = Duration::from_secs(DURATION_SECONDS_MAX);
        prop_assert!(duration.is_err() || duration.is_ok_and(|found| found.is_some_and(|d| d <= longest)));
        // Whatever it says, it does not panic.
        drop(inward::timestamp("t", Some(prost_types::Timestamp { seconds, nanos })));
    }

    #[test]
    fn a_retry_policy_comes_back_as_it_went(
        initial_interval in (1..1_000_u64).prop_map(Duration::from_millis),
        factor in 1..100_u32,
        backoff_coefficient in 1.0..10.0_f64,
        maximum_attempts in 0..10_u32,
        non_retryable_error_types in prop::collection::vec("[A-Z]{1,4}", 0..3),
    ) {
        let maximum_interval = initial_interval * factor;
        let policy = RetryPolicy {
            initial_interval, backoff_coefficient, maximum_interval, maximum_attempts, non_retryable_error_types
        };
        let back = inward::retry_policy("p", Some(outward::retry_policy(policy.clone())));
        prop_assert_eq!(back, Ok(Some(policy)));
    }

    #[test]
    fn an_update_and_its_outcome_come_back_as_they_went(
        args in any_payloads(),
        header in any_header(),
        failure in any_failure(),
    ) {
        let (update_id, identity, name) = ("id".to_owned(), "me".to_owned(), "raise".to_owned());
        let request = UpdateRequest { update_id, identity, name, args: args.clone(), header };
        let back = inward::update_request("r", Some(outward::update_request(request.clone())));
        prop_assert_eq!(back, Ok(request));
        for outcome in [UpdateOutcome::Success(args), UpdateOutcome::Failure(failure)] {
            let back = inward::update_outcome("o", Some(outward::update_outcome(outcome.clone())));
            prop_assert_eq!(back, Ok(outcome));
        }
    }
}

#[test]
fn metadata_and_priority_that_say_nothing_are_none() {
    let metadata = UserMetadata { summary: Some(Payload::json("\"short\"")), details: None };
    let back = inward::user_metadata(outward::user_metadata(Some(Box::new(metadata.clone()))));
    assert_eq!(back.as_deref(), Some(&metadata));
    assert_eq!(inward::user_metadata(Some(Default::default())), None);
    let priority = Priority { priority_key: 1, fairness_key: "ward".to_owned(), fairness_weight: 2.5 };
    let back = inward::priority("priority", outward::priority(Some(priority.clone())));
    assert_eq!(back, Ok(Some(priority)));
    assert_eq!(inward::priority("priority", Some(Default::default())), Ok(None));
}

#[test]
fn a_moment_beyond_every_calendar_is_its_last_second() {
    assert_eq!(outward::timestamp(Timestamp::MAX).seconds, 253_402_300_799);
    assert_eq!(outward::timestamp(Timestamp::from_micros(i64::MIN)).seconds, -62_135_596_800);
}

#[test]
fn causes_beyond_the_limit_are_cut_off() {
    let mut failure = proto::Failure::default();
    for _ in 0..FAILURE_CAUSES_MAX + 10 {
        failure = proto::Failure { cause: Some(Box::new(failure)), ..Default::default() };
    }
    let failure = inward::failure("failure", Some(failure)).expect("only long");
    let causes = std::iter::successors(failure.cause.as_deref(), |failure| failure.cause.as_deref()).count();
    assert_eq!(causes, FAILURE_CAUSES_MAX);
}

#[test]
fn a_policy_that_says_little_is_completed_as_temporal_does() {
    let check = |policy: common::RetryPolicy| inward::retry_policy("retry_policy", Some(policy));
    assert_eq!(check(common::RetryPolicy::default()), Ok(Some(RetryPolicy::default())));
    let slow = common::RetryPolicy { initial_interval: seconds(7), ..Default::default() };
    let completed = check(slow).expect("it is right").expect("it is there");
    assert_eq!(completed.maximum_interval, Duration::from_secs(700));
    assert_eq!(inward::retry_policy("retry_policy", None), Ok(None));
}

#[expect(clippy::unnecessary_wraps, reason = "a field of a message")]
fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

#[test]
fn what_makes_no_sense_is_refused_by_its_field() {
    fn check<T: std::fmt::Debug>(result: Result<T, super::Invalid>, words: &str) {
        assert_eq!(result.expect_err("it makes no sense").to_string(), words);
    }
    check(
        inward::duration("timeout", seconds(-1)),
        "timeout: a duration is not negative, unlike -1 s and 0 ns",
    );
    check(
        inward::timestamp("at", Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 })),
        "at: 9223372036854775807 s and 0 ns are no moment",
    );
    check(inward::namespace(""), "namespace: a namespace must have 1 to 1000 bytes, not 0");
    check(
        inward::run_id("execution.run_id", "x"),
        "execution.run_id: a run id is 32 hexadecimal digits, not \"x\"",
    );
    check(inward::execution("execution", None), "execution: an execution must be named");
    check(
        inward::task_queue("task_queue", None),
        "task_queue.name: a task queue must have 1 to 1000 bytes, not 0",
    );
    check(inward::event_id("event_id", -3), "event_id: an event id is not negative, unlike -3");
    check(
        inward::workflow_type("workflow_type", None),
        "workflow_type.name: a name has 1 to 1000 bytes, not 0",
    );
    let policy = |policy| inward::retry_policy("retry_policy", Some(policy));
    check(
        policy(common::RetryPolicy { backoff_coefficient: 0.5, ..Default::default() }),
        "retry_policy.backoff_coefficient: a number of at least 1, unlike 0.5",
    );
    check(
        policy(common::RetryPolicy { backoff_coefficient: f64::NAN, ..Default::default() }),
        "retry_policy.backoff_coefficient: a number of at least 1, unlike NaN",
    );
    check(
        policy(common::RetryPolicy { maximum_attempts: -1, ..Default::default() }),
        "retry_policy.maximum_attempts: a number of at least 0, unlike -1",
    );
    check(
        policy(common::RetryPolicy {
            initial_interval: seconds(2),
            maximum_interval: seconds(1),
            ..Default::default()
        }),
        "retry_policy.maximum_interval: it must not be less than initial_interval",
    );
    check(inward::initiator("initiator", 9), "initiator: there is no kind 9");
}

#[test]
fn the_older_reuse_policy_that_terminates_is_a_conflict_policy() {
    use enums::{WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse};
    use tidegate_model::event::{WorkflowIdConflictPolicy, WorkflowIdReusePolicy};
    let check = |reuse: Reuse, conflict: Conflict| inward::id_policies(reuse.into(), conflict.into());
    assert_eq!(
        check(Reuse::TerminateIfRunning, Conflict::Unspecified),
        Ok((WorkflowIdReusePolicy::AllowDuplicate, WorkflowIdConflictPolicy::TerminateExisting))
    );
    assert_eq!(
        check(Reuse::Unspecified, Conflict::Unspecified),
        Ok((WorkflowIdReusePolicy::AllowDuplicate, WorkflowIdConflictPolicy::Fail))
    );
    check(Reuse::TerminateIfRunning, Conflict::Fail).expect_err("they contradict each other");
    check(Reuse::RejectDuplicate, Conflict::TerminateExisting).expect_err("they contradict each other");
}
