//! What events and failures are drawn from.

use std::collections::BTreeSet;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tidegate_model::event::{
    ActivityTaskScheduled, ContinueAsNewInitiator, ContinuedAsNew, Event, Execution,
    ExternalWorkflowFailedCause, ParentClosePolicy, Priority, ResetRuns, StartChildFailedCause,
    StartChildWorkflowInitiated, UpdateOutcome, UpdateRequest, UserMetadata, WorkflowExecutionStarted,
    WorkflowIdReusePolicy, WorkflowParent, WorkflowTaskFailedCause,
};
use tidegate_model::id::{Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, FailureInfo, Header, TimeoutType};

use super::{duration, payload, payloads, retry_policy, retry_state, text, time};

#[test]
fn every_kind_of_event_is_drawn() {
    let mut runner = TestRunner::deterministic();
    let strategy = event();
    let drawn: BTreeSet<u32> = (0..4_000)
        .map(|_| strategy.new_tree(&mut runner).expect("no filter").current().type_number())
        .collect();
    let known: BTreeSet<u32> = (1..=47).filter(|number| ![42, 44, 45].contains(number)).chain([55]).collect();
    assert_eq!(drawn, known);
}

// Boxed where they are large: an unoptimised tree of values would not fit a test thread's stack.

pub(super) fn failure() -> BoxedStrategy<Failure> {
    let info = prop_oneof![
        (text(), any::<(bool, bool)>(), payloads(), option::of(duration())).prop_map(
            |(kind, (non_retryable, benign), details, next_retry_delay)| FailureInfo::Application {
                kind,
                non_retryable,
                details,
                next_retry_delay,
                benign,
            }
        ),
        payloads().prop_map(|last_heartbeat_details| FailureInfo::Timeout {
            timeout_type: TimeoutType::Heartbeat,
            last_heartbeat_details,
        }),
        any::<bool>().prop_map(|non_retryable| FailureInfo::Server { non_retryable }),
        payloads().prop_map(|details| FailureInfo::Canceled { details }),
        Just(FailureInfo::Terminated),
        payloads().prop_map(|last_heartbeat_details| FailureInfo::ResetWorkflow { last_heartbeat_details }),
        (child(), retry_state()).prop_map(|((child, workflow_type, initiated, started), retry_state)| {
            FailureInfo::ChildWorkflow {
                child,
                workflow_type,
                initiated_event_id: initiated,
                started_event_id: started,
                retry_state,
            }
        }),
        (any::<u64>(), any::<u64>(), text(), text(), retry_state(), text()).prop_map(
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
    ];
    let link = (text(), text(), text(), option::of(payload()), info);
    vec(link, 1..6)
        .prop_map(|links| {
            let chain =
                links.into_iter().fold(None, |cause, (message, source, stack_trace, sealed, info)| {
                    Some(Box::new(Failure {
                        message,
                        source,
                        stack_trace,
                        encoded_attributes: sealed,
                        info,
                        cause,
                    }))
                });
            *chain.expect("at least one link")
        })
        .boxed()
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        10 => of_the_run(),
        5 => of_workflow_tasks(),
        7 => of_activities(),
        3 => of_timers(),
        8 => of_children(),
        8 => of_others(),
        6 => of_messages(),
    ]
}

