//! Signals and requests to cancel that a workflow sends to executions it has not begun, or to its children by name.
//!
//! The command is recorded, then carried out as an errand, and its outcome comes back as an event: a target that is not
//! there is an outcome, not an error. The target sees the run and the event that asked as the request's id, so that it
//! would know a repetition.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidegate_model::event::{
    Event, Execution, ExternalWorkflowFailedCause, WorkflowParent, WorkflowTaskFailedCause,
};
use tidegate_model::id::{EventId, RunId};
use tidegate_model::payload::{Header, Payloads};

use crate::bounds::{self, Wrong};
use crate::close::ENGINE_IDENTITY;
use crate::engine::{Engine, Step};
use crate::index::{Entry, Index};
use crate::outbox::{Errand, What};
use crate::plan::{BadCommand, Draft};
use crate::run::{Head, Run};

/// What a run has sent to others and knows no outcome of, by the events that asked for it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Externals {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    signals: BTreeMap<EventId, Sent<SignalOther>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    cancels: BTreeMap<EventId, Sent<CancelOther>>,
}

/// A command on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sent<What> {
    target: Execution,
    what: What,
    control: String,
    child_workflow_only: bool,
    workflow_task_completed_event_id: EventId,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SignalOther {
    signal_name: String,
    input: Payloads,
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    header: Header,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CancelOther {
    reason: String,
}

impl Externals {
    pub(crate) fn is_empty(&self) -> bool {
        self.signals.is_empty() && self.cancels.is_empty()
    }

    pub(crate) fn signals(&self) -> usize {
        self.signals.len()
    }

    pub(crate) fn cancels(&self) -> usize {
        self.cancels.len()
    }

    pub(crate) fn entries(&self, head: &Head) -> impl Iterator<Item = Entry> {
        let run_id = head.run_id;
        let signals = self.signals.keys().map(move |id| errand(run_id, *id, What::Signal));
        signals.chain(self.cancels.keys().map(move |id| errand(run_id, *id, What::Cancel)))
    }

    /// Takes one of the two events that ask for something.
    pub(crate) fn initiated(&mut self, head: &Head, id: EventId, event: &Event, index: &mut Index) {
        if let Event::SignalExternalWorkflowExecutionInitiated {
            workflow_task_completed_event_id,
            target,
            signal_name,
            input,
            control,
            child_workflow_only,
            header,
        } = event
        {
            let sent = Sent {
                target: target.as_ref().clone(),
                what: SignalOther {
                    signal_name: signal_name.clone(),
                    input: input.clone(),
                    header: header.clone(),
                },
                control: control.clone(),
                child_workflow_only: *child_workflow_only,
                workflow_task_completed_event_id: *workflow_task_completed_event_id,
            };
            self.signals.insert(id, sent);
            index.put([errand(head.run_id, id, What::Signal)]);
        } else if let Event::RequestCancelExternalWorkflowExecutionInitiated {
            workflow_task_completed_event_id,
            target,
            control,
            child_workflow_only,
            reason,
        } = event
        {
            let sent = Sent {
                target: target.as_ref().clone(),
                what: CancelOther { reason: reason.clone() },
                control: control.clone(),
                child_workflow_only: *child_workflow_only,
                workflow_task_completed_event_id: *workflow_task_completed_event_id,
            };
            self.cancels.insert(id, sent);
            index.put([errand(head.run_id, id, What::Cancel)]);
        }
    }

    /// The outcome of a signal is known.
    pub(crate) fn signal_ended(&mut self, head: &Head, initiated_event_id: EventId, index: &mut Index) {
        let ended = self.signals.remove(&initiated_event_id);
        ended.expect("an outcome is that of a signal on its way");
        index.take([errand(head.run_id, initiated_event_id, What::Signal)]);
    }

    /// The outcome of a request to cancel is known.
    pub(crate) fn cancel_ended(&mut self, head: &Head, initiated_event_id: EventId, index: &mut Index) {
        let ended = self.cancels.remove(&initiated_event_id);
        ended.expect("an outcome is that of a request on its way");
        index.take([errand(head.run_id, initiated_event_id, What::Cancel)]);
    }
}

fn errand(run_id: RunId, event_id: EventId, what: What) -> Entry {
    Entry::Errand(Errand { run_id, event_id, what })
}

/// The request id of what a run asks of others.
pub(crate) fn request_id(run_id: RunId, initiated_event_id: EventId) -> String {
    format!("{run_id}:{initiated_event_id}")
}

impl Draft<'_> {
    pub(crate) fn signal_external(
        &mut self,
        target: Execution,
        signal_name: String,
        input: Payloads,
        control: String,
        child_workflow_only: bool,
        header: Header,
    ) -> Result<Event, BadCommand> {
        let bad =
            |reason| BadCommand::new(WorkflowTaskFailedCause::BadSignalWorkflowExecutionAttributes, reason);
        bounds::required_id("signal name", &signal_name).map_err(bad)?;
        bounds::payloads("signal input", &input, self.settings).map_err(bad)?;
        bounds::header("signal header", &header, self.settings).map_err(bad)?;
        bounds::blob("control", control.len(), self.settings).map_err(bad)?;
        if self.outgoing.signals >= self.settings.pending_signals_max {
            let reason = format!("PENDING_SIGNALS_MAX is {}", self.settings.pending_signals_max);
            return Err(BadCommand::new(WorkflowTaskFailedCause::PendingSignalsLimitExceeded, reason));
        }
        self.outgoing.signals += 1;
        Ok(Event::SignalExternalWorkflowExecutionInitiated {
            workflow_task_completed_event_id: self.completed_event_id,
            target: Box::new(target),
            signal_name,
            input,
            control,
            child_workflow_only,
            header,
        })
    }

    pub(crate) fn cancel_external(
        &mut self,
        target: Execution,
        control: String,
        child_workflow_only: bool,
        reason: String,
    ) -> Result<Event, BadCommand> {
        let bad = |wrong| {
            let cause = WorkflowTaskFailedCause::BadRequestCancelExternalWorkflowExecutionAttributes;
            BadCommand::new(cause, wrong)
        };
        bounds::blob("control", control.len(), self.settings).map_err(bad)?;
        bounds::blob("reason", reason.len(), self.settings).map_err(bad)?;
        if self.outgoing.begun.contains(&target.workflow_id) {
            let message = format!("a child is not begun and cancelled by one task: {}", target.workflow_id);
            return Err(bad(Wrong(message)));
        }
        if self.outgoing.cancels >= self.settings.pending_cancel_requests_max {
            let reason =
                format!("PENDING_CANCEL_REQUESTS_MAX is {}", self.settings.pending_cancel_requests_max);
            return Err(BadCommand::new(WorkflowTaskFailedCause::PendingRequestCancelLimitExceeded, reason));
        }
        self.outgoing.cancels += 1;
        Ok(Event::RequestCancelExternalWorkflowExecutionInitiated {
            workflow_task_completed_event_id: self.completed_event_id,
            target: Box::new(target),
            control,
            child_workflow_only,
            reason,
        })
    }
}

