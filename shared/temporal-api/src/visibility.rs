//! What there is: lists, counts, and one execution in full.

use tidegate_engine::{
    ChildDescription, CountGroup, ListToken, ListWorkflows, PendingActivity, PendingActivityState, Reply,
    Request, RunDescription, RunSummary, WorkflowService,
};
use tidegate_model::id::{Namespace, RunId};
use tidegate_model::limits::API_LIST_PAGE_MAX;
use tidegate_model::payload::Payload;
use tonic::Status;

use crate::activity::outward_options;
use crate::api::{Api, unexpected};
use crate::convert::inward::{self, Checked};
use crate::convert::outward;
use crate::proto::common::WorkflowExecution;
use crate::proto::enums;
use crate::proto::filter::{StartTimeFilter, WorkflowExecutionFilter, WorkflowTypeFilter};
use crate::proto::service::count_workflow_executions_response::AggregationGroup;
use crate::proto::service::{
    CountWorkflowExecutionsRequest, CountWorkflowExecutionsResponse, DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse, ListClosedWorkflowExecutionsRequest,
    ListClosedWorkflowExecutionsResponse, ListOpenWorkflowExecutionsRequest,
    ListOpenWorkflowExecutionsResponse, ListWorkflowExecutionsRequest, ListWorkflowExecutionsResponse,
    ScanWorkflowExecutionsRequest, ScanWorkflowExecutionsResponse, list_closed_workflow_executions_request,
    list_open_workflow_executions_request,
};
use crate::proto::workflow::pending_activity_info::PauseInfo;
use crate::proto::workflow::pending_activity_info::pause_info::{Manual, PausedBy};
use crate::proto::workflow::{
    PendingActivityInfo, PendingChildExecutionInfo, PendingWorkflowTaskInfo, WorkflowExecutionConfig,
    WorkflowExecutionExtendedInfo, WorkflowExecutionInfo,
};
use crate::token::{Token, misplaced};

const TOKEN: &str = "next_page_token";

/// A page of a list, and the token of the next.
async fn list_page<S: WorkflowService>(
    api: &Api<S>,
    namespace: &str,
    query: String,
    size: i32,
    token: &[u8],
) -> Result<(Vec<WorkflowExecutionInfo>, Vec<u8>), Status> {
    let size = usize::try_from(inward::count("page_size", size)?).unwrap_or(usize::MAX);
    let list = ListWorkflows {
        namespace: Some(inward::namespace(namespace)?),
        query,
        page_size: if size == 0 { API_LIST_PAGE_MAX } else { size.min(API_LIST_PAGE_MAX) },
        page_token: page_token(token)?,
    };
    let Reply::Listed { runs, next } = api.ask(Request::ListWorkflowExecutions(list)).await? else {
        return Err(unexpected());
    };
    {
        let token = next.map(|next| Token::List(next).seal()).unwrap_or_default();
        Ok((runs.into_iter().map(summary).collect(), token))
    }
}

fn page_token(token: &[u8]) -> Checked<Option<ListToken>> {
    match Token::open_any(TOKEN, token)? {
        None => Ok(None),
        Some(Token::List(place)) => Ok(Some(place)),
        Some(_) => Err(misplaced(TOKEN)),
    }
}

pub(crate) async fn list<S: WorkflowService>(
    api: &Api<S>,
    request: ListWorkflowExecutionsRequest,
) -> Result<ListWorkflowExecutionsResponse, Status> {
    let ListWorkflowExecutionsRequest { namespace, page_size, next_page_token, query } = request;
    let page = list_page(api, &namespace, query, page_size, &next_page_token).await?;
    let (executions, next_page_token) = page;
    Ok(ListWorkflowExecutionsResponse { executions, next_page_token })
}

pub(crate) async fn scan<S: WorkflowService>(
    api: &Api<S>,
    request: ScanWorkflowExecutionsRequest,
) -> Result<ScanWorkflowExecutionsResponse, Status> {
    let ScanWorkflowExecutionsRequest { namespace, page_size, next_page_token, query } = request;
    let page = list_page(api, &namespace, query, page_size, &next_page_token).await?;
    let (executions, next_page_token) = page;
    Ok(ScanWorkflowExecutionsResponse { executions, next_page_token })
}

