//! All that is known of one run.

use tidegate_model::id::{Namespace, RunId, WorkflowId};
use tidegate_model::time::Timestamp;

use crate::closed::AsStarted;
use crate::engine::Engine;
use crate::request::{Refusal, Reply, RunDescription, RunSummary};
use crate::run::Run;

use super::Known;

impl Engine {
    pub(crate) fn describe(
        &self,
        now: Timestamp,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Result<Reply, Refusal> {
        let description = match self.find(namespace, workflow_id, run_id)? {
            Known::Open(run) => run.describe(now),
            Known::Closed(closed) => {
                let reset_run_id = closed.reset.as_ref().map(|mark| mark.run_id);
                RunDescription {
                    cancel_requested: closed.cancel_requested,
                    reset_run_id,
                    ..described(closed.summary.clone(), closed.start_request_id.clone(), &closed.as_started)
                }
            }
        };
        Ok(Reply::Described(Box::new(description)))
    }
}

impl Run {
    fn describe(&self, now: Timestamp) -> RunDescription {
        let task = self.workflow_tasks.current();
        RunDescription {
            pending_activities: self.activities.describe(now),
            pending_children: self.children.describe(),
            pending_workflow_task: task
                .map(|task| (task.scheduled_time(), task.lease().map(|lease| lease.time))),
            cancel_requested: self.cancellation.is_some(),
            reset_run_id: self.reset.as_ref().map(|mark| mark.run_id),
            ..described(self.summary(), self.head.start_request_id.clone(), &self.as_started())
        }
    }

    /// What a description says of how it was started.
    pub(crate) fn as_started(&self) -> AsStarted {
        AsStarted {
            run_timeout: self.started.workflow_run_timeout,
            execution_timeout: self.started.workflow_execution_timeout,
            run_expiration_time: self.times.run_expires(),
            execution_expiration_time: self.times.execution_expires(),
            task_timeout: self.started.workflow_task_timeout,
            user_metadata: self.started.user_metadata.clone(),
        }
    }

    /// What a list shows of it.
    pub(crate) fn summary(&self) -> RunSummary {
        let count = |pending: usize| u32::try_from(pending).unwrap_or(u32::MAX);
        RunSummary {
            namespace: self.head.namespace.clone(),
            workflow_id: self.head.workflow_id.clone(),
            run_id: self.head.run_id,
            workflow_type: self.head.workflow_type.clone(),
            task_queue: self.head.task_queue.clone(),
            status: self.status,
            start_time: self.head.start_time,
            execution_time: self.execution_time(),
            close_time: (!self.is_open()).then_some(self.last_event_time),
            history_length: self.history_length(),
            history_size_bytes: self.history_bytes,
            pending_activities: count(self.activities.len()),
            pending_timers: count(self.timers.len()),
            workflow_task_attempt: self.workflow_tasks.current().map_or(0, |task| task.attempt()),
            first_run_id: self.started.first_execution_run_id,
            parent: self.started.parent.clone(),
            root: self.started.root.clone(),
            memo: self.shown.memo.clone(),
            search_attributes: self.shown.search_attributes.clone(),
            state_transitions: self.shown.state_transitions,
        }
    }
}

fn described(summary: RunSummary, start_request_id: String, as_started: &AsStarted) -> RunDescription {
    RunDescription {
        workflow_execution_timeout: as_started.execution_timeout,
        workflow_run_timeout: as_started.run_timeout,
        workflow_task_timeout: as_started.task_timeout,
        run_expiration_time: as_started.run_expiration_time,
        execution_expiration_time: as_started.execution_expiration_time,
        cancel_requested: false,
        start_request_id,
        user_metadata: as_started.user_metadata.clone(),
        reset_run_id: None,
        pending_activities: Vec::new(),
        pending_children: Vec::new(),
        pending_workflow_task: None,
        summary,
    }
}
