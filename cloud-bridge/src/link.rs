//! The road devices take: HTTP on the outside, the words of the model inside. docs/wire.md describes it to others.

use std::future::Future;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tidegate_log::LogStopped;
use tidegate_model::codec::{self, DecodeError, FLAG_ZSTD, Kind};
use tidegate_model::id::{DeviceId, Epoch};
use tidegate_model::lane::Lane;
use tidegate_model::limits::{
    BATCHES_IN_FLIGHT_MAX, DOWNLINK_WAIT_SECONDS_MAX, REQUEST_BODY_SECONDS_MAX, WIRE_BYTES_MAX,
};
use tidegate_model::replication::{Batch, Hello, Refusal};
use tidegate_model::signal::SignalSeq;
use tokio::sync::Semaphore;
use tracing::debug;

use crate::desk::Desk;

/// What an envelope travels as.
const ENVELOPE: &str = "application/vnd.tidegate.envelope";
/// A hello is a small thing.
const HELLO_BYTES_MAX: usize = 16 * 1024;
/// A zstd frame may ask its reader for no larger a window than what it may expand to.
const WINDOW_LOG_MAX: u32 = WIRE_BYTES_MAX.ilog2();
/// What a device that comes at a bad moment is asked to wait.
const RETRY_MILLIS: u64 = 1_000;

#[derive(Debug, Clone)]
struct Link {
    desk: Desk,
    in_flight: Arc<Semaphore>,
}

/// The device API.
pub(crate) fn router(desk: Desk) -> Router {
    Router::new()
        .route("/v1/devices/{device}/hello", post(hello))
        .route("/v1/devices/{device}/epochs/{epoch}/lanes/{lane}", post(batch))
        .route("/v1/devices/{device}/downlink", get(downlink))
        .fallback(|| async {
            refused(StatusCode::NOT_FOUND, &not_understood("there is nothing at this path"))
        })
        .method_not_allowed_fallback(|| async {
            refused(StatusCode::METHOD_NOT_ALLOWED, &not_understood("this path takes another method"))
        })
        .with_state(Link { desk, in_flight: Arc::new(Semaphore::new(BATCHES_IN_FLIGHT_MAX)) })
}

async fn hello(
    State(link): State<Link>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let taken = async {
        let device = device(&text(path)?)?;
        let bytes = read_body(&headers, body, HELLO_BYTES_MAX).await?;
        let hello: Hello = read_envelope(Kind::Hello, &bytes, HELLO_BYTES_MAX)?;
        committed(link.desk.hello(device, hello)).await
    };
    answer(Kind::HelloReply, taken.await)
}