pub(crate) async fn list_open<S: WorkflowService>(
    api: &Api<S>,
    request: ListOpenWorkflowExecutionsRequest,
) -> Result<ListOpenWorkflowExecutionsResponse, Status> {
    use list_open_workflow_executions_request::Filters;
    let mut terms = vec!["ExecutionStatus = 'Running'".to_owned()];
    terms.extend(start_time_terms(request.start_time_filter)?);
    match request.filters {
        Some(Filters::ExecutionFilter(filter)) => terms.extend(execution_terms(&filter)),
        Some(Filters::TypeFilter(filter)) => terms.push(type_term(&filter)),
        None => {}
    }
    let (query, size) = (terms.join(" AND "), request.maximum_page_size);
    let page = list_page(api, &request.namespace, query, size, &request.next_page_token).await?;
    let (executions, next_page_token) = page;
    Ok(ListOpenWorkflowExecutionsResponse { executions, next_page_token })
}

pub(crate) async fn list_closed<S: WorkflowService>(
    api: &Api<S>,
    request: ListClosedWorkflowExecutionsRequest,
) -> Result<ListClosedWorkflowExecutionsResponse, Status> {
    use list_closed_workflow_executions_request::Filters;
    let mut terms = vec!["ExecutionStatus != 'Running'".to_owned()];
    terms.extend(start_time_terms(request.start_time_filter)?);
    match request.filters {
        Some(Filters::ExecutionFilter(filter)) => terms.extend(execution_terms(&filter)),
        Some(Filters::TypeFilter(filter)) => terms.push(type_term(&filter)),
        Some(Filters::StatusFilter(filter)) => {
            let status = enums::WorkflowExecutionStatus::try_from(filter.status).unwrap_or_default();
            terms.push(format!("ExecutionStatus = {}", quoted(&pascal(status.as_str_name()))));
        }
        None => {}
    }
    let (query, size) = (terms.join(" AND "), request.maximum_page_size);
    let page = list_page(api, &request.namespace, query, size, &request.next_page_token).await?;
    let (executions, next_page_token) = page;
    Ok(ListClosedWorkflowExecutionsResponse { executions, next_page_token })
}

/// A text in the filter grammar.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// `WORKFLOW_EXECUTION_STATUS_TIMED_OUT` as a filter has it: `TimedOut`.
fn pascal(name: &str) -> String {
    let name = name.strip_prefix("WORKFLOW_EXECUTION_STATUS_").unwrap_or(name);
    name.split('_')
        .flat_map(|word| {
            let (first, rest) = word.split_at_checked(1).unwrap_or_default();
            [first.to_owned(), rest.to_ascii_lowercase()]
        })
        .collect()
}

fn start_time_terms(filter: Option<StartTimeFilter>) -> Checked<Vec<String>> {
    let filter = filter.unwrap_or_default();
    let earliest = inward::timestamp("start_time_filter.earliest_time", filter.earliest_time)?;
    let latest = inward::timestamp("start_time_filter.latest_time", filter.latest_time)?;
    let term = |bound: &str, at| format!("StartTime {bound} {}", quoted(&format!("{at}")));
    Ok(earliest.map(|at| term(">=", at)).into_iter().chain(latest.map(|at| term("<=", at))).collect())
}

fn execution_terms(filter: &WorkflowExecutionFilter) -> Vec<String> {
    let given = [("WorkflowId", &filter.workflow_id), ("RunId", &filter.run_id)];
    let given = given.into_iter().filter(|(_, text)| !text.is_empty());
    given.map(|(name, text)| format!("{name} = {}", quoted(text))).collect()
}

fn type_term(filter: &WorkflowTypeFilter) -> String {
    format!("WorkflowType = {}", quoted(&filter.name))
}

pub(crate) async fn count<S: WorkflowService>(
    api: &Api<S>,
    request: CountWorkflowExecutionsRequest,
) -> Result<CountWorkflowExecutionsResponse, Status> {
    let namespace = inward::namespace(&request.namespace)?;
    let count = Request::CountWorkflowExecutions { namespace, query: request.query };
    let Reply::Counted { count, groups } = api.ask(count).await? else { return Err(unexpected()) };
    Ok(CountWorkflowExecutionsResponse {
        count: outward::id(count),
        groups: groups.into_iter().map(group).collect(),
    })
}

