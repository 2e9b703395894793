//! Starting a run: one open run for each workflow id, one run for each request id.

mod policy;
mod with_signal;

use std::time::Duration;

use tidegate_model::event::{
    ContinueAsNewInitiator, Event, Execution, HistoryBatch, WorkflowExecutionStarted,
    WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowParent,
};
use tidegate_model::id::RunId;
use tidegate_model::limits::DURATION_SECONDS_MAX;
use tidegate_model::time::Timestamp;

pub(crate) use policy::Standing;

use crate::bounds::{self, Wrong};
use crate::cron::CronSchedule;
use crate::engine::{Engine, Step};
use crate::plan::NewRun;
use crate::record::Record;
use crate::request::{Refusal, Reply, StartWorkflow};
use crate::retry;
use crate::settings::Settings;
use crate::workflow_task;

/// Where a run stands in a tree of runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Parentage {
    /// The run it is a child of.
    pub(crate) parent: Option<Box<WorkflowParent>>,
    /// The topmost run of the tree; `None` is itself.
    pub(crate) root: Option<Box<Execution>>,
}

impl Engine {
    pub(crate) fn start(&mut self, step: &mut Step<'_>, start: StartWorkflow) -> Result<Reply, Refusal> {
        let start = self.checked(step.now, start)?;
        match self.met(step.now, &start)? {
            Standing::Vacant => {
                let run_id = self.start_anew(step, start, Parentage::default(), None)?;
                Ok(Reply::Started { run_id, fresh: true, started: true })
            }
            Standing::Replaced { run_id } => {
                let run_id = self.replace(step, run_id, start, None);
                Ok(Reply::Started { run_id, fresh: true, started: true })
            }
            Standing::Repeated { run_id, started } => Ok(Reply::Started { run_id, fresh: false, started }),
            Standing::Content { run_id } => {
                if start.on_conflict_attach_request_id {
                    let attached = Event::WorkflowExecutionOptionsUpdated {
                        attached_request_id: start.request_id,
                        identity: start.identity,
                    };
                    self.arrive_quietly(step, run_id, vec![attached]);
                }
                Ok(Reply::Started { run_id, fresh: false, started: false })
            }
        }
    }

    /// A start that says nothing wrong, its search attributes with their types.
    pub(crate) fn checked(&self, now: Timestamp, start: StartWorkflow) -> Result<StartWorkflow, Refusal> {
        check(now, &start, &self.settings)?;
        let search_attributes =
            self.namespaces.attributes_of(&start.namespace).check(&start.search_attributes)?;
        Ok(StartWorkflow { search_attributes, ..start })
    }

    /// Starts a run where none is in the way. What has been checked is filled in here.
    pub(crate) fn start_anew(
        &mut self,
        step: &mut Step<'_>,
        start: StartWorkflow,
        parentage: Parentage,
        signaled: Option<Event>,
    ) -> Result<RunId, Refusal> {
        let most = self.settings.open_runs_max;
        if self.open_runs() >= most {
            let message = format!("{most} runs are open");
            return Err(Refusal::ResourceExhausted { limit: "OPEN_RUNS_MAX", message });
        }
        let run_id = step.chance.run_id(step.now);
        let new = new_run(step.now, run_id, start, parentage);
        self.begin(step, new, signaled);
        Ok(run_id)
    }

    /// Terminates a run and starts one in its place.
    fn replace(
        &mut self,
        step: &mut Step<'_>,
        replaced: RunId,
        start: StartWorkflow,
        signaled: Option<Event>,
    ) -> RunId {
        let run_id = step.chance.run_id(step.now);
        let not_before = self.run(replaced).last_event_time;
        self.terminate_to_restart(step, replaced, run_id);
        let new = new_run(step.now, run_id, start, Parentage::default());
        self.begin(step, NewRun { not_before, ..new }, signaled);
        run_id
    }

    /// Writes the first events of a run; its first workflow task among them, unless that is to wait.
    pub(crate) fn begin(&mut self, step: &mut Step<'_>, new: NewRun, signaled: Option<Event>) {
        let NewRun { namespace, workflow_id, run_id, started, not_before } = new;
        let scheduled = started.first_workflow_task_backoff.is_zero().then(|| Event::WorkflowTaskScheduled {
            task_queue: started.task_queue.clone(),
            start_to_close_timeout: started.workflow_task_timeout,
            attempt: 1,
        });
        let started = Event::WorkflowExecutionStarted(Box::new(started));
        let batch = HistoryBatch {
            namespace,
            workflow_id,
            run_id,
            first_event_id: 1,
            event_time: step.now.max(not_before),
            stamp: step.stamp,
            events: std::iter::once(started).chain(signaled).chain(scheduled).collect(),
        };
        self.commit(step, Record::History(batch));
    }
}

