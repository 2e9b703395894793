//! Temporal's messages and server traits, generated from `temporal.binpb` by the build. Only what is served is here.
#![allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    unreachable_pub,
    reason = "generated"
)]

include!(concat!(env!("OUT_DIR"), "/temporal.rs"));

pub use grpc::health::v1 as health;
pub use temporal::api::activity::v1 as activity;
pub use temporal::api::batch::v1 as batch;
pub use temporal::api::command::v1 as command;
pub use temporal::api::common::v1 as common;
pub use temporal::api::enums::v1 as enums;
pub use temporal::api::errordetails::v1 as errordetails;
pub use temporal::api::failure::v1 as failure;
pub use temporal::api::filter::v1 as filter;
pub use temporal::api::history::v1 as history;
pub use temporal::api::namespace::v1 as namespace;
pub use temporal::api::operatorservice::v1 as operator;
pub use temporal::api::protocol::v1 as protocol;
pub use temporal::api::query::v1 as query;
pub use temporal::api::replication::v1 as replication;
pub use temporal::api::schedule::v1 as schedule;
pub use temporal::api::sdk::v1 as sdk;
pub use temporal::api::taskqueue::v1 as taskqueue;
pub use temporal::api::update::v1 as update;
pub use temporal::api::version::v1 as version;
pub use temporal::api::workflow::v1 as workflow;
pub use temporal::api::workflowservice::v1 as service;

/// The paths of all methods that are served (`/package.Service/Method`).
pub const METHODS: &[&str] = include!(concat!(env!("OUT_DIR"), "/methods.rs"));
