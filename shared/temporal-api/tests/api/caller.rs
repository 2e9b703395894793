//! Who calls: a server of its own for each test, and any method by its path.

use std::net::SocketAddr;
use std::sync::Arc;

use prost::Message;
use tidegate_temporal_api::{Settings, serve};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{IntoRequest, Status};
use tonic_prost::ProstCodec;

use crate::host::Host;

/// A server and a connection to it. Dropped: the server stops.
pub(crate) struct Caller {
    pub(crate) host: Arc<Host>,
    pub(crate) address: SocketAddr,
    grpc: Grpc<Channel>,
    _stop: oneshot::Sender<()>,
}

impl Caller {
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        Self::of(Host::new(), settings).await
    }

    /// A server before a host.
    pub(crate) async fn of(host: Host, settings: Settings) -> Self {
        let host = Arc::new(host);
        let service = Arc::clone(&host);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            serve(listener, service, settings, async { drop(stopped.await) }).await.expect("it is served");
        });
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let grpc = Grpc::new(endpoint.connect_lazy());
        Self { host, address, grpc, _stop: stop }
    }

    /// Calls a method: by its path, or by its name alone where it is WorkflowService's.
    pub(crate) async fn call<Q, A>(&self, method: &str, request: impl IntoRequest<Q>) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let path = if method.starts_with('/') {
            method.to_owned()
        } else {
            format!("/temporal.api.workflowservice.v1.WorkflowService/{method}")
        };
        let mut grpc = self.grpc.clone();
        grpc.ready().await.expect("the server is there");
        let path = PathAndQuery::try_from(path).expect("a path");
        grpc.unary(request.into_request(), path, ProstCodec::default()).await.map(tonic::Response::into_inner)
    }

    /// As the SDKs do it: the request packed, and an answer that may be.
    pub(crate) fn compressing(mut self) -> Self {
        use tonic::codec::CompressionEncoding::Gzip;
        self.grpc = self.grpc.send_compressed(Gzip).accept_compressed(Gzip);
        self
    }
}