async fn batch(
    State(link): State<Link>,
    path: Result<Path<(String, String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let taken = async {
        let (device_text, epoch, lane) = text(path)?;
        let device = device(&device_text)?;
        let epoch: Epoch = epoch.parse().map_err(not_understood)?;
        let lane: u8 = lane.parse().map_err(|_| not_understood("a lane is a number"))?;
        let lane = Lane::try_from(lane).map_err(not_understood)?;
        let Ok(_permit) = link.in_flight.try_acquire() else {
            return Err(Refusal::Busy { retry_after_ms: RETRY_MILLIS });
        };
        let bytes = read_body(&headers, body, WIRE_BYTES_MAX).await?;
        let batch: Batch =
            tokio::task::spawn_blocking(move || read_envelope(Kind::Batch, &bytes, WIRE_BYTES_MAX))
                .await
                .map_err(|_| not_understood("reading it failed"))??;
        committed(link.desk.batch(device, epoch, lane, batch)).await
    };
    answer(Kind::BatchReply, taken.await)
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct PollQuery {
    #[serde(default)]
    after: SignalSeq,
    /// Seconds.
    #[serde(default)]
    wait: u64,
}

async fn downlink(
    State(link): State<Link>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<PollQuery>, QueryRejection>,
) -> Response {
    let taken = async {
        let device = device(&text(path)?)?;
        let Query(query) = query.map_err(|rejection| not_understood(rejection.body_text()))?;
        let wait = Duration::from_secs(query.wait.min(DOWNLINK_WAIT_SECONDS_MAX));
        committed(link.desk.poll(device, query.after, wait)).await
    };
    answer(Kind::Downlink, taken.await)
}

/// Waits for an answer that is on disk. When the log has stopped, whether it took the request is unknown: the device
/// must ask again, and is told so.
async fn committed<T>(
    asked: impl Future<Output = Result<Result<T, Refusal>, LogStopped>>,
) -> Result<T, Refusal> {
    asked.await.unwrap_or(Err(Refusal::Busy { retry_after_ms: RETRY_MILLIS }))
}

fn text<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Refusal> {
    path.map(|Path(text)| text).map_err(|rejection| not_understood(rejection.body_text()))
}

fn device(text: &str) -> Result<DeviceId, Refusal> {
    text.parse().map_err(not_understood)
}

/// The body of a request, at most `cap` bytes, before and after decompression.
async fn read_body(headers: &HeaderMap, body: Body, cap: usize) -> Result<Vec<u8>, Refusal> {
    let limit = Duration::from_secs(REQUEST_BODY_SECONDS_MAX);
    let bytes = tokio::time::timeout(limit, collect(body, cap)).await.map_err(|_| {
        not_understood(format!("the body did not arrive within {REQUEST_BODY_SECONDS_MAX} seconds"))
    })??;
    match headers.get(CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"identity") => Ok(bytes),
        Some(b"zstd") => expand(&bytes, cap),
        Some(other) => Err(not_understood(format!(
            "content-encoding {:?}; zstd and identity are understood",
            String::from_utf8_lossy(other)
        ))),
    }
}

async fn collect(body: Body, cap: usize) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| not_understood(format!("the body broke off: {error}")))?;
        if bytes.len() + piece.len() > cap {
            return Err(too_large(cap));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Decompresses no more than `cap` bytes, whatever the frame says of itself.
fn expand(bytes: &[u8], cap: usize) -> Result<Vec<u8>, Refusal> {
    let broken = |error: std::io::Error| not_understood(format!("the zstd frame is not whole: {error}"));
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(broken)?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(broken)?;
    let mut expanded = Vec::new();
    decoder.take(cap as u64 + 1).read_to_end(&mut expanded).map_err(broken)?;
    if expanded.len() > cap {
        return Err(too_large(cap));
    }
    Ok(expanded)
}

fn read_envelope<T: DeserializeOwned>(kind: Kind, bytes: &[u8], cap: usize) -> Result<T, Refusal> {
    let (flags, body) = codec::open(kind, bytes, cap).map_err(undecodable)?;
    match flags {
        0 => codec::from_cbor(body).map_err(undecodable),
        FLAG_ZSTD => codec::from_cbor(&expand(body, cap)?).map_err(undecodable),
        unknown => Err(not_understood(format!("envelope flags {unknown:#04x}; this release knows bit 0"))),
    }
}

fn undecodable(error: DecodeError) -> Refusal {
    match error {
        DecodeError::TooLarge { cap, .. } => too_large(cap),
        DecodeError::NotAnEnvelope
        | DecodeError::UnknownVersion(_)
        | DecodeError::WrongKind { .. }
        | DecodeError::BadChecksum
        | DecodeError::BadBody(_) => not_understood(error),
    }
}

fn too_large(cap: usize) -> Refusal {
    Refusal::TooLarge { limit_bytes: cap as u64 }
}

fn not_understood(reason: impl ToString) -> Refusal {
    Refusal::Malformed { reason: reason.to_string() }
}

fn answer<T: serde::Serialize>(kind: Kind, taken: Result<T, Refusal>) -> Response {
    match taken {
        Ok(reply) => ([(CONTENT_TYPE, ENVELOPE)], codec::encode(kind, &reply)).into_response(),
        Err(refusal) => refused(status(&refusal), &refusal),
    }
}

/// The status of a refusal, as docs/wire.md has it.
fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::OutOfOrder { .. } | Refusal::UnknownEpoch | Refusal::Stale => StatusCode::CONFLICT,
        Refusal::BrokenChain { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
        Refusal::Malformed { .. } => StatusCode::BAD_REQUEST,
    }
}

fn refused(status: StatusCode, refusal: &Refusal) -> Response {
    debug!(%status, ?refusal, "request refused");
    let body = codec::encode(Kind::Refusal, refusal);
    let mut response = (status, [(CONTENT_TYPE, ENVELOPE)], body).into_response();
    if let Refusal::Busy { retry_after_ms } = refusal {
        response.headers_mut().insert(RETRY_AFTER, retry_after_ms.div_ceil(1_000).into());
    }
    response
}
