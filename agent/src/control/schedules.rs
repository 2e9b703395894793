//! Questions about schedules, and what can be done to them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_engine::{
    Backfill, CreateSchedule, ListSchedules, OverlapPolicy, PatchSchedule, Reply, Request, Schedule,
    ScheduleActionResult, ScheduleDescription, ScheduleListEntry, SchedulePatch, ScheduleSpec,
    ScheduledWorkflow, StructuredCalendarSpec, TriggerImmediately, UpdateSchedule,
};
use tidegate_model::id::{Namespace, RunId, ScheduleId, WorkflowId};
use tidegate_model::limits;
use tidegate_model::payload::Header;
use tidegate_model::time::Timestamp;

use super::json::payload_to_json;
use super::routes::{Control, Problem, Shared, unexpected};
use super::workflows::{ListQuery, texts, times};

pub(super) fn routes<Token: Send + 'static>() -> Router<Arc<Control<Token>>> {
    Router::new()
        .route("/v1/schedules", get(list::<Token>))
        .route("/v1/schedule", get(describe::<Token>))
        .route("/v1/schedule/times", get(matching_times::<Token>))
        .route("/v1/schedule/create", post(create::<Token>))
        .route("/v1/schedule/update", post(update::<Token>))
        .route("/v1/schedule/patch", post(patch::<Token>))
        .route("/v1/schedule/delete", post(delete::<Token>))
}

/// A schedule, as a question or a body names it.
#[derive(Debug, Deserialize)]
struct Named {
    schedule_id: String,
    namespace: Option<String>,
}

impl Named {
    fn checked<Token>(self, control: &Control<Token>) -> Result<(Namespace, ScheduleId), Problem> {
        Ok((control.namespace_of(self.namespace)?, ScheduleId::new(self.schedule_id)?))
    }
}

async fn list<Token: Send + 'static>(
    State(control): Shared<Token>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, Problem> {
    let request = Request::ListSchedules(ListSchedules {
        namespace: control.namespace_of(query.namespace)?,
        query: query.query,
        page_size: query.limit.unwrap_or(limits::LIST_RUNS_DEFAULT),
        after: None,
    });
    let reply = control.client.call(request).await?;
    let Reply::SchedulesListed { schedules, .. } = reply else { return Err(unexpected(&reply)) };
    Ok(Json(schedules.iter().map(listed).collect()))
}

async fn describe<Token: Send + 'static>(
    State(control): Shared<Token>,
    Query(named): Query<Named>,
) -> Result<Json<Value>, Problem> {
    let (namespace, schedule_id) = named.checked(&control)?;
    let request = Request::DescribeSchedule { namespace, schedule_id: schedule_id.clone() };
    let reply = control.client.call(request).await?;
    let Reply::ScheduleDescribed(description) = reply else { return Err(unexpected(&reply)) };
    Ok(Json(described(&schedule_id, &description)))
}

#[derive(Deserialize)]
struct TimesQuery {
    #[serde(flatten)]
    named: Named,
    start_time: String,
    end_time: String,
}

async fn matching_times<Token: Send + 'static>(
    State(control): Shared<Token>,
    Query(query): Query<TimesQuery>,
) -> Result<Json<Value>, Problem> {
    let (namespace, schedule_id) = query.named.checked(&control)?;
    let request = Request::ListScheduleMatchingTimes {
        namespace,
        schedule_id,
        start_time: time("start_time", &query.start_time)?,
        end_time: time("end_time", &query.end_time)?,
    };
    let reply = control.client.call(request).await?;
    let Reply::ScheduleTimes(times) = reply else { return Err(unexpected(&reply)) };
    Ok(Json(all_times(&times)))
}

fn time(name: &str, text: &str) -> Result<Timestamp, Problem> {
    text.parse().map_err(|error| Problem::bad_request(format!("{name} {text:?}: {error}")))
}

#[derive(Deserialize)]
struct ScheduleBody {
    #[serde(flatten)]
    named: Named,
    schedule: Schedule,
    identity: String,
    request_id: String,
    memo: Option<Header>,
    search_attributes: Option<Header>,
}

