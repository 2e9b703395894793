//! One workflow with an activity, from start to result, as an SDK's client and worker do it together.

use std::time::Duration;

use prost::Message as _;
use tidegate_temporal_api::Settings;
use tidegate_temporal_api::proto::command::command::Attributes as CommandAttributes;
use tidegate_temporal_api::proto::command::*;
use tidegate_temporal_api::proto::common::{
    ActivityType, Payload, Payloads, WorkflowExecution, WorkflowType,
};
use tidegate_temporal_api::proto::enums::{CommandType, EventType, HistoryEventFilterType, TaskQueueKind};
use tidegate_temporal_api::proto::history::history_event::Attributes;
use tidegate_temporal_api::proto::sdk::WorkflowTaskCompletedMetadata;
use tidegate_temporal_api::proto::service::*;
use tidegate_temporal_api::proto::taskqueue::{StickyExecutionAttributes, TaskQueue};
use tonic::{Code, Status};

use crate::caller::Caller;
use crate::host::Host;

pub(crate) fn queue(name: &str) -> Option<TaskQueue> {
    Some(TaskQueue { name: name.to_owned(), kind: TaskQueueKind::Normal.into(), normal_name: String::new() })
}

pub(crate) fn text(text: &str) -> Option<Payloads> {
    let metadata = [("encoding".to_owned(), b"json/plain".to_vec())].into();
    let data = format!("{text:?}").into_bytes();
    Some(Payloads { payloads: vec![Payload { metadata, data, external_payloads: Vec::new() }] })
}

#[expect(clippy::unnecessary_wraps, reason = "a field of a message")]
pub(crate) fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

pub(crate) fn start_of(workflow_id: &str) -> StartWorkflowExecutionRequest {
    StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: workflow_id.to_owned(),
        workflow_type: Some(WorkflowType { name: "Hello".to_owned() }),
        task_queue: queue("hello"),
        input: text("world"),
        request_id: format!("start {workflow_id}"),
        identity: "client".to_owned(),
        ..Default::default()
    }
}

pub(crate) async fn start(
    caller: &Caller,
    workflow_id: &str,
) -> Result<StartWorkflowExecutionResponse, Status> {
    caller.call("StartWorkflowExecution", start_of(workflow_id)).await
}

pub(crate) async fn poll(caller: &Caller, queue_name: &str) -> PollWorkflowTaskQueueResponse {
    let request = PollWorkflowTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: queue(queue_name),
        identity: "worker".to_owned(),
        ..Default::default()
    };
    caller.call("PollWorkflowTaskQueue", request).await.expect("a poll is answered")
}

pub(crate) fn command(kind: CommandType, attributes: CommandAttributes) -> Command {
    Command { command_type: kind.into(), attributes: Some(attributes), ..Default::default() }
}

pub(crate) async fn respond(
    caller: &Caller,
    task: &PollWorkflowTaskQueueResponse,
    commands: Vec<Command>,
) -> Result<RespondWorkflowTaskCompletedResponse, Status> {
    let request = RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token.clone(),
        commands,
        identity: "worker".to_owned(),
        namespace: "default".to_owned(),
        ..Default::default()
    };
    caller.call("RespondWorkflowTaskCompleted", request).await
}

pub(crate) fn schedule_activity() -> Command {
    let attributes = ScheduleActivityTaskCommandAttributes {
        activity_id: "1".to_owned(),
        activity_type: Some(ActivityType { name: "greet".to_owned() }),
        task_queue: queue("hello"),
        input: text("world"),
        start_to_close_timeout: seconds(10),
        ..Default::default()
    };
    command(
        CommandType::ScheduleActivityTask,
        CommandAttributes::ScheduleActivityTaskCommandAttributes(attributes),
    )
}

pub(crate) fn complete(result: &str) -> Command {
    let attributes = CompleteWorkflowExecutionCommandAttributes { result: text(result) };
    command(
        CommandType::CompleteWorkflowExecution,
        CommandAttributes::CompleteWorkflowExecutionCommandAttributes(attributes),
    )
}

pub(crate) fn history_of(workflow_id: &str) -> GetWorkflowExecutionHistoryRequest {
    GetWorkflowExecutionHistoryRequest {
        namespace: "default".to_owned(),
        execution: Some(WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: String::new() }),
        ..Default::default()
    }
}

async fn poll_activity(caller: &Caller) -> PollActivityTaskQueueResponse {
    let request = PollActivityTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: queue("hello"),
        identity: "worker".to_owned(),
        ..Default::default()
    };
    caller.call("PollActivityTaskQueue", request).await.expect("a poll is answered")
}

