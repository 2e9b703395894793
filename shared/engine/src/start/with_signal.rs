//! A start and a signal in one transition: the signal is never without a run, nor the run without the signal.

use tidegate_model::event::{Event, WorkflowIdConflictPolicy};

use super::{Parentage, Standing};
use crate::engine::{Engine, Step};
use crate::request::{Refusal, Reply, SignalWithStart};
use crate::signal;

impl Engine {
    pub(crate) fn signal_with_start(
        &mut self,
        step: &mut Step<'_>,
        request: SignalWithStart,
    ) -> Result<Reply, Refusal> {
        let SignalWithStart { start, signal_name, signal_input } = request;
        let start = self.checked(step.now, start)?;
        signal::check(&signal_name, &signal_input, &self.settings)?;
        let signaled = Event::WorkflowExecutionSignaled {
            signal_name,
            input: signal_input,
            identity: start.identity.clone(),
            request_id: start.request_id.clone(),
            header: start.header.clone(),
            external: None,
        };
        let replaces = start.workflow_id_conflict_policy == WorkflowIdConflictPolicy::TerminateExisting;
        if let Some(run) = self.current(&start.namespace, &start.workflow_id).filter(|_| !replaces) {
            let run_id = run.head.run_id;
            let fresh = !run.signals.knows(&start.request_id);
            if fresh {
                run.signals.check_count(run_id, &self.settings)?;
                // It does not wait for the first task's time, as a plain signal does
                // (`signal_with_start_workflow.go`).
                self.arrive(step, run_id, vec![signaled]);
            }
            return Ok(Reply::Started { run_id, fresh, started: false });
        }
        match self.met(step.now, &start)? {
            Standing::Vacant => {
                let run_id = self.start_anew(step, start, Parentage::default(), Some(signaled))?;
                Ok(Reply::Started { run_id, fresh: true, started: true })
            }
            Standing::Replaced { run_id } => {
                let run_id = self.replace(step, run_id, start, Some(signaled));
                Ok(Reply::Started { run_id, fresh: true, started: true })
            }
            Standing::Repeated { run_id, started: _ } | Standing::Content { run_id } => {
                Ok(Reply::Started { run_id, fresh: false, started: false })
            }
        }
    }
}
