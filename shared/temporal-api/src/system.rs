//! What this server is and can do. Only what is done is said: SDKs act on it.

use crate::proto::service::{GetClusterInfoResponse, GetSystemInfoResponse, get_system_info_response};
use crate::proto::version::{ReleaseInfo, VersionInfo};

/// The release of Temporal's server whose API this is. Clients gate what they ask for on it; later ones bring APIs that
/// are not served.
pub(crate) const SERVER_VERSION: &str = "1.26.2";

/// Where a cluster has an id of its own, this one has none to tell it from: its namespaces are nobody else's.
const CLUSTER_ID: &str = "7469-6465-67617465";

pub(crate) fn system_info() -> GetSystemInfoResponse {
    GetSystemInfoResponse {
        server_version: SERVER_VERSION.to_owned(),
        capabilities: Some(get_system_info_response::Capabilities {
            signal_and_query_header: true,
            internal_error_differentiation: true,
            activity_failure_include_heartbeat: true,
            supports_schedules: true,
            encoded_failure_attributes: true,
            upsert_memo: true,
            sdk_metadata: true,
            count_group_by_execution_status: true,
            build_id_based_versioning: false,
            eager_workflow_start: false,
            nexus: false,
            server_scaled_deployments: false,
            server_scaled_provider_cloud_run: false,
        }),
    }
}

pub(crate) fn cluster_info() -> GetClusterInfoResponse {
    let clients = [
        "temporal-cli",
        "temporal-go",
        "temporal-java",
        "temporal-php",
        "temporal-server",
        "temporal-typescript",
    ];
    let release =
        ReleaseInfo { version: SERVER_VERSION.to_owned(), release_time: None, notes: String::new() };
    GetClusterInfoResponse {
        supported_clients: clients.map(|name| (name.to_owned(), "<2.0.0".to_owned())).into(),
        server_version: SERVER_VERSION.to_owned(),
        cluster_id: CLUSTER_ID.to_owned(),
        version_info: Some(VersionInfo { current: Some(release), ..Default::default() }),
        cluster_name: CLUSTER_NAME.to_owned(),
        history_shard_count: 1,
        persistence_store: "tidegate".to_owned(),
        visibility_store: "tidegate".to_owned(),
        ..Default::default()
    }
}

/// As Temporal's development server calls its only one.
pub(crate) const CLUSTER_NAME: &str = "active";