/// What began the run and what ended it.
fn of_the_run() -> BoxedStrategy<Event> {
    prop_oneof![
        started().prop_map(|started| Event::WorkflowExecutionStarted(Box::new(started))),
        (payloads(), id(), option::of(run())).prop_map(|(result, completed, new_execution_run_id)| {
            Event::WorkflowExecutionCompleted {
                result,
                workflow_task_completed_event_id: completed,
                new_execution_run_id,
            }
        }),
        (failure(), retry_state(), id(), option::of(run())).prop_map(
            |(failure, retry_state, completed, new_execution_run_id)| Event::WorkflowExecutionFailed {
                failure,
                retry_state,
                workflow_task_completed_event_id: completed,
                new_execution_run_id,
            }
        ),
        (retry_state(), option::of(run())).prop_map(|(retry_state, new_execution_run_id)| {
            Event::WorkflowExecutionTimedOut { retry_state, new_execution_run_id }
        }),
        (text(), text(), text(), option::of(parent())).prop_map(|(cause, identity, request_id, external)| {
            Event::WorkflowExecutionCancelRequested {
                cause,
                identity,
                request_id,
                external: external.map(Box::new),
            }
        }),
        (payloads(), id()).prop_map(|(details, completed)| Event::WorkflowExecutionCanceled {
            details,
            workflow_task_completed_event_id: completed,
        }),
        (text(), payloads(), text()).prop_map(|(reason, details, identity)| {
            Event::WorkflowExecutionTerminated { reason, details, identity }
        }),
        continued().prop_map(|continued| Event::WorkflowExecutionContinuedAsNew(Box::new(continued))),
        (text(), text()).prop_map(|(attached_request_id, identity)| {
            Event::WorkflowExecutionOptionsUpdated { attached_request_id, identity }
        }),
    ]
    .boxed()
}

fn started() -> BoxedStrategy<WorkflowExecutionStarted> {
    let times = (option::of(duration()), option::of(duration()), option::of(time()), duration());
    let before = (option::of(run()), option::of(initiator()), option::of(failure()), payloads());
    let above = (option::of(parent()), option::of(execution()));
    let rest = (header(), header(), header(), option::of(priority()), option::of(user_metadata()));
    (text(), queue(), run(), times, before, above, option::of(retry_policy()), rest)
        .prop_map(|(workflow_type, queue, run, times, before, (parent, root), retry_policy, rest)| {
            WorkflowExecutionStarted {
                workflow_run_timeout: times.0,
                workflow_execution_timeout: times.1,
                workflow_execution_expiration_time: times.2,
                first_workflow_task_backoff: times.3,
                continued_execution_run_id: before.0,
                initiator: before.1,
                continued_failure: before.2,
                last_completion_result: before.3,
                parent: parent.map(Box::new),
                root: root.map(Box::new),
                retry_policy,
                cron_schedule: workflow_type.clone(),
                header: rest.0,
                memo: rest.1,
                search_attributes: rest.2,
                priority: rest.3,
                user_metadata: rest.4,
                ..WorkflowExecutionStarted::new(workflow_type, queue, run)
            }
        })
        .boxed()
}

fn continued() -> BoxedStrategy<ContinuedAsNew> {
    let new = (run(), text(), queue(), payloads());
    let times = (option::of(duration()), duration(), duration());
    let before = (initiator(), option::of(failure()), payloads());
    (new, times, before, (header(), header(), header()), id())
        .prop_map(|(new, times, before, (header, memo, search_attributes), completed)| ContinuedAsNew {
            new_execution_run_id: new.0,
            workflow_type: new.1,
            task_queue: new.2,
            input: new.3,
            workflow_run_timeout: times.0,
            workflow_task_timeout: times.1,
            workflow_task_completed_event_id: completed,
            backoff_start_interval: times.2,
            initiator: before.0,
            failure: before.1,
            last_completion_result: before.2,
            header,
            memo,
            search_attributes,
        })
        .boxed()
}

