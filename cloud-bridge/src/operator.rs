//! The operator API: HTTP and JSON, for people's tools and for the command line. openapi.json describes it.

use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use tidegate_log::LogStopped;
use tidegate_model::id::{DeviceId, Epoch, InvalidId, RunId, SignalId};
use tidegate_model::lane::Lane;
use tidegate_model::limits::DOWNLINK_WAIT_SECONDS_MAX;
use tidegate_model::payload::Payload;
use tracing::error;

use crate::api::{ErrorBody, RunHistory, SignalRequest};
use crate::archive::{self, Archive, Export};
use crate::desk::Desk;
use crate::fleet::{Place, Run, RunStatus, RunsWanted, SendError, SignalOrder, run_view};
use crate::{telemetry, timeline};

/// Runs in an answer when the question does not say how many.
const RUNS_LIMIT_DEFAULT: usize = 100;
/// And at most.
const RUNS_LIMIT_MAX: usize = 10_000;

#[derive(Debug, Clone)]
struct Operator {
    desk: Desk,
    archive: Archive,
}

type Routes = Vec<(&'static str, &'static str, MethodRouter<Operator>)>;

/// Everything there is: method, path, handler.
fn routes() -> Routes {
    vec![
        ("get", "/healthz", get(health)),
        ("get", "/metrics", get(metrics)),
        ("get", "/openapi.json", get(openapi)),
        ("get", "/api/v1/devices", get(devices)),
        ("get", "/api/v1/devices/{device}", get(device)),
        ("get", "/api/v1/devices/{device}/runs", get(runs)),
        ("get", "/api/v1/devices/{device}/runs/{run}", get(run)),
        ("get", "/api/v1/devices/{device}/samples", get(samples)),
        ("get", "/api/v1/devices/{device}/windows", get(windows)),
        ("get", "/api/v1/devices/{device}/dead-letters", get(dead_letters)),
        ("get", "/api/v1/devices/{device}/dead-letters/{epoch}/{lane}/{item}", get(set_aside)),
        ("get", "/api/v1/devices/{device}/signals", get(signals)),
        ("post", "/api/v1/devices/{device}/signals", post(send)),
        ("get", "/api/v1/devices/{device}/signals/{signal}", get(signal)),
    ]
}

/// The operator API.
pub(crate) fn router(desk: Desk, archive: Archive) -> Router {
    routes()
        .into_iter()
        .fold(Router::new(), |router, (_, path, handler)| router.route(path, handler))
        .fallback(|| async {
            Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path", SEE_OPENAPI)
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method", SEE_OPENAPI)
        })
        .with_state(Operator { desk, archive })
}

const SEE_OPENAPI: &str = "GET /openapi.json says what there is";
const OPENAPI: &str = include_str!("../openapi.json");

async fn health(State(operator): State<Operator>) -> Result<Response, Problem> {
    // The fleet answers through the commit loop, so this is an answer of all of it.
    let devices = operator.desk.look(|fleet| fleet.totals().devices).await?;
    Ok(Json(serde_json::json!({ "status": "ok", "devices": devices })).into_response())
}

