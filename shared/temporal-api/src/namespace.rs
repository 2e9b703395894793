//! Namespaces, and the search attributes that each of them has.

use std::collections::BTreeMap;

use tidegate_engine::{
    IndexedValueType, NamespaceChange, NamespaceInfo, NamespaceRef, NamespaceState, Reply, Request,
    WorkflowService,
};
use tidegate_model::limits::API_LIST_PAGE_MAX;
use tonic::Status;

use crate::api::{Api, unexpected};
use crate::convert::inward::{self, Checked};
use crate::convert::{Invalid, outward};
use crate::proto::enums;
use crate::proto::namespace::{self as proto, NamespaceConfig, namespace_info};
use crate::proto::operator::{
    AddSearchAttributesRequest, AddSearchAttributesResponse, ClusterMetadata, DeleteNamespaceRequest,
    DeleteNamespaceResponse, ListClustersResponse, ListSearchAttributesRequest, ListSearchAttributesResponse,
    RemoveSearchAttributesRequest, RemoveSearchAttributesResponse,
};
use crate::proto::replication::{ClusterReplicationConfig, NamespaceReplicationConfig};
use crate::proto::service::*;
use crate::system;
use crate::token::{Token, misplaced};

const TOKEN: &str = "next_page_token";

pub(crate) async fn register<S: WorkflowService>(
    api: &Api<S>,
    request: RegisterNamespaceRequest,
) -> Result<RegisterNamespaceResponse, Status> {
    if request.is_global_namespace {
        return Err(
            Invalid::new("is_global_namespace", "there is one cluster, and no global namespace").into()
        );
    }
    let wanted = NamespaceChange {
        description: Some(request.description),
        owner_email: Some(request.owner_email),
        data: request.data,
        retention: inward::timeout(
            "workflow_execution_retention_period",
            request.workflow_execution_retention_period,
        )?,
        state: None,
    };
    let name = inward::new_namespace(&request.namespace)?;
    described(api, Request::RegisterNamespace { name, wanted }).await?;
    Ok(RegisterNamespaceResponse {})
}

/// Asks for something that is answered with a namespace.
async fn described<S: WorkflowService>(api: &Api<S>, request: Request) -> Result<NamespaceInfo, Status> {
    let Reply::Namespace(info) = api.ask(request).await? else { return Err(unexpected()) };
    Ok(*info)
}

pub(crate) async fn describe<S: WorkflowService>(
    api: &Api<S>,
    request: DescribeNamespaceRequest,
) -> Result<DescribeNamespaceResponse, Status> {
    let which = which(&request.namespace, &request.id)?;
    described(api, Request::DescribeNamespace(which)).await.map(description)
}

/// A namespace by its name or, where none is given, by its id.
fn which(name: &str, id: &str) -> Checked<NamespaceRef> {
    if !name.is_empty() || id.is_empty() {
        return inward::namespace(name).map(NamespaceRef::Name);
    }
    id.parse().map(NamespaceRef::Id).map_err(|error| Invalid::new("id", error))
}

pub(crate) async fn list<S: WorkflowService>(
    api: &Api<S>,
    request: ListNamespacesRequest,
) -> Result<ListNamespacesResponse, Status> {
    let size = usize::try_from(inward::count("page_size", request.page_size)?).unwrap_or(usize::MAX);
    let after = match Token::open_any(TOKEN, &request.next_page_token)? {
        None => None,
        Some(Token::Namespaces(after)) => Some(after),
        Some(_) => return Err(misplaced(TOKEN).into()),
    };
    let page_size = if size == 0 { API_LIST_PAGE_MAX } else { size.min(API_LIST_PAGE_MAX) };
    let list = Request::ListNamespaces { page_size, after };
    let Reply::Namespaces { namespaces, next } = api.ask(list).await? else { return Err(unexpected()) };
    Ok(ListNamespacesResponse {
        namespaces: namespaces.into_iter().map(description).collect(),
        next_page_token: next.map(|next| Token::Namespaces(next).seal()).unwrap_or_default(),
    })
}

pub(crate) async fn update<S: WorkflowService>(
    api: &Api<S>,
    request: UpdateNamespaceRequest,
) -> Result<UpdateNamespaceResponse, Status> {
    let update = request.update_info.unwrap_or_default();
    let config = request.config.unwrap_or_default();
    let said = |text: String| (!text.is_empty()).then_some(text);
    let state = match enums::NamespaceState::try_from(update.state) {
        Ok(enums::NamespaceState::Unspecified) => None,
        Ok(enums::NamespaceState::Registered) => Some(NamespaceState::Registered),
        Ok(enums::NamespaceState::Deprecated) => Some(NamespaceState::Deprecated),
        Ok(enums::NamespaceState::Deleted) => Some(NamespaceState::Deleted),
        Err(_) => {
            return Err(
                Invalid::new("update_info.state", format_args!("there is no {}", update.state)).into()
            );
        }
    };
    let change = NamespaceChange {
        description: said(update.description),
        owner_email: said(update.owner_email),
        data: update.data,
        retention: inward::timeout(
            "config.workflow_execution_retention_ttl",
            config.workflow_execution_retention_ttl,
        )?,
        state,
    };
    let name = inward::namespace(&request.namespace)?;
    let described = description(described(api, Request::UpdateNamespace { name, change }).await?);
    Ok(UpdateNamespaceResponse {
        namespace_info: described.namespace_info,
        config: described.config,
        replication_config: described.replication_config,
        failover_version: 0,
        is_global_namespace: false,
    })
}

