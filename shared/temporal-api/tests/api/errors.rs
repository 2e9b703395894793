//! Refusals with the typed details by which SDKs know them.

use prost::Message;
use tidegate_temporal_api::proto::command::ScheduleActivityTaskCommandAttributes;
use tidegate_temporal_api::proto::command::command::Attributes as CommandAttributes;
use tidegate_temporal_api::proto::enums::{CommandType, EventType};
use tidegate_temporal_api::proto::errordetails::*;
use tidegate_temporal_api::proto::google::rpc;
use tidegate_temporal_api::proto::service::*;
use tonic::{Code, Status};

use crate::caller::Caller;
use crate::hello::{command, history_of, poll, respond, start, start_of};

fn detail<T: Message + Default>(status: &Status, name: &str) -> T {
    let details = rpc::Status::decode(status.details()).expect("a google.rpc.Status");
    assert_eq!((details.code, details.message.as_str()), (status.code() as i32, status.message()));
    let [detail] = details.details.as_slice() else { panic!("one detail") };
    assert_eq!(detail.type_url, format!("type.googleapis.com/temporal.api.errordetails.v1.{name}"));
    T::decode(detail.value.as_slice()).expect("of that type")
}

#[tokio::test]
async fn a_run_that_is_open_already_is_named() {
    let caller = Caller::new().await;
    let first = start(&caller, "hello-1").await.expect("it is new");
    let again = start(&caller, "hello-1").await.expect("the same request");
    assert_eq!((again.run_id.as_str(), again.started), (first.run_id.as_str(), true), "it is its own");
    let request = StartWorkflowExecutionRequest { request_id: "another".to_owned(), ..start_of("hello-1") };
    let refused: Result<StartWorkflowExecutionResponse, _> =
        caller.call("StartWorkflowExecution", request).await;
    let status = refused.expect_err("it is open");
    assert_eq!(status.code(), Code::AlreadyExists);
    let detail: WorkflowExecutionAlreadyStartedFailure =
        detail(&status, "WorkflowExecutionAlreadyStartedFailure");
    assert_eq!((detail.run_id, detail.start_request_id), (first.run_id, "start hello-1".to_owned()));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let caller = Caller::new().await;
    let missing: Result<GetWorkflowExecutionHistoryResponse, _> =
        caller.call("GetWorkflowExecutionHistory", history_of("nobody")).await;
    let status = missing.expect_err("nobody is there");
    assert_eq!(status.code(), Code::NotFound);
    let _: NotFoundFailure = detail(&status, "NotFoundFailure");

    // The second is one that cannot be registered, either: SDKs know both by the detail.
    for namespace in ["elsewhere", "does not exist"] {
        let elsewhere =
            StartWorkflowExecutionRequest { namespace: namespace.to_owned(), ..start_of("hello-1") };
        let refused: Result<StartWorkflowExecutionResponse, _> =
            caller.call("StartWorkflowExecution", elsewhere).await;
        let status = refused.expect_err("no such namespace");
        assert_eq!(status.code(), Code::NotFound);
        let detail: NamespaceNotFoundFailure = detail(&status, "NamespaceNotFoundFailure");
        assert_eq!(detail.namespace, namespace);
    }
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_refused_by_its_field() {
    let caller = Caller::new().await;
    let check = async |request: StartWorkflowExecutionRequest, words: &str| {
        let refused: Result<StartWorkflowExecutionResponse, _> =
            caller.call("StartWorkflowExecution", request).await;
        let status = refused.expect_err("it makes no sense");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with(words), "{status}");
    };
    check(StartWorkflowExecutionRequest::default(), "namespace: ").await;
    check(start_of(""), "workflow_id: a workflow id must have 1 to 1000 bytes").await;
    check(StartWorkflowExecutionRequest { workflow_type: None, ..start_of("x") }, "workflow_type.name: ")
        .await;
    check(StartWorkflowExecutionRequest { task_queue: None, ..start_of("x") }, "task_queue.name: ").await;
    let negative = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    check(
        StartWorkflowExecutionRequest { workflow_run_timeout: negative, ..start_of("x") },
        "workflow_run_timeout: a duration is not negative",
    )
    .await;
    check(
        StartWorkflowExecutionRequest { workflow_id_reuse_policy: 77, ..start_of("x") },
        "workflow_id_reuse_policy: there is no kind 77",
    )
    .await;
}

#[tokio::test]
async fn a_command_that_cannot_be_carried_out_fails_the_task_and_not_the_run() {
    let caller = Caller::new().await;
    start(&caller, "hello-1").await.expect("it is new");
    let task = poll(&caller, "hello").await;
    let nameless = command(
        CommandType::ScheduleActivityTask,
        CommandAttributes::ScheduleActivityTaskCommandAttributes(
            ScheduleActivityTaskCommandAttributes::default(),
        ),
    );
    let status = respond(&caller, &task, vec![nameless]).await.expect_err("it says too little");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().starts_with("commands[0].activity_id: "), "{status}");
    let history: GetWorkflowExecutionHistoryResponse =
        caller.call("GetWorkflowExecutionHistory", history_of("hello-1")).await.expect("it is open");
    let events = history.history.expect("its events").events;
    let failed = i32::from(EventType::WorkflowTaskFailed);
    assert!(events.iter().any(|event| event.event_type == failed));
    assert!(!poll(&caller, "hello").await.task_token.is_empty(), "the workflow gets another try");
}
