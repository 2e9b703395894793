//! Answers as text for a person, in 80 columns, without colour.

use std::io::{Result, Write};

use crate::api::{
    DeadLetters, DeviceDetail, Devices, EpochDetail, LaneDetail, RunHistory, RunView, Runs, SignalView,
    Signals, Windows,
};

type Out<'a> = &'a mut dyn Write;

pub(super) fn devices(out: Out<'_>, devices: &Devices) -> Result<()> {
    if devices.devices.is_empty() {
        return writeln!(out, "No device has said hello yet.");
    }
    let mut rows =
        vec![cells(["DEVICE", "LAST CONTACT", "EVENTS", "READINGS", "OPEN", "CLOSED", "SIGNALS", "DEAD"])];
    for device in &devices.devices {
        let lane = |name: &str| {
            let lane = device.lanes.iter().find(|lane| lane.lane == name);
            lane.map_or_else(String::new, |lane| {
                // An asterisk: not all of it is here.
                format!("{}{}", lane.complete_through, if lane.complete { "" } else { "*" })
            })
        };
        rows.push(vec![
            short(device.device.as_str(), 14),
            device.last_contact.as_deref().map_or("not since start".to_owned(), minute),
            lane("histories"),
            lane("samples"),
            device.runs_open.to_string(),
            device.runs_closed.to_string(),
            device.signals_waiting.to_string(),
            device.dead_letters.to_string(),
        ]);
    }
    table(out, &rows)?;
    let incomplete = devices.devices.iter().any(|device| device.lanes.iter().any(|lane| !lane.complete));
    if incomplete {
        writeln!(out, "* not all of it is here: tidegate-bridge device show DEVICE")?;
    }
    Ok(())
}

pub(super) fn device(out: Out<'_>, device: &DeviceDetail) -> Result<()> {
    let summary = &device.summary;
    writeln!(out, "Device        {}", summary.device)?;
    writeln!(out, "Agent         {}", summary.agent_version)?;
    writeln!(out, "First seen    {}", summary.first_seen)?;
    writeln!(
        out,
        "Last contact  {}",
        summary.last_contact.as_deref().unwrap_or("not since the bridge started")
    )?;
    writeln!(out, "Boot          {}", device.boot)?;
    if let Some(clock) = &device.clock {
        let error = clock.error_us.map_or("no bound known".to_owned(), |us| format!("within {us} us"));
        let state = serde_json::to_value(clock.clock).unwrap_or_default();
        writeln!(out, "Its clock     {} ({}, {error})", clock.wall, state.as_str().unwrap_or_default())?;
    }
    writeln!(out, "Runs          {} open, {} closed", summary.runs_open, summary.runs_closed)?;
    writeln!(out, "Signals       {} waiting", summary.signals_waiting)?;
    writeln!(out, "Dead letters  {}", summary.dead_letters)?;
    writeln!(out, "Refused       {} batches since the bridge started", device.batches_refused)?;
    device.epochs.iter().try_for_each(|state| epoch(out, state))
}

fn epoch(out: Out<'_>, state: &EpochDetail) -> Result<()> {
    writeln!(out, "\nEpoch {}, since {}", state.epoch, state.opened_at)?;
    if let (Some(at), Some(because)) = (&state.parked_at, &state.parked_because) {
        writeln!(out, "  parked {at}: {because}")?;
    }
    let mut rows = vec![cells(["  LANE", "COMPLETE THROUGH", "ARCHIVED", "SET ASIDE", "GONE", "CAME AGAIN"])];
    let numbers = |lane: &LaneDetail| {
        [lane.complete_through, lane.archived, lane.set_aside, lane.gone, lane.duplicates_skipped]
    };
    for lane in &state.lanes {
        let mut row = vec![format!("  {}", lane.lane)];
        row.extend(numbers(lane).map(|number| number.to_string()));
        rows.push(row);
    }
    table(out, &rows)?;
    for lane in &state.lanes {
        for gap in &lane.gaps {
            writeln!(out, "  {} {} to {} are gone: {}", lane.lane, gap.from, gap.to, gap.reason)?;
        }
    }
    Ok(())
}

