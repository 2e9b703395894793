//! Why not, as gRPC says it: a code, words, and the typed details by which SDKs tell one refusal from another.
//!
//! The details are a `google.rpc.Status` in the trailer `grpc-status-details-bin`, with one message of
//! `temporal.api.errordetails.v1` in it.

use prost::Message;
use tonic::{Code, Status};

use crate::proto::errordetails as details;
use crate::proto::google::rpc;

/// The caller did not bring the key.
pub(crate) fn unauthorized() -> Status {
    let detail = details::PermissionDeniedFailure { reason: "the API key is missing or wrong".to_owned() };
    detailed(Code::PermissionDenied, "Request unauthorized.", "PermissionDeniedFailure", &detail)
}

/// A method that is not served. The words are those by which SDKs know that it is missing and not failing.
pub(crate) fn unknown_method(path: &str) -> Status {
    let path = path.strip_prefix('/').unwrap_or(path);
    match path.split_once('/') {
        Some((service, method)) => {
            Status::unimplemented(format!("unknown method {method} for service {service}"))
        }
        None => Status::unimplemented(format!("unknown service {path}")),
    }
}

fn detailed(code: Code, message: &str, name: &str, detail: &impl Message) -> Status {
    let any = prost_types::Any {
        type_url: format!("type.googleapis.com/temporal.api.errordetails.v1.{name}"),
        value: detail.encode_to_vec(),
    };
    let status = rpc::Status { code: code as i32, message: message.to_owned(), details: vec![any] };
    Status::with_details(code, message, status.encode_to_vec().into())
}
