//! Commands as workers send them. One that says too little is the workflow task's failure, with the cause by which a
//! person finds it, and not the call's alone.

use std::collections::BTreeMap;

use tidegate_engine::{Command, ContinueAsNew, ScheduleActivity, StartChildWorkflow};
use tidegate_model::event::{Execution, UserMetadata, WorkflowTaskFailedCause as Cause};
use tidegate_model::id::{Namespace, RunId, WorkflowId};

use crate::convert::Invalid;
use crate::convert::inward::{self, Checked};
use crate::proto::command as proto;
use crate::proto::command::command::Attributes;

/// A command that cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadCommand {
    /// Under which cause the workflow task fails.
    pub(crate) cause: Cause,
    /// What is wrong.
    pub(crate) invalid: Invalid,
}

/// The commands of a workflow of `namespace`, in order.
pub(crate) fn inward(
    namespace: &Namespace,
    commands: Vec<proto::Command>,
) -> Result<Vec<Command>, BadCommand> {
    commands
        .into_iter()
        .enumerate()
        .map(|(at, command)| one(namespace, &format!("commands[{at}]"), command))
        .collect()
}

fn one(namespace: &Namespace, field: &str, command: proto::Command) -> Result<Command, BadCommand> {
    let user_metadata = inward::user_metadata(command.user_metadata);
    let Some(attributes) = command.attributes else {
        let number = command.command_type;
        let invalid = Invalid::new(field, format_args!("a command of type {number} without its attributes"));
        return Err(BadCommand { cause: Cause::WorkflowWorkerUnhandledFailure, invalid });
    };
    let cause = cause(&attributes);
    convert(namespace, field, attributes, user_metadata).map_err(|invalid| BadCommand { cause, invalid })
}

/// Under which cause a workflow task fails for a command.
fn cause(attributes: &Attributes) -> Cause {
    match attributes {
        Attributes::ScheduleActivityTaskCommandAttributes(_) => Cause::BadScheduleActivityAttributes,
        Attributes::StartTimerCommandAttributes(_) => Cause::BadStartTimerAttributes,
        Attributes::CompleteWorkflowExecutionCommandAttributes(_) => {
            Cause::BadCompleteWorkflowExecutionAttributes
        }
        Attributes::FailWorkflowExecutionCommandAttributes(_) => Cause::BadFailWorkflowExecutionAttributes,
        Attributes::RequestCancelActivityTaskCommandAttributes(_) => {
            Cause::BadRequestCancelActivityAttributes
        }
        Attributes::CancelTimerCommandAttributes(_) => Cause::BadCancelTimerAttributes,
        Attributes::CancelWorkflowExecutionCommandAttributes(_) => {
            Cause::BadCancelWorkflowExecutionAttributes
        }
        Attributes::RequestCancelExternalWorkflowExecutionCommandAttributes(_) => {
            Cause::BadRequestCancelExternalWorkflowExecutionAttributes
        }
        Attributes::RecordMarkerCommandAttributes(_) => Cause::BadRecordMarkerAttributes,
        Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(_) => Cause::BadContinueAsNewAttributes,
        Attributes::StartChildWorkflowExecutionCommandAttributes(_) => {
            Cause::BadStartChildExecutionAttributes
        }
        Attributes::SignalExternalWorkflowExecutionCommandAttributes(_) => {
            Cause::BadSignalWorkflowExecutionAttributes
        }
        Attributes::UpsertWorkflowSearchAttributesCommandAttributes(_) => Cause::BadSearchAttributes,
        Attributes::ProtocolMessageCommandAttributes(_) => Cause::BadUpdateWorkflowExecutionMessage,
        Attributes::ModifyWorkflowPropertiesCommandAttributes(_) => {
            Cause::BadModifyWorkflowPropertiesAttributes
        }
        Attributes::ScheduleNexusOperationCommandAttributes(_)
        | Attributes::RequestCancelNexusOperationCommandAttributes(_) => {
            Cause::WorkflowWorkerUnhandledFailure
        }
    }
}