fn of_workflow_tasks() -> BoxedStrategy<Event> {
    let resets =
        (run(), run()).prop_map(|(base_run_id, new_run_id)| Box::new(ResetRuns { base_run_id, new_run_id }));
    let causes = vec![
        WorkflowTaskFailedCause::UnhandledCommand,
        WorkflowTaskFailedCause::ResetWorkflow,
        WorkflowTaskFailedCause::PayloadsTooLarge,
    ];
    prop_oneof![
        (queue(), duration(), any::<u32>()).prop_map(|(task_queue, start_to_close_timeout, attempt)| {
            Event::WorkflowTaskScheduled { task_queue, start_to_close_timeout, attempt }
        }),
        (id(), text(), text(), any::<bool>(), any::<u64>()).prop_map(
            |(scheduled_event_id, request_id, identity, suggest_continue_as_new, history_size_bytes)| {
                Event::WorkflowTaskStarted {
                    scheduled_event_id,
                    request_id,
                    identity,
                    suggest_continue_as_new,
                    history_size_bytes,
                }
            }
        ),
        (id(), id(), text(), option::of(payload())).prop_map(
            |(scheduled_event_id, started_event_id, identity, sdk_metadata)| {
                Event::WorkflowTaskCompleted { scheduled_event_id, started_event_id, identity, sdk_metadata }
            }
        ),
        (id(), id()).prop_map(|(scheduled_event_id, started_event_id)| Event::WorkflowTaskTimedOut {
            scheduled_event_id,
            started_event_id,
            timeout_type: TimeoutType::ScheduleToStart,
        }),
        (id(), id(), prop::sample::select(causes), failure(), text(), option::of(resets)).prop_map(
            |(scheduled_event_id, started_event_id, cause, failure, identity, reset)| {
                Event::WorkflowTaskFailed {
                    scheduled_event_id,
                    started_event_id,
                    cause,
                    failure,
                    identity,
                    reset,
                }
            }
        ),
    ]
    .boxed()
}

fn of_activities() -> BoxedStrategy<Event> {
    prop_oneof![
        activity_scheduled().prop_map(|scheduled| Event::ActivityTaskScheduled(Box::new(scheduled))),
        (id(), text(), text(), any::<u32>(), option::of(failure())).prop_map(
            |(scheduled_event_id, identity, request_id, attempt, last_failure)| Event::ActivityTaskStarted {
                scheduled_event_id,
                identity,
                request_id,
                attempt,
                last_failure,
            }
        ),
        (payloads(), id(), id(), text()).prop_map(
            |(result, scheduled_event_id, started_event_id, identity)| Event::ActivityTaskCompleted {
                result,
                scheduled_event_id,
                started_event_id,
                identity,
            }
        ),
        (failure(), id(), id(), text(), retry_state()).prop_map(
            |(failure, scheduled_event_id, started_event_id, identity, retry_state)| {
                Event::ActivityTaskFailed {
                    failure,
                    scheduled_event_id,
                    started_event_id,
                    identity,
                    retry_state,
                }
            }
        ),
        (failure(), id(), id(), retry_state()).prop_map(
            |(failure, scheduled_event_id, started_event_id, retry_state)| Event::ActivityTaskTimedOut {
                failure,
                scheduled_event_id,
                started_event_id,
                retry_state,
            }
        ),
        (id(), id()).prop_map(|(scheduled_event_id, completed)| Event::ActivityTaskCancelRequested {
            scheduled_event_id,
            workflow_task_completed_event_id: completed,
        }),
        (payloads(), id(), id(), id(), text()).prop_map(
            |(details, latest_cancel_requested_event_id, scheduled_event_id, started_event_id, identity)| {
                Event::ActivityTaskCanceled {
                    details,
                    latest_cancel_requested_event_id,
                    scheduled_event_id,
                    started_event_id,
                    identity,
                }
            }
        ),
    ]
    .boxed()
}

fn activity_scheduled() -> BoxedStrategy<ActivityTaskScheduled> {
    let times =
        (option::of(duration()), option::of(duration()), option::of(duration()), option::of(duration()));
    let rest = (header(), option::of(priority()), option::of(user_metadata()));
    ((text(), text(), queue(), payloads()), times, retry_policy(), id(), rest)
        .prop_map(|(what, times, retry_policy, completed, rest)| ActivityTaskScheduled {
            activity_id: what.0,
            activity_type: what.1,
            task_queue: what.2,
            input: what.3,
            schedule_to_close_timeout: times.0,
            schedule_to_start_timeout: times.1,
            start_to_close_timeout: times.2,
            heartbeat_timeout: times.3,
            retry_policy,
            workflow_task_completed_event_id: completed,
            header: rest.0,
            priority: rest.1,
            user_metadata: rest.2,
        })
        .boxed()
}

