//! Why not, as gRPC says it: a code, words, and the typed details by which SDKs tell one refusal from another.
//!
//! The details are a `google.rpc.Status` in the trailer `grpc-status-details-bin`, with one message of
//! `temporal.api.errordetails.v1` in it.

use prost::Message;
use tidegate_engine::{Refusal, ServiceError};
use tonic::{Code, Status};

use crate::convert::{Invalid, outward};
use crate::proto::enums::{ResourceExhaustedCause, ResourceExhaustedScope};
use crate::proto::errordetails as details;
use crate::proto::errordetails::multi_operation_execution_failure::OperationStatus;
use crate::proto::failure::MultiOperationExecutionAborted;
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

/// What the engine, or the way to it, says instead of a reply.
pub(crate) fn of_service(error: ServiceError) -> Status {
    match error {
        ServiceError::Refused(refusal) => of(refusal),
        ServiceError::Stopped => Status::unavailable("the server is shutting down"),
        ServiceError::History(error) => {
            tracing::error!(error, "a history could not be read");
            Status::internal("the history of the run could not be read")
        }
    }
}

/// What the engine refuses.
pub(crate) fn of(refusal: Refusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        Refusal::AlreadyStarted { run_id, start_request_id, message: _ } => {
            let run_id = run_id.to_string();
            let first_execution_run_id = String::new();
            let detail = details::WorkflowExecutionAlreadyStartedFailure {
                start_request_id,
                run_id,
                first_execution_run_id,
            };
            detailed(Code::AlreadyExists, &message, "WorkflowExecutionAlreadyStartedFailure", &detail)
        }
        Refusal::NotFound(_) => {
            detailed(Code::NotFound, &message, "NotFoundFailure", &details::NotFoundFailure::default())
        }
        Refusal::InvalidArgument(_) => Status::invalid_argument(message),
        Refusal::ResourceExhausted { .. } => exhausted(&message, ResourceExhaustedCause::ConcurrentLimit),
        Refusal::NamespaceNotFound(namespace) => no_such_namespace(&message, namespace.to_string()),
        Refusal::NamespaceAlreadyExists(_) => {
            let detail = details::NamespaceAlreadyExistsFailure {};
            detailed(Code::AlreadyExists, &message, "NamespaceAlreadyExistsFailure", &detail)
        }
        Refusal::AlreadyExists(_) => Status::already_exists(message),
        // SDKs know it by the detail they know a run by.
        Refusal::ScheduleAlreadyExists(_) => {
            let detail = details::WorkflowExecutionAlreadyStartedFailure::default();
            detailed(Code::AlreadyExists, &message, "WorkflowExecutionAlreadyStartedFailure", &detail)
        }
        Refusal::FailedPrecondition(_) => Status::failed_precondition(message),
        Refusal::WorkflowNotReady(_) => {
            let detail = details::WorkflowNotReadyFailure {};
            detailed(Code::FailedPrecondition, &message, "WorkflowNotReadyFailure", &detail)
        }
        Refusal::QueryFailed { message, failure } => {
            let failure = failure.map(|failure| outward::failure(*failure));
            let detail = details::QueryFailedFailure { failure };
            detailed(Code::InvalidArgument, &message, "QueryFailedFailure", &detail)
        }
        Refusal::BusyWorkflow(_) => exhausted(&message, ResourceExhaustedCause::BusyWorkflow),
        Refusal::MultiOperation { is_start, refusal } => of_half(is_start, &of(*refusal)),
        // Whoever asks with a history reads it again and asks again; one who never succeeds is told to come back.
        Refusal::Stale => Status::unavailable(message),
        Refusal::Unimplemented(_) => Status::unimplemented(message),
    }
}

impl From<Invalid> for Status {
    fn from(invalid: Invalid) -> Self {
        let message = invalid.to_string();
        match invalid {
            Invalid::Field(_) => Self::invalid_argument(message),
            Invalid::NoSuchNamespace(namespace) => no_such_namespace(&message, namespace),
        }
    }
}

fn no_such_namespace(message: &str, namespace: String) -> Status {
    let detail = details::NamespaceNotFoundFailure { namespace };
    detailed(Code::NotFound, message, "NamespaceNotFoundFailure", &detail)
}

/// A limit of the API's own is reached.
pub(crate) fn too_many(message: &str) -> Status {
    exhausted(message, ResourceExhaustedCause::ConcurrentLimit)
}

fn exhausted(message: &str, cause: ResourceExhaustedCause) -> Status {
    let detail = details::ResourceExhaustedFailure {
        cause: cause.into(),
        scope: ResourceExhaustedScope::Namespace.into(),
    };
    detailed(Code::ResourceExhausted, message, "ResourceExhaustedFailure", &detail)
}

