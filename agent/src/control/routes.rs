//! The routes of the control socket. Each is one question to the gateway, answered in JSON.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_engine::{Refusal, Reply};
use tidegate_model::codec;
use tidegate_model::id::{InvalidId, Namespace};
use tidegate_model::lane::{Lane, LaneRecord};
use tidegate_model::limits;

use super::{schedules, workflows};
use crate::client::Client;
use crate::worker::{Health, ServiceError};

/// What the routes need.
pub struct Control<Token> {
    /// Asks the gateway.
    pub client: Client<Token>,
    /// The namespace that names without one are in.
    pub namespace: Namespace,
    /// What the shell knows and the gateway does not: broker, uplink.
    pub shell_status: Box<dyn Fn() -> Value + Send + Sync>,
    /// The metrics, in Prometheus' text form, given the gateway's own figures.
    pub metrics: Box<dyn Fn(&crate::gateway::Status) -> String + Send + Sync>,
    /// How the built-in workers are: they know why a run of theirs is blocked.
    pub workers: Vec<Arc<Health>>,
}

impl<Token> std::fmt::Debug for Control<Token> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

pub(super) type Shared<Token> = State<Arc<Control<Token>>>;

/// All routes.
pub fn router<Token: Send + 'static>(control: Control<Token>) -> Router {
    Router::new()
        .route("/v1/status", get(status::<Token>))
        .merge(workflows::routes())
        .merge(schedules::routes())
        .route("/v1/readings", get(readings::<Token>))
        .route("/metrics", get(metrics::<Token>))
        .with_state(Arc::new(control))
}

/// An error as the socket says it.
pub(super) struct Problem {
    status: StatusCode,
    words: String,
}

impl Problem {
    /// The caller's mistake, in words.
    pub(super) fn bad_request(words: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, words: words.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.words }))).into_response()
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let status = match &error {
            ServiceError::Refused(refusal) => status_of(refusal),
            ServiceError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            ServiceError::History(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, words: error.to_string() }
    }
}

fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::NotFound(_) | Refusal::NamespaceNotFound(_) => StatusCode::NOT_FOUND,
        Refusal::AlreadyStarted { .. }
        | Refusal::AlreadyExists(_)
        | Refusal::ScheduleAlreadyExists(_)
        | Refusal::NamespaceAlreadyExists(_) => StatusCode::CONFLICT,
        Refusal::InvalidArgument(_) | Refusal::QueryFailed { .. } => StatusCode::BAD_REQUEST,
        Refusal::ResourceExhausted { .. } | Refusal::BusyWorkflow(_) => StatusCode::TOO_MANY_REQUESTS,
        Refusal::FailedPrecondition(_) | Refusal::WorkflowNotReady(_) => StatusCode::PRECONDITION_FAILED,
        Refusal::MultiOperation { refusal, .. } => status_of(refusal),
        Refusal::Stale => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Unimplemented(_) => StatusCode::NOT_IMPLEMENTED,
    }
}

impl From<InvalidId> for Problem {
    fn from(error: InvalidId) -> Self {
        Self { status: StatusCode::BAD_REQUEST, words: error.to_string() }
    }
}

async fn status<Token: Send + 'static>(State(control): Shared<Token>) -> Result<Json<Value>, Problem> {
    let status = control.client.status().await?;
    let letters: Vec<Value> = status
        .dead_letters_kept
        .iter()
        .map(|letter| {
            json!({
                "topic": letter.topic,
                "reason": letter.reason,
                "received": letter.received.wall.to_string(),
                "payload_bytes": letter.payload_bytes,
                "payload": String::from_utf8_lossy(&letter.payload),
            })
        })
        .collect();
    let mut value = json!({
        "epoch": status.epoch,
        "wall": status.stamp.wall.to_string(),
        "clock_state": status.stamp.state,
        "clock_error_us": status.stamp.error_us,
        "readings": status.readings,
        "duplicates": status.duplicates,
        "dead_letters": status.dead_letters,
        "dead_letters_kept": letters,
        "pipelines": status.pipelines,
        "open_windows": status.open_windows,
        "open_runs": status.open_runs,
        "lanes": status.lanes,
        "downlink_cursor": status.downlink_cursor,
    });
    if let (Value::Object(all), Value::Object(shell)) = (&mut value, (control.shell_status)()) {
        all.extend(shell);
    }
    Ok(Json(value))
}

async fn metrics<Token: Send + 'static>(State(control): Shared<Token>) -> Result<String, Problem> {
    let status = control.client.status().await?;
    Ok((control.metrics)(&status))
}

#[derive(Deserialize)]
struct ReadingsQuery {
    /// Readings after this number.
    #[serde(default)]
    after: u64,
}

/// Readings by number, a page at a time; an empty page is the end.
async fn readings<Token: Send + 'static>(
    State(control): Shared<Token>,
    Query(query): Query<ReadingsQuery>,
) -> Result<Json<Vec<Value>>, Problem> {
    let reader = control.client.reader().clone();
    let slice = tokio::task::spawn_blocking(move || {
        reader.lane(
            Lane::Samples,
            query.after.saturating_add(1),
            limits::BATCH_BYTES_MAX,
            limits::BATCH_RECORDS_MAX,
        )
    })
    .await
    .map_err(|error| failed(&error))?
    .map_err(|error| failed(&error))?;
    let mut page = Vec::new();
    for (_, bytes) in slice.into_iter().flat_map(|slice| slice.records) {
        let record: LaneRecord = codec::from_cbor(&bytes).map_err(|error| failed(&error))?;
        if let LaneRecord::Readings(block) = record {
            for (index, (number, reading)) in (block.first..).zip(&block.readings).enumerate() {
                // The page begins with a whole block, of which the first may have been read before.
                if number <= query.after {
                    continue;
                }
                page.push(json!({
                    "number": number,
                    "source": reading.source,
                    "channel": reading.channel,
                    "value": reading.value,
                    "unit": reading.unit,
                    "source_stamp": reading.source_stamp,
                    "identity": reading.identity,
                    "received": block.received(index).map(|stamp| stamp.wall.to_string()),
                }));
            }
        }
    }
    Ok(Json(page))
}

fn failed(error: &dyn std::error::Error) -> Problem {
    Problem { status: StatusCode::INTERNAL_SERVER_ERROR, words: error.to_string() }
}

pub(super) fn unexpected(reply: &Reply) -> Problem {
    Problem {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        words: format!("the engine answered something else: {reply:?}"),
    }
}