fn of_timers() -> BoxedStrategy<Event> {
    prop_oneof![
        (text(), duration(), id(), option::of(user_metadata())).prop_map(
            |(timer_id, start_to_fire_timeout, completed, user_metadata)| Event::TimerStarted {
                timer_id,
                start_to_fire_timeout,
                workflow_task_completed_event_id: completed,
                user_metadata,
            }
        ),
        (text(), id())
            .prop_map(|(timer_id, started_event_id)| Event::TimerFired { timer_id, started_event_id }),
        (text(), id(), id(), text()).prop_map(|(timer_id, started_event_id, completed, identity)| {
            Event::TimerCanceled {
                timer_id,
                started_event_id,
                workflow_task_completed_event_id: completed,
                identity,
            }
        }),
    ]
    .boxed()
}

fn of_children() -> BoxedStrategy<Event> {
    let causes = vec![StartChildFailedCause::WorkflowAlreadyExists, StartChildFailedCause::NamespaceNotFound];
    prop_oneof![
        initiated().prop_map(|initiated| Event::StartChildWorkflowExecutionInitiated(Box::new(initiated))),
        (prop::sample::select(causes), child(), text()).prop_map(
            |(cause, (child, workflow_type, initiated_event_id, completed), control)| {
                Event::StartChildWorkflowExecutionFailed {
                    cause,
                    namespace: child.namespace,
                    workflow_id: child.workflow_id,
                    workflow_type,
                    initiated_event_id,
                    workflow_task_completed_event_id: completed,
                    control,
                }
            }
        ),
        (child(), header()).prop_map(|((child, workflow_type, initiated_event_id, _), header)| {
            Event::ChildWorkflowExecutionStarted { child, workflow_type, initiated_event_id, header }
        }),
        (payloads(), child()).prop_map(|(result, (child, workflow_type, initiated_event_id, started))| {
            Event::ChildWorkflowExecutionCompleted {
                result,
                child,
                workflow_type,
                initiated_event_id,
                started_event_id: started,
            }
        }),
        (failure(), retry_state(), child()).prop_map(
            |(failure, retry_state, (child, workflow_type, initiated_event_id, started_event_id))| {
                Event::ChildWorkflowExecutionFailed {
                    failure,
                    retry_state,
                    child,
                    workflow_type,
                    initiated_event_id,
                    started_event_id,
                }
            }
        ),
        (payloads(), child()).prop_map(|(details, (child, workflow_type, initiated_event_id, started))| {
            Event::ChildWorkflowExecutionCanceled {
                details,
                child,
                workflow_type,
                initiated_event_id,
                started_event_id: started,
            }
        }),
        (retry_state(), child()).prop_map(
            |(retry_state, (child, workflow_type, initiated_event_id, started_event_id))| {
                Event::ChildWorkflowExecutionTimedOut {
                    retry_state,
                    child,
                    workflow_type,
                    initiated_event_id,
                    started_event_id,
                }
            }
        ),
        child().prop_map(|(child, workflow_type, initiated_event_id, started_event_id)| {
            Event::ChildWorkflowExecutionTerminated {
                child,
                workflow_type,
                initiated_event_id,
                started_event_id,
            }
        }),
    ]
    .boxed()
}

