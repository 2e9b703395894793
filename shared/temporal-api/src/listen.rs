//! Connections: who may open one, how many there are, how long one may do nothing, and how they end.
//!
//! One port carries gRPC over HTTP/2 and, where the host brings routes, plain HTTP. What a request may ask is judged in
//! [`door`] before anything of it is read.

mod door;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tidegate_model::limits::{
    API_CONNECTIONS_MAX, API_FIRST_REQUEST_SECONDS_MAX, API_HEADER_BYTES_MAX, API_PING_ANSWER_SECONDS_MAX,
    API_PING_SECONDS, API_SHUTDOWN_SECONDS_MAX, API_STREAMS_MAX,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub use self::door::{ApiKey, InvalidApiKey};
pub use self::tls::{InvalidTls, Tls};

use self::door::Door;

/// Before the next attempt to accept, when the system has no handles left.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Who may call, and over what.
#[derive(Clone, Default)]
pub struct Settings {
    /// TLS, where the listener speaks it.
    pub tls: Option<Tls>,
    /// What every request must bring as `authorization: Bearer …`; `None` asks for nothing.
    pub api_key: Option<ApiKey>,
    /// Plain HTTP routes on the same port, behind the same key. A path that no gRPC method has.
    pub routes: Router,
}

/// Why nothing is served, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is open to other machines, and nothing keeps them out.
    #[error(
        "{address} is open to other machines and would let any of them run code here: set an API key or TLS, or \
         listen on a loopback address such as 127.0.0.1:{}", address.port()
    )]
    Unprotected {
        /// Where the listener is.
        address: SocketAddr,
    },
    /// The listener has no address, or accepts no more.
    #[error("the listener failed")]
    Listener(#[source] io::Error),
}

/// Whether `address` may be listened on with these settings. For a host that wants to say so before it binds.
///
/// # Errors
/// [`ServeError::Unprotected`].
pub fn check(address: SocketAddr, settings: &Settings) -> Result<(), ServeError> {
    let protected = settings.tls.is_some() || settings.api_key.is_some();
    if address.ip().is_loopback() || protected { Ok(()) } else { Err(ServeError::Unprotected { address }) }
}

/// Serves `router` until `shutdown` comes; then tells `closing`, lets requests under way finish for
/// `API_SHUTDOWN_SECONDS_MAX`, and returns.
///
/// # Errors
/// [`ServeError`].
pub(crate) async fn run(
    listener: TcpListener,
    router: Router,
    settings: Settings,
    closing: watch::Sender<bool>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Listener)?;
    check(address, &settings)?;
    let door = Door::new(settings.api_key);
    let acceptor = settings.tls.map(|tls| tls.acceptor());
    let router = router.merge(settings.routes).with_state(());
    let mut shutdown = pin!(shutdown);
    let mut connections = JoinSet::new();
    tracing::info!(%address, tls = acceptor.is_some(), "Temporal API is served");
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection of the API ended by a fault of ours");
                }
                continue;
            }
            // Connections beyond the bound wait in the system's queue, not here.
            accepted = listener.accept(), if connections.len() < API_CONNECTIONS_MAX => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (acceptor, door, router) = (acceptor.clone(), door.clone(), router.clone());
                connections.spawn(serve_connection(stream, acceptor, door, router, closing.subscribe()));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                #[expect(clippy::disallowed_methods, reason = "file handles run out for a while")]
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
    drop(listener);
    closing.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    drop(tokio::time::timeout(Duration::from_secs(API_SHUTDOWN_SECONDS_MAX), ended).await);
    Ok(())
}

/// Whether the caller went away before he was let in; the listener itself is well.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn serve_connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    door: Door,
    router: Router,
    closing: watch::Receiver<bool>,
) {
    // Small answers go out at once; a failure costs only that.
    drop(stream.set_nodelay(true));
    match acceptor {
        None => serve_stream(stream, door, router, closing).await,
        Some(acceptor) => {
            let patience = Duration::from_secs(API_FIRST_REQUEST_SECONDS_MAX);
            match tokio::time::timeout(patience, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => serve_stream(stream, door, router, closing).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
        }
    }
}

async fn serve_stream<S>(stream: S, door: Door, router: Router, mut closing: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let asked = Arc::new(AtomicBool::new(false));
    let service = TowerToHyperService::new(door.before(router, Arc::clone(&asked)));
    let builder = protocols();
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    #[expect(clippy::disallowed_methods, reason = "how long a caller may say nothing")]
    let mut patience = pin!(tokio::time::sleep(Duration::from_secs(API_FIRST_REQUEST_SECONDS_MAX)));
    let (mut is_patient, mut is_ending) = (true, false);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error, "a connection broke");
                }
                return;
            }
            () = patience.as_mut(), if is_patient => {
                if !asked.load(Ordering::Relaxed) {
                    return;
                }
                is_patient = false;
            }
            closing = closing.wait_for(|closing| *closing), if !is_ending => {
                drop(closing);
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn protocols() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let header_bytes = u32::try_from(API_HEADER_BYTES_MAX).expect("a small number");
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(API_FIRST_REQUEST_SECONDS_MAX))
        .max_buf_size(API_HEADER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(API_STREAMS_MAX)
        .max_header_list_size(header_bytes)
        // A worker whose machine vanished must not hold its polls for ever.
        .keep_alive_interval(Duration::from_secs(API_PING_SECONDS))
        .keep_alive_timeout(Duration::from_secs(API_PING_ANSWER_SECONDS_MAX));
    builder
}