fn convert(
    namespace: &Namespace,
    field: &str,
    attributes: Attributes,
    user_metadata: Option<Box<UserMetadata>>,
) -> Checked<Command> {
    let path = |name: &str| format!("{field}.{name}");
    match attributes {
        Attributes::ScheduleActivityTaskCommandAttributes(attributes) => {
            schedule_activity(field, attributes, user_metadata).map(Command::ScheduleActivityTask)
        }
        Attributes::RequestCancelActivityTaskCommandAttributes(attributes) => {
            let scheduled_event_id =
                inward::event_id(&path("scheduled_event_id"), attributes.scheduled_event_id)?;
            Ok(Command::RequestCancelActivityTask { scheduled_event_id })
        }
        Attributes::StartTimerCommandAttributes(attributes) => Ok(Command::StartTimer {
            timer_id: inward::name(&path("timer_id"), attributes.timer_id)?,
            start_to_fire_timeout: inward::or_zero(
                &path("start_to_fire_timeout"),
                attributes.start_to_fire_timeout,
            )?,
            user_metadata,
        }),
        Attributes::CancelTimerCommandAttributes(attributes) => {
            Ok(Command::CancelTimer { timer_id: inward::name(&path("timer_id"), attributes.timer_id)? })
        }
        Attributes::CompleteWorkflowExecutionCommandAttributes(attributes) => {
            Ok(Command::CompleteWorkflowExecution { result: inward::payloads(attributes.result) })
        }
        Attributes::FailWorkflowExecutionCommandAttributes(attributes) => {
            let failure = inward::failure(&path("failure"), attributes.failure)?;
            Ok(Command::FailWorkflowExecution { failure })
        }
        Attributes::CancelWorkflowExecutionCommandAttributes(attributes) => {
            Ok(Command::CancelWorkflowExecution { details: inward::payloads(attributes.details) })
        }
        Attributes::RequestCancelExternalWorkflowExecutionCommandAttributes(attributes) => {
            let (workflow_id, run_id) = external(field, &attributes.workflow_id, &attributes.run_id)?;
            let namespace = other_namespace(field, &attributes.namespace, namespace)?;
            Ok(Command::RequestCancelExternalWorkflowExecution {
                target: Execution { namespace, workflow_id, run_id },
                control: attributes.control,
                child_workflow_only: attributes.child_workflow_only,
                reason: attributes.reason,
            })
        }
        Attributes::RecordMarkerCommandAttributes(attributes) => Ok(Command::RecordMarker {
            marker_name: inward::name(&path("marker_name"), attributes.marker_name)?,
            details: attributes
                .details
                .into_iter()
                .map(|(key, value)| (key, inward::payloads(Some(value))))
                .collect::<BTreeMap<_, _>>(),
            header: inward::header(attributes.header),
            failure: inward::maybe_failure(&path("failure"), attributes.failure)?,
            user_metadata,
        }),
        Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(attributes) => {
            let command = continue_as_new(field, attributes)?;
            Ok(Command::ContinueAsNewWorkflowExecution(Box::new(command)))
        }
        Attributes::StartChildWorkflowExecutionCommandAttributes(attributes) => {
            let command = start_child(field, attributes, user_metadata)?;
            Ok(Command::StartChildWorkflowExecution(Box::new(command)))
        }
        Attributes::SignalExternalWorkflowExecutionCommandAttributes(attributes) => {
            let execution = attributes.execution.unwrap_or_default();
            let (workflow_id, run_id) =
                external(&path("execution"), &execution.workflow_id, &execution.run_id)?;
            let namespace = other_namespace(field, &attributes.namespace, namespace)?;
            Ok(Command::SignalExternalWorkflowExecution {
                target: Execution { namespace, workflow_id, run_id },
                signal_name: inward::name(&path("signal_name"), attributes.signal_name)?,
                input: inward::payloads(attributes.input),
                control: attributes.control,
                child_workflow_only: attributes.child_workflow_only,
                header: inward::header(attributes.header),
            })
        }
        Attributes::UpsertWorkflowSearchAttributesCommandAttributes(attributes) => {
            let search_attributes = inward::search_attributes(attributes.search_attributes);
            Ok(Command::UpsertWorkflowSearchAttributes { search_attributes })
        }
        Attributes::ProtocolMessageCommandAttributes(attributes) => {
            Ok(Command::ProtocolMessage { message_id: attributes.message_id })
        }
        Attributes::ModifyWorkflowPropertiesCommandAttributes(attributes) => {
            Ok(Command::ModifyWorkflowProperties { upserted_memo: inward::memo(attributes.upserted_memo) })
        }
        Attributes::ScheduleNexusOperationCommandAttributes(_)
        | Attributes::RequestCancelNexusOperationCommandAttributes(_) => {
            Err(Invalid::new(field, "Nexus operations are not supported"))
        }
    }
}

fn external(field: &str, workflow_id: &str, run_id: &str) -> Checked<(WorkflowId, Option<RunId>)> {
    Ok((
        inward::workflow_id(&format!("{field}.workflow_id"), workflow_id)?,
        inward::run_id(&format!("{field}.run_id"), run_id)?,
    ))
}

fn other_namespace(field: &str, named: &str, own: &Namespace) -> Checked<Namespace> {
    if named.is_empty() {
        return Ok(own.clone());
    }
    named.parse().map_err(|error| Invalid::new(format_args!("{field}.namespace"), error))
}

