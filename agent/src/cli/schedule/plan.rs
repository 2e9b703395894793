//! What a schedule is to be, in the flags of Temporal's command line.

use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;
use tidegate_engine::{
    CalendarSpec, IntervalSpec, OverlapPolicy, Schedule, SchedulePolicies, ScheduleSpec, ScheduleState,
    ScheduledWorkflow, parse_duration,
};
use tidegate_model::id::{TaskQueue, WorkflowId};
use tidegate_model::payload::{Header, Payload};
use tidegate_model::time::Timestamp;

/// All of a schedule: when, what, how.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Plan {
    /// Times on the wall clock, in JSON: {"dayOfWeek":"Fri","hour":"17","minute":"5"}; several times for more.
    #[arg(long, value_parser = calendar)]
    calendar: Vec<CalendarSpec>,
    /// Times in cron's notation: "30 12 * * Fri", @daily; several times for more.
    #[arg(long)]
    cron: Vec<String>,
    /// Equal distances: 90m, or 60m/15m with a phase; several times for more.
    #[arg(long, value_parser = interval)]
    interval: Vec<IntervalSpec>,
    /// Whose clock calendars and cron mean: Europe/Berlin; without, UTC.
    #[arg(long, default_value = "")]
    time_zone: String,
    /// Nothing before this (2026-11-23T18:40:31Z).
    #[arg(long)]
    start_time: Option<Timestamp>,
    /// Nothing after this.
    #[arg(long)]
    end_time: Option<Timestamp>,
    /// Puts each action off by chance, by at most this.
    #[arg(long, value_parser = parse_duration)]
    jitter: Option<Duration>,

    /// The workflow id, to which the time is appended; made up when left out.
    #[arg(short, long)]
    workflow_id: Option<WorkflowId>,
    /// Which workflow function.
    #[arg(long = "type", alias = "name")]
    workflow_type: String,
    /// Where its workers poll.
    #[arg(short, long)]
    task_queue: TaskQueue,
    /// An argument, in JSON; several times for more.
    #[arg(short, long, value_parser = json)]
    input: Vec<Value>,
    /// How long an execution may take, with its retries.
    #[arg(long, value_parser = parse_duration)]
    execution_timeout: Option<Duration>,
    /// How long a run may take.
    #[arg(long, value_parser = parse_duration)]
    run_timeout: Option<Duration>,
    /// How long a workflow task may take.
    #[arg(long, value_parser = parse_duration)]
    task_timeout: Option<Duration>,
    /// What is remembered with each execution, as KEY=JSON; several times for more.
    #[arg(long, value_parser = named_json)]
    memo: Vec<(String, Value)>,
    /// What each execution is found by, as KEY=JSON; several times for more.
    #[arg(long, value_parser = named_json)]
    search_attribute: Vec<(String, Value)>,

    /// When the last action still runs: Skip, BufferOne, BufferAll, CancelOther, TerminateOther, AllowAll.
    #[arg(long, default_value = "Skip", value_parser = overlap_policy)]
    overlap_policy: OverlapPolicy,
    /// How late an action may be after a time without power; later, it is left out.
    #[arg(long, value_parser = parse_duration)]
    catchup_window: Option<Duration>,
    /// A run that fails pauses the schedule.
    #[arg(long)]
    pause_on_failure: bool,
    /// For people.
    #[arg(long, default_value = "")]
    notes: String,
    /// Begins paused.
    #[arg(long)]
    paused: bool,
    /// It acts so often and no more.
    #[arg(long)]
    remaining_actions: Option<u64>,
}

impl Plan {
    /// The schedule; `made_up` is the workflow id of one that names none.
    pub(super) fn schedule(
        self,
        made_up: impl FnOnce() -> anyhow::Result<String>,
    ) -> anyhow::Result<Schedule> {
        let workflow_id = match self.workflow_id {
            Some(workflow_id) => workflow_id,
            None => WorkflowId::new(made_up()?)?,
        };
        let action = ScheduledWorkflow {
            input: self.input.iter().map(payload).collect(),
            workflow_execution_timeout: self.execution_timeout,
            workflow_run_timeout: self.run_timeout,
            workflow_task_timeout: self.task_timeout,
            memo: header(self.memo),
            search_attributes: header(self.search_attribute),
            ..ScheduledWorkflow::new(workflow_id, self.workflow_type, self.task_queue)
        };
        let spec = ScheduleSpec {
            cron_string: self.cron,
            calendar: self.calendar,
            interval: self.interval,
            start_time: self.start_time,
            end_time: self.end_time,
            jitter: self.jitter,
            timezone_name: self.time_zone,
            ..ScheduleSpec::default()
        };
        // A mistake is best said before anybody is asked.
        let spec = spec.canonical().context("the times of the schedule are wrong")?;
        Ok(Schedule {
            spec,
            action: Box::new(action),
            policies: SchedulePolicies {
                overlap_policy: self.overlap_policy,
                catchup_window: self.catchup_window,
                pause_on_failure: self.pause_on_failure,
                keep_original_workflow_id: false,
            },
            state: ScheduleState {
                notes: self.notes,
                paused: self.paused,
                limited_actions: self.remaining_actions.is_some(),
                remaining_actions: self.remaining_actions.unwrap_or_default(),
            },
        })
    }
}

