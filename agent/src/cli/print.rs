//! How answers look in a terminal: 80 columns, no colour, nothing that a pipe could not take.

use std::io::Write;

use serde::Serialize;
use serde_json::Value;
use tidegate_engine::RunSummary;

use crate::control::HistoryEvent;
use crate::pipeline::Diagnostic;

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

/// One execution.
pub(super) fn run(run: &RunSummary) -> anyhow::Result<()> {
    let mut out = vec![
        field("Workflow id", &run.workflow_id),
        field("Run id", &run.run_id),
        field("Type", &run.workflow_type),
        field("Task queue", &run.task_queue),
        field("Status", &run.status.name()),
        field("Started", &run.start_time),
    ];
    if let Some(closed) = run.close_time {
        out.push(field("Closed", &closed));
    }
    out.push(field("History", &format!("{} events, {} bytes", run.history_length, run.history_size_bytes)));
    out.push(field(
        "Pending",
        &format!("{} activities, {} timers", run.pending_activities, run.pending_timers),
    ));
    if run.workflow_task_attempt > 1 {
        out.push(field(
            "Blocked",
            &format!("workflow task in attempt {}: see the agent's log", run.workflow_task_attempt),
        ));
    }
    lines(out)
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
    const TELLING: [&str; 10] = [
        "workflow_type",
        "activity_type",
        "timer_id",
        "signal_name",
        "start_to_fire_timeout",
        "attempt",
        "cause",
        "failure",
        "input",
        "result",
    ];
    let mut parts = Vec::new();
    for name in TELLING {
        match &attributes[name] {
            Value::Null => {}
            Value::Array(items) if items.is_empty() => {}
            Value::Number(number) if name == "attempt" && number.as_u64() == Some(1) => {}
            Value::Object(failure) if name == "failure" => {
                let message = failure.get("message").and_then(Value::as_str).unwrap_or_default();
                parts.push(format!("failure={message:?}"));
            }
            Value::Object(duration) if name == "start_to_fire_timeout" => {
                parts.push(format!("{name}={}s", duration.get("secs").unwrap_or(&Value::Null)));
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
fn lines(lines: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
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
