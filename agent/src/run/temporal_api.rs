//! Temporal's gRPC API: bound before anything else begins, so that a port that is taken is known at once, and served
//! for as long as the log takes questions.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use tidegate_temporal_api::{ApiKey, Settings, Tls};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::config::TemporalApi;

/// A listener, and who may call it.
pub(super) struct Bound {
    listener: TcpListener,
    settings: Settings,
}

/// The API while it is served.
#[derive(Debug)]
pub(super) struct Serving {
    /// Dropped: stop.
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Whether the files that the section names are there and what they should be.
///
/// # Errors
/// Names the key and the remedy.
pub(super) fn check(api: &TemporalApi) -> anyhow::Result<()> {
    let settings = settings(api)?;
    tidegate_temporal_api::check(api.listen, &settings).context("temporal_api.listen")
}

/// Takes the port.
///
/// # Errors
/// Names the key and the remedy.
pub(super) async fn bind(api: &TemporalApi) -> anyhow::Result<Bound> {
    let settings = settings(api)?;
    let address = api.listen;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("temporal_api.listen: {address} cannot be had; is another program on this port?")
    })?;
    Ok(Bound { listener, settings })
}

impl Bound {
    /// A listener that is there already.
    pub(super) fn new(listener: TcpListener, settings: Settings) -> Self {
        Self { listener, settings }
    }

    /// Serves the gateway behind `client`; `routes` are the plain ones of the command line.
    pub(super) fn serve<Token: Send + 'static>(self, client: &Client<Token>, routes: Router) -> Serving {
        let Self { listener, mut settings } = self;
        settings.routes = routes;
        let service = Arc::new(client.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            // Gone or told: both mean stop.
            let shutdown = async move { drop(stopped.await) };
            if let Err(error) = tidegate_temporal_api::serve(listener, service, settings, shutdown).await {
                tracing::error!(error = &error as &dyn std::error::Error, "the Temporal API has ended");
            }
        });
        Serving { stop, task }
    }
}

impl Serving {
    /// Stops in good order: what is under way is answered first.
    pub(super) async fn stop(self) {
        drop(self.stop);
        drop(self.task.await);
    }
}

fn settings(api: &TemporalApi) -> anyhow::Result<Settings> {
    let api_key = match &api.api_key_file {
        None => None,
        Some(path) => {
            let text = read("temporal_api.api_key_file", path, "its first line is the key")?;
            let text = String::from_utf8(text)
                .with_context(|| format!("temporal_api.api_key_file: {} is not text", path.display()))?;
            let key = ApiKey::new(text.lines().next().unwrap_or_default().trim())
                .with_context(|| format!("temporal_api.api_key_file: {}", path.display()))?;
            Some(key)
        }
    };
    let tls = match (&api.tls_certificate, &api.tls_key) {
        (Some(certificate), Some(key)) => {
            let authorities = match &api.tls_client_authorities {
                Some(path) => Some(read("temporal_api.tls_client_authorities", path, "certificates in PEM")?),
                None => None,
            };
            let tls = Tls::from_pem(
                &read("temporal_api.tls_certificate", certificate, "a certificate chain in PEM")?,
                &read("temporal_api.tls_key", key, "a private key in PEM")?,
                authorities.as_deref(),
            )
            .context("temporal_api.tls_certificate and temporal_api.tls_key")?;
            Some(tls)
        }
        (Some(_) | None, Some(_) | None) => None,
    };
    Ok(Settings { tls, api_key, routes: Router::new() })
}

fn read(key: &str, path: &Path, what: &str) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{key}: failed to read {}; it holds {what}", path.display()))
}
