//! What the server says of itself, its namespaces and their search attributes.

use tidegate_model::limits::PAYLOAD_BYTES_MAX;
use tidegate_temporal_api::proto::enums::{IndexedValueType, NamespaceState};
use tidegate_temporal_api::proto::namespace::UpdateNamespaceInfo;
use tidegate_temporal_api::proto::operator::*;
use tidegate_temporal_api::proto::service::*;
use tonic::{Code, Status};

use crate::caller::Caller;
use crate::hello::seconds;

const OPERATOR: &str = "/temporal.api.operatorservice.v1.OperatorService/";

async fn describe(caller: &Caller, namespace: &str) -> Result<DescribeNamespaceResponse, Status> {
    let request = DescribeNamespaceRequest { namespace: namespace.to_owned(), ..Default::default() };
    caller.call("DescribeNamespace", request).await
}

#[tokio::test]
async fn the_server_says_only_what_it_does() {
    let caller = Caller::new().await.compressing();
    let info: GetSystemInfoResponse =
        caller.call("GetSystemInfo", GetSystemInfoRequest {}).await.expect("it is always told");
    assert!(info.server_version.starts_with("1.26."), "{}", info.server_version);
    let can = info.capabilities.expect("what it can");
    assert!(can.signal_and_query_header && can.encoded_failure_attributes && can.sdk_metadata);
    assert!(!can.nexus && !can.build_id_based_versioning && !can.eager_workflow_start);
    let cluster: GetClusterInfoResponse =
        caller.call("GetClusterInfo", GetClusterInfoRequest {}).await.expect("it is always told");
    assert_eq!(cluster.server_version, info.server_version);
    let clusters: ListClustersResponse = caller
        .call(&format!("{OPERATOR}ListClusters"), ListClustersRequest::default())
        .await
        .expect("it is always told");
    assert_eq!(clusters.clusters.len(), 1);
}

#[tokio::test]
async fn a_namespace_is_registered_described_changed_listed_and_deleted() {
    let caller = Caller::new().await;
    let request = RegisterNamespaceRequest {
        namespace: "ward".to_owned(),
        description: "the third floor".to_owned(),
        workflow_execution_retention_period: seconds(7 * 86_400),
        ..Default::default()
    };
    let _: RegisterNamespaceResponse =
        caller.call("RegisterNamespace", request.clone()).await.expect("there is none of that name");
    let again: Result<RegisterNamespaceResponse, _> = caller.call("RegisterNamespace", request).await;
    assert_eq!(again.expect_err("there is one").code(), Code::AlreadyExists);

    let described = describe(&caller, "ward").await.expect("it is there");
    let info = described.namespace_info.expect("which");
    assert_eq!((info.name.as_str(), info.description.as_str()), ("ward", "the third floor"));
    assert_eq!(info.state, i32::from(NamespaceState::Registered));
    let limit = info.limits.expect("they are told").blob_size_limit_error;
    assert_eq!(usize::try_from(limit), Ok(PAYLOAD_BYTES_MAX), "as the host is set");
    assert_eq!(described.config.expect("there").workflow_execution_retention_ttl, seconds(7 * 86_400));
    let by_id = DescribeNamespaceRequest { id: info.id.clone(), ..Default::default() };
    let by_id: DescribeNamespaceResponse =
        caller.call("DescribeNamespace", by_id).await.expect("it is there");
    assert_eq!(by_id.namespace_info.expect("which").name, "ward");

    let update = UpdateNamespaceInfo { owner_email: "ward@example.org".to_owned(), ..Default::default() };
    let request = UpdateNamespaceRequest {
        namespace: "ward".to_owned(),
        update_info: Some(update),
        ..Default::default()
    };
    let updated: UpdateNamespaceResponse =
        caller.call("UpdateNamespace", request).await.expect("it is there");
    let info = updated.namespace_info.expect("which");
    assert_eq!(
        (info.owner_email.as_str(), info.description.as_str()),
        ("ward@example.org", "the third floor")
    );

    let mut names = Vec::new();
    let mut next_page_token = Vec::new();
    loop {
        let request = ListNamespacesRequest { page_size: 1, next_page_token, namespace_filter: None };
        let page: ListNamespacesResponse = caller.call("ListNamespaces", request).await.expect("a page");
        names.extend(page.namespaces.into_iter().map(|found| found.namespace_info.expect("which").name));
        if page.next_page_token.is_empty() {
            break;
        }
        next_page_token = page.next_page_token;
    }
    assert_eq!(names, ["default", "ward"]);

    let request = DeleteNamespaceRequest { namespace: "ward".to_owned(), ..Default::default() };
    let deleted: DeleteNamespaceResponse =
        caller.call(&format!("{OPERATOR}DeleteNamespace"), request).await.expect("it is there");
    assert_eq!(deleted.deleted_namespace, "ward");
    assert_eq!(describe(&caller, "ward").await.expect_err("it is gone").code(), Code::NotFound);
}

#[tokio::test]
async fn search_attributes_are_added_listed_and_removed() {
    let caller = Caller::new().await;
    let namespace = || "default".to_owned();
    let request = AddSearchAttributesRequest {
        namespace: namespace(),
        search_attributes: [("Room".to_owned(), IndexedValueType::Keyword.into())].into(),
    };
    let _: AddSearchAttributesResponse =
        caller.call(&format!("{OPERATOR}AddSearchAttributes"), request).await.expect("it is new");
    let list = async || -> ListSearchAttributesResponse {
        let request = ListSearchAttributesRequest { namespace: namespace() };
        caller.call(&format!("{OPERATOR}ListSearchAttributes"), request).await.expect("a list")
    };
    let listed = list().await;
    assert_eq!(listed.custom_attributes.get("Room"), Some(&i32::from(IndexedValueType::Keyword)));
    assert!(listed.system_attributes.contains_key("WorkflowId"));
    let all: GetSearchAttributesResponse =
        caller.call("GetSearchAttributes", GetSearchAttributesRequest {}).await.expect("a list");
    assert!(all.keys.contains_key("Room") && all.keys.contains_key("StartTime"));
    let request =
        RemoveSearchAttributesRequest { namespace: namespace(), search_attributes: vec!["Room".to_owned()] };
    let _: RemoveSearchAttributesResponse =
        caller.call(&format!("{OPERATOR}RemoveSearchAttributes"), request).await.expect("it is there");
    assert!(!list().await.custom_attributes.contains_key("Room"));
}
