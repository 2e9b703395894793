//! Starting: one open run of an execution, one run for a request.

use std::time::Duration;

use tidegate_engine::{CronSchedule, Refusal, Reply, RunStatus, SignalWithStart, StartWorkflow};
use tidegate_model::event::{
    ContinueAsNewInitiator, Event, Execution, WorkflowExecutionStarted, WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy, WorkflowParent,
};
use tidegate_model::id::{Namespace, RunId, WorkflowId};
use tidegate_model::payload::{Payload, RetryPolicy};

use super::Reference;
use super::run::Run;

const DEFAULT_TASK_TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_TASK_TIMEOUT: Duration = Duration::from_secs(120);
const RESTART_INTERVAL: Duration = Duration::from_secs(1);

/// What a start comes upon.
pub(super) enum Met {
    Nobody,
    /// The request was made before; whether it started this run or was content with it.
    Itself(RunId, bool),
    Content(RunId),
    Terminate(RunId),
}

impl Reference {
    pub(super) fn start(&mut self, start: StartWorkflow) -> Result<Reply, Refusal> {
        check(&start)?;
        let start = self.typed(start)?;
        match self.meets(&start)? {
            Met::Nobody => {
                let run_id = self.begin(start, None, None, None);
                Ok(Reply::Started { run_id, fresh: true, started: true })
            }
            Met::Terminate(other) => {
                let run_id = self.replace(other, start, None);
                Ok(Reply::Started { run_id, fresh: true, started: true })
            }
            Met::Itself(run_id, started) => Ok(Reply::Started { run_id, fresh: false, started }),
            Met::Content(run_id) => {
                if start.on_conflict_attach_request_id {
                    let attached = Event::WorkflowExecutionOptionsUpdated {
                        attached_request_id: start.request_id,
                        identity: start.identity,
                    };
                    self.arrive(run_id, vec![attached], false);
                }
                Ok(Reply::Started { run_id, fresh: false, started: false })
            }
        }
    }

    pub(super) fn signal_with_start(&mut self, request: SignalWithStart) -> Result<Reply, Refusal> {
        let SignalWithStart { start, signal_name, signal_input } = request;
        check(&start)?;
        let start = self.typed(start)?;
        let signaled = Event::WorkflowExecutionSignaled {
            signal_name,
            input: signal_input,
            identity: start.identity.clone(),
            request_id: start.request_id.clone(),
            header: start.header.clone(),
            external: None,
        };
        let replaces = start.workflow_id_conflict_policy == WorkflowIdConflictPolicy::TerminateExisting;
        if let Some(run_id) = self.open(&start.namespace, &start.workflow_id).filter(|_| !replaces) {
            let fresh = !self.run(run_id).has_had_signal(&start.request_id);
            if fresh && self.run(run_id).signals() as u64 >= self.settings.signals_per_run_max {
                return Err(Refusal::InvalidArgument(String::new()));
            }
            if fresh {
                // Unlike a plain signal it does not wait for the first task's time.
                self.arrive(run_id, vec![signaled], true);
            }
            return Ok(Reply::Started { run_id, fresh, started: false });
        }
        match self.meets(&start)? {
            Met::Nobody => {
                let run_id = self.begin(start, None, None, Some(signaled));
                Ok(Reply::Started { run_id, fresh: true, started: true })
            }
            Met::Terminate(other) => {
                let run_id = self.replace(other, start, Some(signaled));
                Ok(Reply::Started { run_id, fresh: true, started: true })
            }
            Met::Itself(run_id, _) | Met::Content(run_id) => {
                Ok(Reply::Started { run_id, fresh: false, started: false })
            }
        }
    }

    pub(super) fn meets(&self, start: &StartWorkflow) -> Result<Met, Refusal> {
        let StartWorkflow { namespace, workflow_id, request_id, .. } = start;
        let open = self.open(namespace, workflow_id);
        let Some(run_id) = open.or_else(|| self.last_closed(namespace, workflow_id)) else {
            return Ok(Met::Nobody);
        };
        let run = self.run(run_id);
        if !request_id.is_empty() && run.started().request_id == *request_id {
            return Ok(Met::Itself(run_id, true));
        }
        if !request_id.is_empty() && run.is_attached(request_id) {
            return Ok(Met::Itself(run_id, false));
        }
        let refused = || Refusal::AlreadyStarted {
            run_id,
            start_request_id: run.started().request_id.clone(),
            message: String::new(),
        };
        if run.is_open() {
            return match start.workflow_id_conflict_policy {
                WorkflowIdConflictPolicy::Fail => Err(refused()),
                WorkflowIdConflictPolicy::UseExisting => Ok(Met::Content(run_id)),
                WorkflowIdConflictPolicy::TerminateExisting
                    if self.now.saturating_since(run.began) > RESTART_INTERVAL =>
                {
                    Ok(Met::Terminate(run_id))
                }
                WorkflowIdConflictPolicy::TerminateExisting => Err(Refusal::BusyWorkflow(String::new())),
            };
        }
        let succeeded = matches!(run.status(), RunStatus::Completed | RunStatus::ContinuedAsNew);
        match start.workflow_id_reuse_policy {
            WorkflowIdReusePolicy::RejectDuplicate => Err(refused()),
            WorkflowIdReusePolicy::AllowDuplicateFailedOnly if succeeded => Err(refused()),
            WorkflowIdReusePolicy::AllowDuplicate | WorkflowIdReusePolicy::AllowDuplicateFailedOnly => {
                Ok(Met::Nobody)
            }
        }
    }