async fn create<Token: Send + 'static>(
    State(control): Shared<Token>,
    Json(body): Json<ScheduleBody>,
) -> Result<Json<Value>, Problem> {
    let (namespace, schedule_id) = body.named.checked(&control)?;
    let create = CreateSchedule {
        namespace,
        schedule_id,
        schedule: body.schedule,
        initial_patch: None,
        identity: body.identity,
        request_id: body.request_id,
        memo: body.memo.unwrap_or_default(),
        search_attributes: body.search_attributes.unwrap_or_default(),
    };
    let reply = control.client.call(Request::CreateSchedule(Box::new(create))).await?;
    let Reply::ScheduleCreated { .. } = reply else { return Err(unexpected(&reply)) };
    Ok(Json(json!({})))
}

async fn update<Token: Send + 'static>(
    State(control): Shared<Token>,
    Json(body): Json<ScheduleBody>,
) -> Result<Json<Value>, Problem> {
    let (namespace, schedule_id) = body.named.checked(&control)?;
    let update = UpdateSchedule {
        namespace,
        schedule_id,
        schedule: body.schedule,
        conflict_token: None,
        identity: body.identity,
        request_id: body.request_id,
        search_attributes: body.search_attributes,
        memo: body.memo,
    };
    control.done(Request::UpdateSchedule(Box::new(update))).await
}

#[derive(Deserialize)]
struct PatchBody {
    #[serde(flatten)]
    named: Named,
    patch: Patch,
    identity: String,
    request_id: String,
}

/// One of the things that can be done to a schedule besides replacing it.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Patch {
    Pause { reason: String },
    Unpause { reason: String },
    Trigger { overlap_policy: Option<OverlapPolicy> },
    Backfill(Backfill),
}

impl Patch {
    fn request(self) -> SchedulePatch {
        let nothing = SchedulePatch::default();
        match self {
            Self::Pause { reason } => SchedulePatch { pause: reason, ..nothing },
            Self::Unpause { reason } => SchedulePatch { unpause: reason, ..nothing },
            Self::Trigger { overlap_policy } => {
                let trigger = TriggerImmediately { overlap_policy, scheduled_time: None };
                SchedulePatch { trigger_immediately: Some(trigger), ..nothing }
            }
            Self::Backfill(backfill) => SchedulePatch { backfill_request: vec![backfill], ..nothing },
        }
    }
}

async fn patch<Token: Send + 'static>(
    State(control): Shared<Token>,
    Json(body): Json<PatchBody>,
) -> Result<Json<Value>, Problem> {
    let (namespace, schedule_id) = body.named.checked(&control)?;
    let patch = PatchSchedule {
        namespace,
        schedule_id,
        patch: body.patch.request(),
        identity: body.identity,
        request_id: body.request_id,
    };
    control.done(Request::PatchSchedule(Box::new(patch))).await
}

#[derive(Deserialize)]
struct DeleteBody {
    #[serde(flatten)]
    named: Named,
    identity: String,
}

async fn delete<Token: Send + 'static>(
    State(control): Shared<Token>,
    Json(body): Json<DeleteBody>,
) -> Result<Json<Value>, Problem> {
    let (namespace, schedule_id) = body.named.checked(&control)?;
    control.done(Request::DeleteSchedule { namespace, schedule_id, identity: body.identity }).await
}

fn listed(entry: &ScheduleListEntry) -> Value {
    json!({
        "schedule_id": entry.schedule_id,
        "spec": spec(&entry.spec),
        "workflow_type": entry.workflow_type,
        "notes": entry.notes,
        "paused": entry.paused,
        "recent_actions": entry.recent_actions.iter().map(action_result).collect::<Vec<_>>(),
        "future_action_times": all_times(&entry.future_action_times),
        "memo": texts(&entry.memo),
        "search_attributes": texts(&entry.search_attributes),
    })
}

