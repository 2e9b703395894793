//! How answers look in a terminal: 80 columns, no colour, nothing that a pipe could not take.

mod schedule;

use std::io::Write;

use serde::Serialize;
use serde_json::Value;
use tidegate_engine::RunSummary;

use super::workflow::Node;
use crate::control::{Count, HistoryEvent};
use crate::pipeline::Diagnostic;

pub(super) use self::schedule::{schedule, schedules};

const COLUMNS: usize = 80;

/// An error with its causes, on standard error.
pub(super) fn problem(error: &anyhow::Error) {
    let mut text = format!("tidegate: {error}");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("\n  because: {cause}"));
    }
    // Standard error may be closed; there is nowhere left to say so.
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// Anything, as JSON.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    lines([text])
}

/// Executions, a line each.
pub(super) fn runs(runs: &[RunSummary]) -> anyhow::Result<()> {
    if runs.is_empty() {
        return lines(["no workflow executions yet".to_owned()]);
    }
    let header = format!("{:<10} {:<24} {:>6}  {}", "STATUS", "STARTED", "EVENTS", "WORKFLOW ID");
    let rows = runs.iter().map(|run| {
        format!(
            "{:<10} {:<24} {:>6}  {}",
            run.status.name(),
            run.start_time.to_string(),
            run.history_length,
            run.workflow_id
        )
    });
    lines(std::iter::once(header).chain(rows))
}

/// How many executions there are.
pub(super) fn count(count: &Count) -> anyhow::Result<()> {
    let total = format!("Total: {}", count.count);
    lines(
        std::iter::once(total).chain(count.groups.iter().map(|(group, count)| format!("  {group}: {count}"))),
    )
}

/// One execution.
pub(super) fn run(run: &Value) -> anyhow::Result<()> {
    let text = |name: &str| run[name].as_str().unwrap_or("-").to_owned();
    let mut out = vec![
        field("Workflow id", &text("workflow_id")),
        field("Run id", &text("run_id")),
        field("Type", &text("workflow_type")),
        field("Namespace", &text("namespace")),
        field("Task queue", &text("task_queue")),
        field("Status", &text("status")),
        field("Started", &text("start_time")),
    ];
    for (name, key) in
        [("Closed", "close_time"), ("Times out", "run_expiration_time"), ("Reset to", "reset_run_id")]
    {
        if run[key].is_string() {
            out.push(field(name, &text(key)));
        }
    }
    out.push(field(
        "History",
        &format!("{} events, {} bytes", run["history_length"], run["history_size_bytes"]),
    ));
    for (name, key) in [("Memo", "memo"), ("Attributes", "search_attributes")] {
        for (entry, value) in run[key].as_object().into_iter().flatten() {
            out.push(field(name, &format!("{entry} = {value}")));
        }
    }
    if run["cancel_requested"] == true {
        out.push(field("Cancel", &"requested"));
    }
    let task = &run["pending_workflow_task"];
    if task["attempt"].as_u64().is_some_and(|attempt| attempt > 1) {
        let why = run["blocked"]["message"].as_str().unwrap_or("see the worker's log");
        out.push(field("Blocked", &format!("workflow task in attempt {}: {why}", task["attempt"])));
    } else if task["scheduled_time"].is_string() {
        let is = if task["started_time"].is_string() { "a worker has it" } else { "waits for a worker" };
        out.push(field("Workflow task", &is));
    }
    for activity in run["pending_activities"].as_array().into_iter().flatten() {
        let part = |name: &str| activity[name].as_str().unwrap_or("-").to_owned();
        let mut line = format!(
            "{} ({}) {}, attempt {}",
            part("activity_type"),
            part("activity_id"),
            part("state"),
            activity["attempt"]
        );
        if activity["last_failure"].is_string() {
            line.push_str(&format!("; last failure: {}", part("last_failure")));
        }
        out.push(field("Activity", &cut(&line, COLUMNS - 14)));
    }
    if run["pending_timers"].as_u64().is_some_and(|timers| timers > 0) {
        out.push(field("Timers", &run["pending_timers"]));
    }
    for child in run["pending_children"].as_array().into_iter().flatten() {
        let part = |name: &str| child[name].as_str().unwrap_or("-").to_owned();
        out.push(field("Child", &format!("{} ({})", part("workflow_id"), part("workflow_type"))));
    }
    lines(out)
}

/// An execution that was started, or was there.
pub(super) fn started(workflow_id: &str, reply: &Value) -> anyhow::Result<()> {
    lines([field("Workflow id", &workflow_id), field("Run id", &reply["run_id"].as_str().unwrap_or("-"))])
}

