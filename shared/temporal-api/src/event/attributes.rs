//! What each event carries.

mod large;

use tidegate_model::event::Event;

use crate::convert::{cause, outward, sdk_metadata};
use crate::proto::enums;
use crate::proto::history::history_event::Attributes;
use crate::proto::history::*;
use crate::proto::update::Meta;

/// The attributes of an event of an execution.
pub(super) fn of(event: Event, execution: &str) -> Attributes {
    match event {
        Event::WorkflowExecutionStarted(started) => {
            Attributes::WorkflowExecutionStartedEventAttributes(large::started(*started, execution))
        }
        Event::WorkflowExecutionCompleted {
            result,
            workflow_task_completed_event_id,
            new_execution_run_id,
        } => {
            Attributes::WorkflowExecutionCompletedEventAttributes(WorkflowExecutionCompletedEventAttributes {
                result: outward::payloads(result),
                workflow_task_completed_event_id: outward::id(workflow_task_completed_event_id),
                new_execution_run_id: outward::run_id(new_execution_run_id),
            })
        }
        Event::WorkflowExecutionFailed {
            failure,
            retry_state,
            workflow_task_completed_event_id,
            new_execution_run_id,
        } => Attributes::WorkflowExecutionFailedEventAttributes(WorkflowExecutionFailedEventAttributes {
            failure: Some(outward::failure(failure)),
            retry_state: outward::retry_state(retry_state).into(),
            workflow_task_completed_event_id: outward::id(workflow_task_completed_event_id),
            new_execution_run_id: outward::run_id(new_execution_run_id),
        }),
        Event::WorkflowExecutionTimedOut { retry_state, new_execution_run_id } => {
            Attributes::WorkflowExecutionTimedOutEventAttributes(WorkflowExecutionTimedOutEventAttributes {
                retry_state: outward::retry_state(retry_state).into(),
                new_execution_run_id: outward::run_id(new_execution_run_id),
            })
        }
        Event::WorkflowTaskScheduled { task_queue, start_to_close_timeout, attempt } => {
            Attributes::WorkflowTaskScheduledEventAttributes(WorkflowTaskScheduledEventAttributes {
                task_queue: outward::task_queue(&task_queue),
                start_to_close_timeout: Some(outward::duration(start_to_close_timeout)),
                attempt: outward::int(attempt),
            })
        }
        Event::WorkflowTaskStarted {
            scheduled_event_id,
            request_id,
            identity,
            suggest_continue_as_new,
            history_size_bytes,
        } => Attributes::WorkflowTaskStartedEventAttributes(WorkflowTaskStartedEventAttributes {
            scheduled_event_id: outward::id(scheduled_event_id),
            identity,
            request_id,
            suggest_continue_as_new,
            history_size_bytes: outward::id(history_size_bytes),
            ..Default::default()
        }),
        Event::WorkflowTaskCompleted { scheduled_event_id, started_event_id, identity, sdk_metadata } => {
            Attributes::WorkflowTaskCompletedEventAttributes(WorkflowTaskCompletedEventAttributes {
                scheduled_event_id: outward::id(scheduled_event_id),
                started_event_id: outward::id(started_event_id),
                identity,
                sdk_metadata: sdk_metadata.as_ref().and_then(sdk_metadata::of_payload),
                ..Default::default()
            })
        }
        Event::WorkflowTaskTimedOut { scheduled_event_id, started_event_id, timeout_type } => {
            Attributes::WorkflowTaskTimedOutEventAttributes(WorkflowTaskTimedOutEventAttributes {
                scheduled_event_id: outward::id(scheduled_event_id),
                started_event_id: outward::id(started_event_id),
                timeout_type: outward::timeout_type(timeout_type).into(),
            })
        }
        Event::WorkflowTaskFailed {
            scheduled_event_id,
            started_event_id,
            cause,
            failure,
            identity,
            reset,
        } => {
            let (base_run_id, new_run_id) = match reset {
                Some(reset) => (reset.base_run_id.to_string(), reset.new_run_id.to_string()),
                None => Default::default(),
            };
            Attributes::WorkflowTaskFailedEventAttributes(WorkflowTaskFailedEventAttributes {
                scheduled_event_id: outward::id(scheduled_event_id),
                started_event_id: outward::id(started_event_id),
                cause: cause::of_workflow_task(cause).into(),
                failure: Some(outward::failure(failure)),
                identity,
                base_run_id,
                new_run_id,
                ..Default::default()
            })
        }
        Event::ActivityTaskScheduled(scheduled) => {
            Attributes::ActivityTaskScheduledEventAttributes(large::activity_scheduled(*scheduled))
        }
        Event::ActivityTaskStarted { scheduled_event_id, identity, request_id, attempt, last_failure } => {
            Attributes::ActivityTaskStartedEventAttributes(ActivityTaskStartedEventAttributes {
                scheduled_event_id: outward::id(scheduled_event_id),
                identity,
                request_id,
                attempt: outward::int(attempt),
                last_failure: last_failure.map(outward::failure),
                ..Default::default()
            })
        }
        Event::ActivityTaskCompleted { result, scheduled_event_id, started_event_id, identity } => {
            Attributes::ActivityTaskCompletedEventAttributes(ActivityTaskCompletedEventAttributes {
                result: outward::payloads(result),
                scheduled_event_id: outward::id(scheduled_event_id),
                started_event_id: outward::id(started_event_id),
                identity,
                ..Default::default()
            })
        }
        Event::ActivityTaskFailed {
            failure,
            scheduled_event_id,
            started_event_id,
            identity,
            retry_state,
        } => Attributes::ActivityTaskFailedEventAttributes(ActivityTaskFailedEventAttributes {
            failure: Some(outward::failure(failure)),
            scheduled_event_id: outward::id(scheduled_event_id),
            started_event_id: outward::id(started_event_id),
            identity,
            retry_state: outward::retry_state(retry_state).into(),
            ..Default::default()
        }),
        Event::ActivityTaskTimedOut { failure, scheduled_event_id, started_event_id, retry_state } => {
            Attributes::ActivityTaskTimedOutEventAttributes(ActivityTaskTimedOutEventAttributes {
                failure: Some(outward::failure(failure)),
                scheduled_event_id: outward::id(scheduled_event_id),
                started_event_id: outward::id(started_event_id),
                retry_state: outward::retry_state(retry_state).into(),
            })
        }
        Event::ActivityTaskCancelRequested { scheduled_event_id, workflow_task_completed_event_id } => {
            Attributes::ActivityTaskCancelRequestedEventAttributes(
                ActivityTaskCancelRequestedEventAttributes {
                    scheduled_event_id: outward::id(scheduled_event_id),
                    workflow_task_completed_event_id: outward::id(workflow_task_completed_event_id),
                },
            )
        }
        Event::ActivityTaskCanceled {
            details,
            latest_cancel_requested_event_id,
            scheduled_event_id,
            started_event_id,
            identity,
        } => Attributes::ActivityTaskCanceledEventAttributes(ActivityTaskCanceledEventAttributes {
            details: outward::payloads(details),
            latest_cancel_requested_event_id: outward::id(latest_cancel_requested_event_id),
            scheduled_event_id: outward::id(scheduled_event_id),
            started_event_id: outward::id(started_event_id),
            identity,
            ..Default::default()
        }),
        Event::TimerStarted {
            timer_id,
            start_to_fire_timeout,
            workflow_task_completed_event_id,
            user_metadata: _,
        } => Attributes::TimerStartedEventAttributes(TimerStartedEventAttributes {
            timer_id,
            start_to_fire_timeout: Some(outward::duration(start_to_fire_timeout)),
            workflow_task_completed_event_id: outward::id(workflow_task_completed_event_id),
        }),
        Event::TimerFired { timer_id, started_event_id } => {
            Attributes::TimerFiredEventAttributes(TimerFiredEventAttributes {
                timer_id,
                started_event_id: outward::id(started_event_id),
            })
        }
        Event::TimerCanceled { timer_id, started_event_id, workflow_task_completed_event_id, identity } => {
            Attributes::TimerCanceledEventAttributes(TimerCanceledEventAttributes {
                timer_id,
                started_event_id: outward::id(started_event_id),
                workflow_task_completed_event_id: outward::id(workflow_task_completed_event_id),
                identity,
            })
        }
        Event::WorkflowExecutionCancelRequested { cause, identity, request_id: _, external } => {
            let external_initiated_event_id =
                external.as_ref().map_or(0, |parent| outward::id(parent.initiated_event_id));
            Attributes::WorkflowExecutionCancelRequestedEventAttributes(
                WorkflowExecutionCancelRequestedEventAttributes {
                    cause,
                    external_initiated_event_id,
                    external_workflow_execution: external.map(|parent| large::parent_execution(&parent)),
                    identity,
                },
            )
        }
        Event::WorkflowExecutionCanceled { details, workflow_task_completed_event_id } => {
            Attributes::WorkflowExecutionCanceledEventAttributes(WorkflowExecutionCanceledEventAttributes {
                workflow_task_completed_event_id: outward::id(workflow_task_completed_event_id),
                details: outward::payloads(details),
            })
        }
        Event::RequestCancelExternalWorkflowExecutionInitiated {
            workflow_task_completed_event_id,
            target,
            control,
            child_workflow_only,
            reason,
        } => Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(
            RequestCancelExternalWorkflowExecutionInitiatedEventAttributes {
                workflow_task_completed_event_id: outward::id(workflow_task_completed_event_id),
                namespace: target.namespace.to_string(),
                workflow_execution: outward::execution(*target),
                control,
                child_workflow_only,
                reason,
                ..Default::default()
            },
        ),
        Event::RequestCancelExternalWorkflowExecutionFailed {
            cause,
            target,
            initiated_event_id,
            workflow_task_completed_event_id,
            control,
        } => Attributes::RequestCancelExternalWorkflowExecutionFailedEventAttributes(
            RequestCancelExternalWorkflowExecutionFailedEventAttributes {
                cause: cause::of_cancel(cause).into(),
                workflow_task_completed_event_id: outward::id(workflow_task_completed_event_id),
                namespace: target.namespace.to_string(),
                workflow_execution: outward::execution(*target),
                initiated_event_id: outward::id(initiated_event_id),
                control,
                ..Default::default()
            },
        ),
        Event::ExternalWorkflowExecutionCancelRequested { initiated_event_id, target } => {
            Attributes::ExternalWorkflowExecutionCancelRequestedEventAttributes(
                ExternalWorkflowExecutionCancelRequestedEventAttributes {
                    initiated_event_id: outward::id(initiated_event_id),
                    namespace: target.namespace.to_string(),
                    workflow_execution: outward::execution(*target),
                    ..Default::default()
                },
            )
        }
        Event::MarkerRecorded {
            marker_name,
            details,
            workflow_task_completed_event_id,
            header,
            failure,
            user_metadata: _,
        } => Attributes::MarkerRecordedEventAttributes(MarkerRecordedEventAttributes {
            marker_name,
            details: details.into_iter().map(|(key, value)| (key, outward::all_payloads(value))).collect(),
            workflow_task_completed_event_id: outward::id(workflow_task_completed_event_id),
            header: outward::header(header),
            failure: failure.map(outward::failure),
        }),
        Event::WorkflowExecutionSignaled { signal_name, input, identity, request_id, header, external } => {
            Attributes::WorkflowExecutionSignaledEventAttributes(WorkflowExecutionSignaledEventAttributes {
                signal_name,
                input: outward::payloads(input),
                identity,
                header: outward::header(header),
                external_workflow_execution: external.and_then(|external| outward::execution(*external)),
                request_id,
                ..Default::default()
            })
        }
        Event::WorkflowExecutionTerminated { reason, details, identity } => {
            Attributes::WorkflowExecutionTerminatedEventAttributes(
                WorkflowExecutionTerminatedEventAttributes {
                    reason,
                    details: outward::payloads(details),
                    identity,
                },
            )
        }
        Event::WorkflowExecutionContinuedAsNew(continued) => {
            Attributes::WorkflowExecutionContinuedAsNewEventAttributes(large::continued_as_new(*continued))
        }
        Event::StartChildWorkflowExecutionInitiated(initiated) => {
            Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(large::child_initiated(
                *initiated,
            ))
        }
        Event::StartChildWorkflowExecutionFailed {
            cause,
            namespace,
            workflow_id,
            workflow_type,
            initiated_event_id,
            workflow_task_completed_event_id,
            control,
        } => Attributes::StartChildWorkflowExecutionFailedEventAttributes(
            StartChildWorkflowExecutionFailedEventAttributes {
                namespace: namespace.to_string(),
                workflow_id: workflow_id.to_string(),
                workflow_type: outward::workflow_type(workflow_type),
                cause: cause::of_child(cause).into(),
                control,
                initiated_event_id: outward::id(initiated_event_id),
                workflow_task_completed_event_id: outward::id(workflow_task_completed_event_id),
                ..Default::default()
            },
        ),
        Event::ChildWorkflowExecutionStarted { child, workflow_type, initiated_event_id, header } => {
            Attributes::ChildWorkflowExecutionStartedEventAttributes(
                ChildWorkflowExecutionStartedEventAttributes {
                    namespace: child.namespace.to_string(),
                    initiated_event_id: outward::id(initiated_event_id),
                    workflow_execution: outward::execution(*child),
                    workflow_type: outward::workflow_type(workflow_type),
                    header: outward::header(header),
                    ..Default::default()
                },
            )
        }
        Event::ChildWorkflowExecutionCompleted {
            result,
            child,
            workflow_type,
            initiated_event_id,
            started_event_id,
        } => Attributes::ChildWorkflowExecutionCompletedEventAttributes(
            ChildWorkflowExecutionCompletedEventAttributes {
                result: outward::payloads(result),
                namespace: child.namespace.to_string(),
                workflow_execution: outward::execution(*child),
                workflow_type: outward::workflow_type(workflow_type),
                initiated_event_id: outward::id(initiated_event_id),
                started_event_id: outward::id(started_event_id),
                ..Default::default()
            },
        ),
        Event::ChildWorkflowExecutionFailed {
            failure,
            retry_state,
            child,
            workflow_type,
            initiated_event_id,
            started_event_id,
        } => Attributes::ChildWorkflowExecutionFailedEventAttributes(
            ChildWorkflowExecutionFailedEventAttributes {
                failure: Some(outward::failure(failure)),
                namespace: child.namespace.to_string(),
                workflow_execution: outward::execution(*child),
                workflow_type: outward::workflow_type(workflow_type),
                initiated_event_id: outward::id(initiated_event_id),
                started_event_id: outward::id(started_event_id),
                retry_state: outward::retry_state(retry_state).into(),
                ..Default::default()
            },
        ),
        Event::ChildWorkflowExecutionCanceled {
            details,
            child,
            workflow_type,
            initiated_event_id,
            started_event_id,
        } => Attributes::ChildWorkflowExecutionCanceledEventAttributes(
            ChildWorkflowExecutionCanceledEventAttributes {
                details: outward::payloads(details),
                namespace: child.namespace.to_string(),
                workflow_execution: outward::execution(*child),
                workflow_type: outward::workflow_type(workflow_type),
                initiated_event_id: outward::id(initiated_event_id),
                started_event_id: outward::id(started_event_id),
                ..Default::default()
            },
        ),
        Event::ChildWorkflowExecutionTimedOut {
            retry_state,
            child,
            workflow_type,
            initiated_event_id,
            started_event_id,
        } => Attributes::ChildWorkflowExecutionTimedOutEventAttributes(
            ChildWorkflowExecutionTimedOutEventAttributes {
                namespace: child.namespace.to_string(),
                workflow_execution: outward::execution(*child),
                workflow_type: outward::workflow_type(workflow_type),
                initiated_event_id: outward::id(initiated_event_id),
                started_event_id: outward::id(started_event_id),
                retry_state: outward::retry_state(retry_state).into(),
                ..Default::default()
            },
        ),
        Event::ChildWorkflowExecutionTerminated {
            child,
            workflow_type,
            initiated_event_id,
            started_event_id,
        } => Attributes::ChildWorkflowExecutionTerminatedEventAttributes(
            ChildWorkflowExecutionTerminatedEventAttributes {
                namespace: child.namespace.to_string(),
                workflow_execution: outward::execution(*child),
                workflow_type: outward::workflow_type(workflow_type),
                initiated_event_id: outward::id(initiated_event_id),
                started_event_id: outward::id(started_event_id),
                ..Default::default()
            },
        ),
        Event::SignalExternalWorkflowExecutionInitiated {
            workflow_task_completed_event_id,
            target,
            signal_name,
            input,
            control,
            child_workflow_only,
            header,
        } => Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(
            SignalExternalWorkflowExecutionInitiatedEventAttributes {
                workflow_task_completed_event_id: outward::id(workflow_task_completed_event_id),
                namespace: target.namespace.to_string(),
                workflow_execution: outward::execution(*target),
                signal_name,
                input: outward::payloads(input),
                control,
                child_workflow_only,
                header: outward::header(header),
                ..Default::default()
            },
        ),
        Event::SignalExternalWorkflowExecutionFailed {
            cause,
            target,
            initiated_event_id,
            workflow_task_completed_event_id,
            control,
        } => Attributes::SignalExternalWorkflowExecutionFailedEventAttributes(
            SignalExternalWorkflowExecutionFailedEventAttributes {
                cause: cause::of_signal(cause).into(),
                workflow_task_completed_event_id: outward::id(workflow_task_completed_event_id),
                namespace: target.namespace.to_string(),
                workflow_execution: outward::execution(*target),
                initiated_event_id: outward::id(initiated_event_id),
                control,
                ..Default::default()
            },
        ),
        Event::ExternalWorkflowExecutionSignaled { initiated_event_id, target, control } => {
            Attributes::ExternalWorkflowExecutionSignaledEventAttributes(
                ExternalWorkflowExecutionSignaledEventAttributes {
                    initiated_event_id: outward::id(initiated_event_id),
                    namespace: target.namespace.to_string(),
                    workflow_execution: outward::execution(*target),
                    control,
                    ..Default::default()
                },
            )
        }
        Event::UpsertWorkflowSearchAttributes { workflow_task_completed_event_id, search_attributes } => {
            Attributes::UpsertWorkflowSearchAttributesEventAttributes(
                UpsertWorkflowSearchAttributesEventAttributes {
                    workflow_task_completed_event_id: outward::id(workflow_task_completed_event_id),
                    search_attributes: outward::search_attributes(search_attributes),
                },
            )
        }
        Event::WorkflowExecutionUpdateAccepted {
            protocol_instance_id,
            accepted_request_message_id,
            accepted_request_sequencing_event_id,
            accepted_request,
        } => Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(
            WorkflowExecutionUpdateAcceptedEventAttributes {
                protocol_instance_id,
                accepted_request_message_id,
                accepted_request_sequencing_event_id: outward::id(accepted_request_sequencing_event_id),
                accepted_request: accepted_request.map(|request| outward::update_request(*request)),
            },
        ),
        Event::WorkflowExecutionUpdateCompleted { update_id, identity, outcome, accepted_event_id } => {
            Attributes::WorkflowExecutionUpdateCompletedEventAttributes(
                WorkflowExecutionUpdateCompletedEventAttributes {
                    meta: Some(Meta { update_id, identity }),
                    accepted_event_id: outward::id(accepted_event_id),
                    outcome: Some(outward::update_outcome(outcome)),
                },
            )
        }
        Event::WorkflowPropertiesModified { workflow_task_completed_event_id, upserted_memo } => {
            Attributes::WorkflowPropertiesModifiedEventAttributes(WorkflowPropertiesModifiedEventAttributes {
                workflow_task_completed_event_id: outward::id(workflow_task_completed_event_id),
                upserted_memo: outward::memo(upserted_memo),
            })
        }
        Event::WorkflowExecutionUpdateAdmitted { request } => {
            Attributes::WorkflowExecutionUpdateAdmittedEventAttributes(
                WorkflowExecutionUpdateAdmittedEventAttributes {
                    request: Some(outward::update_request(*request)),
                    origin: enums::UpdateAdmittedEventOrigin::Reapply.into(),
                },
            )
        }
        Event::WorkflowExecutionOptionsUpdated { attached_request_id, identity } => {
            Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(
                WorkflowExecutionOptionsUpdatedEventAttributes {
                    attached_request_id,
                    identity,
                    ..Default::default()
                },
            )
        }
    }
}
