//! Nexus tasks: polled for, and never there.
//!
//! Nexus is not served: no endpoint can be made, so no operation can be asked for. A worker with Nexus handlers polls all
//! the same, whatever the namespace says it can do, and one whose poll is refused does not end any more. So the poll is
//! held open like one for activities and ends with nothing to do.

use tidegate_engine::{NamespaceRef, Request, WorkflowService};
use tonic::Status;

use crate::api::{Api, Patience};
use crate::convert::inward;
use crate::proto::service::{PollNexusTaskQueueRequest, PollNexusTaskQueueResponse};

pub(crate) async fn poll<S: WorkflowService>(
    api: &Api<S>,
    patience: Patience,
    request: PollNexusTaskQueueRequest,
) -> Result<PollNexusTaskQueueResponse, Status> {
    let namespace = inward::namespace(&request.namespace)?;
    inward::task_queue("task_queue", request.task_queue)?;
    api.ask(Request::DescribeNamespace(NamespaceRef::Name(namespace))).await?;
    api.idle(patience, &request.worker_instance_key).await;
    Ok(PollNexusTaskQueueResponse::default())
}