/// A run as a start that was checked wants it, with what the start leaves to the engine.
pub(crate) fn new_run(
    now: Timestamp,
    run_id: RunId,
    start: StartWorkflow,
    Parentage { parent, root }: Parentage,
) -> NewRun {
    let retry_policy = start
        .retry_policy
        .map(|policy| retry::completed(Some(policy)).expect("a start's policy is checked before it is used"));
    let run_timeout = completed_run_timeout(start.workflow_run_timeout, start.workflow_execution_timeout);
    let execution_timeout = said(start.workflow_execution_timeout);
    let first_workflow_task_backoff = if start.cron_schedule.is_empty() {
        said(start.workflow_start_delay).unwrap_or_default()
    } else {
        let schedule = CronSchedule::new(now, &start.cron_schedule);
        schedule.ok().and_then(|schedule| schedule.backoff(now, now)).unwrap_or_default()
    };
    let has_cron = !start.cron_schedule.is_empty();
    let started = WorkflowExecutionStarted {
        workflow_type: start.workflow_type,
        input: start.input,
        workflow_task_timeout: completed_task_timeout(start.workflow_task_timeout, run_timeout),
        workflow_run_timeout: run_timeout,
        workflow_execution_timeout: execution_timeout,
        workflow_execution_expiration_time: execution_timeout.map(|timeout| now + timeout),
        first_execution_run_id: run_id,
        original_execution_run_id: run_id,
        continued_execution_run_id: None,
        initiator: has_cron.then_some(ContinueAsNewInitiator::CronSchedule),
        continued_failure: start.continued_failure,
        last_completion_result: start.last_completion_result,
        attempt: 1,
        retry_policy,
        cron_schedule: start.cron_schedule,
        first_workflow_task_backoff,
        parent,
        root,
        identity: start.identity,
        request_id: start.request_id,
        header: start.header,
        memo: start.memo,
        search_attributes: start.search_attributes,
        priority: start.priority,
        user_metadata: start.user_metadata,
        task_queue: start.task_queue,
    };
    let StartWorkflow { namespace, workflow_id, .. } = start;
    NewRun { run_id, namespace, workflow_id, started, not_before: now }
}

/// What a start may say, whatever it comes upon.
fn check(now: Timestamp, start: &StartWorkflow, settings: &Settings) -> Result<(), Refusal> {
    bounds::required_name("workflow type", &start.workflow_type)?;
    bounds::id("identity", &start.identity)?;
    bounds::id("request id", &start.request_id)?;
    bounds::payloads("workflow input", &start.input, settings)?;
    bounds::payloads("last completion result", &start.last_completion_result, settings)?;
    bounds::header("header", &start.header, settings)?;
    bounds::header("memo", &start.memo, settings)?;
    if let Some(policy) = &start.retry_policy {
        retry::completed(Some(policy.clone())).map_err(Wrong)?;
    }
    if !start.cron_schedule.is_empty() {
        CronSchedule::new(now, &start.cron_schedule).map_err(|error| Wrong(error.to_string()))?;
        if start.workflow_start_delay.is_some() {
            let message = "cron_schedule and workflow_start_delay may not be used together";
            return Err(Wrong(message.to_owned()).into());
        }
    }
    let policies = (start.workflow_id_reuse_policy, start.workflow_id_conflict_policy);
    if policies == (WorkflowIdReusePolicy::RejectDuplicate, WorkflowIdConflictPolicy::TerminateExisting) {
        let message = "workflow_id_reuse_policy RejectDuplicate cannot be used together with \
                       workflow_id_conflict_policy TerminateExisting";
        return Err(Wrong(message.to_owned()).into());
    }
    Ok(())
}

/// A duration as it counts: zero says nothing, and none is longer than the longest.
fn said(duration: Option<Duration>) -> Option<Duration> {
    let longest = Duration::from_secs(DURATION_SECONDS_MAX);
    duration.filter(|duration| !duration.is_zero()).map(|duration| duration.min(longest))
}

/// A run has no more time than its chain (`overrideWorkflowRunTimeout`).
pub(crate) fn completed_run_timeout(run: Option<Duration>, execution: Option<Duration>) -> Option<Duration> {
    said(run).into_iter().chain(said(execution)).min()
}

/// A workflow task has no more time than its run (`overrideWorkflowTaskTimeout`).
pub(crate) fn completed_task_timeout(task: Option<Duration>, run: Option<Duration>) -> Duration {
    let task = workflow_task::completed_timeout(task);
    run.map_or(task, |run| task.min(run))
}
