//! Schedules as callers read them.

use tidegate_engine::{
    CalendarSpec, FieldRange, IntervalSpec, Schedule, ScheduleActionResult, ScheduleInfo, ScheduleListEntry,
    ScheduleSpec, ScheduledWorkflow, StructuredCalendarSpec,
};
use tidegate_model::id::{RunId, WorkflowId};

use crate::convert::outward;
use crate::proto::common::WorkflowExecution;
use crate::proto::enums::WorkflowIdReusePolicy;
use crate::proto::schedule as proto;
use crate::proto::schedule::schedule_action::Action;
use crate::proto::workflow::NewWorkflowExecutionInfo;

pub(super) fn schedule(schedule: Schedule) -> proto::Schedule {
    let (policies, state) = (schedule.policies, schedule.state);
    proto::Schedule {
        spec: Some(spec(schedule.spec)),
        action: Some(proto::ScheduleAction {
            action: Some(Action::StartWorkflow(scheduled_workflow(*schedule.action))),
        }),
        policies: Some(proto::SchedulePolicies {
            overlap_policy: policies.overlap_policy.number(),
            catchup_window: policies.catchup_window.map(outward::duration),
            pause_on_failure: policies.pause_on_failure,
            keep_original_workflow_id: policies.keep_original_workflow_id,
        }),
        state: Some(proto::ScheduleState {
            notes: state.notes,
            paused: state.paused,
            limited_actions: state.limited_actions,
            remaining_actions: outward::id(state.remaining_actions),
        }),
    }
}

fn scheduled_workflow(action: ScheduledWorkflow) -> NewWorkflowExecutionInfo {
    NewWorkflowExecutionInfo {
        workflow_id: action.workflow_id.to_string(),
        workflow_type: outward::workflow_type(action.workflow_type),
        task_queue: outward::task_queue(&action.task_queue),
        input: outward::payloads(action.input),
        workflow_execution_timeout: action.workflow_execution_timeout.map(outward::duration),
        workflow_run_timeout: action.workflow_run_timeout.map(outward::duration),
        workflow_task_timeout: action.workflow_task_timeout.map(outward::duration),
        workflow_id_reuse_policy: WorkflowIdReusePolicy::Unspecified.into(),
        retry_policy: action.retry_policy.map(outward::retry_policy),
        memo: outward::memo(action.memo),
        search_attributes: outward::search_attributes(action.search_attributes),
        header: outward::header(action.header),
        user_metadata: outward::user_metadata(action.user_metadata),
        priority: outward::priority(action.priority),
        ..Default::default()
    }
}

fn spec(spec: ScheduleSpec) -> proto::ScheduleSpec {
    proto::ScheduleSpec {
        structured_calendar: spec.structured_calendar.into_iter().map(structured).collect(),
        cron_string: spec.cron_string,
        calendar: spec.calendar.into_iter().map(calendar).collect(),
        interval: spec.interval.into_iter().map(interval).collect(),
        exclude_calendar: spec.exclude_calendar.into_iter().map(calendar).collect(),
        exclude_structured_calendar: spec.exclude_structured_calendar.into_iter().map(structured).collect(),
        start_time: spec.start_time.map(outward::timestamp),
        end_time: spec.end_time.map(outward::timestamp),
        jitter: spec.jitter.map(outward::duration),
        timezone_name: spec.timezone_name,
        timezone_data: spec.timezone_data,
    }
}

fn structured(spec: StructuredCalendarSpec) -> proto::StructuredCalendarSpec {
    proto::StructuredCalendarSpec {
        second: ranges(spec.second),
        minute: ranges(spec.minute),
        hour: ranges(spec.hour),
        day_of_month: ranges(spec.day_of_month),
        month: ranges(spec.month),
        year: ranges(spec.year),
        day_of_week: ranges(spec.day_of_week),
        comment: spec.comment,
    }
}

fn ranges(ranges: Vec<FieldRange>) -> Vec<proto::Range> {
    ranges.into_iter().map(|FieldRange { start, end, step }| proto::Range { start, end, step }).collect()
}

fn calendar(spec: CalendarSpec) -> proto::CalendarSpec {
    proto::CalendarSpec {
        second: spec.second,
        minute: spec.minute,
        hour: spec.hour,
        day_of_month: spec.day_of_month,
        month: spec.month,
        year: spec.year,
        day_of_week: spec.day_of_week,
        comment: spec.comment,
    }
}

fn interval(spec: IntervalSpec) -> proto::IntervalSpec {
    proto::IntervalSpec {
        interval: Some(outward::duration(spec.interval)),
        phase: spec.phase.map(outward::duration),
    }
}

fn execution(workflow_id: &WorkflowId, run_id: RunId) -> WorkflowExecution {
    WorkflowExecution { workflow_id: workflow_id.to_string(), run_id: run_id.to_string() }
}

fn actions(actions: Vec<ScheduleActionResult>) -> Vec<proto::ScheduleActionResult> {
    let action = |action: ScheduleActionResult| proto::ScheduleActionResult {
        schedule_time: Some(outward::timestamp(action.schedule_time)),
        actual_time: Some(outward::timestamp(action.actual_time)),
        start_workflow_result: Some(execution(&action.workflow_id, action.run_id)),
        start_workflow_status: outward::status(action.status).into(),
    };
    actions.into_iter().map(action).collect()
}

pub(super) fn info(info: ScheduleInfo) -> proto::ScheduleInfo {
    proto::ScheduleInfo {
        action_count: outward::id(info.action_count),
        missed_catchup_window: outward::id(info.missed_catchup_window),
        overlap_skipped: outward::id(info.overlap_skipped),
        buffer_dropped: outward::id(info.buffer_dropped),
        buffer_size: outward::id(info.buffer_size),
        running_workflows: info.running_workflows.iter().map(|(id, run)| execution(id, *run)).collect(),
        recent_actions: actions(info.recent_actions),
        future_action_times: info.future_action_times.into_iter().map(outward::timestamp).collect(),
        create_time: Some(outward::timestamp(info.create_time)),
        update_time: info.update_time.map(outward::timestamp),
        invalid_schedule_error: info.invalid_schedule_error,
        state_size_bytes: outward::id(info.state_size_bytes),
    }
}

pub(super) fn list_entry(entry: ScheduleListEntry) -> proto::ScheduleListEntry {
    proto::ScheduleListEntry {
        schedule_id: entry.schedule_id.to_string(),
        memo: Some(outward::memo(entry.memo).unwrap_or_default()),
        search_attributes: Some(outward::search_attributes(entry.search_attributes).unwrap_or_default()),
        info: Some(proto::ScheduleListInfo {
            spec: Some(spec(entry.spec)),
            workflow_type: outward::workflow_type(entry.workflow_type),
            notes: entry.notes,
            paused: entry.paused,
            recent_actions: actions(entry.recent_actions),
            future_action_times: entry.future_action_times.into_iter().map(outward::timestamp).collect(),
            state_size_bytes: outward::id(entry.state_size_bytes),
        }),
    }
}
