//! Histories and lists: paged, waited for, backwards; and what is said while there is nothing to say.

use std::pin::pin;
use std::time::Duration;

use tidegate_temporal_api::proto::common::WorkflowExecution;
use tidegate_temporal_api::proto::enums::{
    DescribeTaskQueueMode, HistoryEventFilterType, TaskQueueType, WorkflowExecutionStatus,
};
use tidegate_temporal_api::proto::service::*;
use tonic::{Code, Request};

use crate::caller::Caller;
use crate::hello::{complete, history_of, poll, queue, respond, start};

async fn history(
    caller: &Caller,
    request: GetWorkflowExecutionHistoryRequest,
) -> GetWorkflowExecutionHistoryResponse {
    caller.call("GetWorkflowExecutionHistory", request).await.expect("a page")
}

fn ids(page: &GetWorkflowExecutionHistoryResponse) -> Vec<i64> {
    page.history.as_ref().expect("always there").events.iter().map(|event| event.event_id).collect()
}

fn close_event() -> GetWorkflowExecutionHistoryRequest {
    GetWorkflowExecutionHistoryRequest {
        history_event_filter_type: HistoryEventFilterType::CloseEvent.into(),
        ..history_of("hello-1")
    }
}

#[tokio::test]
async fn a_history_is_read_page_by_page_and_batches_stay_whole() {
    let caller = Caller::new().await;
    start(&caller, "hello-1").await.expect("it is new");
    let task = poll(&caller, "hello").await;
    respond(&caller, &task, vec![complete("done")]).await.expect("it is taken");
    let (mut all, mut pages, mut next_page_token) = (Vec::new(), 0, Vec::new());
    loop {
        let request = GetWorkflowExecutionHistoryRequest {
            maximum_page_size: 1,
            next_page_token,
            ..history_of("hello-1")
        };
        let page = history(&caller, request).await;
        all.extend(ids(&page));
        pages += 1;
        if page.next_page_token.is_empty() {
            break;
        }
        next_page_token = page.next_page_token;
    }
    assert_eq!(all, [1, 2, 3, 4, 5]);
    assert_eq!(pages, 3, "started and scheduled, the task's start, its end with the run's");

    let mut backwards = Vec::new();
    let mut next_page_token = Vec::new();
    loop {
        let request = GetWorkflowExecutionHistoryReverseRequest {
            namespace: "default".to_owned(),
            execution: history_of("hello-1").execution,
            maximum_page_size: 2,
            next_page_token,
        };
        let page: GetWorkflowExecutionHistoryReverseResponse =
            caller.call("GetWorkflowExecutionHistoryReverse", request).await.expect("a page");
        backwards.extend(page.history.expect("always there").events.into_iter().map(|event| event.event_id));
        if page.next_page_token.is_empty() {
            break;
        }
        next_page_token = page.next_page_token;
    }
    assert_eq!(backwards, [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn whoever_waits_for_an_event_gets_it_or_a_token_to_wait_on() {
    let caller = Caller::new().await;
    start(&caller, "hello-1").await.expect("it is new");
    let waiting = |next_page_token| GetWorkflowExecutionHistoryRequest {
        wait_new_event: true,
        next_page_token,
        ..history_of("hello-1")
    };
    let page = history(&caller, waiting(Vec::new())).await;
    assert_eq!(ids(&page), [1, 2], "what is there is given at once");

    let (empty, ()) = tokio::join!(history(&caller, waiting(page.next_page_token)), async {
        caller.host.until_waiting(1).await;
        caller.host.advance(Duration::from_secs(21));
    });
    assert!(ids(&empty).is_empty() && !empty.next_page_token.is_empty());

    let (page, task) = tokio::join!(history(&caller, waiting(empty.next_page_token)), async {
        caller.host.until_waiting(1).await;
        poll(&caller, "hello").await
    });
    assert_eq!(ids(&page), [3], "and what comes, when it comes");
    respond(&caller, &task, vec![complete("done")]).await.expect("it is taken");
    let page = history(&caller, waiting(page.next_page_token)).await;
    assert_eq!(ids(&page), [4, 5]);
    assert!(page.next_page_token.is_empty(), "a closed run has no more to come");
}

#[tokio::test]
async fn whoever_waits_for_the_end_is_not_told_of_anything_before() {
    let caller = Caller::new().await;
    start(&caller, "hello-1").await.expect("it is new");
    let now = history(&caller, close_event()).await;
    assert!(ids(&now).is_empty() && now.next_page_token.is_empty(), "it goes on, and nobody waits");
    let task = poll(&caller, "hello").await;
    let wait = GetWorkflowExecutionHistoryRequest { wait_new_event: true, ..close_event() };
    let (closed, _) = tokio::join!(history(&caller, wait), async {
        caller.host.until_waiting(1).await;
        respond(&caller, &task, vec![complete("done")]).await.expect("it is taken")
    });
    assert_eq!(ids(&closed), [5]);
    assert!(closed.next_page_token.is_empty());
}

#[tokio::test]
async fn a_caller_with_little_time_is_answered_before_it_is_over() {
    let caller = Caller::new().await;
    start(&caller, "hello-1").await.expect("it is new");
    let wait = GetWorkflowExecutionHistoryRequest { wait_new_event: true, ..close_event() };
    let mut request = Request::new(wait);
    request.set_timeout(Duration::from_millis(800));
    let answer = caller
        .call::<GetWorkflowExecutionHistoryRequest, GetWorkflowExecutionHistoryResponse>(
            "GetWorkflowExecutionHistory",
            request,
        )
        .await
        .expect("an answer in time");
    assert!(ids(&answer).is_empty() && !answer.next_page_token.is_empty());
    let poll = PollWorkflowTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: queue("empty"),
        ..Default::default()
    };
    let mut request = Request::new(poll);
    request.set_timeout(Duration::from_millis(800));
    let answer = caller
        .call::<PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse>("PollWorkflowTaskQueue", request)
        .await
        .expect("an answer in time");
    assert!(answer.task_token.is_empty());
    caller.host.until_waiting(0).await;
}

#[tokio::test]
async fn executions_are_listed_counted_and_described() {
    let caller = Caller::new().await;
    for id in ["hello-1", "hello-2", "hello-3"] {
        start(&caller, id).await.expect("it is new");
        caller.host.advance(Duration::from_secs(1));
    }
    let task = poll(&caller, "hello").await;
    respond(&caller, &task, vec![complete("done")]).await.expect("it is taken");
    let (mut names, mut next_page_token) = (Vec::new(), Vec::new());
    loop {
        let request = ListWorkflowExecutionsRequest {
            namespace: "default".to_owned(),
            page_size: 2,
            next_page_token,
            query: "WorkflowType = 'Hello'".to_owned(),
        };
        let page: ListWorkflowExecutionsResponse =
            caller.call("ListWorkflowExecutions", request).await.expect("a page");
        names.extend(page.executions.into_iter().map(|run| run.execution.expect("which").workflow_id));
        if page.next_page_token.is_empty() {
            break;
        }
        next_page_token = page.next_page_token;
    }
    assert_eq!(names, ["hello-3", "hello-2", "hello-1"], "open ones first, the newest first");

    let request = CountWorkflowExecutionsRequest {
        namespace: "default".to_owned(),
        query: "GROUP BY ExecutionStatus".to_owned(),
    };
    let counted: CountWorkflowExecutionsResponse =
        caller.call("CountWorkflowExecutions", request).await.expect("a count");
    let groups = counted
        .groups
        .iter()
        .map(|group| (String::from_utf8_lossy(&group.group_values[0].data).into_owned(), group.count));
    let mut groups: Vec<_> = groups.collect();
    groups.sort();
    assert_eq!(groups, [("\"Completed\"".to_owned(), 1), ("\"Running\"".to_owned(), 2)]);

    let request = ListOpenWorkflowExecutionsRequest { namespace: "default".to_owned(), ..Default::default() };
    let open: ListOpenWorkflowExecutionsResponse =
        caller.call("ListOpenWorkflowExecutions", request).await.expect("a page");
    assert_eq!(open.executions.len(), 2);
    let request =
        ListClosedWorkflowExecutionsRequest { namespace: "default".to_owned(), ..Default::default() };
    let closed: ListClosedWorkflowExecutionsResponse =
        caller.call("ListClosedWorkflowExecutions", request).await.expect("a page");
    assert_eq!(closed.executions.len(), 1);

    let execution = WorkflowExecution { workflow_id: "hello-2".to_owned(), run_id: String::new() };
    let request =
        DescribeWorkflowExecutionRequest { namespace: "default".to_owned(), execution: Some(execution) };
    let described: DescribeWorkflowExecutionResponse =
        caller.call("DescribeWorkflowExecution", request).await.expect("it is there");
    let info = described.workflow_execution_info.expect("what a list shows");
    assert_eq!(info.status, i32::from(WorkflowExecutionStatus::Running));
    assert!(info.memo.is_some() && info.search_attributes.is_some() && info.root_execution.is_some());
    assert_eq!(described.execution_config.expect("as started").task_queue, queue("hello"));

    let request = ListWorkflowExecutionsRequest {
        namespace: "default".to_owned(),
        query: "Color = 'red'".to_owned(),
        ..Default::default()
    };
    let refused: Result<ListWorkflowExecutionsResponse, _> =
        caller.call("ListWorkflowExecutions", request).await;
    assert_eq!(refused.expect_err("no such attribute").code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_queue_shows_what_waits_and_who_polls() {
    let caller = Caller::new().await;
    poll_and_leave(&caller).await;
    start(&caller, "hello-1").await.expect("it is new");
    let request = DescribeTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: queue("hello"),
        api_mode: DescribeTaskQueueMode::Enhanced.into(),
        task_queue_types: vec![TaskQueueType::Workflow.into()],
        report_stats: true,
        report_pollers: true,
        ..Default::default()
    };
    let answer: DescribeTaskQueueResponse =
        caller.call("DescribeTaskQueue", request).await.expect("a queue is always there");
    let version = answer.versions_info.get("").expect("the workers without a version");
    let info = version.types_info.get(&TaskQueueType::Workflow.into()).expect("asked for");
    assert_eq!(info.pollers[0].identity, "worker");
    assert_eq!(info.stats.as_ref().expect("asked for").approximate_backlog_count, 1);
}

/// A worker that polls, and ends in good order.
async fn poll_and_leave(caller: &Caller) {
    let polls = PollWorkflowTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: queue("hello"),
        identity: "worker".to_owned(),
        worker_instance_key: "key".to_owned(),
        ..Default::default()
    };
    let leaves = ShutdownWorkerRequest {
        namespace: "default".to_owned(),
        identity: "worker".to_owned(),
        worker_instance_key: "key".to_owned(),
        ..Default::default()
    };
    let (polled, left) = tokio::join!(caller.call("PollWorkflowTaskQueue", polls), async {
        caller.host.until_waiting(1).await;
        caller.call("ShutdownWorker", leaves).await
    });
    let polled: PollWorkflowTaskQueueResponse = polled.expect("a poll is answered");
    let _: ShutdownWorkerResponse = left.expect("it is granted");
    assert!(polled.task_token.is_empty());
}

#[tokio::test]
async fn a_poll_for_nexus_tasks_finds_none_and_ends_with_its_worker() {
    let caller = Caller::new().await;
    let polls = |namespace: &str| PollNexusTaskQueueRequest {
        namespace: namespace.to_owned(),
        task_queue: queue("hello"),
        worker_instance_key: "key".to_owned(),
        ..Default::default()
    };
    let mut hasty = Request::new(polls("default"));
    hasty.set_timeout(Duration::from_millis(800));
    let polled: PollNexusTaskQueueResponse =
        caller.call::<PollNexusTaskQueueRequest, _>("PollNexusTaskQueue", hasty).await.expect("in time");
    assert!(polled.task_token.is_empty());

    let leaves = ShutdownWorkerRequest {
        namespace: "default".to_owned(),
        worker_instance_key: "key".to_owned(),
        ..Default::default()
    };
    let mut poll = pin!(caller.call::<PollNexusTaskQueueRequest, PollNexusTaskQueueResponse>(
        "PollNexusTaskQueue",
        polls("default")
    ));
    // Which of the two reaches the server first is not known, so the worker leaves until it has left.
    let polled = loop {
        tokio::select! {
            polled = &mut poll => break polled.expect("a poll is answered"),
            left = caller.call::<ShutdownWorkerRequest, ShutdownWorkerResponse>(
                "ShutdownWorker",
                leaves.clone(),
            ) => {
                left.expect("it is granted");
            }
        }
    };
    assert!(polled.task_token.is_empty());

    let refused: Result<PollNexusTaskQueueResponse, _> =
        caller.call("PollNexusTaskQueue", polls("elsewhere")).await;
    assert_eq!(refused.expect_err("no such namespace").code(), Code::NotFound);
}

#[tokio::test]
async fn the_polls_of_a_worker_that_ends_are_answered_at_once() {
    let caller = Caller::new().await;
    poll_and_leave(&caller).await;
    let request =
        DescribeNamespaceRequest { namespace: "default".to_owned(), ..DescribeNamespaceRequest::default() };
    let described: DescribeNamespaceResponse =
        caller.call("DescribeNamespace", request).await.expect("it is there");
    let can = described.namespace_info.and_then(|info| info.capabilities).expect("what it can");
    assert!(can.worker_poll_complete_on_shutdown && can.sync_update && can.async_update);
    assert!(!can.worker_heartbeats && !can.poller_autoscaling && !can.workflow_pause);
    let request = RecordWorkerHeartbeatRequest {
        namespace: "default".to_owned(),
        ..RecordWorkerHeartbeatRequest::default()
    };
    let _: RecordWorkerHeartbeatResponse =
        caller.call("RecordWorkerHeartbeat", request).await.expect("it is taken");
}

#[tokio::test]
async fn a_queue_is_one_piece() {
    let caller = Caller::new().await;
    let request =
        ListTaskQueuePartitionsRequest { namespace: "default".to_owned(), task_queue: queue("hello") };
    let answer: ListTaskQueuePartitionsResponse =
        caller.call("ListTaskQueuePartitions", request).await.expect("always told");
    assert_eq!(answer.workflow_task_queue_partitions[0].key, "hello");
    let request = DescribeTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: queue("hello"),
        task_queue_type: TaskQueueType::Nexus.into(),
        ..Default::default()
    };
    let answer: DescribeTaskQueueResponse =
        caller.call("DescribeTaskQueue", request).await.expect("there are none of that kind");
    assert!(answer.pollers.is_empty());
}