/// A group by its status, as Temporal encodes a keyword.
fn group(group: CountGroup) -> AggregationGroup {
    let mut value = Payload::json(format!("\"{}\"", group.status.name()));
    value.metadata.insert("type".to_owned(), b"Keyword".to_vec().into());
    AggregationGroup { group_values: vec![outward::payload(value)], count: outward::id(group.count) }
}

pub(crate) async fn describe<S: WorkflowService>(
    api: &Api<S>,
    request: DescribeWorkflowExecutionRequest,
) -> Result<DescribeWorkflowExecutionResponse, Status> {
    let namespace = inward::namespace(&request.namespace)?;
    let (workflow_id, run_id) = inward::execution("execution", request.execution)?;
    let describe = Request::DescribeWorkflowExecution { namespace, workflow_id, run_id };
    let Reply::Described(description) = api.ask(describe).await? else { return Err(unexpected()) };
    Ok(description_response(*description))
}

fn description_response(description: RunDescription) -> DescribeWorkflowExecutionResponse {
    let attempt = description.summary.workflow_task_attempt;
    let config = WorkflowExecutionConfig {
        task_queue: outward::task_queue(&description.summary.task_queue),
        workflow_execution_timeout: outward::or_zero(description.workflow_execution_timeout),
        workflow_run_timeout: outward::or_zero(description.workflow_run_timeout),
        default_workflow_task_timeout: Some(outward::duration(description.workflow_task_timeout)),
        user_metadata: outward::user_metadata(description.user_metadata),
    };
    let start_time = Some(outward::timestamp(description.summary.start_time));
    let extended = WorkflowExecutionExtendedInfo {
        execution_expiration_time: description.execution_expiration_time.map(outward::timestamp),
        run_expiration_time: description.run_expiration_time.map(outward::timestamp),
        cancel_requested: description.cancel_requested,
        original_start_time: start_time,
        reset_run_id: outward::run_id(description.reset_run_id),
        ..Default::default()
    };
    DescribeWorkflowExecutionResponse {
        execution_config: Some(config),
        workflow_execution_info: Some(summary(description.summary)),
        pending_activities: description.pending_activities.into_iter().map(pending_activity).collect(),
        pending_children: description.pending_children.into_iter().map(pending_child).collect(),
        pending_workflow_task: description.pending_workflow_task.map(|(scheduled, started)| {
            let state = match started {
                Some(_) => enums::PendingWorkflowTaskState::Started,
                None => enums::PendingWorkflowTaskState::Scheduled,
            };
            PendingWorkflowTaskInfo {
                state: state.into(),
                scheduled_time: Some(outward::timestamp(scheduled)),
                original_scheduled_time: Some(outward::timestamp(scheduled)),
                started_time: started.map(outward::timestamp),
                attempt: outward::int(attempt),
            }
        }),
        workflow_extended_info: Some(extended),
        ..Default::default()
    }
}

/// A run as lists show it.
fn summary(run: RunSummary) -> WorkflowExecutionInfo {
    let own = execution(run.workflow_id.as_str(), run.run_id);
    let parent = run.parent.as_deref();
    let root = run.root.map(|root| *root);
    let duration = run.close_time.map(|close| outward::duration(close.saturating_since(run.execution_time)));
    WorkflowExecutionInfo {
        execution: Some(own.clone()),
        r#type: outward::workflow_type(run.workflow_type),
        start_time: Some(outward::timestamp(run.start_time)),
        close_time: run.close_time.map(outward::timestamp),
        status: outward::status(run.status).into(),
        history_length: outward::id(run.history_length),
        parent_namespace_id: parent.map(|parent| namespace_id(&parent.namespace)).unwrap_or_default(),
        parent_execution: parent.map(|parent| execution(parent.workflow_id.as_str(), parent.run_id)),
        execution_time: Some(outward::timestamp(run.execution_time)),
        // Both are there even where they say nothing: an SDK asserts it.
        memo: Some(outward::memo(run.memo).unwrap_or_default()),
        search_attributes: Some(outward::search_attributes(run.search_attributes).unwrap_or_default()),
        task_queue: run.task_queue.to_string(),
        state_transition_count: outward::id(run.state_transitions),
        history_size_bytes: outward::id(run.history_size_bytes),
        execution_duration: duration,
        root_execution: Some(root.and_then(outward::execution).unwrap_or(own)),
        first_run_id: run.first_run_id.to_string(),
        ..Default::default()
    }
}

