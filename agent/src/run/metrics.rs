//! What the agent counts, in Prometheus' text form, and the part of its status that the gateway does not know.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tidegate_log::LogHandle;
use tidegate_model::limits;

use crate::config::Config;
use crate::gateway::{Input, Status};
use crate::mqtt::MqttHandle;
use crate::uplink::Monitor;
use crate::worker::Health;

/// Counts since the process began.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Messages the broker delivered, repetitions included.
    pub(super) messages: AtomicU64,
    /// Connections to the broker.
    pub(super) connects: AtomicU64,
}

/// Opens the port for Prometheus, on this machine only.
///
/// # Errors
/// Names the key and the remedy.
pub(super) async fn listen(address: SocketAddr) -> anyhow::Result<tokio::net::TcpListener> {
    ensure!(
        address.ip().is_loopback(),
        "metrics.listen: {address} can be reached from outside; only loopback (127.0.0.1) is served without TLS"
    );
    tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("metrics.listen: {address} cannot be had; is another program on this port?"))
}

/// Of all routes, only the metrics.
pub(super) fn only(routes: axum::Router) -> axum::Router {
    axum::Router::new().route_service("/metrics", routes)
}

/// What the shell knows: the broker, the uplink.
pub(super) fn shell_status(
    config: &Config,
    broker: MqttHandle,
    uplink: Option<Monitor>,
) -> Box<dyn Fn() -> Value + Send + Sync> {
    let device = config.device.id.clone();
    let address = format!("{}:{}", config.broker.host, config.broker.port);
    Box::new(move || {
        let subscribed = broker.is_connected() && broker.is_subscribed();
        let broker = if broker.is_connected() { "connected to" } else { "not connected to" };
        let uplink = uplink.as_ref().map(Monitor::status);
        let words = match &uplink {
            None => "not configured".to_owned(),
            Some(status) if status.connected => format!("connected to {}", status.url),
            Some(status) => format!(
                "not connected to {}: {}",
                status.url,
                status.last_error.as_deref().unwrap_or("no answer yet")
            ),
        };
        json!({
            "device": device,
            "broker": format!("{broker} {address}"),
            "subscribed": subscribed,
            "uplink": words,
            "uplink_detail": uplink,
        })
    })
}

/// Renders the metrics, given the gateway's own figures.
pub(super) fn render<Token: Send + 'static>(
    log: LogHandle<Input<Token>>,
    broker: Option<(Arc<Counts>, MqttHandle)>,
    workers: Vec<Arc<Health>>,
) -> Box<dyn Fn(&Status) -> String + Send + Sync> {
    Box::new(move |status| {
        let commit = log.metrics();
        let mut page = Page::default();
        if let Some((counts, broker)) = &broker {
            page.counter(
                "mqtt_messages",
                "Messages the broker delivered, repetitions included",
                counts.messages.load(Ordering::Relaxed),
            );
            page.counter(
                "mqtt_connects",
                "Connections made to the broker",
                counts.connects.load(Ordering::Relaxed),
            );
            page.gauge("mqtt_connected", "1 while the broker is connected", u64::from(broker.is_connected()));
        }
        page.gauge("readings", "Readings stored", status.readings);
        page.counter("readings_duplicate", "Redeliveries recognised", status.duplicates);
        page.gauge("dead_letters", "Messages that could not be decoded, ever", status.dead_letters);
        page.bounded("windows_open", "Windows open", status.open_windows as u64, limits::OPEN_WINDOWS_MAX);
        page.bounded("runs_open", "Workflow runs open", status.open_runs as u64, limits::OPEN_RUNS_MAX);
        page.bounded(
            "dedup_sessions",
            "Sessions whose identities are remembered",
            status.dedup_sessions as u64,
            limits::DEDUP_SESSIONS_MAX,
        );
        page.counter("commits", "Group commits", commit.commits);
        page.counter("commit_inputs", "Inputs decided", commit.inputs);
        page.counter("commit_row_bytes", "Bytes of rows as stored", commit.row_bytes);
        page.counter("commit_record_bytes", "Bytes of records before compression", commit.record_bytes);
        page.counter("commit_microseconds", "Time spent committing", commit.commit_micros);
        page.counter("snapshots", "Snapshots taken", commit.snapshots);
        page.counter("rows_trimmed", "Rows trimmed", commit.rows_trimmed);
        page.bounded(
            "commit_queue",
            "Inputs waiting for the commit loop",
            commit.queue_inputs,
            limits::COMMIT_QUEUE_INPUTS_MAX,
        );
        page.workers(&workers);
        for lane in &status.lanes {
            page.lane(lane.lane, lane.last, lane.acked);
        }
        page.text
    })
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.metric("counter", &format!("{name}_total"), help, value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.metric("gauge", name, help, value);
    }

    /// A gauge beside its limit, so that an alert needs no figure of its own.
    fn bounded(&mut self, name: &str, help: &str, value: u64, limit: usize) {
        self.gauge(name, help, value);
        self.gauge(&format!("{name}_limit"), &format!("{help}: at most"), limit as u64);
    }

    /// What the built-in workers have done, all together.
    fn workers(&mut self, workers: &[Arc<Health>]) {
        let (mut turns, mut repeated, mut blocked, mut stuck) = (0, 0, 0, 0);
        let mut faults = BTreeMap::<&str, u64>::new();
        for counts in workers.iter().map(|worker| worker.counts()) {
            turns += counts.turns;
            repeated += counts.shadow_replays;
            blocked += counts.blocked_runs;
            stuck += counts.stuck_threads;
            for (kind, count) in counts.faults {
                *faults.entry(kind).or_default() += count;
            }
        }
        self.counter("worker_turns", "Workflow tasks answered by code that is compiled in", turns);
        self.counter("worker_shadow_replays", "Turns repeated from their history and compared", repeated);
        self.gauge("worker_runs_blocked", "Runs that wait for better code", blocked);
        self.gauge("worker_threads_stuck", "Threads whose workflow code does not come back", stuck);
        self.head("counter", "worker_faults_total", "Workflow tasks answered with a fault");
        for (kind, count) in faults {
            self.line(&format!("worker_faults_total{{kind=\"{kind}\"}}"), count);
        }
    }

    fn lane(&mut self, lane: &str, last: u64, acked: u64) {
        for (name, value) in [("lane_last_item", last), ("lane_acked_item", acked)] {
            writeln!(self.text, "tidegate_{name}{{lane=\"{lane}\"}} {value}")
                .expect("a text takes all that is written");
        }
    }

    fn metric(&mut self, kind: &str, name: &str, help: &str, value: u64) {
        self.head(kind, name, help);
        self.line(name, value);
    }

    fn head(&mut self, kind: &str, name: &str, help: &str) {
        writeln!(self.text, "# HELP tidegate_{name} {help}.\n# TYPE tidegate_{name} {kind}")
            .expect("a text takes all that is written");
    }

    fn line(&mut self, name: &str, value: u64) {
        writeln!(self.text, "tidegate_{name} {value}").expect("a text takes all that is written");
    }
}