/// What workflow code said to a query.
pub(super) fn query(reply: &Value) -> anyhow::Result<()> {
    if let Some(status) = reply["rejected"].as_str() {
        return lines([format!("the query was rejected: the run is {status}")]);
    }
    lines(reply["result"].as_array().into_iter().flatten().map(Value::to_string))
}

/// An execution and its children.
pub(super) fn tree(root: &Node) -> anyhow::Result<()> {
    let mut out = Vec::new();
    branch(root, "", "", &mut out);
    lines(out)
}

fn branch(node: &Node, first: &str, rest: &str, out: &mut Vec<String>) {
    out.push(format!("{first}{} {} ({})", node.status, node.workflow_id, node.workflow_type));
    let below = if node.children.is_empty() { "    " } else { "│   " };
    out.extend(node.pending.iter().map(|pending| format!("{rest}{below}{pending}")));
    let last = node.children.len().saturating_sub(1);
    for (at, child) in node.children.iter().enumerate() {
        let (head, tail) = if at == last { ("└── ", "    ") } else { ("├── ", "│   ") };
        branch(child, &format!("{rest}{head}"), &format!("{rest}{tail}"), out);
    }
}

/// A task queue: who polls, and what waits.
pub(super) fn task_queue(queue: &Value) -> anyhow::Result<()> {
    let mut out = vec![format!(
        "{:<9} {:>8} {:>10} {:>9} {:>14}  {}",
        "TYPE", "BACKLOG", "AGE", "ADDED/S", "DISPATCHED/S", "POLLERS"
    )];
    for kind in queue["types"].as_array().into_iter().flatten() {
        let number = |name: &str| kind[name].as_f64().unwrap_or(0.0);
        out.push(format!(
            "{:<9} {:>8} {:>9.1}s {:>9.1} {:>14.1}  {}",
            kind["type"].as_str().unwrap_or("-"),
            kind["backlog_count"],
            number("backlog_age_seconds"),
            number("tasks_add_rate"),
            number("tasks_dispatch_rate"),
            kind["pollers"].as_array().map_or(0, Vec::len)
        ));
        for poller in kind["pollers"].as_array().into_iter().flatten() {
            let part = |name: &str| poller[name].as_str().unwrap_or("-").to_owned();
            out.push(format!("          {}  last seen {}", part("identity"), part("last_access_time")));
        }
    }
    lines(out)
}

/// One line.
pub(super) fn line(text: &str) -> anyhow::Result<()> {
    lines([text.to_owned()])
}

/// A history, an event a line, with what matters of each.
pub(super) fn timeline(events: &[HistoryEvent]) -> anyhow::Result<()> {
    lines(events.iter().map(|event| {
        let head = format!("{:>4}  {}  {}", event.event_id, event.event_time, event.event_type);
        let detail = detail(&event.attributes);
        if detail.is_empty() { head } else { format!("{head}\n      {}", cut(&detail, COLUMNS - 6)) }
    }))
}

/// The attributes a person looks for, in one line.
fn detail(attributes: &Value) -> String {
    const TELLING: [&str; 25] = [
        "workflow_type",
        "activity_type",
        "marker_name",
        "signal_name",
        "timer_id",
        "update_id",
        "request",
        "accepted_request",
        "child",
        "target",
        "workflow_id",
        "start_to_fire_timeout",
        "attempt",
        "cause",
        "reason",
        "timeout_type",
        "retry_state",
        "failure",
        "new_execution_run_id",
        "search_attributes",
        "upserted_memo",
        "input",
        "result",
        "outcome",
        "details",
    ];
    let mut parts = Vec::new();
    for name in TELLING {
        match &attributes[name] {
            Value::Null => {}
            Value::String(text) if text.is_empty() => {}
            Value::Array(items) if items.is_empty() => {}
            Value::Object(map) if map.is_empty() => {}
            Value::Number(number) if name == "attempt" && number.as_u64() == Some(1) => {}
            Value::Object(failure) if name == "failure" => {
                let message = failure.get("message").and_then(Value::as_str).unwrap_or_default();
                parts.push(format!("failure={message:?}"));
            }
            Value::Object(duration) if name == "start_to_fire_timeout" => {
                parts.push(format!("{name}={}s", duration.get("secs").unwrap_or(&Value::Null)));
            }
            // Of another execution, and of an update, the name says most.
            Value::Object(named) if matches!(name, "child" | "target" | "request" | "accepted_request") => {
                let says = ["workflow_id", "name"].into_iter().find_map(|key| named.get(key)?.as_str());
                parts.extend(says.map(|says| format!("{name}={says}")));
            }
            Value::String(text) => parts.push(format!("{name}={text}")),
            other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                parts.push(format!("{name}={other}"));
            }
        }
    }
    parts.join(" ")
}

