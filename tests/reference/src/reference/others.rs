//! What runs do to each other, and their ends.

use tidegate_engine::{CancelWorkflow, Refusal, Reply, StartWorkflow, TerminateWorkflow};
use tidegate_model::event::{
    Event, Execution, ExternalWorkflowFailedCause, ParentClosePolicy, StartChildFailedCause, WorkflowParent,
};
use tidegate_model::id::{EventId, Namespace, RunId, WorkflowId};
use tidegate_model::payload::Payloads;

use super::Reference;
use super::start::Met;

const ENGINE: &str = "history-service";
pub(super) const RESETTER: &str = "history-resetter";

impl Reference {
    pub(super) fn terminate(&mut self, run_id: RunId, reason: String, details: Payloads, identity: String) {
        self.close(run_id, Event::WorkflowExecutionTerminated { reason, details, identity });
    }

    /// Ends a run whatever it is doing.
    pub(super) fn close(&mut self, run_id: RunId, end: Event) {
        self.give_up_task(run_id);
        self.write(run_id, vec![end]);
    }

    pub(super) fn cancel(&mut self, cancel: CancelWorkflow) -> Result<Reply, Refusal> {
        let CancelWorkflow { namespace, workflow_id, run_id, first_execution_run_id, .. } = cancel;
        let run_id = self.chain_or_run(&namespace, &workflow_id, run_id, first_execution_run_id)?;
        let run = self.run(run_id);
        if run.is_open() && !run.is_asked_to_cancel() {
            let requested = Event::WorkflowExecutionCancelRequested {
                cause: cancel.reason,
                identity: cancel.identity,
                request_id: cancel.request_id,
                external: None,
            };
            self.arrive(run_id, vec![requested], true);
        }
        Ok(Reply::Done)
    }

    pub(super) fn terminate_meant(&mut self, terminate: TerminateWorkflow) -> Result<Reply, Refusal> {
        let TerminateWorkflow { namespace, workflow_id, run_id, first_execution_run_id, .. } = terminate;
        let run_id = self.chain_or_run(&namespace, &workflow_id, run_id, first_execution_run_id)?;
        if !self.run(run_id).is_open() {
            return Err(Refusal::NotFound(String::from("workflow execution already completed")));
        }
        self.terminate(run_id, terminate.reason, terminate.details, terminate.identity);
        Ok(Reply::Done)
    }

    /// The run of a chain that is open, whichever was named; or the run that was named.
    fn chain_or_run(
        &self,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
        first: Option<RunId>,
    ) -> Result<RunId, Refusal> {
        let Some(first) = first else { return self.meant(namespace, workflow_id, run_id) };
        let found = self.meant(namespace, workflow_id, None)?;
        let run = self.run(found);
        if run.is_open() && run.started().first_execution_run_id != first {
            return Err(Refusal::NotFound(String::from("workflow execution not found")));
        }
        Ok(found)
    }

    /// A signal that comes before the first task's time waits for that.
    pub(super) fn arrive_signal(&mut self, run_id: RunId, signaled: Event) {
        let wakes = self.run(run_id).first_task_due().is_none();
        self.arrive(run_id, vec![signaled], wakes);
    }

    /// A run has closed: what it owes others.
    pub(super) fn leave(&mut self, run_id: RunId) {
        let run = self.run(run_id);
        let Some((_, end)) = run.history.last() else { return };
        let is_left =
            matches!(end, Event::WorkflowExecutionTerminated { identity, .. } if identity == RESETTER);
        let goes_on = match end {
            Event::WorkflowExecutionCompleted { new_execution_run_id, .. }
            | Event::WorkflowExecutionFailed { new_execution_run_id, .. }
            | Event::WorkflowExecutionTimedOut { new_execution_run_id, .. } => new_execution_run_id.is_some(),
            Event::WorkflowExecutionContinuedAsNew(_) => true,
            _ => false,
        };
        let is_to_tell = run.started().parent.is_some() && !goes_on && !is_left;
        let keeps = is_left && run.reset.is_some();
        let to_leave = run
            .children()
            .into_iter()
            .filter(|(_, child)| !keeps && child.run_id.is_some())
            .map(|(id, _)| id)
            .collect();
        let run = self.run_mut(run_id);
        run.is_to_tell = is_to_tell;
        run.to_leave = to_leave;
    }