fn described(schedule_id: &ScheduleId, description: &ScheduleDescription) -> Value {
    let Schedule { spec: times_of, action, policies, state } = &description.schedule;
    let info = &description.info;
    json!({
        "schedule_id": schedule_id,
        "spec": spec(times_of),
        "action": scheduled_workflow(action),
        "policies": {
            "overlap_policy": policies.overlap_policy,
            "catchup_window": duration(policies.catchup_window),
            "pause_on_failure": policies.pause_on_failure,
            "keep_original_workflow_id": policies.keep_original_workflow_id,
        },
        "state": {
            "notes": state.notes,
            "paused": state.paused,
            "remaining_actions": state.limited_actions.then_some(state.remaining_actions),
        },
        "info": {
            "action_count": info.action_count,
            "missed_catchup_window": info.missed_catchup_window,
            "overlap_skipped": info.overlap_skipped,
            "buffer_dropped": info.buffer_dropped,
            "buffer_size": info.buffer_size,
            "running_workflows": info.running_workflows.iter()
                .map(|(workflow_id, run_id)| execution(workflow_id, *run_id)).collect::<Vec<_>>(),
            "recent_actions": info.recent_actions.iter().map(action_result).collect::<Vec<_>>(),
            "future_action_times": all_times(&info.future_action_times),
            "create_time": info.create_time.to_string(),
            "update_time": times(info.update_time),
            "invalid_schedule_error": info.invalid_schedule_error,
            "state_size_bytes": info.state_size_bytes,
        },
        "memo": texts(&description.memo),
        "search_attributes": texts(&description.search_attributes),
    })
}

fn spec(spec: &ScheduleSpec) -> Value {
    let intervals: Vec<Value> = spec
        .interval
        .iter()
        .map(|entry| json!({ "interval": duration(Some(entry.interval)), "phase": duration(entry.phase) }))
        .collect();
    let calendars = |calendars: &[StructuredCalendarSpec]| json!(calendars);
    json!({
        "structured_calendar": calendars(&spec.structured_calendar),
        "interval": intervals,
        "exclude_structured_calendar": calendars(&spec.exclude_structured_calendar),
        "start_time": times(spec.start_time),
        "end_time": times(spec.end_time),
        "jitter": duration(spec.jitter),
        "timezone_name": spec.timezone_name,
    })
}

fn scheduled_workflow(action: &ScheduledWorkflow) -> Value {
    json!({
        "workflow_id": action.workflow_id,
        "workflow_type": action.workflow_type,
        "task_queue": action.task_queue,
        "input": action.input.iter().map(payload_to_json).collect::<Vec<_>>(),
        "workflow_execution_timeout": duration(action.workflow_execution_timeout),
        "workflow_run_timeout": duration(action.workflow_run_timeout),
        "workflow_task_timeout": duration(action.workflow_task_timeout),
        "memo": texts(&action.memo),
        "search_attributes": texts(&action.search_attributes),
    })
}

fn action_result(result: &ScheduleActionResult) -> Value {
    let mut shown = execution(&result.workflow_id, result.run_id);
    shown["schedule_time"] = json!(result.schedule_time.to_string());
    shown["actual_time"] = json!(result.actual_time.to_string());
    shown["status"] = json!(result.status.name());
    shown
}

fn execution(workflow_id: &WorkflowId, run_id: RunId) -> Value {
    json!({ "workflow_id": workflow_id, "run_id": run_id.to_string() })
}

fn all_times(times: &[Timestamp]) -> Value {
    times.iter().map(ToString::to_string).collect()
}

/// As Go's tools write durations, and as the command line takes them: `1h30m`.
fn duration(duration: Option<Duration>) -> Value {
    let Some(duration) = duration else { return Value::Null };
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    let mut text = String::new();
    for (count, unit) in [(seconds / 3_600, "h"), (seconds / 60 % 60, "m")] {
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if nanos > 0 {
        let fraction = format!("{nanos:09}");
        text.push_str(&format!("{}.{}s", seconds % 60, fraction.trim_end_matches('0')));
    } else if seconds % 60 > 0 || text.is_empty() {
        text.push_str(&format!("{}s", seconds % 60));
    }
    Value::String(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        for text in ["0s", "1s", "1m", "1h", "90h", "1h30m", "1m1.5s", "0.25s", "0.000000001s"] {
            let read = tidegate_engine::parse_duration(text).expect("one of its forms");
            assert_eq!(duration(Some(read)), json!(text));
        }
        assert_eq!(duration(None), Value::Null);
    }
}