impl Engine {
    /// Signals another execution for a run, and tells the run what came of it.
    pub(crate) fn signal_other(&mut self, step: &mut Step<'_>, run_id: RunId, initiated_event_id: EventId) {
        let run = self.run(run_id);
        let sent = run.externals.signals.get(&initiated_event_id).expect("what is to be done was asked for");
        let sent = sent.clone();
        let outcome = self.deliver_signal(step, run_id, initiated_event_id, &sent);
        let Sent { target, control, workflow_task_completed_event_id, .. } = sent;
        let target = Box::new(target);
        let event = match outcome {
            Ok(()) => Event::ExternalWorkflowExecutionSignaled { initiated_event_id, target, control },
            Err(cause) => Event::SignalExternalWorkflowExecutionFailed {
                cause,
                target,
                initiated_event_id,
                workflow_task_completed_event_id,
                control,
            },
        };
        self.arrive(step, run_id, vec![event]);
    }

    fn deliver_signal(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        initiated_event_id: EventId,
        Sent { target, what, child_workflow_only, .. }: &Sent<SignalOther>,
    ) -> Result<(), ExternalWorkflowFailedCause> {
        self.check_target(run_id, target)?;
        let Ok(found) = self.find_open(&target.namespace, &target.workflow_id, target.run_id) else {
            return Err(ExternalWorkflowFailedCause::NotFound);
        };
        let request_id = request_id(run_id, initiated_event_id);
        if found.signals.knows(&request_id) {
            return Ok(());
        }
        if found.signals.check_count(found.head.run_id, &self.settings).is_err() {
            return Err(ExternalWorkflowFailedCause::SignalCountLimitExceeded);
        }
        self.check_child(run_id, found, *child_workflow_only)?;
        let sender = &self.run(run_id).head;
        let signaled = Event::WorkflowExecutionSignaled {
            signal_name: what.signal_name.clone(),
            input: what.input.clone(),
            identity: ENGINE_IDENTITY.to_owned(),
            request_id,
            header: what.header.clone(),
            external: Some(Box::new(Execution {
                namespace: sender.namespace.clone(),
                workflow_id: sender.workflow_id.clone(),
                run_id: Some(run_id),
            })),
        };
        let found = found.head.run_id;
        self.arrive_signal(step, found, signaled);
        Ok(())
    }