    /// The first thing that some run has to do to another, by the age of the run and as it was asked for.
    pub(super) fn do_something_for_others(&mut self) -> bool {
        let mut ids: Vec<RunId> = self.runs.keys().chain(self.forgotten.keys()).copied().collect();
        ids.sort();
        for run_id in ids {
            let run = self.any_run(run_id).expect("listed a moment ago");
            if run.is_open() {
                let unstarted = run.children().into_iter().filter(|(_, child)| child.run_id.is_none());
                let unstarted = unstarted.map(|(id, _)| id).min();
                let unsent = run.sent().keys().next().copied();
                match (unstarted, unsent) {
                    (Some(child), sent) if sent.is_none_or(|sent| child < sent) => {
                        self.start_child(run_id, child);
                        return true;
                    }
                    (_, Some(sent)) => {
                        self.send(run_id, sent);
                        return true;
                    }
                    (_, None) => {}
                }
            } else if run.is_to_tell {
                self.any_run_mut(run_id).is_to_tell = false;
                self.tell_parent(run_id);
                return true;
            } else if let Some(child) = self.any_run_mut(run_id).to_leave.pop_first() {
                self.leave_child(run_id, child);
                return true;
            }
        }
        false
    }

    fn any_run_mut(&mut self, run_id: RunId) -> &mut super::Run {
        let run = self.runs.get_mut(&run_id).or_else(|| self.forgotten.get_mut(&run_id));
        run.expect("whoever changes a run has found it")
    }

    fn start_child(&mut self, parent_id: RunId, id: EventId) {
        let parent = self.run(parent_id).clone();
        let initiated = parent.children()[&id].initiated.clone();
        let started = |run_id| Event::ChildWorkflowExecutionStarted {
            child: Box::new(Execution {
                namespace: initiated.namespace.clone(),
                workflow_id: initiated.workflow_id.clone(),
                run_id: Some(run_id),
            }),
            workflow_type: initiated.workflow_type.clone(),
            initiated_event_id: id,
            header: initiated.header.clone(),
        };
        let event = match self.child_run(&parent, id) {
            Ok(run_id) => started(run_id),
            Err(cause) => Event::StartChildWorkflowExecutionFailed {
                cause,
                namespace: initiated.namespace.clone(),
                workflow_id: initiated.workflow_id.clone(),
                workflow_type: initiated.workflow_type.clone(),
                initiated_event_id: id,
                workflow_task_completed_event_id: initiated.workflow_task_completed_event_id,
                control: initiated.control.clone(),
            },
        };
        self.arrive(parent_id, vec![event], true);
    }

    /// The first run of a child: a new one, or the one that the run started from which the parent was forked.
    fn child_run(&mut self, parent: &super::Run, id: EventId) -> Result<RunId, StartChildFailedCause> {
        let initiated = parent.children()[&id].initiated.clone();
        if let Some(open) = self.open(&initiated.namespace, &initiated.workflow_id) {
            let child = self.run(open).started();
            let of = child.parent.as_ref();
            let is_ours = of.is_some_and(|of| {
                of.run_id != parent.run_id
                    && of.workflow_id == parent.workflow_id
                    && self.after_resets(of.run_id) == parent.run_id
            });
            if is_ours {
                return Ok(child.first_execution_run_id);
            }
        }
        if self.namespace_exists(&initiated.namespace).is_err() {
            return Err(StartChildFailedCause::NamespaceNotFound);
        }
        let root = parent.started().root.clone().unwrap_or_else(|| {
            let run_id = Some(parent.started().first_execution_run_id);
            Box::new(Execution { run_id, ..parent.execution() })
        });
        let of = WorkflowParent {
            namespace: parent.namespace.clone(),
            workflow_id: parent.workflow_id.clone(),
            run_id: parent.run_id,
            initiated_event_id: id,
        };
        let start = StartWorkflow {
            input: initiated.input,
            workflow_task_timeout: Some(initiated.workflow_task_timeout),
            request_id: format!("{}:{id}", parent.run_id),
            header: initiated.header,
            memo: initiated.memo,
            search_attributes: initiated.search_attributes,
            workflow_execution_timeout: initiated.workflow_execution_timeout,
            workflow_run_timeout: initiated.workflow_run_timeout,
            workflow_id_reuse_policy: initiated.workflow_id_reuse_policy,
            retry_policy: initiated.retry_policy,
            cron_schedule: initiated.cron_schedule,
            priority: initiated.priority.or_else(|| parent.started().priority.clone()),
            user_metadata: initiated.user_metadata,
            ..StartWorkflow::new(
                initiated.namespace,
                initiated.workflow_id,
                initiated.workflow_type,
                initiated.task_queue,
            )
        };
        match self.meets(&start) {
            Ok(Met::Nobody) => Ok(self.begin(start, Some(Box::new(of)), Some(root), None)),
            Ok(Met::Itself(run_id, true)) => Ok(run_id),
            Ok(Met::Itself(_, false) | Met::Content(_) | Met::Terminate(_)) | Err(_) => {
                Err(StartChildFailedCause::WorkflowAlreadyExists)
            }
        }
    }