pub(crate) async fn deprecate<S: WorkflowService>(
    api: &Api<S>,
    request: DeprecateNamespaceRequest,
) -> Result<DeprecateNamespaceResponse, Status> {
    let change = NamespaceChange { state: Some(NamespaceState::Deprecated), ..NamespaceChange::default() };
    let name = inward::namespace(&request.namespace)?;
    described(api, Request::UpdateNamespace { name, change }).await?;
    Ok(DeprecateNamespaceResponse {})
}

fn description(info: NamespaceInfo) -> DescribeNamespaceResponse {
    let state = match info.state {
        NamespaceState::Registered => enums::NamespaceState::Registered,
        NamespaceState::Deprecated => enums::NamespaceState::Deprecated,
        NamespaceState::Deleted => enums::NamespaceState::Deleted,
    };
    // Workers refuse by themselves what is larger, and name the size. Without a bound they send everything.
    let bytes = info.payload_bytes_max.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(i64::MAX);
    let namespace_info = proto::NamespaceInfo {
        name: info.name.to_string(),
        state: state.into(),
        description: info.description,
        owner_email: info.owner_email,
        data: info.data,
        id: info.id.to_string(),
        // Only what is done is said: SDKs act on it.
        capabilities: Some(namespace_info::Capabilities {
            sync_update: true,
            async_update: true,
            worker_poll_complete_on_shutdown: true,
            ..Default::default()
        }),
        limits: Some(namespace_info::Limits {
            blob_size_limit_error: bytes,
            memo_size_limit_error: bytes,
            ..Default::default()
        }),
        supports_schedules: true,
    };
    let cluster =
        ClusterReplicationConfig { cluster_name: system::CLUSTER_NAME.to_owned(), ..Default::default() };
    DescribeNamespaceResponse {
        namespace_info: Some(namespace_info),
        config: Some(NamespaceConfig {
            workflow_execution_retention_ttl: info.retention.map(outward::duration),
            history_archival_state: enums::ArchivalState::Disabled.into(),
            visibility_archival_state: enums::ArchivalState::Disabled.into(),
            ..Default::default()
        }),
        replication_config: Some(NamespaceReplicationConfig {
            active_cluster_name: cluster.cluster_name.clone(),
            clusters: vec![cluster],
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub(crate) async fn delete<S: WorkflowService>(
    api: &Api<S>,
    request: DeleteNamespaceRequest,
) -> Result<DeleteNamespaceResponse, Status> {
    let which = which(&request.namespace, &request.namespace_id)?;
    let info = described(api, Request::DescribeNamespace(which.clone())).await?;
    api.ask(Request::DeleteNamespace(which)).await?;
    Ok(DeleteNamespaceResponse { deleted_namespace: info.name.to_string() })
}

pub(crate) async fn add_search_attributes<S: WorkflowService>(
    api: &Api<S>,
    request: AddSearchAttributesRequest,
) -> Result<AddSearchAttributesResponse, Status> {
    let kind = |name: &str, number| {
        let field = format!("search_attributes[{name}]");
        IndexedValueType::from_number(number)
            .ok_or_else(|| Invalid::new(field, format_args!("there is no type {number}")))
    };
    let attributes = request
        .search_attributes
        .into_iter()
        .map(|(name, number)| kind(&name, number).map(|kind| (name, kind)))
        .collect::<Checked<BTreeMap<_, _>>>()?;
    let namespace = inward::namespace(&request.namespace)?;
    api.ask(Request::AddSearchAttributes { namespace, attributes }).await?;
    Ok(AddSearchAttributesResponse {})
}

pub(crate) async fn remove_search_attributes<S: WorkflowService>(
    api: &Api<S>,
    request: RemoveSearchAttributesRequest,
) -> Result<RemoveSearchAttributesResponse, Status> {
    let namespace = inward::namespace(&request.namespace)?;
    api.ask(Request::RemoveSearchAttributes { namespace, names: request.search_attributes }).await?;
    Ok(RemoveSearchAttributesResponse {})
}

pub(crate) async fn list_search_attributes<S: WorkflowService>(
    api: &Api<S>,
    request: ListSearchAttributesRequest,
) -> Result<ListSearchAttributesResponse, Status> {
    let namespace = inward::namespace(&request.namespace)?;
    let list = Request::ListSearchAttributes { namespace };
    let Reply::SearchAttributes { custom, system } = api.ask(list).await? else { return Err(unexpected()) };
    let numbers = |attributes: BTreeMap<String, IndexedValueType>| {
        attributes.into_iter().map(|(name, kind)| (name, kind.number())).collect()
    };
    Ok(ListSearchAttributesResponse {
        custom_attributes: numbers(custom),
        system_attributes: numbers(system),
        storage_schema: BTreeMap::new(),
    })
}

/// The older form of the list: it names no namespace, so it is that of `default`.
pub(crate) async fn get_search_attributes<S: WorkflowService>(
    api: &Api<S>,
) -> Result<GetSearchAttributesResponse, Status> {
    let request = ListSearchAttributesRequest { namespace: "default".to_owned() };
    let mut listed = list_search_attributes(api, request).await?;
    listed.custom_attributes.append(&mut listed.system_attributes);
    Ok(GetSearchAttributesResponse { keys: listed.custom_attributes })
}

/// One cluster is all there is.
pub(crate) fn list_clusters() -> ListClustersResponse {
    let info = system::cluster_info();
    let cluster = ClusterMetadata {
        cluster_name: info.cluster_name,
        cluster_id: info.cluster_id,
        history_shard_count: info.history_shard_count,
        is_connection_enabled: true,
        ..Default::default()
    };
    ListClustersResponse { clusters: vec![cluster], next_page_token: Vec::new() }
}