/// What the agent is doing.
pub(super) fn status(status: &Value) -> anyhow::Result<()> {
    let text = |name: &str| match &status[name] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => other.to_string(),
    };
    let mut out = vec![
        field("Device", &text("device")),
        field("Epoch", &text("epoch")),
        field("Clock", &format!("{} ({})", text("wall"), text("clock_state"))),
        field("Broker", &text("broker")),
        field("Uplink", &text("uplink")),
        field("Readings", &format!("{} stored, {} duplicates dropped", text("readings"), text("duplicates"))),
        field("Dead letters", &text("dead_letters")),
        field("Workflows", &format!("{} open, {} windows open", text("open_runs"), text("open_windows"))),
    ];
    for pipeline in status["pipelines"].as_array().into_iter().flatten() {
        out.push(field(
            "Pipeline",
            &format!(
                "{} ({}) from {}",
                pipeline["name"].as_str().unwrap_or("-"),
                pipeline["definition"].as_str().unwrap_or("-"),
                pipeline["file"].as_str().unwrap_or("-")
            ),
        ));
    }
    for lane in status["lanes"].as_array().into_iter().flatten() {
        let (last, acked) = (lane["last"].as_u64().unwrap_or(0), lane["acked"].as_u64().unwrap_or(0));
        out.push(field(
            "Lane",
            &format!(
                "{:<10} {last} items, {acked} replicated, {} waiting",
                lane["lane"].as_str().unwrap_or("-"),
                last.saturating_sub(acked)
            ),
        ));
    }
    lines(out)
}

/// The latest dead letters.
pub(super) fn dead_letters(status: &Value) -> anyhow::Result<()> {
    let letters = status["dead_letters_kept"].as_array().cloned().unwrap_or_default();
    if letters.is_empty() {
        return lines(["no dead letters".to_owned()]);
    }
    let part = |letter: &Value, name: &str| letter[name].as_str().unwrap_or("-").to_owned();
    lines(letters.iter().map(|letter| {
        format!(
            "{}  {}\n      {}\n      {} bytes: {}",
            part(letter, "received"),
            part(letter, "topic"),
            part(letter, "reason"),
            letter["payload_bytes"],
            cut(&part(letter, "payload").escape_debug().to_string(), COLUMNS - 20)
        )
    }))
}

/// A signal that was taken.
pub(super) fn signaled(name: &str, reply: &Value) -> anyhow::Result<()> {
    let run = reply["run_id"].as_str().unwrap_or("-");
    lines([match reply["event_id"].as_u64() {
        Some(event) => format!("signal {name} is event {event} of run {run}"),
        None => format!("signal {name} is recorded for run {run}"),
    }])
}

/// A pipeline file that is right.
pub(super) fn pipeline_ok(file: &str, name: &str, digest: &str) -> anyhow::Result<()> {
    lines([format!("{file}: pipeline {name} is right ({digest})")])
}

/// What is wrong with a pipeline file.
pub(super) fn diagnostics(diagnostics: &[Diagnostic]) -> anyhow::Result<()> {
    let mut err = std::io::stderr().lock();
    for diagnostic in diagnostics {
        writeln!(err, "{diagnostic}")?;
    }
    Ok(())
}

fn field(name: &str, value: &dyn std::fmt::Display) -> String {
    format!("{name:<13} {value}")
}

fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    text.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

/// Writes lines; a reader that has had enough (`| head`) is no failure.
pub(super) fn lines(lines: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        match writeln!(out, "{line}") {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_of_a_timeline_has_what_tells_the_event_apart() {
        let child = json!({
            "child": { "workflow_id": "bed-12", "run_id": [1, 2] },
            "workflow_type": "watch",
            "initiated_event_id": 5,
            "result": [],
        });
        assert_eq!(detail(&child), "workflow_type=watch child=bed-12");
        let update = json!({ "accepted_request": { "update_id": "7", "name": "set", "args": [1] } });
        assert_eq!(detail(&update), "accepted_request=set");
        let failed = json!({ "failure": { "message": "no route" }, "attempt": 1, "reason": "" });
        assert_eq!(detail(&failed), "failure=\"no route\"");
    }
}
