//! Starting a run: one open run for each workflow id, one run for each request id.

use std::time::Duration;

use tidegate_model::event::{Event, HistoryBatch, WorkflowExecutionStarted};

use crate::bounds;
use crate::engine::{Engine, Step};
use crate::record::Record;
use crate::request::{Refusal, Reply, StartWorkflow};
use crate::settings::Settings;
use crate::workflow_task;

impl Engine {
    /// Reuse policy is Temporal's `ALLOW_DUPLICATE`, conflict policy `FAIL`.
    pub(crate) fn start(&mut self, step: &mut Step<'_>, start: StartWorkflow) -> Result<Reply, Refusal> {
        check(&start, &self.settings)?;
        let types = self.namespaces.attributes_of(&start.namespace);
        let search_attributes = types.check(&start.search_attributes)?;
        if let Some(reply) = self.already_started(&start) {
            return reply;
        }
        if self.open_runs() >= self.settings.open_runs_max {
            let message = format!("{} runs are open", self.settings.open_runs_max);
            return Err(Refusal::ResourceExhausted { limit: "OPEN_RUNS_MAX", message });
        }
        let run_id = step.chance.run_id(step.now);
        let workflow_task_timeout = workflow_task::completed_timeout(start.workflow_task_timeout);
        let scheduled = Event::WorkflowTaskScheduled {
            task_queue: start.task_queue.clone(),
            start_to_close_timeout: workflow_task_timeout,
            attempt: 1,
        };
        let started = Event::WorkflowExecutionStarted(Box::new(WorkflowExecutionStarted {
            workflow_type: start.workflow_type,
            task_queue: start.task_queue,
            input: start.input,
            workflow_task_timeout,
            workflow_run_timeout: start.workflow_run_timeout,
            workflow_execution_timeout: start.workflow_execution_timeout,
            workflow_execution_expiration_time: None,
            first_execution_run_id: run_id,
            original_execution_run_id: run_id,
            continued_execution_run_id: None,
            initiator: None,
            continued_failure: start.continued_failure,
            last_completion_result: start.last_completion_result,
            attempt: 1,
            retry_policy: start.retry_policy,
            cron_schedule: start.cron_schedule,
            first_workflow_task_backoff: Duration::ZERO,
            parent: None,
            root: None,
            identity: start.identity,
            request_id: start.request_id,
            header: start.header,
            memo: start.memo,
            search_attributes,
            priority: start.priority,
            user_metadata: start.user_metadata,
        }));
        let batch = HistoryBatch {
            namespace: start.namespace,
            workflow_id: start.workflow_id,
            run_id,
            first_event_id: 1,
            event_time: step.now,
            stamp: step.stamp,
            events: vec![started, scheduled],
        };
        self.commit(step, Record::History(batch));
        Ok(Reply::Started { run_id, fresh: true })
    }

    /// The answer when the request was made before, or a run of the id is open.
    fn already_started(&self, start: &StartWorkflow) -> Option<Result<Reply, Refusal>> {
        let repeats = |request_id: &str| !request_id.is_empty() && request_id == start.request_id;
        if let Some(run) = self.current(&start.namespace, &start.workflow_id) {
            let run_id = run.head.run_id;
            let start_request_id = &run.head.start_request_id;
            return Some(if repeats(start_request_id) {
                Ok(Reply::Started { run_id, fresh: false })
            } else {
                Err(Refusal::AlreadyStarted { run_id, start_request_id: start_request_id.clone() })
            });
        }
        let closed = self.closed.latest(&start.namespace, &start.workflow_id)?;
        repeats(&closed.start_request_id)
            .then_some(Ok(Reply::Started { run_id: closed.summary.run_id, fresh: false }))
    }
}

pub(crate) fn check(start: &StartWorkflow, settings: &Settings) -> Result<(), Refusal> {
    bounds::required_name("workflow type", &start.workflow_type)?;
    bounds::id("identity", &start.identity)?;
    bounds::id("request id", &start.request_id)?;
    bounds::payloads("workflow input", &start.input, settings)?;
    bounds::header("header", &start.header, settings)?;
    bounds::header("memo", &start.memo, settings)?;
    Ok(())
}