    /// Asks another execution to cancel for a run, and tells the run what came of it.
    pub(crate) fn cancel_other(&mut self, step: &mut Step<'_>, run_id: RunId, initiated_event_id: EventId) {
        let run = self.run(run_id);
        let sent = run.externals.cancels.get(&initiated_event_id).expect("what is to be done was asked for");
        let sent = sent.clone();
        let outcome = self.deliver_cancel(step, run_id, initiated_event_id, &sent);
        let Sent { target, control, workflow_task_completed_event_id, .. } = sent;
        let target = Box::new(target);
        let event = match outcome {
            Ok(()) => Event::ExternalWorkflowExecutionCancelRequested { initiated_event_id, target },
            Err(cause) => Event::RequestCancelExternalWorkflowExecutionFailed {
                cause,
                target,
                initiated_event_id,
                workflow_task_completed_event_id,
                control,
            },
        };
        self.arrive(step, run_id, vec![event]);
    }

    fn deliver_cancel(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        initiated_event_id: EventId,
        Sent { target, what, child_workflow_only, .. }: &Sent<CancelOther>,
    ) -> Result<(), ExternalWorkflowFailedCause> {
        self.check_target(run_id, target)?;
        let found = self.meant(&target.namespace, &target.workflow_id, target.run_id, None);
        // To ask a run that has closed is no failure: it has ended, as was wanted.
        let Some(found) = found.map_err(|_| ExternalWorkflowFailedCause::NotFound)? else { return Ok(()) };
        self.check_child(run_id, found, *child_workflow_only)?;
        if found.cancellation.is_some() {
            return Ok(());
        }
        let found = found.head.run_id;
        let asking = &self.run(run_id).head;
        let requested = Event::WorkflowExecutionCancelRequested {
            cause: what.reason.clone(),
            identity: ENGINE_IDENTITY.to_owned(),
            request_id: request_id(run_id, initiated_event_id),
            external: Some(Box::new(WorkflowParent {
                namespace: asking.namespace.clone(),
                workflow_id: asking.workflow_id.clone(),
                run_id,
                initiated_event_id,
            })),
        };
        self.arrive(step, found, vec![requested]);
        Ok(())
    }

    /// Nobody reaches a namespace that is not there, or himself this way.
    fn check_target(&self, run_id: RunId, target: &Execution) -> Result<(), ExternalWorkflowFailedCause> {
        let head = &self.run(run_id).head;
        if self.namespaces.get(&target.namespace).is_err() {
            Err(ExternalWorkflowFailedCause::NamespaceNotFound)
        } else if head.namespace == target.namespace && head.workflow_id == target.workflow_id {
            Err(ExternalWorkflowFailedCause::NotFound)
        } else {
            Ok(())
        }
    }

    /// Whether a run may be reached by one that wants to reach its own children only.
    fn check_child(
        &self,
        run_id: RunId,
        found: &Run,
        child_workflow_only: bool,
    ) -> Result<(), ExternalWorkflowFailedCause> {
        let parent = found.started.parent.as_ref();
        let is_child = parent.is_some_and(|parent| self.is_or_became(parent.run_id, run_id));
        if child_workflow_only && !is_child { Err(ExternalWorkflowFailedCause::NotFound) } else { Ok(()) }
    }
}
