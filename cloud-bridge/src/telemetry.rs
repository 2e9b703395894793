//! What the bridge says of itself: log lines on standard output, counts for Prometheus.

use std::fmt::Write;

use sd_notify::NotifyState;
use tidegate_log::Metrics;
use tidegate_model::lane::Lane;
use tracing_subscriber::filter::LevelFilter;

use crate::config::{LogConfig, LogFormat, LogLevel};
use crate::fleet::Totals;

/// Sends log lines to standard output from here on. Only the first call in a process has an effect.
pub(crate) fn begin(config: &LogConfig) {
    let level = match config.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let lines = tracing_subscriber::fmt().with_max_level(level).with_target(false).with_ansi(false);
    // A process that runs several roles may have begun already; its lines go on as they are.
    drop(match config.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    });
}

/// Tells systemd that the bridge serves.
pub(crate) fn ready() {
    notify(NotifyState::Ready);
}

/// Tells systemd that the bridge ends in good order.
pub(crate) fn stopping() {
    notify(NotifyState::Stopping);
}

/// Without systemd there is nobody to tell, and that is no error.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// The counts in Prometheus' text format, version 0.0.4.
pub(crate) fn prometheus(totals: &Totals, log: &Metrics) -> String {
    let mut text = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, values: &[(String, u64)]| {
        write!(text, "# HELP tidegate_bridge_{name} {help}\n# TYPE tidegate_bridge_{name} {kind}\n")
            .expect("text takes more text");
        for (labels, value) in values {
            writeln!(text, "tidegate_bridge_{name}{labels} {value}").expect("text takes more text");
        }
    };
    let one = |value: u64| vec![(String::new(), value)];
    let seconds = log.commit_micros / 1_000_000;
    let by_lane = |value: fn(&crate::fleet::LaneTotals) -> u64| -> Vec<(String, u64)> {
        let lanes = Lane::ALL.into_iter().zip(&totals.lanes);
        lanes.map(|(lane, counts)| (format!("{{lane=\"{}\"}}", lane.name()), value(counts))).collect()
    };
    metric("devices", "gauge", "Devices known.", &one(totals.devices));
    metric("epochs_parked", "gauge", "Epochs that take no more.", &one(totals.epochs_parked));
    metric("runs_open", "gauge", "Runs that have not ended.", &one(totals.runs_open));
    metric("runs_closed_total", "counter", "Runs that have ended.", &one(totals.runs_closed));
    metric("signals_waiting", "gauge", "Signals without a receipt.", &one(totals.signals_waiting));
    metric(
        "dead_letters_total",
        "counter",
        "Messages and records nobody could use.",
        &one(totals.dead_letters),
    );
    metric("items_archived_total", "counter", "Items in the archive.", &by_lane(|lane| lane.archived));
    metric(
        "items_set_aside_total",
        "counter",
        "Items set aside as they came.",
        &by_lane(|lane| lane.set_aside),
    );
    metric("items_gone_total", "counter", "Items devices declared gone.", &by_lane(|lane| lane.gone));
    let duplicates = by_lane(|lane| lane.duplicates_skipped);
    metric("duplicates_skipped_total", "counter", "Items recognised since the start.", &duplicates);
    metric(
        "batches_refused_total",
        "counter",
        "Batches refused since the start.",
        &one(totals.batches_refused),
    );
    metric("log_commits_total", "counter", "Group commits since the start.", &one(log.commits));
    metric("log_commit_seconds_total", "counter", "Whole seconds spent committing.", &one(seconds));
    metric("log_row_bytes_total", "counter", "Bytes of rows written since the start.", &one(log.row_bytes));
    metric("log_last_row", "gauge", "Number of the last row.", &one(log.last_row));
    metric("log_queue_inputs", "gauge", "Inputs waiting to be decided.", &one(log.queue_inputs));
    text
}