async fn metrics(State(operator): State<Operator>) -> Result<Response, Problem> {
    let totals = operator.desk.look(|fleet| fleet.totals()).await?;
    let text = telemetry::prometheus(&totals, &operator.desk.log().metrics());
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn devices(State(operator): State<Operator>) -> Result<Response, Problem> {
    Ok(Json(operator.desk.look(|fleet| fleet.devices()).await?).into_response())
}

async fn device(State(operator): State<Operator>, path: OnePart) -> Result<Response, Problem> {
    let id = device_id(&part(path)?)?;
    let detail =
        operator.desk.look(move |fleet| fleet.device(&id)).await?.ok_or_else(Problem::unknown_device)?;
    Ok(Json(detail).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunsQuery {
    epoch: Option<Epoch>,
    status: Option<RunStatus>,
    workflow_id: Option<String>,
    limit: Option<usize>,
}

async fn runs(
    State(operator): State<Operator>,
    path: OnePart,
    query: Result<Query<RunsQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let id = device_id(&part(path)?)?;
    let Query(query) = query?;
    let wanted = RunsWanted {
        epoch: query.epoch,
        status: query.status,
        workflow_id: query.workflow_id,
        limit: query.limit.unwrap_or(RUNS_LIMIT_DEFAULT).min(RUNS_LIMIT_MAX),
    };
    let runs = operator.desk.look(move |fleet| fleet.runs(&id, &wanted)).await?;
    Ok(Json(runs.ok_or_else(Problem::unknown_device)?).into_response())
}

async fn run(
    State(operator): State<Operator>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((device, run)) = path?;
    let (device, run): (_, RunId) = (device_id(&device)?, run.parse()?);
    let id = device.clone();
    let known = operator.desk.look(move |fleet| fleet.run(&id, run)).await?;
    let (listed, epochs) = known.ok_or_else(Problem::unknown_device)?;
    let archive = operator.archive;
    let found = on_disk(move || {
        for epoch in epochs {
            let history = archive.history(&device, epoch, run)?;
            if let Some(folded) = Run::of_history(&history) {
                let view = listed.unwrap_or_else(|| run_view(&device, epoch, run, &folded));
                return Ok(Some(RunHistory { run: view, events: timeline::events(&history) }));
            }
        }
        Ok(None)
    });
    let found = found.await?.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "no such run of this device",
            "list its runs to see which there are",
        )
    })?;
    Ok(Json(found).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SamplesQuery {
    epoch: Option<Epoch>,
    #[serde(default)]
    after: u64,
    limit: Option<u64>,
}

async fn samples(
    State(operator): State<Operator>,
    path: OnePart,
    query: Result<Query<SamplesQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let id = device_id(&part(path)?)?;
    let Query(query) = query?;
    let asked = id.clone();
    let held = operator.desk.look(move |fleet| fleet.samples(&asked, query.epoch)).await?;
    let (epoch, through) = held.ok_or_else(Problem::unknown_device)?.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "no such epoch of this device",
            "show the device to see its epochs",
        )
    })?;
    let limit = query.limit.unwrap_or(u64::MAX);
    let export = operator.archive.export(id, epoch, query.after, through, limit);
    // A chunk at a time, made when the reader has taken the one before. An error breaks the answer off, which a reader
    // can tell from an end.
    let chunks = futures_util::stream::try_unfold(export, |export| async {
        on_disk(move || next_chunk(export))
            .await
            .inspect_err(|problem| error!(error = %problem.body.error, "export"))
    });
    let body = Body::from_stream(chunks);
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

fn next_chunk(mut export: Export) -> Result<Option<(Vec<u8>, Export)>, archive::Error> {
    Ok(export.next_chunk()?.map(|chunk| (chunk, export)))
}

async fn windows(State(operator): State<Operator>, path: OnePart) -> Result<Response, Problem> {
    let id = device_id(&part(path)?)?;
    let windows = operator.desk.look(move |fleet| fleet.windows(&id)).await?;
    Ok(Json(windows.ok_or_else(Problem::unknown_device)?).into_response())
}

async fn dead_letters(State(operator): State<Operator>, path: OnePart) -> Result<Response, Problem> {
    let id = device_id(&part(path)?)?;
    let letters = operator.desk.look(move |fleet| fleet.dead_letters(&id)).await?;
    Ok(Json(letters.ok_or_else(Problem::unknown_device)?).into_response())
}