    fn tell_parent(&mut self, run_id: RunId) {
        let run = self.any_run(run_id).expect("it was found a moment ago").clone();
        let parent = run.started().parent.clone().expect("who tells has a parent");
        let Some(told) = self.runs.get(&self.after_resets(parent.run_id)).filter(|run| run.is_open()) else {
            return;
        };
        let told_id = told.run_id;
        let id = parent.initiated_event_id;
        let children = told.children();
        let Some(waiting) = children.get(&id) else { return };
        let first = run.started().first_execution_run_id;
        let is_other = waiting.initiated.workflow_id != run.workflow_id
            || waiting.run_id.is_some_and(|started| started != first);
        if is_other {
            return;
        }
        let child = Box::new(run.execution());
        let workflow_type = run.started().workflow_type.clone();
        let (_, end) = run.history.last().expect("it has closed").clone();
        let (initiated_event_id, started_event_id) = (id, 0);
        let event = match end {
            Event::WorkflowExecutionCompleted { result, .. } => Event::ChildWorkflowExecutionCompleted {
                result,
                child,
                workflow_type,
                initiated_event_id,
                started_event_id,
            },
            Event::WorkflowExecutionFailed { failure, retry_state, .. } => {
                Event::ChildWorkflowExecutionFailed {
                    failure,
                    retry_state,
                    child,
                    workflow_type,
                    initiated_event_id,
                    started_event_id,
                }
            }
            Event::WorkflowExecutionCanceled { details, .. } => Event::ChildWorkflowExecutionCanceled {
                details,
                child,
                workflow_type,
                initiated_event_id,
                started_event_id,
            },
            Event::WorkflowExecutionTimedOut { retry_state, .. } => Event::ChildWorkflowExecutionTimedOut {
                retry_state,
                child,
                workflow_type,
                initiated_event_id,
                started_event_id,
            },
            Event::WorkflowExecutionTerminated { .. } => Event::ChildWorkflowExecutionTerminated {
                child,
                workflow_type,
                initiated_event_id,
                started_event_id,
            },
            other => panic!("{} ends nothing", other.type_name()),
        };
        self.arrive(told_id, vec![event], true);
    }

    /// What the parent close policy says of a child whose parent is gone.
    fn leave_child(&mut self, run_id: RunId, id: EventId) {
        let parent = self.any_run(run_id).expect("it was found a moment ago").clone();
        let children = parent.children();
        let child = &children[&id];
        let policy = child.initiated.parent_close_policy;
        let Some(open) = self.open(&child.initiated.namespace, &child.initiated.workflow_id) else { return };
        let run = self.run(open);
        let is_child =
            Some(run.started().first_execution_run_id) == child.run_id && self.is_child(open, run_id);
        if !is_child {
            return;
        }
        match policy {
            ParentClosePolicy::Abandon => {}
            ParentClosePolicy::Terminate => {
                let reason = String::from("by parent close policy");
                self.terminate(open, reason, Payloads::new(), ENGINE.to_owned());
            }
            ParentClosePolicy::RequestCancel => {
                if !run.is_asked_to_cancel() {
                    let external = Some(Box::new(WorkflowParent {
                        namespace: parent.namespace.clone(),
                        workflow_id: parent.workflow_id.clone(),
                        run_id,
                        initiated_event_id: 0,
                    }));
                    self.ask_to_cancel(open, String::new(), String::new(), external);
                }
            }
        }
    }

