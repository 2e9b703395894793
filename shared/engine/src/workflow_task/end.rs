//! The end of a workflow task without success: failed, timed out, or not fetched from its sticky queue.

use std::collections::BTreeSet;

use tidegate_model::event::{Event, WorkflowTaskFailedCause};
use tidegate_model::id::RunId;
use tidegate_model::payload::{Failure, Payloads, TimeoutType};

use crate::close::ENGINE_IDENTITY;
use crate::engine::{Engine, Step};
use crate::record::{Record, StateChange};

impl Engine {
    /// The worker, or the engine itself, gives up the attempt that is out.
    pub(crate) fn fail_workflow_task(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        cause: WorkflowTaskFailedCause,
        failure: Failure,
        identity: String,
    ) {
        let failed = self.task_failed(run_id, cause, failure, identity);
        self.end_workflow_task(step, run_id, failed);
    }

    /// The same, and the run is terminated: what the task asks for is beyond a limit, and would be at every attempt.
    pub(super) fn fail_run_with_task(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        cause: WorkflowTaskFailedCause,
        failure: Failure,
        identity: String,
    ) {
        let terminated = Event::WorkflowExecutionTerminated {
            reason: failure.message.clone(),
            details: Payloads::new(),
            identity: String::from(ENGINE_IDENTITY),
        };
        let failed = self.task_failed(run_id, cause, failure, identity);
        let waited = self.run(run_id).buffer.ordered(&BTreeSet::new());
        self.write(step, run_id, std::iter::once(failed).chain(waited).chain([terminated]).collect());
    }

    fn task_failed(
        &self,
        run_id: RunId,
        cause: WorkflowTaskFailedCause,
        failure: Failure,
        identity: String,
    ) -> Event {
        let task = self.run(run_id).workflow_tasks.current().expect("a task that fails is out");
        Event::WorkflowTaskFailed {
            scheduled_event_id: task.scheduled_event_id,
            started_event_id: task.lease().expect("a task that fails is out").started_event_id,
            cause,
            failure,
            identity,
            reset: None,
        }
    }

    /// The attempt that is out has taken too long, or nobody fetched the task from its sticky queue.
    pub(crate) fn time_out_workflow_task(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        timeout_type: TimeoutType,
    ) {
        let task = self.run(run_id).workflow_tasks.current().expect("a task that times out exists");
        let timed_out = Event::WorkflowTaskTimedOut {
            scheduled_event_id: task.scheduled_event_id,
            started_event_id: task.lease().map_or(0, |lease| lease.started_event_id),
            timeout_type,
        };
        self.end_workflow_task(step, run_id, timed_out);
    }

    /// The end itself, what waited for it, and a new task where the run's state does not imply one: an attempt after a
    /// failure with nothing new is transient.
    fn end_workflow_task(&mut self, step: &mut Step<'_>, run_id: RunId, end: Event) {
        let run = self.run(run_id);
        let is_transient = run.workflow_tasks.current().is_some_and(|task| task.is_transient());
        let waited = run.buffer.ordered(&BTreeSet::new());
        let is_normal_next = run.sticky.is_some() || !waited.is_empty();
        let next = is_normal_next.then(|| Event::WorkflowTaskScheduled {
            // Never the sticky queue: a failure unties the run from its worker.
            task_queue: run.head.task_queue.clone(),
            start_to_close_timeout: run.workflow_tasks.timeout,
            attempt: 1,
        });
        if is_transient {
            self.commit(step, Record::State(StateChange::TransientTaskEnded { run_id, time: step.now }));
        }
        let end = (!is_transient).then_some(end);
        let events: Vec<Event> = end.into_iter().chain(waited).chain(next).collect();
        if !events.is_empty() {
            self.write(step, run_id, events);
        }
    }
}
