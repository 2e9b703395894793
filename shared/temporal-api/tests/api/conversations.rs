//! Queries and updates: questions that travel to a worker and back.

use prost::Message as _;
use tidegate_temporal_api::proto::command::ProtocolMessageCommandAttributes;
use tidegate_temporal_api::proto::command::command::Attributes as CommandAttributes;
use tidegate_temporal_api::proto::common::WorkflowExecution;
use tidegate_temporal_api::proto::enums::{
    CommandType, QueryResultType, UpdateWorkflowExecutionLifecycleStage,
};
use tidegate_temporal_api::proto::errordetails::QueryFailedFailure;
use tidegate_temporal_api::proto::google::rpc;
use tidegate_temporal_api::proto::protocol::Message;
use tidegate_temporal_api::proto::protocol::message::SequencingId;
use tidegate_temporal_api::proto::query::WorkflowQuery;
use tidegate_temporal_api::proto::service::*;
use tidegate_temporal_api::proto::update;
use tonic::{Code, Status};

use crate::caller::Caller;
use crate::hello::{command, poll, respond, start, text};

fn execution() -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: "hello-1".to_owned(), run_id: String::new() })
}

async fn query(caller: &Caller) -> Result<QueryWorkflowResponse, Status> {
    let request = QueryWorkflowRequest {
        namespace: "default".to_owned(),
        execution: execution(),
        query: Some(WorkflowQuery { query_type: "state".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    caller.call("QueryWorkflow", request).await
}

async fn answer(caller: &Caller, answer: RespondQueryTaskCompletedRequest) {
    caller.host.until_waiting(1).await;
    let task = poll(caller, "hello").await;
    assert_eq!(task.query.as_ref().expect("a question").query_type, "state");
    assert_eq!(task.started_event_id, 0, "nothing was started for it");
    let request = RespondQueryTaskCompletedRequest { task_token: task.task_token, ..answer };
    let _: RespondQueryTaskCompletedResponse =
        caller.call("RespondQueryTaskCompleted", request).await.expect("it is wanted");
}

#[tokio::test]
async fn a_query_is_answered_by_a_worker_or_refused_with_what_it_said() {
    let caller = Caller::new().await;
    start(&caller, "hello-1").await.expect("it is new");
    let task = poll(&caller, "hello").await;
    respond(&caller, &task, Vec::new()).await.expect("it is taken");
    let said = RespondQueryTaskCompletedRequest {
        completed_type: QueryResultType::Answered.into(),
        query_result: text("waiting"),
        ..Default::default()
    };
    let (answered, ()) = tokio::join!(query(&caller), answer(&caller, said));
    assert_eq!(answered.expect("it has an answer").query_result, text("waiting"));
    let said = RespondQueryTaskCompletedRequest {
        completed_type: QueryResultType::Failed.into(),
        error_message: "unknown query".to_owned(),
        ..Default::default()
    };
    let (refused, ()) = tokio::join!(query(&caller), answer(&caller, said));
    let status = refused.expect_err("it has none");
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "unknown query"));
    let details = rpc::Status::decode(status.details()).expect("a google.rpc.Status");
    QueryFailedFailure::decode(details.details[0].value.as_slice()).expect("its own detail");
}

/// A message about the update that came in `task`.
fn message(task: &PollWorkflowTaskQueueResponse, name: &str, body: &impl prost::Message) -> Message {
    Message {
        id: format!("{name} of {}", task.messages[0].id),
        protocol_instance_id: task.messages[0].protocol_instance_id.clone(),
        body: Some(prost_types::Any {
            type_url: format!("type.googleapis.com/temporal.api.update.v1.{name}"),
            value: body.encode_to_vec(),
        }),
        sequencing_id: None,
    }
}

#[tokio::test]
async fn an_update_is_accepted_and_carried_out_by_a_worker() {
    let caller = Caller::new().await;
    start(&caller, "hello-1").await.expect("it is new");
    let task = poll(&caller, "hello").await;
    respond(&caller, &task, Vec::new()).await.expect("it is taken");
    let completed = UpdateWorkflowExecutionLifecycleStage::Completed;
    let meta = update::Meta { update_id: "raise-1".to_owned(), identity: "client".to_owned() };
    let request = UpdateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution(),
        wait_policy: Some(update::WaitPolicy { lifecycle_stage: completed.into() }),
        request: Some(update::Request {
            meta: Some(meta.clone()),
            input: Some(update::Input { name: "raise".to_owned(), args: text("by one"), header: None }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let worker = async {
        caller.host.until_waiting(1).await;
        let task = poll(&caller, "hello").await;
        let asked = task.messages[0].body.clone().expect("a request");
        let asked = update::Request::decode(asked.value.as_slice()).expect("a request");
        assert_eq!(asked.input.as_ref().expect("what is asked").name, "raise");
        let Some(SequencingId::EventId(after)) = task.messages[0].sequencing_id else {
            panic!("a request says after which event it belongs");
        };
        let acceptance = update::Acceptance {
            accepted_request_message_id: task.messages[0].id.clone(),
            accepted_request_sequencing_event_id: after,
            accepted_request: Some(asked),
        };
        let value = update::outcome::Value::Success(text("raised").expect("some"));
        let outcome = Some(update::Outcome { value: Some(value) });
        let response = update::Response { meta: Some(meta.clone()), outcome };
        let messages = vec![message(&task, "Acceptance", &acceptance), message(&task, "Response", &response)];
        let place = |message: &Message| {
            let attributes = ProtocolMessageCommandAttributes { message_id: message.id.clone() };
            let attributes = CommandAttributes::ProtocolMessageCommandAttributes(attributes);
            command(CommandType::ProtocolMessage, attributes)
        };
        let request = RespondWorkflowTaskCompletedRequest {
            task_token: task.task_token.clone(),
            commands: messages.iter().map(place).collect(),
            messages,
            identity: "worker".to_owned(),
            namespace: "default".to_owned(),
            ..Default::default()
        };
        let _: RespondWorkflowTaskCompletedResponse =
            caller.call("RespondWorkflowTaskCompleted", request).await.expect("it is taken");
    };
    let (updated, ()) = tokio::join!(caller.call("UpdateWorkflowExecution", request), worker);
    let updated: UpdateWorkflowExecutionResponse = updated.expect("it is carried out");
    assert_eq!(updated.stage, i32::from(completed));
    let raised = |outcome: Option<update::Outcome>| {
        let Some(update::outcome::Value::Success(result)) = outcome.expect("there is one").value else {
            panic!("it succeeded");
        };
        assert_eq!(Some(result), text("raised"));
    };
    raised(updated.outcome);
    let request = PollWorkflowExecutionUpdateRequest {
        namespace: "default".to_owned(),
        update_ref: updated.update_ref,
        ..Default::default()
    };
    let polled: PollWorkflowExecutionUpdateResponse =
        caller.call("PollWorkflowExecutionUpdate", request).await.expect("it is remembered");
    raised(polled.outcome);
}
