//! Signals: from outside into a run, each once.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tidegate_model::event::Event;
use tidegate_model::id::{EventId, Namespace, RunId, WorkflowId};
use tidegate_model::payload::{Header, Payloads};

use crate::bounds;
use crate::engine::{Engine, Step};
use crate::request::{Refusal, Reply};
use crate::settings::Settings;

/// The signals a run has had.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Signals {
    count: u64,
    /// Those that came with one.
    request_ids: BTreeSet<String>,
}

impl Signals {
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a signal came with this request id; never when it is empty.
    pub(crate) fn knows(&self, request_id: &str) -> bool {
        self.request_ids.contains(request_id)
    }

    /// Whether there may be another.
    pub(crate) fn check_count(&self, run_id: RunId, settings: &Settings) -> Result<(), Refusal> {
        let most = settings.signals_per_run_max;
        if self.count < most {
            return Ok(());
        }
        let message = format!("run {run_id} has had {most} signals; that is SIGNALS_PER_RUN_MAX");
        Err(Refusal::InvalidArgument(message))
    }

    pub(crate) fn arrived(&mut self, request_id: &str) {
        self.count += 1;
        if !request_id.is_empty() {
            self.request_ids.insert(request_id.to_owned());
        }
    }
}

/// What a caller sends.
pub(crate) struct Signal {
    pub(crate) namespace: Namespace,
    pub(crate) workflow_id: WorkflowId,
    pub(crate) run_id: Option<RunId>,
    pub(crate) signal_name: String,
    pub(crate) input: Payloads,
    pub(crate) identity: String,
    pub(crate) request_id: String,
    pub(crate) header: Header,
}

impl Engine {
    pub(crate) fn signal(&mut self, step: &mut Step<'_>, signal: Signal) -> Result<Reply, Refusal> {
        let Signal { namespace, workflow_id, run_id, signal_name, input, identity, request_id, header } =
            signal;
        check(&signal_name, &input, &self.settings)?;
        bounds::id("identity", &identity)?;
        bounds::id("request id", &request_id)?;
        bounds::header("signal header", &header, &self.settings)?;
        let run = self.find_open(&namespace, &workflow_id, run_id)?;
        let run_id = run.head.run_id;
        if run.signals.knows(&request_id) {
            return Ok(Reply::Signaled { run_id, event_id: None, fresh: false });
        }
        run.signals.check_count(run_id, &self.settings)?;
        let signaled = Event::WorkflowExecutionSignaled {
            signal_name,
            input,
            identity,
            request_id,
            header,
            external: None,
        };
        let event_id = self.arrive_signal(step, run_id, signaled);
        Ok(Reply::Signaled { run_id, event_id, fresh: true })
    }

    /// Takes a signal into a run. One that comes before the first task's time waits for that
    /// (`createWorkflowTask` in `signalworkflow/api.go`).
    pub(crate) fn arrive_signal(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        signaled: Event,
    ) -> Option<EventId> {
        if self.run(run_id).times.waits_for_first_task() {
            self.arrive_quietly(step, run_id, vec![signaled])
        } else {
            self.arrive(step, run_id, vec![signaled])
        }
    }
}

/// What every signal must say.
pub(crate) fn check(signal_name: &str, input: &Payloads, settings: &Settings) -> Result<(), Refusal> {
    bounds::required_id("signal name", signal_name)?;
    bounds::payloads("signal input", input, settings)?;
    Ok(())
}
