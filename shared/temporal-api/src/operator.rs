//! Temporal's OperatorService, as far as it is served.

use tidegate_engine::WorkflowService;
use tonic::{Request, Response, Status};

use crate::api::Api;
use crate::namespace;
use crate::proto::operator::operator_service_server::OperatorService;
use crate::proto::operator::*;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl<S: WorkflowService> OperatorService for Api<S> {
    async fn add_search_attributes(
        &self,
        request: Request<AddSearchAttributesRequest>,
    ) -> Answer<AddSearchAttributesResponse> {
        namespace::add_search_attributes(self, request.into_inner()).await.map(Response::new)
    }

    async fn remove_search_attributes(
        &self,
        request: Request<RemoveSearchAttributesRequest>,
    ) -> Answer<RemoveSearchAttributesResponse> {
        namespace::remove_search_attributes(self, request.into_inner()).await.map(Response::new)
    }

    async fn list_search_attributes(
        &self,
        request: Request<ListSearchAttributesRequest>,
    ) -> Answer<ListSearchAttributesResponse> {
        namespace::list_search_attributes(self, request.into_inner()).await.map(Response::new)
    }

    async fn delete_namespace(
        &self,
        request: Request<DeleteNamespaceRequest>,
    ) -> Answer<DeleteNamespaceResponse> {
        namespace::delete(self, request.into_inner()).await.map(Response::new)
    }

    async fn list_clusters(&self, _: Request<ListClustersRequest>) -> Answer<ListClustersResponse> {
        Ok(Response::new(namespace::list_clusters()))
    }
}