fn initiated() -> BoxedStrategy<StartChildWorkflowInitiated> {
    let policies =
        vec![ParentClosePolicy::Terminate, ParentClosePolicy::Abandon, ParentClosePolicy::RequestCancel];
    let reuse = vec![
        WorkflowIdReusePolicy::AllowDuplicate,
        WorkflowIdReusePolicy::AllowDuplicateFailedOnly,
        WorkflowIdReusePolicy::RejectDuplicate,
    ];
    let what = (text(), queue(), payloads(), text(), text());
    let times = (option::of(duration()), option::of(duration()), duration());
    let policies = (prop::sample::select(policies), prop::sample::select(reuse), option::of(retry_policy()));
    let rest = (header(), header(), header(), option::of(priority()), option::of(user_metadata()));
    (execution(), what, times, policies, id(), rest)
        .prop_map(|(child, what, times, policies, completed, rest)| StartChildWorkflowInitiated {
            namespace: child.namespace,
            workflow_id: child.workflow_id,
            workflow_type: what.0,
            task_queue: what.1,
            input: what.2,
            workflow_execution_timeout: times.0,
            workflow_run_timeout: times.1,
            workflow_task_timeout: times.2,
            parent_close_policy: policies.0,
            control: what.3,
            workflow_task_completed_event_id: completed,
            workflow_id_reuse_policy: policies.1,
            retry_policy: policies.2,
            cron_schedule: what.4,
            header: rest.0,
            memo: rest.1,
            search_attributes: rest.2,
            priority: rest.3,
            user_metadata: rest.4,
        })
        .boxed()
}

/// What passed between this run and executions that are not its children.
fn of_others() -> BoxedStrategy<Event> {
    let cause = || {
        prop::sample::select(vec![
            ExternalWorkflowFailedCause::NotFound,
            ExternalWorkflowFailedCause::NamespaceNotFound,
            ExternalWorkflowFailedCause::SignalCountLimitExceeded,
        ])
    };
    let target = || execution().prop_map(Box::new);
    prop_oneof![
        (id(), target(), text(), any::<bool>(), text()).prop_map(
            |(completed, target, control, child_workflow_only, reason)| {
                Event::RequestCancelExternalWorkflowExecutionInitiated {
                    workflow_task_completed_event_id: completed,
                    target,
                    control,
                    child_workflow_only,
                    reason,
                }
            }
        ),
        (cause(), target(), id(), id(), text()).prop_map(
            |(cause, target, initiated_event_id, completed, control)| {
                Event::RequestCancelExternalWorkflowExecutionFailed {
                    cause,
                    target,
                    initiated_event_id,
                    workflow_task_completed_event_id: completed,
                    control,
                }
            }
        ),
        (id(), target()).prop_map(|(initiated_event_id, target)| {
            Event::ExternalWorkflowExecutionCancelRequested { initiated_event_id, target }
        }),
        (id(), target(), text(), payloads(), text(), any::<bool>(), header()).prop_map(
            |(completed, target, signal_name, input, control, child_workflow_only, header)| {
                Event::SignalExternalWorkflowExecutionInitiated {
                    workflow_task_completed_event_id: completed,
                    target,
                    signal_name,
                    input,
                    control,
                    child_workflow_only,
                    header,
                }
            }
        ),
        (cause(), target(), id(), id(), text()).prop_map(
            |(cause, target, initiated_event_id, completed, control)| {
                Event::SignalExternalWorkflowExecutionFailed {
                    cause,
                    target,
                    initiated_event_id,
                    workflow_task_completed_event_id: completed,
                    control,
                }
            }
        ),
        (id(), target(), text()).prop_map(|(initiated_event_id, target, control)| {
            Event::ExternalWorkflowExecutionSignaled { initiated_event_id, target, control }
        }),
    ]
    .boxed()
}

