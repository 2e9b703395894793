//! Task queues: what waits on them and who polls, and workers that come and go.

use std::collections::BTreeMap;

use tidegate_engine::{Reply, Request, TaskQueueDescription, TaskQueueKind, WorkflowService};
use tidegate_model::id::{Namespace, TaskQueue};
use tonic::Status;

use crate::api::{Api, unexpected};
use crate::convert::inward::{self, Checked};
use crate::convert::{Invalid, outward};
use crate::proto::enums::{DescribeTaskQueueMode, TaskQueueType};
use crate::proto::service::*;
use crate::proto::taskqueue::{
    PollerInfo, TaskQueuePartitionMetadata, TaskQueueStats, TaskQueueStatus, TaskQueueTypeInfo,
    TaskQueueVersionInfo,
};

pub(crate) async fn describe<S: WorkflowService>(
    api: &Api<S>,
    request: DescribeTaskQueueRequest,
) -> Result<DescribeTaskQueueResponse, Status> {
    let namespace = inward::namespace(&request.namespace)?;
    let queue = inward::task_queue("task_queue", request.task_queue)?;
    if request.api_mode == i32::from(DescribeTaskQueueMode::Enhanced) {
        let mut types_info = BTreeMap::new();
        for number in &request.task_queue_types {
            let Some(kind) = kind("task_queue_types", *number)? else { continue };
            let described = describe_one(api, &namespace, &queue, kind).await?;
            types_info.insert(*number, type_info(described, request.report_pollers, request.report_stats));
        }
        // One version of workers is all there is: the one without a name.
        let unversioned = TaskQueueVersionInfo { types_info, task_reachability: 0 };
        return Ok(DescribeTaskQueueResponse {
            versions_info: [(String::new(), unversioned)].into(),
            ..Default::default()
        });
    }
    let Some(kind) = kind("task_queue_type", request.task_queue_type)? else {
        return Ok(DescribeTaskQueueResponse::default());
    };
    let described = describe_one(api, &namespace, &queue, kind).await?;
    let status = TaskQueueStatus {
        backlog_count_hint: outward::id(described.backlog_count),
        ..TaskQueueStatus::default()
    };
    Ok(DescribeTaskQueueResponse {
        stats: request.report_stats.then(|| stats(&described)),
        task_queue_status: request.include_task_queue_status.then_some(status),
        pollers: pollers(described),
        ..Default::default()
    })
}

/// `None` for a kind of task that nobody here has.
fn kind(field: &str, number: i32) -> Checked<Option<TaskQueueKind>> {
    match TaskQueueType::try_from(number) {
        Ok(TaskQueueType::Unspecified | TaskQueueType::Workflow) => Ok(Some(TaskQueueKind::Workflow)),
        Ok(TaskQueueType::Activity) => Ok(Some(TaskQueueKind::Activity)),
        Ok(TaskQueueType::Nexus) => Ok(None),
        Err(_) => Err(Invalid::new(field, format_args!("there is no kind {number}"))),
    }
}

async fn describe_one<S: WorkflowService>(
    api: &Api<S>,
    namespace: &Namespace,
    task_queue: &TaskQueue,
    kind: TaskQueueKind,
) -> Result<TaskQueueDescription, Status> {
    let (namespace, task_queue) = (namespace.clone(), task_queue.clone());
    let describe = Request::DescribeTaskQueue { namespace, task_queue, kind };
    let Reply::TaskQueueDescribed(described) = api.ask(describe).await? else {
        return Err(unexpected());
    };
    Ok(*described)
}

fn type_info(described: TaskQueueDescription, report_pollers: bool, report_stats: bool) -> TaskQueueTypeInfo {
    TaskQueueTypeInfo {
        stats: report_stats.then(|| stats(&described)),
        pollers: if report_pollers { pollers(described) } else { Vec::new() },
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a rate is an estimate")]
fn stats(described: &TaskQueueDescription) -> TaskQueueStats {
    TaskQueueStats {
        approximate_backlog_count: outward::id(described.backlog_count),
        approximate_backlog_age: Some(outward::duration(described.backlog_age)),
        tasks_add_rate: described.tasks_add_rate as f32,
        tasks_dispatch_rate: described.tasks_dispatch_rate as f32,
        rate_limiting_active: false,
    }
}

fn pollers(described: TaskQueueDescription) -> Vec<PollerInfo> {
    let pollers = described.pollers.into_iter().map(|poller| PollerInfo {
        last_access_time: Some(outward::timestamp(poller.last_access_time)),
        identity: poller.identity,
        ..PollerInfo::default()
    });
    pollers.collect()
}

/// A queue is one piece here.
pub(crate) fn list_partitions(
    request: ListTaskQueuePartitionsRequest,
) -> Result<ListTaskQueuePartitionsResponse, Status> {
    let queue = inward::task_queue("task_queue", request.task_queue)?;
    let whole = || {
        vec![TaskQueuePartitionMetadata { key: queue.to_string(), owner_host_name: "localhost".to_owned() }]
    };
    Ok(ListTaskQueuePartitionsResponse {
        activity_task_queue_partitions: whole(),
        workflow_task_queue_partitions: whole(),
    })
}

/// A worker ends in good order. One that says neither its key nor a sticky queue has nothing to be freed.
pub(crate) async fn shutdown_worker<S: WorkflowService>(
    api: &Api<S>,
    request: ShutdownWorkerRequest,
) -> Result<ShutdownWorkerResponse, Status> {
    let sticky_task_queue = match request.sticky_task_queue.as_str() {
        "" => None,
        name => Some(name.parse().map_err(|error| Invalid::new("sticky_task_queue", error))?),
    };
    let shutdown = Request::ShutdownWorkerInstance {
        namespace: inward::namespace(&request.namespace)?,
        sticky_task_queue,
        worker_instance_key: request.worker_instance_key.clone(),
    };
    let Reply::Done = api.ask(shutdown).await? else {
        return Err(unexpected());
    };
    api.worker_ended(request.worker_instance_key);
    Ok(ShutdownWorkerResponse {})
}

/// Taken and not kept: who polls is known from the polls.
pub(crate) fn record_worker_heartbeat(
    request: &RecordWorkerHeartbeatRequest,
) -> Result<RecordWorkerHeartbeatResponse, Status> {
    inward::namespace(&request.namespace)?;
    Ok(RecordWorkerHeartbeatResponse {})
}