#[tokio::test]
async fn a_workflow_with_an_activity_runs_from_start_to_result() {
    let caller = Caller::new().await.compressing();
    let started = start(&caller, "hello-1").await.expect("it is started");
    assert!(started.started);

    let task = poll(&caller, "hello").await;
    assert!(!task.task_token.is_empty());
    let execution = task.workflow_execution.as_ref().expect("which one");
    assert_eq!((execution.workflow_id.as_str(), &execution.run_id), ("hello-1", &started.run_id));
    assert_eq!(task.workflow_type.as_ref().expect("which type").name, "Hello");
    assert_eq!(task.workflow_execution_task_queue.as_ref().expect("the normal queue").name, "hello");
    assert_eq!((task.previous_started_event_id, task.started_event_id, task.attempt), (0, 3, 1));
    assert!(task.scheduled_time.is_some() && task.started_time.is_some());
    let events = &task.history.as_ref().expect("there even where it is empty").events;
    assert_eq!(events.iter().map(|event| event.event_id).collect::<Vec<_>>(), [1, 2, 3]);
    let Some(Attributes::WorkflowExecutionStartedEventAttributes(begun)) = &events[0].attributes else {
        panic!("a run begins with its start");
    };
    assert_eq!((begun.workflow_id.as_str(), &begun.input), ("hello-1", &text("world")));
    assert_eq!(begun.original_execution_run_id, started.run_id);
    // As it was asked for: workflow code is told of a limit that is said here, were it zero.
    assert_eq!((begun.workflow_execution_timeout, begun.workflow_run_timeout), (None, None));

    let metadata = WorkflowTaskCompletedMetadata { core_used_flags: vec![1, 2], ..Default::default() };
    let request = RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token.clone(),
        commands: vec![schedule_activity()],
        identity: "worker".to_owned(),
        namespace: "default".to_owned(),
        sdk_metadata: Some(metadata.clone()),
        sticky_attributes: Some(StickyExecutionAttributes {
            worker_task_queue: Some(TaskQueue {
                name: "worker's own".to_owned(),
                kind: TaskQueueKind::Sticky.into(),
                normal_name: "hello".to_owned(),
            }),
            schedule_to_start_timeout: seconds(10),
        }),
        ..Default::default()
    };
    let _: RespondWorkflowTaskCompletedResponse =
        caller.call("RespondWorkflowTaskCompleted", request).await.expect("it is taken");

    let activity = poll_activity(&caller).await;
    assert_eq!((activity.activity_id.as_str(), activity.attempt), ("1", 1));
    assert_eq!(activity.workflow_namespace, "default");
    assert_eq!(activity.start_to_close_timeout, seconds(10));
    assert!(activity.schedule_to_close_timeout.is_some() && activity.heartbeat_timeout.is_some());
    let request = RespondActivityTaskCompletedRequest {
        task_token: activity.task_token.clone(),
        result: text("hello world"),
        identity: "worker".to_owned(),
        ..Default::default()
    };
    let complete_activity = async {
        caller.host.until_waiting(1).await;
        caller.call("RespondActivityTaskCompleted", request.clone()).await
    };
    let (task, completed) = tokio::join!(poll(&caller, "worker's own"), complete_activity);
    let _: RespondActivityTaskCompletedResponse = completed.expect("it is taken");
    let again: Result<RespondActivityTaskCompletedResponse, _> =
        caller.call("RespondActivityTaskCompleted", request).await;
    assert_eq!(again.expect_err("it is closed").code(), Code::NotFound);

    assert_eq!(task.workflow_execution_task_queue.as_ref().expect("the normal queue").name, "hello");
    let events = &task.history.as_ref().expect("the new events").events;
    assert_eq!(events.first().expect("some").event_id, task.previous_started_event_id + 1);
    assert_eq!(events.last().expect("some").event_id, task.started_event_id);
    let Some(Attributes::WorkflowTaskCompletedEventAttributes(completed)) = &events[0].attributes else {
        panic!("the task that was answered");
    };
    assert_eq!(completed.sdk_metadata, Some(metadata));
    respond(&caller, &task, vec![complete("done")]).await.expect("it is taken");

    let request = GetWorkflowExecutionHistoryRequest {
        wait_new_event: true,
        history_event_filter_type: HistoryEventFilterType::CloseEvent.into(),
        ..history_of("hello-1")
    };
    let answer: GetWorkflowExecutionHistoryResponse =
        caller.call("GetWorkflowExecutionHistory", request).await.expect("it has closed");
    let events = answer.history.expect("the close event").events;
    let [closed] = events.as_slice() else { panic!("one event") };
    assert_eq!(closed.event_type, i32::from(EventType::WorkflowExecutionCompleted));
    let Some(Attributes::WorkflowExecutionCompletedEventAttributes(closed)) = &closed.attributes else {
        panic!("it completed");
    };
    assert_eq!(closed.result, text("done"));
    assert!(answer.next_page_token.is_empty());
}

#[tokio::test]
async fn a_poll_with_nothing_to_do_is_answered_without_a_token() {
    let caller = Caller::new().await;
    let (host, polled) = (caller.host.clone(), poll(&caller, "hello"));
    let (task, ()) = tokio::join!(polled, async {
        host.until_waiting(1).await;
        host.advance(Duration::from_secs(61));
    });
    assert_eq!(task, PollWorkflowTaskQueueResponse::default());
    assert_eq!(task.encoded_len(), 0);
}

#[tokio::test]
async fn a_task_is_answered_after_a_restart_of_the_server() {
    let first = Caller::new().await;
    start(&first, "hello-1").await.expect("it is started");
    let task = poll(&first, "hello").await;
    let second = Caller::of(Host::after(first.host.log()), Settings::default()).await;
    respond(&second, &task, vec![complete("done")]).await.expect("it is taken");
    let again = respond(&second, &task, vec![complete("done")]).await.expect_err("it is closed");
    assert_eq!(again.code(), Code::NotFound);
}

#[tokio::test]
async fn a_token_of_something_else_is_refused_by_its_field() {
    let caller = Caller::new().await;
    start(&caller, "hello-1").await.expect("it is started");
    let task = poll(&caller, "hello").await;
    let check = async |task_token: Vec<u8>, words: &str| {
        let request = RespondActivityTaskCompletedRequest { task_token, ..Default::default() };
        let answer: Result<RespondActivityTaskCompletedResponse, _> =
            caller.call("RespondActivityTaskCompleted", request).await;
        let status = answer.expect_err("not an activity's");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with(words), "{status}");
    };
    check(Vec::new(), "task_token: not a token of this server").await;
    check(b"Temporal's own".to_vec(), "task_token: not a token of this server").await;
    check(task.task_token.clone(), "task_token: a token that was given out for something else").await;
}