fn schedule_activity(
    field: &str,
    attributes: proto::ScheduleActivityTaskCommandAttributes,
    user_metadata: Option<Box<UserMetadata>>,
) -> Checked<ScheduleActivity> {
    let path = |name: &str| format!("{field}.{name}");
    Ok(ScheduleActivity {
        activity_id: inward::name(&path("activity_id"), attributes.activity_id)?,
        activity_type: inward::activity_type(&path("activity_type"), attributes.activity_type)?,
        task_queue: inward::maybe_task_queue(&path("task_queue"), attributes.task_queue)?,
        input: inward::payloads(attributes.input),
        schedule_to_close_timeout: inward::or_zero(
            &path("schedule_to_close_timeout"),
            attributes.schedule_to_close_timeout,
        )?,
        schedule_to_start_timeout: inward::or_zero(
            &path("schedule_to_start_timeout"),
            attributes.schedule_to_start_timeout,
        )?,
        start_to_close_timeout: inward::or_zero(
            &path("start_to_close_timeout"),
            attributes.start_to_close_timeout,
        )?,
        heartbeat_timeout: inward::or_zero(&path("heartbeat_timeout"), attributes.heartbeat_timeout)?,
        retry_policy: inward::retry_policy(&path("retry_policy"), attributes.retry_policy)?,
        header: inward::header(attributes.header),
        priority: inward::priority(&path("priority"), attributes.priority)?,
        user_metadata,
    })
}

fn continue_as_new(
    field: &str,
    attributes: proto::ContinueAsNewWorkflowExecutionCommandAttributes,
) -> Checked<ContinueAsNew> {
    let path = |name: &str| format!("{field}.{name}");
    Ok(ContinueAsNew {
        workflow_type: attributes.workflow_type.map(|kind| kind.name).unwrap_or_default(),
        task_queue: inward::maybe_task_queue(&path("task_queue"), attributes.task_queue)?,
        input: inward::payloads(attributes.input),
        workflow_run_timeout: inward::timeout(
            &path("workflow_run_timeout"),
            attributes.workflow_run_timeout,
        )?,
        workflow_task_timeout: inward::timeout(
            &path("workflow_task_timeout"),
            attributes.workflow_task_timeout,
        )?,
        backoff_start_interval: inward::or_zero(
            &path("backoff_start_interval"),
            attributes.backoff_start_interval,
        )?,
        initiator: inward::initiator(&path("initiator"), attributes.initiator)?,
        retry_policy: inward::retry_policy(&path("retry_policy"), attributes.retry_policy)?,
        cron_schedule: attributes.cron_schedule,
        failure: inward::maybe_failure(&path("failure"), attributes.failure)?,
        last_completion_result: inward::payloads(attributes.last_completion_result),
        header: inward::header(attributes.header),
        memo: inward::memo(attributes.memo),
        search_attributes: inward::search_attributes(attributes.search_attributes),
    })
}

fn start_child(
    field: &str,
    attributes: proto::StartChildWorkflowExecutionCommandAttributes,
    user_metadata: Option<Box<UserMetadata>>,
) -> Checked<StartChildWorkflow> {
    let path = |name: &str| format!("{field}.{name}");
    let namespace = attributes.namespace.as_str();
    let namespace = match namespace {
        "" => None,
        named => Some(named.parse().map_err(|error| Invalid::new(path("namespace"), error))?),
    };
    let (workflow_id_reuse_policy, _) = inward::id_policies(attributes.workflow_id_reuse_policy, 0)?;
    Ok(StartChildWorkflow {
        namespace,
        workflow_id: inward::workflow_id(&path("workflow_id"), &attributes.workflow_id)?,
        workflow_type: inward::workflow_type(&path("workflow_type"), attributes.workflow_type)?,
        task_queue: inward::maybe_task_queue(&path("task_queue"), attributes.task_queue)?,
        input: inward::payloads(attributes.input),
        workflow_execution_timeout: inward::timeout(
            &path("workflow_execution_timeout"),
            attributes.workflow_execution_timeout,
        )?,
        workflow_run_timeout: inward::timeout(
            &path("workflow_run_timeout"),
            attributes.workflow_run_timeout,
        )?,
        workflow_task_timeout: inward::timeout(
            &path("workflow_task_timeout"),
            attributes.workflow_task_timeout,
        )?,
        parent_close_policy: inward::parent_close_policy(
            &path("parent_close_policy"),
            attributes.parent_close_policy,
        )?,
        control: attributes.control,
        workflow_id_reuse_policy,
        retry_policy: inward::retry_policy(&path("retry_policy"), attributes.retry_policy)?,
        cron_schedule: attributes.cron_schedule,
        header: inward::header(attributes.header),
        memo: inward::memo(attributes.memo),
        search_attributes: inward::search_attributes(attributes.search_attributes),
        priority: inward::priority(&path("priority"), attributes.priority)?,
        user_metadata,
    })
}
