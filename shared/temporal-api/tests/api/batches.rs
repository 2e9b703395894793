//! One thing done to many executions.

use tidegate_temporal_api::proto::batch::BatchOperationSignal;
use tidegate_temporal_api::proto::enums::{BatchOperationState, BatchOperationType, EventType};
use tidegate_temporal_api::proto::service::start_batch_operation_request::Operation;
use tidegate_temporal_api::proto::service::*;
use tonic::Code;

use crate::caller::Caller;
use crate::hello::{history_of, start, text};

fn signal_all(job_id: &str) -> StartBatchOperationRequest {
    StartBatchOperationRequest {
        namespace: "default".to_owned(),
        visibility_query: "WorkflowType = 'Hello'".to_owned(),
        job_id: job_id.to_owned(),
        reason: "a test".to_owned(),
        operation: Some(Operation::SignalOperation(BatchOperationSignal {
            signal: "wake".to_owned(),
            input: text("up"),
            identity: "operator".to_owned(),
            ..Default::default()
        })),
        ..Default::default()
    }
}

/// What a batch has come to, once it has ended.
async fn ended(caller: &Caller, job_id: &str) -> DescribeBatchOperationResponse {
    loop {
        let request =
            DescribeBatchOperationRequest { namespace: "default".to_owned(), job_id: job_id.to_owned() };
        let described: DescribeBatchOperationResponse =
            caller.call("DescribeBatchOperation", request).await.expect("it is known");
        if described.close_time.is_some() {
            return described;
        }
        tokio::task::yield_now().await;
    }
}

async fn signals(caller: &Caller, workflow_id: &str) -> usize {
    let history: GetWorkflowExecutionHistoryResponse =
        caller.call("GetWorkflowExecutionHistory", history_of(workflow_id)).await.expect("it is there");
    let events = history.history.expect("always there").events;
    let signaled = i32::from(EventType::WorkflowExecutionSignaled);
    events.iter().filter(|event| event.event_type == signaled).count()
}

#[tokio::test]
async fn a_batch_reaches_every_execution_once_however_often_it_is_asked_for() {
    let caller = Caller::new().await;
    for id in ["hello-1", "hello-2", "hello-3"] {
        start(&caller, id).await.expect("it is new");
    }
    let _: StartBatchOperationResponse =
        caller.call("StartBatchOperation", signal_all("wake-1")).await.expect("it is new");
    let batch = ended(&caller, "wake-1").await;
    assert_eq!(batch.state, i32::from(BatchOperationState::Completed));
    assert_eq!(batch.operation_type, i32::from(BatchOperationType::Signal));
    let counts = (batch.total_operation_count, batch.complete_operation_count, batch.failure_operation_count);
    assert_eq!(counts, (3, 3, 0));
    let again: Result<StartBatchOperationResponse, _> =
        caller.call("StartBatchOperation", signal_all("wake-1")).await;
    assert_eq!(again.expect_err("it is known").code(), Code::AlreadyExists);

    // After a restart nobody knows of it, and what it did is still known.
    let restarted = Caller::of(crate::host::Host::after(caller.host.log()), Default::default()).await;
    let _: StartBatchOperationResponse =
        restarted.call("StartBatchOperation", signal_all("wake-1")).await.expect("it is not known");
    ended(&restarted, "wake-1").await;
    for id in ["hello-1", "hello-2", "hello-3"] {
        assert_eq!(signals(&restarted, id).await, 1, "{id}");
    }
    let request = ListBatchOperationsRequest { namespace: "default".to_owned(), ..Default::default() };
    let listed: ListBatchOperationsResponse =
        restarted.call("ListBatchOperations", request).await.expect("a page");
    assert_eq!(listed.operation_info.len(), 1);
}

#[tokio::test]
async fn a_batch_that_makes_no_sense_or_is_not_known_is_refused() {
    let caller = Caller::new().await;
    let check = async |request: StartBatchOperationRequest, words: &str| {
        let refused: Result<StartBatchOperationResponse, _> =
            caller.call("StartBatchOperation", request).await;
        let status = refused.expect_err("it makes no sense");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with(words), "{status}");
    };
    check(StartBatchOperationRequest { operation: None, ..signal_all("x") }, "operation: ").await;
    check(signal_all(""), "job_id: ").await;
    check(StartBatchOperationRequest { reason: String::new(), ..signal_all("x") }, "reason: ").await;
    let neither = StartBatchOperationRequest { visibility_query: String::new(), ..signal_all("x") };
    check(neither, "visibility_query: ").await;
    let request = StopBatchOperationRequest {
        namespace: "default".to_owned(),
        job_id: "nobody".to_owned(),
        ..Default::default()
    };
    let refused: Result<StopBatchOperationResponse, _> = caller.call("StopBatchOperation", request).await;
    assert_eq!(refused.expect_err("nobody").code(), Code::NotFound);
}