pub(super) fn runs(out: Out<'_>, runs: &Runs) -> Result<()> {
    if runs.runs.is_empty() {
        return writeln!(out, "No runs.");
    }
    for run in &runs.runs {
        let missing =
            if run.missing_events > 0 { format!(", {} missing", run.missing_events) } else { String::new() };
        let events = format!("{} events{missing}", run.events);
        let started = run.started_at.as_deref().map_or("start missing".to_owned(), second);
        writeln!(out, "{:<9}  {started}  {:<10}  {}", run.status, events, run.run_id)?;
        writeln!(out, "           {}", short(run.workflow_id.as_str(), 69))?;
    }
    if runs.more {
        writeln!(out, "There are more: --limit says how many to show.")?;
    }
    Ok(())
}

pub(super) fn history(out: Out<'_>, history: &RunHistory) -> Result<()> {
    run(out, &history.run)?;
    writeln!(out)?;
    for event in &history.events {
        writeln!(out, "{:>4}  {}  {}", event.event_id, second(&event.time), event.event_type)?;
        let Some(attributes) = event.attributes.as_object() else { continue };
        for (key, value) in attributes {
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            let is_worth_a_line = !matches!(text.as_str(), "" | "null" | "[]" | "{}");
            if is_worth_a_line {
                writeln!(out, "        {}", short(&format!("{key}: {text}"), 72))?;
            }
        }
    }
    Ok(())
}

fn run(out: Out<'_>, run: &RunView) -> Result<()> {
    writeln!(out, "Workflow  {}", run.workflow_id)?;
    writeln!(out, "Run       {}", run.run_id)?;
    writeln!(
        out,
        "Type      {}",
        run.workflow_type.as_deref().unwrap_or("not known: its first event is missing")
    )?;
    writeln!(out, "Device    {}, epoch {}", run.device, run.epoch)?;
    writeln!(out, "Status    {}", run.status)?;
    if let Some(started) = &run.started_at {
        writeln!(out, "Started   {started}")?;
    }
    if let Some(closed) = &run.closed_at {
        writeln!(out, "Closed    {closed}")?;
    }
    if let Some(outcome) = &run.outcome {
        writeln!(out, "Outcome   {}", short(outcome, 70))?;
    }
    if run.missing_events > 0 {
        writeln!(out, "Missing   {} events fell into a gap", run.missing_events)?;
    }
    Ok(())
}

pub(super) fn signals(out: Out<'_>, signals: &Signals) -> Result<()> {
    if signals.signals.is_empty() {
        return writeln!(out, "No signals.");
    }
    let mut rows = vec![cells(["STATE", "ISSUED", "SIGNAL", "ID", "WORKFLOW"])];
    for signal in &signals.signals {
        rows.push(vec![
            signal.state.name().to_owned(),
            second(&signal.issued_at),
            short(&signal.signal_name, 12),
            short(signal.signal_id.as_str(), 18),
            short(signal.workflow_id.as_str(), 20),
        ]);
    }
    table(out, &rows)
}

pub(super) fn signal(out: Out<'_>, signal: &SignalView) -> Result<()> {
    writeln!(out, "Signal    {} {}", signal.signal_name, signal.signal_id)?;
    writeln!(out, "Workflow  {}", signal.workflow_id)?;
    if let Some(run) = &signal.run_id {
        writeln!(out, "Run       {run}")?;
    }
    let event = signal.event_id.map_or_else(String::new, |event| format!(", as event {event}"));
    writeln!(out, "State     {}{event}", signal.state.name())?;
    if let Some(reason) = &signal.reason {
        writeln!(out, "Reason    {reason}")?;
    }
    writeln!(out, "Issued    {} by {}", signal.issued_at, signal.issued_by)?;
    if let Some(expires) = &signal.expires_at {
        writeln!(out, "Expires   {expires}")?;
    }
    if let Some(settled) = &signal.settled_at {
        writeln!(out, "Settled   {settled}")?;
    }
    Ok(())
}