    fn replace(&mut self, other: RunId, start: StartWorkflow, signaled: Option<Event>) -> RunId {
        let run_id = self.next_run_id(&start.namespace, &start.workflow_id);
        let details = vec![Payload::json(format!("\"terminated by new runID: {run_id}\""))];
        let reason = String::from("TerminateIfRunning WorkflowIdReusePolicy");
        self.terminate(other, reason, details, String::from("history-service"));
        let started = self.started(start, run_id, None, None);
        self.begin_with(started, signaled);
        run_id
    }

    /// Begins a run where none is in the way.
    pub(super) fn begin(
        &mut self,
        start: StartWorkflow,
        parent: Option<Box<WorkflowParent>>,
        root: Option<Box<Execution>>,
        signaled: Option<Event>,
    ) -> RunId {
        let run_id = self.next_run_id(&start.namespace, &start.workflow_id);
        let started = self.started(start, run_id, parent, root);
        self.begin_with(started, signaled);
        run_id
    }

    fn started(
        &self,
        start: StartWorkflow,
        run_id: RunId,
        parent: Option<Box<WorkflowParent>>,
        root: Option<Box<Execution>>,
    ) -> (Namespace, WorkflowId, RunId, WorkflowExecutionStarted) {
        let run_timeout =
            start.workflow_run_timeout.into_iter().chain(start.workflow_execution_timeout).min();
        let backoff = if start.cron_schedule.is_empty() {
            start.workflow_start_delay.unwrap_or_default()
        } else {
            let schedule = CronSchedule::new(self.now, &start.cron_schedule).expect("it was checked");
            schedule.backoff(self.now, self.now).unwrap_or_default()
        };
        let initiator = (!start.cron_schedule.is_empty()).then_some(ContinueAsNewInitiator::CronSchedule);
        let execution_timeout = start.workflow_execution_timeout;
        let started = WorkflowExecutionStarted {
            input: start.input,
            workflow_task_timeout: task_timeout(start.workflow_task_timeout, run_timeout),
            workflow_run_timeout: run_timeout,
            workflow_execution_timeout: execution_timeout,
            workflow_execution_expiration_time: execution_timeout.map(|timeout| self.now + timeout),
            initiator,
            continued_failure: start.continued_failure,
            last_completion_result: start.last_completion_result,
            retry_policy: start.retry_policy.map(with_defaults),
            cron_schedule: start.cron_schedule,
            first_workflow_task_backoff: backoff,
            parent,
            root,
            identity: start.identity,
            request_id: start.request_id,
            header: start.header,
            memo: start.memo,
            search_attributes: start.search_attributes,
            priority: start.priority,
            user_metadata: start.user_metadata,
            ..WorkflowExecutionStarted::new(start.workflow_type, start.task_queue, run_id)
        };
        (start.namespace, start.workflow_id, run_id, started)
    }

    /// Begins a run by this event, with a first workflow task unless that is to wait.
    pub(super) fn begin_with(
        &mut self,
        (namespace, workflow_id, run_id, started): (Namespace, WorkflowId, RunId, WorkflowExecutionStarted),
        signaled: Option<Event>,
    ) {
        let waits = !started.first_workflow_task_backoff.is_zero();
        self.runs.insert(run_id, Run::new(namespace, workflow_id, run_id, self.now));
        let first = started.first_execution_run_id;
        let started = Event::WorkflowExecutionStarted(Box::new(started));
        self.write(run_id, std::iter::once(started).chain(signaled).collect());
        self.schedules_hear_of_start(first);
        if !waits {
            self.schedule_task(run_id);
        }
    }
}

fn check(start: &StartWorkflow) -> Result<(), Refusal> {
    let policies = (start.workflow_id_reuse_policy, start.workflow_id_conflict_policy);
    let contradict =
        policies == (WorkflowIdReusePolicy::RejectDuplicate, WorkflowIdConflictPolicy::TerminateExisting);
    let both = !start.cron_schedule.is_empty() && start.workflow_start_delay.is_some();
    if contradict || both { Err(Refusal::InvalidArgument(String::new())) } else { Ok(()) }
}

/// A workflow task has no more time than its run.
pub(super) fn task_timeout(wanted: Option<Duration>, run: Option<Duration>) -> Duration {
    let timeout = wanted.unwrap_or(DEFAULT_TASK_TIMEOUT).min(LONGEST_TASK_TIMEOUT);
    run.map_or(timeout, |run| timeout.min(run))
}

/// The server's defaults where the policy says nothing.
pub(super) fn with_defaults(policy: RetryPolicy) -> RetryPolicy {
    let initial_interval =
        if policy.initial_interval.is_zero() { Duration::from_secs(1) } else { policy.initial_interval };
    RetryPolicy {
        initial_interval,
        backoff_coefficient: if policy.backoff_coefficient == 0.0 { 2.0 } else { policy.backoff_coefficient },
        maximum_interval: if policy.maximum_interval.is_zero() {
            initial_interval * 100
        } else {
            policy.maximum_interval
        },
        ..policy
    }
}