/// What is remembered under names.
pub(super) fn header(entries: Vec<(String, Value)>) -> Header {
    entries.into_iter().map(|(name, value)| (name, payload(&value))).collect()
}

fn payload(value: &Value) -> Payload {
    Payload::json(value.to_string())
}

/// The fields of a calendar, as Temporal's command line names them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[derive(Default)]
struct CalendarFields {
    second: String,
    minute: String,
    hour: String,
    day_of_month: String,
    month: String,
    year: String,
    day_of_week: String,
    comment: String,
}

fn calendar(text: &str) -> Result<CalendarSpec, String> {
    let fields: CalendarFields = serde_json::from_str(text).map_err(|error| {
        format!("{error}; a calendar is JSON with texts, as in '{{\"dayOfWeek\":\"Fri\",\"hour\":\"17\"}}'")
    })?;
    let CalendarFields { second, minute, hour, day_of_month, month, year, day_of_week, comment } = fields;
    Ok(CalendarSpec { second, minute, hour, day_of_month, month, year, day_of_week, comment })
}

fn interval(text: &str) -> Result<IntervalSpec, String> {
    let (interval, phase) = match text.split_once('/') {
        Some((interval, phase)) => (interval, Some(parse_duration(phase)?)),
        None => (text, None),
    };
    Ok(IntervalSpec { interval: parse_duration(interval)?, phase })
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text)
        .map_err(|_| "not JSON; a text needs its own quotes, as in '\"yes\"'".to_owned())
}

pub(super) fn named_json(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("it is written KEY=JSON, as in floor=2")?;
    Ok((name.to_owned(), json(value)?))
}

/// By Temporal's name, in any case, with or without underscores.
pub(super) fn overlap_policy(text: &str) -> Result<OverlapPolicy, String> {
    match text.to_ascii_lowercase().replace('_', "").as_str() {
        "skip" => Ok(OverlapPolicy::Skip),
        "bufferone" => Ok(OverlapPolicy::BufferOne),
        "bufferall" => Ok(OverlapPolicy::BufferAll),
        "cancelother" => Ok(OverlapPolicy::CancelOther),
        "terminateother" => Ok(OverlapPolicy::TerminateOther),
        "allowall" => Ok(OverlapPolicy::AllowAll),
        _ => Err("it is Skip, BufferOne, BufferAll, CancelOther, TerminateOther or AllowAll".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendar_takes_temporals_names_and_no_others() {
        let spec = calendar(r#"{"dayOfWeek":"Fri","hour":"17"}"#).expect("Temporal's own example");
        assert_eq!((spec.day_of_week.as_str(), spec.hour.as_str()), ("Fri", "17"));
        let wrong = calendar(r#"{"weekday":"Fri"}"#).expect_err("no such field");
        assert!(wrong.contains("weekday") && wrong.contains("dayOfWeek"), "{wrong}");
    }

    #[test]
    fn an_interval_may_have_a_phase() {
        let spec = interval("60m/15m").expect("Temporal's own example");
        assert_eq!((spec.interval.as_secs(), spec.phase.map(|phase| phase.as_secs())), (3_600, Some(900)));
        assert!(interval("60").expect_err("no unit").contains("1h30m"));
        assert!(interval("60m/x").is_err());
    }

    #[test]
    fn a_named_value_is_json() {
        assert_eq!(named_json("floor=2"), Ok(("floor".to_owned(), Value::from(2))));
        assert!(named_json("floor").expect_err("no value").contains("KEY=JSON"));
        assert!(named_json("floor=two").expect_err("no JSON").contains("quotes"));
    }

    #[test]
    fn an_overlap_policy_goes_by_any_spelling_of_its_name() {
        assert_eq!(overlap_policy("BufferOne"), Ok(OverlapPolicy::BufferOne));
        assert_eq!(overlap_policy("buffer_one"), Ok(OverlapPolicy::BufferOne));
        assert!(overlap_policy("wait").expect_err("no policy").contains("BufferOne"));
    }
}