    fn ask_to_cancel(
        &mut self,
        run_id: RunId,
        cause: String,
        request_id: String,
        external: Option<Box<WorkflowParent>>,
    ) {
        let identity = ENGINE.to_owned();
        let asked = Event::WorkflowExecutionCancelRequested { cause, identity, request_id, external };
        self.arrive(run_id, vec![asked], true);
    }

    fn is_child(&self, child: RunId, parent: RunId) -> bool {
        let of = self.run(child).started().parent.as_ref();
        of.is_some_and(|of| of.run_id == parent || self.after_resets(of.run_id) == parent)
    }

    pub(super) fn after_resets(&self, run_id: RunId) -> RunId {
        match self.runs.get(&run_id).and_then(|run| run.reset.as_ref()) {
            Some((next, _)) => self.after_resets(*next),
            None => run_id,
        }
    }

    /// Carries out a signal or a request to cancel that a run sends to another.
    fn send(&mut self, run_id: RunId, id: EventId) {
        let run = self.run(run_id).clone();
        let request_id = format!("{run_id}:{id}");
        let event = match run.sent()[&id].clone() {
            Event::SignalExternalWorkflowExecutionInitiated {
                workflow_task_completed_event_id,
                target,
                signal_name,
                input,
                control,
                child_workflow_only,
                header,
            } => {
                let reached = self.reached(&run, &target, child_workflow_only);
                let reached = reached.and_then(|found| {
                    let run = self.run(found);
                    if !run.is_open() {
                        Err(ExternalWorkflowFailedCause::NotFound)
                    } else if run.signals() as u64 >= self.settings.signals_per_run_max {
                        Err(ExternalWorkflowFailedCause::SignalCountLimitExceeded)
                    } else {
                        Ok(found)
                    }
                });
                match reached {
                    Ok(found) => {
                        let signaled = Event::WorkflowExecutionSignaled {
                            signal_name,
                            input,
                            identity: ENGINE.to_owned(),
                            request_id,
                            header,
                            external: Some(Box::new(run.execution())),
                        };
                        self.arrive_signal(found, signaled);
                        Event::ExternalWorkflowExecutionSignaled { initiated_event_id: id, target, control }
                    }
                    Err(cause) => Event::SignalExternalWorkflowExecutionFailed {
                        cause,
                        target,
                        initiated_event_id: id,
                        workflow_task_completed_event_id,
                        control,
                    },
                }
            }
            Event::RequestCancelExternalWorkflowExecutionInitiated {
                workflow_task_completed_event_id,
                target,
                control,
                child_workflow_only,
                reason,
            } => match self.reached(&run, &target, child_workflow_only) {
                Ok(found) => {
                    if self.run(found).is_open() && !self.run(found).is_asked_to_cancel() {
                        let external = Some(Box::new(WorkflowParent {
                            namespace: run.namespace.clone(),
                            workflow_id: run.workflow_id.clone(),
                            run_id,
                            initiated_event_id: id,
                        }));
                        self.ask_to_cancel(found, reason, request_id, external);
                    }
                    Event::ExternalWorkflowExecutionCancelRequested { initiated_event_id: id, target }
                }
                Err(cause) => Event::RequestCancelExternalWorkflowExecutionFailed {
                    cause,
                    target,
                    initiated_event_id: id,
                    workflow_task_completed_event_id,
                    control,
                },
            },
            other => panic!("{} is sent to nobody", other.type_name()),
        };
        self.arrive(run_id, vec![event], true);
    }

    /// The run that another reaches, open or closed; an open one only if it may.
    fn reached(
        &self,
        run: &super::Run,
        target: &Execution,
        child_workflow_only: bool,
    ) -> Result<RunId, ExternalWorkflowFailedCause> {
        if self.namespace_exists(&target.namespace).is_err() {
            return Err(ExternalWorkflowFailedCause::NamespaceNotFound);
        }
        let not_found = ExternalWorkflowFailedCause::NotFound;
        if target.namespace == run.namespace && target.workflow_id == run.workflow_id {
            return Err(not_found);
        }
        let found =
            self.meant(&target.namespace, &target.workflow_id, target.run_id).map_err(|_| not_found)?;
        let is_free = !child_workflow_only || !self.run(found).is_open() || self.is_child(found, run.run_id);
        if is_free { Ok(found) } else { Err(not_found) }
    }
}
