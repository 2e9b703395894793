//! What is judged of a request before it is read: whether it brings the key, and whether its method is served.
//!
//! What is turned away is turned away slowly, one after the other on each connection: an SDK that asks for a method we
//! do not have asks again at once, and so does somebody who guesses keys.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tidegate_model::limits::{API_KEY_BYTES_MIN, API_REFUSAL_DELAY_MILLIS};
use tokio::sync::Mutex;
use tonic::Status;
use tower_service::Service;

use crate::proto;
use crate::refusal;

/// What a caller must know. Only its hash is kept.
#[derive(Clone)]
pub struct ApiKey([u8; 32]);

/// The key is too short to keep anybody out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an API key has at least {API_KEY_BYTES_MIN} visible ASCII characters, not {bytes}")]
pub struct InvalidApiKey {
    bytes: usize,
}

impl ApiKey {
    /// A key of at least `API_KEY_BYTES_MIN` visible ASCII characters.
    ///
    /// # Errors
    /// [`InvalidApiKey`].
    pub fn new(text: &str) -> Result<Self, InvalidApiKey> {
        let visible = text.bytes().filter(u8::is_ascii_graphic).count();
        if visible < API_KEY_BYTES_MIN || visible != text.len() {
            return Err(InvalidApiKey { bytes: visible });
        }
        Ok(Self(Sha256::digest(text).into()))
    }

    /// Whether a header is `Bearer` and this key. Takes the same time whatever is wrong with the key.
    fn opens(&self, authorization: &[u8]) -> bool {
        let Some((scheme, key)) = authorization.split_at_checked(b"bearer ".len()) else { return false };
        let offered: [u8; 32] = Sha256::digest(key).into();
        scheme.eq_ignore_ascii_case(b"bearer ") & bool::from(offered.ct_eq(&self.0))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// The rules, the same for every connection.
#[derive(Debug, Clone)]
pub(super) struct Door {
    key: Option<Arc<ApiKey>>,
}

impl Door {
    pub(super) fn new(key: Option<ApiKey>) -> Self {
        Self { key: key.map(Arc::new) }
    }

    /// The door of one connection, before `router`. `asked` is set when a request is let in.
    pub(super) fn before(self, router: Router, asked: Arc<AtomicBool>) -> Guarded {
        Guarded { router, key: self.key, asked, turned_away: Arc::default() }
    }

    fn judge(key: Option<&ApiKey>, request: &Request<Body>) -> Result<(), Status> {
        if let Some(key) = key {
            let offered = request.headers().get(header::AUTHORIZATION);
            if !offered.is_some_and(|offered| key.opens(offered.as_bytes())) {
                return Err(refusal::unauthorized());
            }
        }
        let path = request.uri().path();
        if is_grpc(request) && !proto::METHODS.contains(&path) {
            return Err(refusal::unknown_method(path));
        }
        Ok(())
    }
}

fn is_grpc(request: &Request<Body>) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// A router behind the door, for one connection.
#[derive(Debug, Clone)]
pub(super) struct Guarded {
    router: Router,
    key: Option<Arc<ApiKey>>,
    asked: Arc<AtomicBool>,
    /// Whoever holds it is being turned away; the others of the connection wait.
    turned_away: Arc<Mutex<()>>,
}

impl<B> Service<Request<B>> for Guarded
where
    B: axum::body::HttpBody<Data = axum::body::Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let request = request.map(Body::new);
        match Door::judge(self.key.as_deref(), &request) {
            Ok(()) => {
                self.asked.store(true, Ordering::Relaxed);
                Box::pin(self.router.call(request))
            }
            Err(status) => {
                let turn = Arc::clone(&self.turned_away);
                let is_grpc = is_grpc(&request);
                Box::pin(async move {
                    let _turn = turn.lock().await;
                    #[expect(clippy::disallowed_methods, reason = "the wait is the answer")]
                    tokio::time::sleep(Duration::from_millis(API_REFUSAL_DELAY_MILLIS)).await;
                    Ok(if is_grpc { status.into_http() } else { in_plain_http(&status) })
                })
            }
        }
    }
}

/// For whoever does not speak gRPC: only the key can be wrong.
fn in_plain_http(status: &Status) -> Response<Body> {
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    (StatusCode::UNAUTHORIZED, challenge, status.message().to_owned()).into_response()
}
