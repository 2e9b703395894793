//! The end of a run from outside, whatever the run is doing.

use std::collections::BTreeSet;

use tidegate_model::event::{Event, WorkflowTaskFailedCause};
use tidegate_model::id::{Namespace, RunId, WorkflowId};
use tidegate_model::payload::{Failure, FailureInfo, Payloads};

use crate::bounds;
use crate::close::ENGINE_IDENTITY;
use crate::engine::{Engine, Step};
use crate::record::{Record, StateChange};
use crate::request::{Refusal, Reply, TerminateWorkflow};
use crate::run::Run;
use crate::visibility::{Known, completed, not_found};

impl Engine {
    pub(crate) fn terminate(
        &mut self,
        step: &mut Step<'_>,
        terminate: TerminateWorkflow,
    ) -> Result<Reply, Refusal> {
        let TerminateWorkflow {
            namespace,
            workflow_id,
            run_id,
            first_execution_run_id,
            reason,
            details,
            identity,
        } = terminate;
        bounds::id("identity", &identity)?;
        bounds::blob("reason", reason.len(), &self.settings)?;
        bounds::payloads("details", &details, &self.settings)?;
        let run = self.meant(&namespace, &workflow_id, run_id, first_execution_run_id)?;
        let run_id = run.ok_or_else(completed)?.head.run_id;
        self.terminate_run(step, run_id, reason, details, identity);
        Ok(Reply::Done)
    }

    pub(crate) fn terminate_run(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        reason: String,
        details: Payloads,
        identity: String,
    ) {
        self.close_over_task(step, run_id, Event::WorkflowExecutionTerminated { reason, details, identity });
    }

    /// Ends a run with this event. A task that is out is given up, and what waited for it is in history before the end:
    /// nobody will see it, but a reset takes it from there (`TerminateWorkflow`, `TimeoutWorkflow`).
    pub(crate) fn close_over_task(&mut self, step: &mut Step<'_>, run_id: RunId, end: Event) {
        let run = self.run(run_id);
        let out = run.workflow_tasks.current().and_then(|task| task.lease().map(|lease| (task, lease)));
        let (is_transient, given_up) = match out {
            None => (false, None),
            Some((task, _)) if task.is_transient() => (true, None),
            Some((task, lease)) => {
                let failed = Event::WorkflowTaskFailed {
                    scheduled_event_id: task.scheduled_event_id(),
                    started_event_id: lease.started_event_id,
                    cause: WorkflowTaskFailedCause::ForceCloseCommand,
                    failure: Failure {
                        info: FailureInfo::Server { non_retryable: false },
                        ..Failure::application("the run has closed", "", false)
                    },
                    identity: ENGINE_IDENTITY.to_owned(),
                    reset: None,
                };
                (false, Some(failed))
            }
        };
        let waited = run.buffer.ordered(&BTreeSet::new());
        if is_transient {
            self.commit(step, Record::State(StateChange::TransientTaskEnded { run_id, time: step.now }));
        }
        self.write(step, run_id, given_up.into_iter().chain(waited).chain([end]).collect());
    }

    /// The open run that a caller means, or `None` where it has closed. With the first run of a chain given it is the
    /// run of that chain that is open, whichever was named.
    pub(crate) fn meant(
        &self,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
        first_execution_run_id: Option<RunId>,
    ) -> Result<Option<&Run>, Refusal> {
        let run_id = if first_execution_run_id.is_some() { None } else { run_id };
        let Known::Open(run) = self.find(namespace, workflow_id, run_id)? else { return Ok(None) };
        match first_execution_run_id {
            Some(first) if first != run.started.first_execution_run_id => {
                Err(not_found(workflow_id, Some(first)))
            }
            Some(_) | None => Ok(Some(run)),
        }
    }
}
