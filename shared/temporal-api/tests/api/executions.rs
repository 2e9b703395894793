//! What is done to an execution from outside.

use tidegate_temporal_api::proto::command::ContinueAsNewWorkflowExecutionCommandAttributes;
use tidegate_temporal_api::proto::command::command::Attributes;
use tidegate_temporal_api::proto::common::WorkflowExecution;
use tidegate_temporal_api::proto::enums::{CommandType, EventType, WorkflowExecutionStatus};
use tidegate_temporal_api::proto::service::*;
use tonic::{Code, Status};

use crate::caller::Caller;
use crate::hello::{command, complete, history_of, poll, queue, respond, start, start_of, text};

fn execution(workflow_id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: String::new() })
}

async fn event_types(caller: &Caller, workflow_id: &str) -> Vec<EventType> {
    let history: GetWorkflowExecutionHistoryResponse =
        caller.call("GetWorkflowExecutionHistory", history_of(workflow_id)).await.expect("it is there");
    let events = history.history.expect("always there").events;
    events.iter().map(|event| EventType::try_from(event.event_type).expect("one of Temporal's")).collect()
}

async fn describe(caller: &Caller, workflow_id: &str) -> Result<DescribeWorkflowExecutionResponse, Status> {
    let request = DescribeWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        execution: execution(workflow_id),
    };
    caller.call("DescribeWorkflowExecution", request).await
}

#[tokio::test]
async fn a_signal_starts_what_is_not_there_and_reaches_what_is() {
    let caller = Caller::new().await;
    let request = |request_id: &str| SignalWithStartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "hello-1".to_owned(),
        workflow_type: start_of("hello-1").workflow_type,
        task_queue: queue("hello"),
        signal_name: "wake".to_owned(),
        signal_input: text("up"),
        request_id: request_id.to_owned(),
        ..Default::default()
    };
    let first: SignalWithStartWorkflowExecutionResponse =
        caller.call("SignalWithStartWorkflowExecution", request("1")).await.expect("it is started");
    let second: SignalWithStartWorkflowExecutionResponse =
        caller.call("SignalWithStartWorkflowExecution", request("2")).await.expect("it is signalled");
    assert!(first.started && !second.started);
    assert_eq!(first.run_id, second.run_id);
    let signal = SignalWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("hello-1"),
        signal_name: "wake".to_owned(),
        request_id: "3".to_owned(),
        ..Default::default()
    };
    for _ in 0..2 {
        let _: SignalWorkflowExecutionResponse =
            caller.call("SignalWorkflowExecution", signal.clone()).await.expect("it is open");
    }
    let signals = event_types(&caller, "hello-1").await;
    let signals = signals.iter().filter(|kind| **kind == EventType::WorkflowExecutionSignaled).count();
    assert_eq!(signals, 3, "the same request counts once");
}

#[tokio::test]
async fn a_cancel_is_a_request_and_a_termination_an_end() {
    let caller = Caller::new().await;
    start(&caller, "hello-1").await.expect("it is new");
    let cancel = RequestCancelWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("hello-1"),
        reason: "enough".to_owned(),
        request_id: "1".to_owned(),
        ..Default::default()
    };
    for _ in 0..2 {
        let _: RequestCancelWorkflowExecutionResponse =
            caller.call("RequestCancelWorkflowExecution", cancel.clone()).await.expect("it is open");
    }
    let described = describe(&caller, "hello-1").await.expect("it is open");
    assert!(described.workflow_extended_info.expect("always there").cancel_requested);
    let terminate = TerminateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("hello-1"),
        reason: "now".to_owned(),
        ..Default::default()
    };
    let _: TerminateWorkflowExecutionResponse =
        caller.call("TerminateWorkflowExecution", terminate.clone()).await.expect("it is open");
    let again: Result<TerminateWorkflowExecutionResponse, _> =
        caller.call("TerminateWorkflowExecution", terminate).await;
    assert_eq!(again.expect_err("it has ended").code(), Code::NotFound);
    let info = describe(&caller, "hello-1").await.expect("it is remembered").workflow_execution_info;
    let info = info.expect("what a list shows");
    assert_eq!(info.status, i32::from(WorkflowExecutionStatus::Terminated));
    assert!(info.close_time.is_some());
    let delete = DeleteWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("hello-1"),
    };
    let _: DeleteWorkflowExecutionResponse =
        caller.call("DeleteWorkflowExecution", delete).await.expect("it is there");
    assert_eq!(describe(&caller, "hello-1").await.expect_err("it is forgotten").code(), Code::NotFound);
}

#[tokio::test]
async fn a_reset_goes_on_in_a_new_run_from_a_task_of_the_old() {
    let caller = Caller::new().await;
    let first = start(&caller, "hello-1").await.expect("it is new");
    let task = poll(&caller, "hello").await;
    respond(&caller, &task, vec![complete("wrong")]).await.expect("it is taken");
    let reset = ResetWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("hello-1"),
        reason: "it was wrong".to_owned(),
        workflow_task_finish_event_id: 4,
        request_id: "1".to_owned(),
        ..Default::default()
    };
    let next: ResetWorkflowExecutionResponse =
        caller.call("ResetWorkflowExecution", reset).await.expect("a task ended there");
    assert_ne!(next.run_id, first.run_id);
    let task = poll(&caller, "hello").await;
    assert_eq!(task.workflow_execution.as_ref().expect("which").run_id, next.run_id);
    respond(&caller, &task, vec![complete("right")]).await.expect("it is taken");
    let info = describe(&caller, "hello-1").await.expect("it is there").workflow_execution_info;
    assert_eq!(info.expect("what a list shows").status, i32::from(WorkflowExecutionStatus::Completed));
}

#[tokio::test]
async fn a_reset_takes_along_what_reached_the_runs_that_followed() {
    let caller = Caller::new().await;
    let first = start(&caller, "hello-1").await.expect("it is new");
    let task = poll(&caller, "hello").await;
    let as_new = ContinueAsNewWorkflowExecutionCommandAttributes {
        workflow_type: start_of("hello-1").workflow_type,
        task_queue: queue("hello"),
        ..Default::default()
    };
    let as_new = command(
        CommandType::ContinueAsNewWorkflowExecution,
        Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(as_new),
    );
    respond(&caller, &task, vec![as_new]).await.expect("it is taken");
    let signal = SignalWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("hello-1"),
        signal_name: "wake".to_owned(),
        ..Default::default()
    };
    let _: SignalWorkflowExecutionResponse =
        caller.call("SignalWorkflowExecution", signal).await.expect("the second run is open");
    let first = WorkflowExecution { workflow_id: "hello-1".to_owned(), run_id: first.run_id };
    let reset = ResetWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(first),
        workflow_task_finish_event_id: 4,
        request_id: "1".to_owned(),
        ..Default::default()
    };
    let _: ResetWorkflowExecutionResponse =
        caller.call("ResetWorkflowExecution", reset).await.expect("a task ended there");
    let events = event_types(&caller, "hello-1").await;
    assert!(events.contains(&EventType::WorkflowExecutionSignaled), "{events:?}");
}
