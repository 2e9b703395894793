//! `grpc.health.v1.Health`: as long as anything is answered, all that is served is well. What would make it unwell (a
//! log that failed) ends the process.

use tonic::codegen::{BoxStream, tokio_stream};
use tonic::{Request, Response, Status};

use crate::proto::health::health_check_response::ServingStatus;
use crate::proto::health::{HealthCheckRequest, HealthCheckResponse, health_server};
use crate::proto::{operator, service};

/// The service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Health;

fn status(name: &str) -> ServingStatus {
    let names = [
        "",
        service::workflow_service_server::SERVICE_NAME,
        operator::operator_service_server::SERVICE_NAME,
        health_server::SERVICE_NAME,
    ];
    if names.contains(&name) { ServingStatus::Serving } else { ServingStatus::ServiceUnknown }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let name = request.into_inner().service;
        match status(&name) {
            ServingStatus::Serving => {
                Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
            }
            ServingStatus::Unknown | ServingStatus::NotServing | ServingStatus::ServiceUnknown => {
                Err(Status::not_found(format!("unknown service {name}")))
            }
        }
    }

    type WatchStream = BoxStream<HealthCheckResponse>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        use tokio_stream::StreamExt as _;
        let status = status(&request.into_inner().service).into();
        let first = tokio_stream::once(Ok(HealthCheckResponse { status }));
        // The status does not change while the process lives; the stream stays open, as the protocol wants it.
        Ok(Response::new(Box::pin(first.chain(tokio_stream::pending()))))
    }
}
