//! Temporal's gRPC API in front of the engine: what an unmodified Temporal SDK, command line or console talks to.
//!
//! A transport and nothing more: requests become the engine's [`Request`](tidegate_engine::Request)s, its replies become
//! Temporal's messages, and no state is kept here that a caller could notice to be gone.

pub mod proto;
mod listen;
mod refusal;
mod health;

use tidegate_model::limits::API_MESSAGE_BYTES_MAX;
use tonic::codec::CompressionEncoding;

pub use listen::{ApiKey, InvalidApiKey, InvalidTls, ServeError, Settings, Tls, check};

/// Serves until `shutdown`.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(
    listener: tokio::net::TcpListener,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let (closing, _) = tokio::sync::watch::channel(false);
    let health = proto::health::health_server::HealthServer::new(health::Health)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(API_MESSAGE_BYTES_MAX);
    let router = tonic::service::Routes::new(health).into_axum_router();
    listen::run(listener, router, settings, closing, shutdown).await
}
