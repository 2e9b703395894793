//! The start of a child, behind the command that asked for it.

use tidegate_model::event::{
    Event, Execution, StartChildFailedCause, StartChildWorkflowInitiated, WorkflowIdConflictPolicy,
    WorkflowParent,
};
use tidegate_model::id::{EventId, RunId};

use super::Child;
use crate::engine::{Engine, Step};
use crate::external::request_id;
use crate::request::StartWorkflow;
use crate::run::Run;
use crate::start::{Parentage, Standing, new_run};

impl Engine {
    /// Starts a child and tells the parent that it runs, or why it does not.
    pub(crate) fn start_child(&mut self, step: &mut Step<'_>, run_id: RunId, initiated_event_id: EventId) {
        let parent = self.run(run_id);
        let child = parent.children.0.get(&initiated_event_id).expect("who is to be started was asked for");
        let outcome = match self.child_of_base(parent, child) {
            Some(first_run_id) => Ok(first_run_id),
            None => self.start_new_child(step, run_id, initiated_event_id),
        };
        let child = self.run(run_id).children.0.get(&initiated_event_id);
        let Child { initiated, .. } = child.expect("nothing happened to it since");
        let event = match outcome {
            Ok(first_run_id) => started(initiated, initiated_event_id, first_run_id),
            Err(cause) => Event::StartChildWorkflowExecutionFailed {
                cause,
                namespace: initiated.namespace.clone(),
                workflow_id: initiated.workflow_id.clone(),
                workflow_type: initiated.workflow_type.clone(),
                initiated_event_id,
                workflow_task_completed_event_id: initiated.workflow_task_completed_event_id,
                control: initiated.control.clone(),
            },
        };
        self.arrive(step, run_id, vec![event]);
    }

    /// The first run of the child that a run's base started, when the run is a fork from before it knew of that
    /// (`verifyChildWorkflow`).
    fn child_of_base(&self, parent: &Run, Child { initiated, .. }: &Child) -> Option<RunId> {
        let child = self.current(&initiated.namespace, &initiated.workflow_id)?;
        let of = child.started.parent.as_ref()?;
        let is_of_base = of.run_id != parent.head.run_id
            && of.workflow_id == parent.head.workflow_id
            && self.after_resets(of.run_id) == parent.head.run_id;
        is_of_base.then_some(child.started.first_execution_run_id)
    }

    fn start_new_child(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        initiated_event_id: EventId,
    ) -> Result<RunId, StartChildFailedCause> {
        let parent = self.run(run_id);
        let child = parent.children.0.get(&initiated_event_id).expect("who is to be started was asked for");
        if self.namespaces.get(&child.initiated.namespace).is_err() {
            return Err(StartChildFailedCause::NamespaceNotFound);
        }
        let start = request(parent, initiated_event_id, &child.initiated);
        let parentage = parentage(parent, initiated_event_id);
        match self.met(step.now, &start) {
            Ok(Standing::Vacant) => {
                let child_run_id = step.chance.run_id(step.now);
                // How many runs may be open was asked when the command came.
                let new = new_run(step.now, child_run_id, start, parentage);
                self.begin(step, new, None);
                Ok(child_run_id)
            }
            Ok(Standing::Repeated { run_id, started: true }) => Ok(run_id),
            Ok(
                Standing::Repeated { started: false, .. }
                | Standing::Content { .. }
                | Standing::Replaced { .. },
            )
            | Err(_) => Err(StartChildFailedCause::WorkflowAlreadyExists),
        }
    }
}

/// The event that says that a child runs.
pub(super) fn started(
    initiated: &StartChildWorkflowInitiated,
    initiated_event_id: EventId,
    first_run_id: RunId,
) -> Event {
    Event::ChildWorkflowExecutionStarted {
        child: Box::new(Execution {
            namespace: initiated.namespace.clone(),
            workflow_id: initiated.workflow_id.clone(),
            run_id: Some(first_run_id),
        }),
        workflow_type: initiated.workflow_type.clone(),
        initiated_event_id,
        header: initiated.header.clone(),
    }
}

/// What starts the child. Its request id says which event of which run asks, so that asking again starts no second.
fn request(
    parent: &Run,
    initiated_event_id: EventId,
    initiated: &StartChildWorkflowInitiated,
) -> StartWorkflow {
    let initiated = initiated.clone();
    StartWorkflow {
        input: initiated.input,
        workflow_task_timeout: Some(initiated.workflow_task_timeout),
        request_id: request_id(parent.head.run_id, initiated_event_id),
        header: initiated.header,
        memo: initiated.memo,
        search_attributes: initiated.search_attributes,
        workflow_execution_timeout: initiated.workflow_execution_timeout,
        workflow_run_timeout: initiated.workflow_run_timeout,
        workflow_id_reuse_policy: initiated.workflow_id_reuse_policy,
        workflow_id_conflict_policy: WorkflowIdConflictPolicy::Fail,
        retry_policy: initiated.retry_policy,
        cron_schedule: initiated.cron_schedule,
        priority: initiated.priority.or_else(|| parent.started.priority.clone()),
        user_metadata: initiated.user_metadata,
        ..StartWorkflow::new(
            initiated.namespace,
            initiated.workflow_id,
            initiated.workflow_type,
            initiated.task_queue,
        )
    }
}

/// The root is the first run of the topmost execution's chain: it stays the same when that goes on in another run.
fn parentage(parent: &Run, initiated_event_id: EventId) -> Parentage {
    let head = &parent.head;
    let root = parent.started.root.clone().unwrap_or_else(|| {
        Box::new(Execution {
            namespace: head.namespace.clone(),
            workflow_id: head.workflow_id.clone(),
            run_id: Some(parent.started.first_execution_run_id),
        })
    });
    let parent = WorkflowParent {
        namespace: head.namespace.clone(),
        workflow_id: head.workflow_id.clone(),
        run_id: head.run_id,
        initiated_event_id,
    };
    Parentage { parent: Some(Box::new(parent)), root: Some(root) }
}
