//! Schedules as callers write them.

use std::time::Duration;

use tidegate_engine::{
    Backfill, CalendarSpec, FieldRange, IntervalSpec, OverlapPolicy, Schedule, SchedulePatch,
    SchedulePolicies, ScheduleSpec, ScheduleState, ScheduledWorkflow, StructuredCalendarSpec,
    TriggerImmediately,
};

use crate::convert::Invalid;
use crate::convert::inward::{self, Checked};
use crate::proto::schedule as proto;
use crate::proto::schedule::schedule_action::Action;
use crate::proto::workflow::NewWorkflowExecutionInfo;

/// A schedule, all of it. What its times say is for the engine to judge.
pub(super) fn schedule(schedule: Option<proto::Schedule>) -> Checked<Schedule> {
    let schedule = schedule.ok_or_else(|| Invalid::new("schedule", "a schedule must be given"))?;
    let Some(Action::StartWorkflow(action)) = schedule.action.and_then(|action| action.action) else {
        return Err(Invalid::new("schedule.action.start_workflow", "an action must be given"));
    };
    let policies = schedule.policies.unwrap_or_default();
    let state = schedule.state.unwrap_or_default();
    Ok(Schedule {
        spec: spec(schedule.spec.unwrap_or_default())?,
        action: Box::new(scheduled_workflow(action)?),
        policies: SchedulePolicies {
            overlap_policy: overlap("schedule.policies.overlap_policy", policies.overlap_policy)?
                .unwrap_or_default(),
            catchup_window: inward::timeout("schedule.policies.catchup_window", policies.catchup_window)?,
            pause_on_failure: policies.pause_on_failure,
            keep_original_workflow_id: policies.keep_original_workflow_id,
        },
        state: ScheduleState {
            notes: state.notes,
            paused: state.paused,
            limited_actions: state.limited_actions,
            remaining_actions: u64::try_from(state.remaining_actions)
                .map_err(|_| Invalid::new("schedule.state.remaining_actions", "a number of at least 0"))?,
        },
    })
}

/// `None` where it is left to the schedule, or to the default.
fn overlap(field: &str, number: i32) -> Checked<Option<OverlapPolicy>> {
    match (number, OverlapPolicy::from_number(number)) {
        (0, _) => Ok(None),
        (_, Some(policy)) => Ok(Some(policy)),
        (_, None) => Err(Invalid::new(field, format_args!("there is no policy {number}"))),
    }
}

fn scheduled_workflow(action: NewWorkflowExecutionInfo) -> Checked<ScheduledWorkflow> {
    let path = |name: &str| format!("schedule.action.start_workflow.{name}");
    if action.workflow_id_reuse_policy > 1 {
        return Err(Invalid::new(path("workflow_id_reuse_policy"), "a schedule has only ALLOW_DUPLICATE"));
    }
    if !action.cron_schedule.is_empty() {
        return Err(Invalid::new(path("cron_schedule"), "a schedule cannot start a cron workflow"));
    }
    Ok(ScheduledWorkflow {
        workflow_id: inward::workflow_id(&path("workflow_id"), &action.workflow_id)?,
        workflow_type: inward::workflow_type(&path("workflow_type"), action.workflow_type)?,
        task_queue: inward::task_queue(&path("task_queue"), action.task_queue)?,
        input: inward::payloads(action.input),
        workflow_execution_timeout: inward::timeout(
            &path("workflow_execution_timeout"),
            action.workflow_execution_timeout,
        )?,
        workflow_run_timeout: inward::timeout(&path("workflow_run_timeout"), action.workflow_run_timeout)?,
        workflow_task_timeout: inward::timeout(&path("workflow_task_timeout"), action.workflow_task_timeout)?,
        retry_policy: inward::retry_policy(&path("retry_policy"), action.retry_policy)?,
        memo: inward::memo(action.memo),
        search_attributes: inward::search_attributes(action.search_attributes),
        header: inward::header(action.header),
        user_metadata: inward::user_metadata(action.user_metadata),
        priority: inward::priority(&path("priority"), action.priority)?,
    })
}

fn spec(spec: proto::ScheduleSpec) -> Checked<ScheduleSpec> {
    let path = |name: &str| format!("schedule.spec.{name}");
    Ok(ScheduleSpec {
        structured_calendar: spec.structured_calendar.into_iter().map(structured).collect(),
        cron_string: spec.cron_string,
        calendar: spec.calendar.into_iter().map(calendar).collect(),
        interval: spec.interval.into_iter().map(interval).collect::<Checked<_>>()?,
        exclude_calendar: spec.exclude_calendar.into_iter().map(calendar).collect(),
        exclude_structured_calendar: spec.exclude_structured_calendar.into_iter().map(structured).collect(),
        start_time: inward::timestamp(&path("start_time"), spec.start_time)?,
        end_time: inward::timestamp(&path("end_time"), spec.end_time)?,
        jitter: inward::timeout(&path("jitter"), spec.jitter)?,
        timezone_name: spec.timezone_name,
        timezone_data: spec.timezone_data,
    })
}

fn structured(spec: proto::StructuredCalendarSpec) -> StructuredCalendarSpec {
    StructuredCalendarSpec {
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

fn ranges(ranges: Vec<proto::Range>) -> Vec<FieldRange> {
    ranges.into_iter().map(|proto::Range { start, end, step }| FieldRange { start, end, step }).collect()
}

fn calendar(spec: proto::CalendarSpec) -> CalendarSpec {
    CalendarSpec {
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

fn interval(spec: proto::IntervalSpec) -> Checked<IntervalSpec> {
    Ok(IntervalSpec {
        interval: inward::or_zero("schedule.spec.interval.interval", spec.interval)?,
        phase: inward::duration("schedule.spec.interval.phase", spec.phase)?
            .filter(|phase| *phase != Duration::ZERO),
    })
}

/// What is done to a schedule besides replacing it.
pub(super) fn patch(field: &str, patch: proto::SchedulePatch) -> Checked<SchedulePatch> {
    let path = |name: &str| format!("{field}.{name}");
    let trigger_immediately = match patch.trigger_immediately {
        None => None,
        Some(trigger) => Some(TriggerImmediately {
            overlap_policy: overlap(&path("trigger_immediately.overlap_policy"), trigger.overlap_policy)?,
            scheduled_time: inward::timestamp(
                &path("trigger_immediately.scheduled_time"),
                trigger.scheduled_time,
            )?,
        }),
    };
    let backfill = |(at, asked): (usize, proto::BackfillRequest)| {
        let path = |name: &str| format!("{field}.backfill_request[{at}].{name}");
        let missing = |field: String| Invalid::new(field, "a time must be given");
        Ok(Backfill {
            start_time: inward::timestamp(&path("start_time"), asked.start_time)?
                .ok_or_else(|| missing(path("start_time")))?,
            end_time: inward::timestamp(&path("end_time"), asked.end_time)?
                .ok_or_else(|| missing(path("end_time")))?,
            overlap_policy: overlap(&path("overlap_policy"), asked.overlap_policy)?,
        })
    };
    Ok(SchedulePatch {
        trigger_immediately,
        backfill_request: patch
            .backfill_request
            .into_iter()
            .enumerate()
            .map(backfill)
            .collect::<Checked<_>>()?,
        pause: patch.pause,
        unpause: patch.unpause,
    })
}
