//! Schedules in a terminal: their calendars as cron has them, which is short and known.

use serde_json::Value;

use super::{COLUMNS, cut, field, lines};

/// One schedule.
pub(crate) fn schedule(schedule: &Value) -> anyhow::Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let (action, policies) = (&schedule["action"], &schedule["policies"]);
    let (state, info) = (&schedule["state"], &schedule["info"]);
    let mut out = vec![
        field("Schedule id", &text(&schedule["schedule_id"])),
        field("State", &if state["paused"] == true { "paused" } else { "running" }),
    ];
    let mut if_said = |name: &str, value: &Value| match value {
        Value::String(text) if !text.is_empty() => out.push(field(name, text)),
        Value::Number(number) => out.push(field(name, number)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {}
    };
    if_said("Notes", &state["notes"]);
    if_said("Actions left", &state["remaining_actions"]);
    let what = format!("{} on {}", text(&action["workflow_type"]), text(&action["task_queue"]));
    if_said("Starts", &Value::String(what));
    if_said("Workflow id", &action["workflow_id"]);
    for times in times_of(&schedule["spec"]) {
        if_said("Times", &Value::String(times));
    }
    for (name, key) in [("From", "start_time"), ("Until", "end_time"), ("Jitter", "jitter")] {
        if_said(name, &schedule["spec"][key]);
    }
    if_said("Time zone", &schedule["spec"]["timezone_name"]);
    if_said("Overlap", &policies["overlap_policy"]);
    if_said("Catch up", &policies["catchup_window"]);
    if_said("Invalid", &info["invalid_schedule_error"]);
    let taken = format!(
        "{} taken, {} too late, {} left out, {} dropped, {} wait",
        info["action_count"],
        info["missed_catchup_window"],
        info["overlap_skipped"],
        info["buffer_dropped"],
        info["buffer_size"]
    );
    if_said("Actions", &Value::String(taken));
    for run in info["running_workflows"].as_array().into_iter().flatten() {
        if_said("Running", &run["workflow_id"]);
    }
    for action in info["recent_actions"].as_array().into_iter().flatten() {
        let line = format!("{}  {}", text(&action["actual_time"]), text(&action["status"]));
        if_said("Recent", &Value::String(line));
    }
    for time in info["future_action_times"].as_array().into_iter().flatten() {
        if_said("Next", time);
    }
    lines(out)
}

/// Schedules, a line each.
pub(crate) fn schedules(schedules: &[Value]) -> anyhow::Result<()> {
    if schedules.is_empty() {
        return lines(["no schedules yet".to_owned()]);
    }
    let header = format!("{:<8} {:<28} {:<20} {}", "STATE", "NEXT", "TYPE", "SCHEDULE ID");
    let rows = schedules.iter().map(|entry| {
        let state = if entry["paused"] == true { "paused" } else { "running" };
        let next = entry["future_action_times"][0].as_str().unwrap_or("-");
        let workflow_type = entry["workflow_type"].as_str().unwrap_or("-");
        let id = entry["schedule_id"].as_str().unwrap_or("-");
        format!("{state:<8} {next:<28} {:<20} {id}", cut(workflow_type, 20))
    });
    lines(std::iter::once(header).chain(rows))
}

/// The times of a spec, a line for each calendar and interval.
fn times_of(spec: &Value) -> Vec<String> {
    let calendars = |key: &str| spec[key].as_array().into_iter().flatten().map(cron).collect::<Vec<_>>();
    let mut times = calendars("structured_calendar");
    for interval in spec["interval"].as_array().into_iter().flatten() {
        let every = interval["interval"].as_str().unwrap_or("-");
        times.push(match interval["phase"].as_str() {
            Some(phase) => format!("every {every}, {phase} past"),
            None => format!("every {every}"),
        });
    }
    times.extend(calendars("exclude_structured_calendar").iter().map(|calendar| format!("not {calendar}")));
    times.into_iter().map(|line| cut(&line, COLUMNS - 14)).collect()
}

/// Cron's five fields, or the seven with seconds and year where those matter.
fn cron(calendar: &Value) -> String {
    let set = |key: &str, first: i64, last: i64| ranges(&calendar[key], first, last);
    let (second, year) = (set("second", 0, 59), set("year", 2000, 2100));
    let five = [
        set("minute", 0, 59),
        set("hour", 0, 23),
        set("day_of_month", 1, 31),
        set("month", 1, 12),
        set("day_of_week", 0, 6),
    ]
    .join(" ");
    let fields = if second == "0" && year == "*" { five } else { format!("{second} {five} {year}") };
    match calendar["comment"].as_str() {
        Some(comment) => format!("{fields}  # {comment}"),
        None => fields,
    }
}

/// A set of numbers as cron writes it; what is left out matches all.
fn ranges(set: &Value, first: i64, last: i64) -> String {
    let ranges: Vec<String> = set
        .as_array()
        .into_iter()
        .flatten()
        .map(|range| {
            let number = |key: &str| range[key].as_i64().unwrap_or_default();
            let (start, end, step) = (number("start"), number("end"), number("step"));
            let span = match (start == first && end == last, start == end) {
                (true, _) => "*".to_owned(),
                (false, true) => start.to_string(),
                (false, false) => format!("{start}-{end}"),
            };
            if step > 1 { format!("{span}/{step}") } else { span }
        })
        .collect();
    if ranges.is_empty() { "*".to_owned() } else { ranges.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_cron_writes_them() {
        let spec = tidegate_engine::ScheduleSpec {
            cron_string: vec![
                "*/10 8-17 * * mon-fri".to_owned(),
                "30 0 12 1 1 * 2027".to_owned(),
                "@every 1h/5m".to_owned(),
            ],
            ..tidegate_engine::ScheduleSpec::default()
        };
        let spec = spec.canonical().expect("good cron");
        let mut shown = serde_json::json!(spec);
        shown["interval"] = serde_json::json!([{ "interval": "1h", "phase": "5m" }]);
        assert_eq!(
            times_of(&shown),
            ["*/10 8-17 * * 1-5", "30 0 12 1 1 * 2027", "every 1h, 5m past"].map(str::to_owned)
        );
    }
}