async fn set_aside(
    State(operator): State<Operator>,
    path: Result<Path<(String, String, String, u64)>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((device, epoch, lane, first)) = path?;
    let lane = Lane::ALL.into_iter().find(|known| known.name() == lane).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "no such lane", "lanes are control, histories and samples")
    })?;
    let place = Place { device: device_id(&device)?, epoch: epoch.parse()?, lane, first, items: 1 };
    let archive = operator.archive;
    let bytes = on_disk(move || archive.set_aside(&place)).await?.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "nothing was set aside there",
            "list the dead letters found by the bridge",
        )
    })?;
    Ok(([(CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

async fn signals(State(operator): State<Operator>, path: OnePart) -> Result<Response, Problem> {
    let id = device_id(&part(path)?)?;
    let signals = operator.desk.look(move |fleet| fleet.signals(&id)).await?;
    Ok(Json(signals.ok_or_else(Problem::unknown_device)?).into_response())
}

async fn send(
    State(operator): State<Operator>,
    path: OnePart,
    request: Result<Json<SignalRequest>, JsonRejection>,
) -> Result<Response, Problem> {
    let id = device_id(&part(path)?)?;
    let Json(request) = request?;
    let signal_id = request.signal_id.clone();
    let order = SignalOrder {
        signal_id: request.signal_id,
        namespace: request.namespace,
        workflow_id: request.workflow_id,
        run_id: request.run_id,
        signal_name: request.signal_name,
        input: request.input.iter().map(|value| Payload::json(value.to_string())).collect(),
        issued_by: request.issued_by,
        expires_after: request.expires_after_seconds.map(Duration::from_secs),
    };
    let new = operator.desk.send(id.clone(), order).await??;
    let view = operator.desk.signal(id, signal_id, Duration::ZERO).await?.ok_or_else(Problem::no_signal)?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(view)).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignalQuery {
    /// Seconds.
    #[serde(default)]
    wait: u64,
}

async fn signal(
    State(operator): State<Operator>,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Result<Query<SignalQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Path((device, signal)) = path?;
    let (device, signal): (_, SignalId) = (device_id(&device)?, signal.parse()?);
    let wait = Duration::from_secs(query?.wait.min(DOWNLINK_WAIT_SECONDS_MAX));
    let view = operator.desk.signal(device, signal, wait).await?.ok_or_else(Problem::no_signal)?;
    Ok(Json(view).into_response())
}

type OnePart = Result<Path<String>, PathRejection>;

fn part(path: OnePart) -> Result<String, Problem> {
    let Path(text) = path?;
    Ok(text)
}

fn device_id(text: &str) -> Result<DeviceId, Problem> {
    Ok(text.parse()?)
}

/// Reads the archive where waiting for the disk holds nobody else.
async fn on_disk<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, archive::Error> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(read).await {
        Ok(read) => Ok(read?),
        Err(_) => Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "reading the archive failed",
            LOOK_AT_THE_LOG,
        )),
    }
}

const LOOK_AT_THE_LOG: &str = "the bridge's own log says more";

/// Why a request is not done.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", body.error)]
struct Problem {
    status: StatusCode,
    body: ErrorBody,
}

impl Problem {
    fn new(status: StatusCode, error: impl ToString, remedy: &str) -> Self {
        Self { status, body: ErrorBody { error: error.to_string(), remedy: remedy.to_owned() } }
    }

    fn unknown_device() -> Self {
        SendError::UnknownDevice.into()
    }

    fn no_signal() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no such signal of this device",
            "list its signals; old ones with an outcome leave the list",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

impl From<LogStopped> for Problem {
    fn from(_: LogStopped) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the bridge is stopping; whether a request was taken is not known",
            "ask again when it is back; a signal with the same id is taken once",
        )
    }
}

impl From<archive::Error> for Problem {
    fn from(error: archive::Error) -> Self {
        error!(error = &error as &dyn std::error::Error, "the archive cannot be read");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error, LOOK_AT_THE_LOG)
    }
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        let (status, remedy) = match &error {
            SendError::UnknownDevice => (StatusCode::NOT_FOUND, "list the devices to see which there are"),
            SendError::IdTaken(_) => (StatusCode::CONFLICT, "send a new signal under a new id"),
            SendError::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "wait for the device to fetch some, or give signals an expiry",
            ),
            SendError::TooLarge { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "send a reference to the data instead")
            }
        };
        Self::new(status, error, remedy)
    }
}

impl From<InvalidId> for Problem {
    fn from(error: InvalidId) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, "write the id as the lists show it")
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text(), SEE_OPENAPI)
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text(), SEE_OPENAPI)
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text(), SEE_OPENAPI)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn openapi_describes_every_route_and_no_other() {
        let document: Value = serde_json::from_str(OPENAPI).expect("openapi.json is JSON");
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .expect("it has paths")
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().expect("a path has methods");
                methods.keys().filter(|key| *key != "parameters").map(|method| (method.clone(), path.clone()))
            })
            .collect();
        let served: BTreeSet<(String, String)> =
            routes().into_iter().map(|(method, path, _)| (method.to_owned(), path.to_owned())).collect();
        assert_eq!(described, served);
    }

    #[test]
    fn every_reference_in_openapi_leads_somewhere() {
        fn check(document: &Value, value: &Value) {
            match value {
                Value::Object(fields) => {
                    if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                        let pointer = reference.strip_prefix('#').expect("references stay in the document");
                        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                    }
                    fields.values().for_each(|value| check(document, value));
                }
                Value::Array(values) => values.iter().for_each(|value| check(document, value)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document = serde_json::from_str(OPENAPI).expect("openapi.json is JSON");
        check(&document, &document);
    }
}
