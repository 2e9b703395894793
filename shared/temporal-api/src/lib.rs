//! Temporal's gRPC API in front of the engine: what an unmodified Temporal SDK, command line or console talks to.
//!
//! A transport and nothing more: requests become the engine's [`Request`](tidegate_engine::Request)s, its replies become
//! Temporal's messages, and nothing is kept here that a caller could notice to be gone, but
//! for batches.
//!
//! `listen` judges who may ask and hands on to `service`, which knows for every method the module that has it; `convert`,
//! `event` and `command` know how each thing is said on either side.

pub mod proto;
mod listen;
mod refusal;
mod token;
mod convert;
mod event;
mod command;
mod api;
mod service;
mod start;
mod execution;
mod update;
mod workflow_task;
mod activity_task;
mod nexus_task;
mod activity;
mod task_queue;
mod history;
mod visibility;
mod schedule;
mod batch;
mod batches;
mod namespace;
mod operator;
mod system;
mod health;

use std::sync::Arc;

use tidegate_engine::WorkflowService;
use tidegate_model::limits::API_MESSAGE_BYTES_MAX;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::service::Routes;

use proto::health::health_server::HealthServer;
use proto::operator::operator_service_server::OperatorServiceServer;
use proto::service::workflow_service_server::WorkflowServiceServer;

pub use listen::{ApiKey, InvalidApiKey, InvalidTls, ServeError, Settings, Tls, check};

/// Serves the engine behind `service` until `shutdown` comes. Then polls are answered empty, and what is under way has
/// `API_SHUTDOWN_SECONDS_MAX` to finish.
///
/// # Errors
/// [`ServeError`].
pub async fn serve<S: WorkflowService>(
    listener: TcpListener,
    service: Arc<S>,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let (closing, closed) = watch::channel(false);
    let api = api::Api::new(service, closed);
    // SDKs pack every request, and some fail to connect where that is not understood.
    let operator = OperatorServiceServer::new(api.clone())
        .accept_compressed(Gzip)
        .send_compressed(Gzip)
        .max_decoding_message_size(API_MESSAGE_BYTES_MAX);
    let workflows = WorkflowServiceServer::new(api)
        .accept_compressed(Gzip)
        .send_compressed(Gzip)
        .max_decoding_message_size(API_MESSAGE_BYTES_MAX);
    let health = HealthServer::new(health::Health).accept_compressed(Gzip).send_compressed(Gzip);
    let router = Routes::new(workflows).add_service(operator).add_service(health).into_axum_router();
    listen::run(listener, router, settings, closing, shutdown).await
}