/// One half of a start with an update is refused: its own status, and for the other that it was not carried out.
fn of_half(is_start: bool, refused: &Status) -> Status {
    let own = OperationStatus {
        code: refused.code() as i32,
        message: refused.message().to_owned(),
        details: rpc::Status::decode(refused.details()).map(|status| status.details).unwrap_or_default(),
    };
    let other = OperationStatus {
        code: Code::Aborted as i32,
        message: "Operation was aborted.".to_owned(),
        details: vec![any("failure.v1.MultiOperationExecutionAborted", &MultiOperationExecutionAborted {})],
    };
    let (half, statuses) = if is_start { ("Start", vec![own, other]) } else { ("Update", vec![other, own]) };
    let message = format!("MultiOperation could not be executed: {half} failed: {}", refused.message());
    let detail = details::MultiOperationExecutionFailure { statuses };
    detailed(refused.code(), &message, "MultiOperationExecutionFailure", &detail)
}

fn any(name: &str, message: &impl Message) -> prost_types::Any {
    prost_types::Any {
        type_url: format!("type.googleapis.com/temporal.api.{name}"),
        value: message.encode_to_vec(),
    }
}

fn detailed(code: Code, message: &str, name: &str, detail: &impl Message) -> Status {
    let details = vec![any(&format!("errordetails.v1.{name}"), detail)];
    let status = rpc::Status { code: code as i32, message: message.to_owned(), details };
    Status::with_details(code, message, status.encode_to_vec().into())
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use tidegate_model::payload::Failure;

    use super::*;

    /// The code of a refusal, and the name of its detail.
    fn told(refusal: Refusal) -> (Code, String) {
        let status = of(refusal);
        let details = rpc::Status::decode(status.details()).expect("a google.rpc.Status, or nothing");
        let name = details.details.first().map(|detail| detail.type_url.clone()).unwrap_or_default();
        (status.code(), name.rsplit('.').next().unwrap_or_default().to_owned())
    }

    #[test]
    fn every_refusal_has_its_code_and_the_detail_by_which_sdks_know_it() {
        let check = |refusal, code, name: &str| assert_eq!(told(refusal), (code, name.to_owned()));
        let words = || "words".to_owned();
        let run_id = tidegate_model::id::RunId::from_u128(1);
        let started = Refusal::AlreadyStarted { run_id, start_request_id: words(), message: words() };
        check(started, Code::AlreadyExists, "WorkflowExecutionAlreadyStartedFailure");
        check(Refusal::NotFound(words()), Code::NotFound, "NotFoundFailure");
        check(Refusal::InvalidArgument(words()), Code::InvalidArgument, "");
        let exhausted = Refusal::ResourceExhausted { limit: "OPEN_RUNS_MAX", message: words() };
        check(exhausted, Code::ResourceExhausted, "ResourceExhaustedFailure");
        let namespace = || "ward".parse().expect("a name");
        check(Refusal::NamespaceNotFound(namespace()), Code::NotFound, "NamespaceNotFoundFailure");
        check(
            Refusal::NamespaceAlreadyExists(namespace()),
            Code::AlreadyExists,
            "NamespaceAlreadyExistsFailure",
        );
        check(Refusal::AlreadyExists(words()), Code::AlreadyExists, "");
        let schedule = "nightly".parse().expect("an id");
        let exists = Refusal::ScheduleAlreadyExists(schedule);
        check(exists, Code::AlreadyExists, "WorkflowExecutionAlreadyStartedFailure");
        check(Refusal::FailedPrecondition(words()), Code::FailedPrecondition, "");
        check(Refusal::WorkflowNotReady(words()), Code::FailedPrecondition, "WorkflowNotReadyFailure");
        let query = Refusal::QueryFailed { message: words(), failure: None };
        check(query, Code::InvalidArgument, "QueryFailedFailure");
        check(Refusal::BusyWorkflow(words()), Code::ResourceExhausted, "ResourceExhaustedFailure");
        check(Refusal::Stale, Code::Unavailable, "");
        check(Refusal::Unimplemented("reset"), Code::Unimplemented, "");
    }

    #[test]
    fn a_failed_query_carries_what_the_worker_said() {
        let failure = Failure::application("no such query", "QueryError", false);
        let refusal = Refusal::QueryFailed { message: "no".to_owned(), failure: Some(Box::new(failure)) };
        let details = rpc::Status::decode(of(refusal).details()).expect("a google.rpc.Status");
        let detail =
            details::QueryFailedFailure::decode(details.details[0].value.as_slice()).expect("its own");
        assert_eq!(detail.failure.expect("what was said").message, "no such query");
    }

    #[test]
    fn of_a_start_with_an_update_each_half_says_how_it_fared() {
        for is_start in [true, false] {
            let refused = Box::new(Refusal::NotFound("words".to_owned()));
            let status = of(Refusal::MultiOperation { is_start, refusal: refused });
            assert_eq!(status.code(), Code::NotFound);
            let details = rpc::Status::decode(status.details()).expect("a google.rpc.Status");
            let both = details::MultiOperationExecutionFailure::decode(details.details[0].value.as_slice())
                .expect("its own");
            let [start, update] = both.statuses.as_slice() else { panic!("two halves") };
            let (refused, aborted) = if is_start { (start, update) } else { (update, start) };
            assert_eq!((refused.code, refused.message.as_str()), (Code::NotFound as i32, "words"));
            assert_eq!(aborted.code, Code::Aborted as i32);
            let url = "type.googleapis.com/temporal.api.failure.v1.MultiOperationExecutionAborted";
            assert_eq!(aborted.details[0].type_url, url);
        }
    }
}