pub(super) fn windows(out: Out<'_>, windows: &Windows) -> Result<()> {
    if windows.windows.is_empty() {
        return writeln!(out, "No windows.");
    }
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
    let mut rows = vec![cells(["START", "SOURCE", "CHANNEL", "COUNT", "MIN", "MEAN", "MAX", "HELD"])];
    for window in &windows.windows {
        rows.push(vec![
            second(&window.start),
            short(&window.source, 14),
            short(&window.channel, 8),
            window.count.to_string(),
            number(window.min),
            number(window.mean),
            number(window.max),
            window.condition.map_or("?", |held| if held { "yes" } else { "no" }).to_owned(),
        ]);
    }
    table(out, &rows)
}

pub(super) fn dead_letters(out: Out<'_>, letters: &DeadLetters) -> Result<()> {
    if letters.dead_letters.is_empty() {
        return writeln!(out, "No dead letters.");
    }
    for letter in &letters.dead_letters {
        let place = format!("{} {}", letter.lane, letter.item);
        writeln!(out, "{}  {:<6}  {place}, {} bytes", second(&letter.at), letter.found_by, letter.bytes)?;
        writeln!(out, "    {}", short(&letter.reason, 76))?;
        if let Some(topic) = &letter.topic {
            writeln!(out, "    {}", short(&format!("topic {topic}"), 76))?;
        }
        if let Some(payload) = &letter.payload {
            writeln!(out, "    {}", short(&format!("payload {}", payload.escape_debug()), 76))?;
        }
    }
    writeln!(out, "{} in all.", letters.total)
}

fn cells<const N: usize>(titles: [&str; N]) -> Vec<String> {
    titles.map(ToOwned::to_owned).into()
}

/// Columns as wide as their widest cell; the last is not padded.
fn table(out: Out<'_>, rows: &[Vec<String>]) -> Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let padded: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", padded.join("  ").trim_end())?;
    }
    Ok(())
}

/// A text of at most `width` characters; an ellipsis says that there was more.
fn short(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width - 1).collect();
    format!("{kept}…")
}

/// `2026-11-23T18:40:31.123Z` to the second.
fn second(time: &str) -> String {
    time.get(..19).unwrap_or(time).replace('T', " ")
}

/// `2026-11-23T18:40:31.123Z` to the minute.
fn minute(time: &str) -> String {
    time.get(..16).unwrap_or(time).replace('T', " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed<T: serde::de::DeserializeOwned>(
        print: fn(Out<'_>, &T) -> Result<()>,
        value: serde_json::Value,
    ) -> String {
        let value: T = serde_json::from_value(value).expect("what the API gives");
        let mut out = Vec::new();
        print(&mut out, &value).expect("memory takes it");
        let text = String::from_utf8(out).expect("text");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "wider than 80 columns:\n{text}");
        text
    }

    #[test]
    fn a_fleet_reads_well_in_80_columns() {
        let lane = |lane: &str, through: u64, complete: bool| json!({ "lane": lane, "complete_through": through, "complete": complete });
        let device = |name: &str, complete: bool| {
            json!({
                "device": name, "epoch": "0190a5f0-0000-7000-8000-000000000001", "parked": false,
                "agent_version": "0.1.0", "first_seen": "2026-11-23T18:40:31.123Z",
                "last_contact": "2026-11-23T18:40:31.123Z",
                "lanes": [lane("control", 7, true), lane("histories", 51_200, true), lane("samples", 99_999_999, complete)],
                "runs_open": 12, "runs_closed": 12_345, "signals_waiting": 1, "dead_letters": 2
            })
        };
        let fleet = json!({ "devices": [device("gw-1", true), device("a-gateway-with-a-long-name", false)] });
        let text = printed(devices, fleet);
        assert_eq!(
            text,
            "\
DEVICE          LAST CONTACT      EVENTS  READINGS   OPEN  CLOSED  SIGNALS  DEAD
gw-1            2026-11-23 18:40  51200   99999999   12    12345   1        2
a-gateway-wit…  2026-11-23 18:40  51200   99999999*  12    12345   1        2
* not all of it is here: tidegate-bridge device show DEVICE
"
        );
    }

    #[test]
    fn an_empty_fleet_says_so() {
        assert_eq!(printed(devices, json!({ "devices": [] })), "No device has said hello yet.\n");
    }

    #[test]
    fn a_long_text_is_cut_where_the_line_ends() {
        assert_eq!(short("abcdef", 6), "abcdef");
        assert_eq!(short("abcdefg", 6), "abcde…");
    }
}