/// Signals, updates, markers, attributes.
fn of_messages() -> BoxedStrategy<Event> {
    let details = || btree_map(text(), payloads(), 0..2);
    let outcome =
        prop_oneof![payloads().prop_map(UpdateOutcome::Success), failure().prop_map(UpdateOutcome::Failure),];
    prop_oneof![
        (text(), payloads(), text(), text(), header(), option::of(execution())).prop_map(
            |(signal_name, input, identity, request_id, header, external)| {
                Event::WorkflowExecutionSignaled {
                    signal_name,
                    input,
                    identity,
                    request_id,
                    header,
                    external: external.map(Box::new),
                }
            }
        ),
        (text(), details(), id(), header(), option::of(failure()), option::of(user_metadata())).prop_map(
            |(marker_name, details, completed, header, failure, user_metadata)| Event::MarkerRecorded {
                marker_name,
                details,
                workflow_task_completed_event_id: completed,
                header,
                failure,
                user_metadata,
            }
        ),
        (id(), header()).prop_map(|(completed, search_attributes)| {
            Event::UpsertWorkflowSearchAttributes {
                workflow_task_completed_event_id: completed,
                search_attributes,
            }
        }),
        (id(), header()).prop_map(|(completed, upserted_memo)| Event::WorkflowPropertiesModified {
            workflow_task_completed_event_id: completed,
            upserted_memo,
        }),
        (text(), text(), id(), option::of(update())).prop_map(
            |(protocol_instance_id, message_id, sequencing, request)| {
                Event::WorkflowExecutionUpdateAccepted {
                    protocol_instance_id,
                    accepted_request_message_id: message_id,
                    accepted_request_sequencing_event_id: sequencing,
                    accepted_request: request.map(Box::new),
                }
            }
        ),
        (text(), text(), outcome, id()).prop_map(|(update_id, identity, outcome, accepted_event_id)| {
            Event::WorkflowExecutionUpdateCompleted { update_id, identity, outcome, accepted_event_id }
        }),
        update().prop_map(|request| Event::WorkflowExecutionUpdateAdmitted { request: Box::new(request) }),
    ]
    .boxed()
}

fn update() -> BoxedStrategy<UpdateRequest> {
    (text(), text(), text(), payloads(), header())
        .prop_map(|(update_id, identity, name, args, header)| UpdateRequest {
            update_id,
            identity,
            name,
            args,
            header,
        })
        .boxed()
}

/// A child, its type, and two event ids.
fn child() -> impl Strategy<Value = (Box<Execution>, String, u64, u64)> {
    (execution().prop_map(Box::new), text(), id(), id())
}

fn execution() -> BoxedStrategy<Execution> {
    ("[a-z]{1,9}", "[ -~]{1,9}", option::of(run()))
        .prop_map(|(namespace, workflow_id, run_id)| Execution {
            namespace: Namespace::new(namespace).expect("a plain name"),
            workflow_id: WorkflowId::new(workflow_id).expect("printable"),
            run_id,
        })
        .boxed()
}

fn parent() -> impl Strategy<Value = WorkflowParent> {
    (execution(), run(), id()).prop_map(|(execution, run_id, initiated_event_id)| WorkflowParent {
        namespace: execution.namespace,
        workflow_id: execution.workflow_id,
        run_id,
        initiated_event_id,
    })
}

fn initiator() -> impl Strategy<Value = ContinueAsNewInitiator> {
    prop::sample::select(vec![
        ContinueAsNewInitiator::Workflow,
        ContinueAsNewInitiator::Retry,
        ContinueAsNewInitiator::CronSchedule,
    ])
}

fn priority() -> impl Strategy<Value = Priority> {
    let weight = prop::sample::select(vec![0.0_f32, 1.0, 0.1, -0.5, f32::MAX, f32::MIN_POSITIVE]);
    (any::<u32>(), text(), weight).prop_map(|(priority_key, fairness_key, fairness_weight)| Priority {
        priority_key,
        fairness_key,
        fairness_weight,
    })
}

fn user_metadata() -> BoxedStrategy<Box<UserMetadata>> {
    (option::of(payload()), option::of(payload()))
        .prop_map(|(summary, details)| Box::new(UserMetadata { summary, details }))
        .boxed()
}

fn header() -> BoxedStrategy<Header> {
    btree_map(text(), payload(), 0..2).boxed()
}

fn queue() -> impl Strategy<Value = TaskQueue> {
    "[a-z]{1,9}".prop_map(|name| TaskQueue::new(name).expect("printable"))
}

fn run() -> impl Strategy<Value = RunId> {
    any::<u128>().prop_map(RunId::from_u128)
}

fn id() -> impl Strategy<Value = u64> {
    any::<u64>()
}
