//! Temporal's WorkflowService, method by method: which handler has it, and what of the headers it wants.

use tidegate_engine::WorkflowService;
use tonic::{Request, Response, Status};

use crate::api::{Api, Patience};
use crate::proto::service::workflow_service_server::WorkflowService as Methods;
use crate::proto::service::*;
use crate::{
    activity, activity_task, batch, execution, history, namespace, nexus_task, schedule, start, system,
    task_queue, update, visibility, workflow_task,
};

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl<S: WorkflowService> Methods for Api<S> {
    async fn get_system_info(&self, _: Request<GetSystemInfoRequest>) -> Answer<GetSystemInfoResponse> {
        Ok(Response::new(system::system_info()))
    }

    async fn get_cluster_info(&self, _: Request<GetClusterInfoRequest>) -> Answer<GetClusterInfoResponse> {
        Ok(Response::new(system::cluster_info()))
    }

    async fn poll_workflow_task_queue(
        &self,
        request: Request<PollWorkflowTaskQueueRequest>,
    ) -> Answer<PollWorkflowTaskQueueResponse> {
        let patience = Patience::of(request.metadata());
        workflow_task::poll(self, patience, request.into_inner()).await.map(Response::new)
    }

    async fn respond_workflow_task_completed(
        &self,
        request: Request<RespondWorkflowTaskCompletedRequest>,
    ) -> Answer<RespondWorkflowTaskCompletedResponse> {
        workflow_task::respond_completed(self, request.into_inner()).await.map(Response::new)
    }

    async fn respond_workflow_task_failed(
        &self,
        request: Request<RespondWorkflowTaskFailedRequest>,
    ) -> Answer<RespondWorkflowTaskFailedResponse> {
        workflow_task::respond_failed(self, request.into_inner()).await.map(Response::new)
    }

    async fn respond_query_task_completed(
        &self,
        request: Request<RespondQueryTaskCompletedRequest>,
    ) -> Answer<RespondQueryTaskCompletedResponse> {
        workflow_task::respond_query(self, request.into_inner()).await.map(Response::new)
    }

    async fn poll_activity_task_queue(
        &self,
        request: Request<PollActivityTaskQueueRequest>,
    ) -> Answer<PollActivityTaskQueueResponse> {
        let patience = Patience::of(request.metadata());
        activity_task::poll(self, patience, request.into_inner()).await.map(Response::new)
    }

    async fn respond_activity_task_completed(
        &self,
        request: Request<RespondActivityTaskCompletedRequest>,
    ) -> Answer<RespondActivityTaskCompletedResponse> {
        activity_task::completed(self, request.into_inner()).await.map(Response::new)
    }

    async fn respond_activity_task_completed_by_id(
        &self,
        request: Request<RespondActivityTaskCompletedByIdRequest>,
    ) -> Answer<RespondActivityTaskCompletedByIdResponse> {
        activity_task::completed_by_id(self, request.into_inner()).await.map(Response::new)
    }

    async fn respond_activity_task_failed(
        &self,
        request: Request<RespondActivityTaskFailedRequest>,
    ) -> Answer<RespondActivityTaskFailedResponse> {
        activity_task::failed(self, request.into_inner()).await.map(Response::new)
    }

    async fn respond_activity_task_failed_by_id(
        &self,
        request: Request<RespondActivityTaskFailedByIdRequest>,
    ) -> Answer<RespondActivityTaskFailedByIdResponse> {
        activity_task::failed_by_id(self, request.into_inner()).await.map(Response::new)
    }

    async fn respond_activity_task_canceled(
        &self,
        request: Request<RespondActivityTaskCanceledRequest>,
    ) -> Answer<RespondActivityTaskCanceledResponse> {
        activity_task::canceled(self, request.into_inner()).await.map(Response::new)
    }

    async fn respond_activity_task_canceled_by_id(
        &self,
        request: Request<RespondActivityTaskCanceledByIdRequest>,
    ) -> Answer<RespondActivityTaskCanceledByIdResponse> {
        activity_task::canceled_by_id(self, request.into_inner()).await.map(Response::new)
    }

    async fn record_activity_task_heartbeat(
        &self,
        request: Request<RecordActivityTaskHeartbeatRequest>,
    ) -> Answer<RecordActivityTaskHeartbeatResponse> {
        activity_task::heartbeat(self, request.into_inner()).await.map(Response::new)
    }

    async fn record_activity_task_heartbeat_by_id(
        &self,
        request: Request<RecordActivityTaskHeartbeatByIdRequest>,
    ) -> Answer<RecordActivityTaskHeartbeatByIdResponse> {
        activity_task::heartbeat_by_id(self, request.into_inner()).await.map(Response::new)
    }

    async fn record_worker_heartbeat(
        &self,
        request: Request<RecordWorkerHeartbeatRequest>,
    ) -> Answer<RecordWorkerHeartbeatResponse> {
        task_queue::record_worker_heartbeat(request.get_ref()).map(Response::new)
    }

    async fn shutdown_worker(
        &self,
        request: Request<ShutdownWorkerRequest>,
    ) -> Answer<ShutdownWorkerResponse> {
        task_queue::shutdown_worker(self, request.into_inner()).await.map(Response::new)
    }

    async fn poll_nexus_task_queue(
        &self,
        request: Request<PollNexusTaskQueueRequest>,
    ) -> Answer<PollNexusTaskQueueResponse> {
        let patience = Patience::of(request.metadata());
        nexus_task::poll(self, patience, request.into_inner()).await.map(Response::new)
    }

    async fn start_workflow_execution(
        &self,
        request: Request<StartWorkflowExecutionRequest>,
    ) -> Answer<StartWorkflowExecutionResponse> {
        start::start(self, request.into_inner()).await.map(Response::new)
    }

    async fn signal_with_start_workflow_execution(
        &self,
        request: Request<SignalWithStartWorkflowExecutionRequest>,
    ) -> Answer<SignalWithStartWorkflowExecutionResponse> {
        start::signal_with_start(self, request.into_inner()).await.map(Response::new)
    }

    async fn execute_multi_operation(
        &self,
        request: Request<ExecuteMultiOperationRequest>,
    ) -> Answer<ExecuteMultiOperationResponse> {
        let patience = Patience::of(request.metadata());
        start::execute_multi_operation(self, patience, request.into_inner()).await.map(Response::new)
    }

    async fn signal_workflow_execution(
        &self,
        request: Request<SignalWorkflowExecutionRequest>,
    ) -> Answer<SignalWorkflowExecutionResponse> {
        execution::signal(self, request.into_inner()).await.map(Response::new)
    }

    async fn query_workflow(&self, request: Request<QueryWorkflowRequest>) -> Answer<QueryWorkflowResponse> {
        let patience = Patience::of(request.metadata());
        execution::query(self, patience, request.into_inner()).await.map(Response::new)
    }

    async fn update_workflow_execution(
        &self,
        request: Request<UpdateWorkflowExecutionRequest>,
    ) -> Answer<UpdateWorkflowExecutionResponse> {
        let patience = Patience::of(request.metadata());
        update::update(self, patience, request.into_inner()).await.map(Response::new)
    }

    async fn poll_workflow_execution_update(
        &self,
        request: Request<PollWorkflowExecutionUpdateRequest>,
    ) -> Answer<PollWorkflowExecutionUpdateResponse> {
        let patience = Patience::of(request.metadata());
        update::poll_update(self, patience, request.into_inner()).await.map(Response::new)
    }

    async fn request_cancel_workflow_execution(
        &self,
        request: Request<RequestCancelWorkflowExecutionRequest>,
    ) -> Answer<RequestCancelWorkflowExecutionResponse> {
        execution::request_cancel(self, request.into_inner()).await.map(Response::new)
    }

    async fn terminate_workflow_execution(
        &self,
        request: Request<TerminateWorkflowExecutionRequest>,
    ) -> Answer<TerminateWorkflowExecutionResponse> {
        execution::terminate(self, request.into_inner()).await.map(Response::new)
    }

    async fn reset_workflow_execution(
        &self,
        request: Request<ResetWorkflowExecutionRequest>,
    ) -> Answer<ResetWorkflowExecutionResponse> {
        execution::reset(self, request.into_inner()).await.map(Response::new)
    }

    async fn delete_workflow_execution(
        &self,
        request: Request<DeleteWorkflowExecutionRequest>,
    ) -> Answer<DeleteWorkflowExecutionResponse> {
        execution::delete(self, request.into_inner()).await.map(Response::new)
    }

    async fn describe_workflow_execution(
        &self,
        request: Request<DescribeWorkflowExecutionRequest>,
    ) -> Answer<DescribeWorkflowExecutionResponse> {
        visibility::describe(self, request.into_inner()).await.map(Response::new)
    }

    async fn get_workflow_execution_history(
        &self,
        request: Request<GetWorkflowExecutionHistoryRequest>,
    ) -> Answer<GetWorkflowExecutionHistoryResponse> {
        let (metadata, _, request) = request.into_parts();
        history::get(self, &metadata, request).await.map(Response::new)
    }

    async fn get_workflow_execution_history_reverse(
        &self,
        request: Request<GetWorkflowExecutionHistoryReverseRequest>,
    ) -> Answer<GetWorkflowExecutionHistoryReverseResponse> {
        history::get_reverse(self, request.into_inner()).await.map(Response::new)
    }

    async fn list_workflow_executions(
        &self,
        request: Request<ListWorkflowExecutionsRequest>,
    ) -> Answer<ListWorkflowExecutionsResponse> {
        visibility::list(self, request.into_inner()).await.map(Response::new)
    }

    async fn list_open_workflow_executions(
        &self,
        request: Request<ListOpenWorkflowExecutionsRequest>,
    ) -> Answer<ListOpenWorkflowExecutionsResponse> {
        visibility::list_open(self, request.into_inner()).await.map(Response::new)
    }

    async fn list_closed_workflow_executions(
        &self,
        request: Request<ListClosedWorkflowExecutionsRequest>,
    ) -> Answer<ListClosedWorkflowExecutionsResponse> {
        visibility::list_closed(self, request.into_inner()).await.map(Response::new)
    }

    async fn scan_workflow_executions(
        &self,
        request: Request<ScanWorkflowExecutionsRequest>,
    ) -> Answer<ScanWorkflowExecutionsResponse> {
        visibility::scan(self, request.into_inner()).await.map(Response::new)
    }

    async fn count_workflow_executions(
        &self,
        request: Request<CountWorkflowExecutionsRequest>,
    ) -> Answer<CountWorkflowExecutionsResponse> {
        visibility::count(self, request.into_inner()).await.map(Response::new)
    }

    async fn describe_task_queue(
        &self,
        request: Request<DescribeTaskQueueRequest>,
    ) -> Answer<DescribeTaskQueueResponse> {
        task_queue::describe(self, request.into_inner()).await.map(Response::new)
    }

    async fn list_task_queue_partitions(
        &self,
        request: Request<ListTaskQueuePartitionsRequest>,
    ) -> Answer<ListTaskQueuePartitionsResponse> {
        task_queue::list_partitions(request.into_inner()).map(Response::new)
    }

    async fn get_search_attributes(
        &self,
        _: Request<GetSearchAttributesRequest>,
    ) -> Answer<GetSearchAttributesResponse> {
        namespace::get_search_attributes(self).await.map(Response::new)
    }

    async fn register_namespace(
        &self,
        request: Request<RegisterNamespaceRequest>,
    ) -> Answer<RegisterNamespaceResponse> {
        namespace::register(self, request.into_inner()).await.map(Response::new)
    }

    async fn describe_namespace(
        &self,
        request: Request<DescribeNamespaceRequest>,
    ) -> Answer<DescribeNamespaceResponse> {
        namespace::describe(self, request.into_inner()).await.map(Response::new)
    }

    async fn list_namespaces(
        &self,
        request: Request<ListNamespacesRequest>,
    ) -> Answer<ListNamespacesResponse> {
        namespace::list(self, request.into_inner()).await.map(Response::new)
    }

    async fn update_namespace(
        &self,
        request: Request<UpdateNamespaceRequest>,
    ) -> Answer<UpdateNamespaceResponse> {
        namespace::update(self, request.into_inner()).await.map(Response::new)
    }

    async fn deprecate_namespace(
        &self,
        request: Request<DeprecateNamespaceRequest>,
    ) -> Answer<DeprecateNamespaceResponse> {
        namespace::deprecate(self, request.into_inner()).await.map(Response::new)
    }

    async fn pause_activity(&self, request: Request<PauseActivityRequest>) -> Answer<PauseActivityResponse> {
        activity::pause(self, request.into_inner()).await.map(Response::new)
    }

    async fn unpause_activity(
        &self,
        request: Request<UnpauseActivityRequest>,
    ) -> Answer<UnpauseActivityResponse> {
        activity::unpause(self, request.into_inner()).await.map(Response::new)
    }

    async fn reset_activity(&self, request: Request<ResetActivityRequest>) -> Answer<ResetActivityResponse> {
        activity::reset(self, request.into_inner()).await.map(Response::new)
    }

    async fn update_activity_options(
        &self,
        request: Request<UpdateActivityOptionsRequest>,
    ) -> Answer<UpdateActivityOptionsResponse> {
        activity::update_options(self, request.into_inner()).await.map(Response::new)
    }

    async fn create_schedule(
        &self,
        request: Request<CreateScheduleRequest>,
    ) -> Answer<CreateScheduleResponse> {
        schedule::create(self, request.into_inner()).await.map(Response::new)
    }

    async fn describe_schedule(
        &self,
        request: Request<DescribeScheduleRequest>,
    ) -> Answer<DescribeScheduleResponse> {
        schedule::describe(self, request.into_inner()).await.map(Response::new)
    }

    async fn update_schedule(
        &self,
        request: Request<UpdateScheduleRequest>,
    ) -> Answer<UpdateScheduleResponse> {
        schedule::update(self, request.into_inner()).await.map(Response::new)
    }

    async fn patch_schedule(&self, request: Request<PatchScheduleRequest>) -> Answer<PatchScheduleResponse> {
        schedule::patch(self, request.into_inner()).await.map(Response::new)
    }

    async fn delete_schedule(
        &self,
        request: Request<DeleteScheduleRequest>,
    ) -> Answer<DeleteScheduleResponse> {
        schedule::delete(self, request.into_inner()).await.map(Response::new)
    }

    async fn list_schedules(&self, request: Request<ListSchedulesRequest>) -> Answer<ListSchedulesResponse> {
        schedule::list(self, request.into_inner()).await.map(Response::new)
    }

    async fn list_schedule_matching_times(
        &self,
        request: Request<ListScheduleMatchingTimesRequest>,
    ) -> Answer<ListScheduleMatchingTimesResponse> {
        schedule::list_matching_times(self, request.into_inner()).await.map(Response::new)
    }

    async fn count_schedules(
        &self,
        request: Request<CountSchedulesRequest>,
    ) -> Answer<CountSchedulesResponse> {
        schedule::count(self, request.into_inner()).await.map(Response::new)
    }

    async fn start_batch_operation(
        &self,
        request: Request<StartBatchOperationRequest>,
    ) -> Answer<StartBatchOperationResponse> {
        batch::start(self, request.into_inner()).await.map(Response::new)
    }

    async fn describe_batch_operation(
        &self,
        request: Request<DescribeBatchOperationRequest>,
    ) -> Answer<DescribeBatchOperationResponse> {
        batch::describe(self, request.into_inner()).map(Response::new)
    }

    async fn list_batch_operations(
        &self,
        request: Request<ListBatchOperationsRequest>,
    ) -> Answer<ListBatchOperationsResponse> {
        batch::list(self, request.get_ref()).map(Response::new)
    }

    async fn stop_batch_operation(
        &self,
        request: Request<StopBatchOperationRequest>,
    ) -> Answer<StopBatchOperationResponse> {
        batch::stop(self, request.into_inner()).map(Response::new)
    }
}