/// A namespace's id for those who want one: namespaces are known by their names here.
fn namespace_id(namespace: &Namespace) -> String {
    namespace.to_string()
}

fn execution(workflow_id: &str, run_id: RunId) -> WorkflowExecution {
    WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: run_id.to_string() }
}

fn pending_activity(activity: PendingActivity) -> PendingActivityInfo {
    let state = match activity.state {
        PendingActivityState::Scheduled => enums::PendingActivityState::Scheduled,
        PendingActivityState::Started => enums::PendingActivityState::Started,
        PendingActivityState::CancelRequested => enums::PendingActivityState::CancelRequested,
        PendingActivityState::Paused => enums::PendingActivityState::Paused,
        PendingActivityState::PauseRequested => enums::PendingActivityState::PauseRequested,
    };
    let paused =
        matches!(activity.state, PendingActivityState::Paused | PendingActivityState::PauseRequested);
    let (last_heartbeat_time, heartbeat_details) = activity.heartbeat.unzip();
    PendingActivityInfo {
        activity_id: activity.activity_id,
        activity_type: outward::activity_type(activity.activity_type),
        state: state.into(),
        heartbeat_details: heartbeat_details.and_then(outward::payloads),
        last_heartbeat_time: last_heartbeat_time.map(outward::timestamp),
        last_started_time: activity.last_started_time.map(outward::timestamp),
        attempt: outward::int(activity.attempt),
        maximum_attempts: outward::int(activity.maximum_attempts),
        scheduled_time: Some(outward::timestamp(activity.scheduled_time)),
        expiration_time: activity.expiration_time.map(outward::timestamp),
        last_failure: activity.last_failure.map(outward::failure),
        last_worker_identity: activity.last_worker_identity,
        next_attempt_schedule_time: activity.next_attempt_schedule_time.map(outward::timestamp),
        paused,
        last_attempt_complete_time: activity.last_attempt_complete_time.map(outward::timestamp),
        priority: outward::priority(activity.options.priority.clone()),
        activity_options: Some(outward_options(activity.options)),
        pause_info: activity.pause.map(|pause| PauseInfo {
            pause_time: Some(outward::timestamp(pause.time)),
            paused_by: Some(PausedBy::Manual(Manual { identity: pause.identity, reason: pause.reason })),
        }),
        ..Default::default()
    }
}

fn pending_child(child: ChildDescription) -> PendingChildExecutionInfo {
    PendingChildExecutionInfo {
        workflow_id: child.child.workflow_id.to_string(),
        run_id: outward::run_id(child.child.run_id),
        workflow_type_name: child.workflow_type,
        initiated_id: outward::id(child.initiated_event_id),
        parent_close_policy: outward::parent_close_policy(child.parent_close_policy).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_filter_is_a_query_in_the_grammar() {
        assert_eq!(pascal("WORKFLOW_EXECUTION_STATUS_TIMED_OUT"), "TimedOut");
        assert_eq!(pascal("WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW"), "ContinuedAsNew");
        assert_eq!(quoted("it's \\ here"), "'it\\'s \\\\ here'");
        let filter = WorkflowExecutionFilter { workflow_id: "a".to_owned(), run_id: String::new() };
        assert_eq!(execution_terms(&filter), ["WorkflowId = 'a'"]);
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let filter = StartTimeFilter { earliest_time: at(0), latest_time: at(86_400) };
        let terms = start_time_terms(Some(filter)).expect("both are moments");
        assert_eq!(
            terms,
            ["StartTime >= '1970-01-01T00:00:00.000Z'", "StartTime <= '1970-01-02T00:00:00.000Z'"]
        );
    }
}
