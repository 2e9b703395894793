//! A worker's answer to a workflow task.

use tidegate_model::event::{Event, WorkflowTaskFailedCause};
use tidegate_model::id::RunId;
use tidegate_model::payload::{Failure, TimeoutType};

use crate::bounds;
use crate::engine::{Engine, Step};
use crate::failure;
use crate::plan::{BadCommand, Circumstances, Plan, Talk};
use crate::record::{Record, StateChange};
use crate::request::{
    Refusal, Reply, StickyAttributes, WorkerMessageBody, WorkflowTaskCompletion, WorkflowTaskToken,
};
use crate::run::Run;
use crate::sticky;

/// What a worker asks for besides its commands.
struct After {
    /// Where the next task should go.
    sticky: Option<StickyAttributes>,
    /// There must be one, although nothing happened: local activities are under way.
    is_wanted: bool,
    /// It is to come with the reply.
    is_for_this_worker: bool,
}

impl Engine {
    pub(crate) fn complete_workflow_task(
        &mut self,
        step: &mut Step<'_>,
        completion: WorkflowTaskCompletion,
    ) -> Result<Reply, Refusal> {
        bounds::id("identity", &completion.identity)?;
        bounds::payloads("sdk metadata", completion.sdk_metadata.as_slice(), &self.settings)?;
        if self.came_to_nothing(&completion) {
            return Ok(self.forget_workflow_task(step, completion));
        }
        let WorkflowTaskCompletion {
            token,
            commands,
            messages,
            query_results,
            identity,
            sticky,
            sdk_metadata,
            return_new_workflow_task,
            force_create_new_workflow_task: asks_for_time,
            worker_instance_key: _,
        } = completion;
        self.claim(step, &token)?;
        let run = self.run(token.run_id);
        let only_beats = asks_for_time && commands.is_empty() && messages.is_empty();
        if only_beats && run.workflow_tasks.has_beaten_too_long(step.now) {
            self.time_out_workflow_task(step, token.run_id, TimeoutType::StartToClose);
            // Temporal's words: the worker throws the run out of its cache.
            return Err(Refusal::NotFound(String::from("workflow task heartbeat timeout")));
        }
        let attributes = self.namespaces.attributes_of(&run.head.namespace);
        let talk = Talk { messages, asked: self.conversations.requests(token.run_id) };
        let around = Circumstances {
            run,
            settings: &self.settings,
            attributes,
            namespaces: &self.namespaces,
            open_runs: self.open_runs(),
            now: step.now,
            chance: step.chance,
            completed_event_id: token.started_event_id + 1,
            identity: &identity,
        };
        match Plan::of(around, commands, talk) {
            Ok(mut plan) => {
                let rejected = std::mem::take(&mut plan.rejected);
                let completed = Event::WorkflowTaskCompleted {
                    scheduled_event_id: token.scheduled_event_id,
                    started_event_id: token.started_event_id,
                    identity: identity.clone(),
                    sdk_metadata,
                };
                let after =
                    After { sticky, is_wanted: asks_for_time, is_for_this_worker: return_new_workflow_task };
                let is_next = self.carry_out(step, token.run_id, completed, plan, after, identity.clone());
                self.settle_messages(step, token.run_id, rejected, asks_for_time);
                self.take_query_results(step, token.run_id, query_results);
                if !return_new_workflow_task {
                    return Ok(Reply::Done);
                }
                let next = is_next.then(|| Box::new(self.start_workflow_task(step, token.run_id, identity)));
                Ok(Reply::WorkflowTaskCompleted { next, reset_history_event_id: None })
            }
            Err(bad) => {
                self.refuse_sent_updates(step, token.run_id);
                Err(self.refuse_commands(step, &token, bad, identity))
            }
        }
    }

    /// A speculative task that nothing came of: it has never been. The worker goes back to where it was before.
    fn forget_workflow_task(&mut self, step: &mut Step<'_>, completion: WorkflowTaskCompletion) -> Reply {
        let run_id = completion.token.run_id;
        self.drop_speculative(run_id);
        let rejections = completion.messages.into_iter().filter_map(|message| match message.body {
            WorkerMessageBody::Rejection { failure } => Some((message.update_id, failure)),
            WorkerMessageBody::Acceptance { .. } | WorkerMessageBody::Response { .. } => None,
        });
        self.settle_messages(step, run_id, rejections.collect(), false);
        self.take_query_results(step, run_id, completion.query_results);
        // What came while it was out.
        self.deliver_updates(step.now, run_id);
        self.settle_queries(step, run_id);
        let before = self.run(run_id).workflow_tasks.previous_started_event_id();
        Reply::WorkflowTaskCompleted { next: None, reset_history_event_id: Some(before) }
    }

    /// Turns a plan into history: the completion, the commands' events in order, what waited, and a task to see that.
    /// Says whether there is such a task.
    fn carry_out(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        completed: Event,
        plan: Plan,
        after: After,
        identity: String,
    ) -> bool {
        let run = self.run(run_id);
        let pair = run.transient_pair();
        if !pair.is_empty() {
            // A batch of its own, because the started event's time is the workflow's own time, and the worker has been
            // told it already. Nothing was flushed since, so the run's time does not go back.
            let lease = run.workflow_tasks.current().and_then(|task| task.lease());
            let time = lease.expect("a pair is that of a task that is out").time;
            self.write_at(step, run_id, time, pair);
        }
        self.record_stickiness(step, run_id, after.sticky, identity);
        let run = self.run(run_id);
        let mut waited = run.buffer.ordered(&plan.unfired);
        waited.extend(plan.arrived);
        let is_next = !waited.is_empty() || after.is_wanted && !plan.closes;
        let next = is_next.then(|| {
            if after.is_for_this_worker {
                run.task_scheduled_for_its_worker()
            } else {
                self.task_scheduled(step.now, run)
            }
        });
        let events = std::iter::once(completed).chain(plan.events).chain(waited).chain(next).collect();
        self.write(step, run_id, events);
        if let Some(successor) = plan.successor {
            self.begin(step, successor, None);
        }
        is_next
    }

    /// Recorded only where it changes: a cached run asks for the same each time.
    fn record_stickiness(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        wanted: Option<StickyAttributes>,
        identity: String,
    ) {
        let Run { head, sticky: bound, .. } = self.run(run_id);
        // The normal queue has other workers, which know nothing of the run.
        let wanted = wanted.filter(|wanted| wanted.task_queue != head.task_queue).map(sticky::completed);
        let change = match (wanted, bound) {
            (None, None) => return,
            (None, Some(_)) => StateChange::StickyReleased { run_id },
            (Some(wanted), Some(bound)) if bound.attributes == wanted && bound.identity == identity => return,
            (Some(sticky), _) => StateChange::StickyBound { run_id, sticky, identity },
        };
        self.commit(step, Record::State(change));
    }

    /// Nothing of the task is applied. The workflow task fails and the worker is told why; a transient one is left to
    /// time out, so that a workflow that keeps asking for the impossible does not spin.
    fn refuse_commands(
        &mut self,
        step: &mut Step<'_>,
        token: &WorkflowTaskToken,
        bad: BadCommand,
        identity: String,
    ) -> Refusal {
        let BadCommand { cause, message, terminates } = bad;
        if token.attempt == 1 || cause == WorkflowTaskFailedCause::UnhandledCommand {
            let failure = Failure::application(message.clone(), format!("{cause:?}"), true);
            if terminates {
                self.fail_run_with_task(step, token.run_id, cause, failure, identity);
            } else {
                self.fail_workflow_task(step, token.run_id, cause, failure, identity);
            }
        }
        Refusal::InvalidArgument(message)
    }

    pub(crate) fn take_workflow_task_failure(
        &mut self,
        step: &mut Step<'_>,
        token: &WorkflowTaskToken,
        cause: WorkflowTaskFailedCause,
        failure: Failure,
        identity: String,
    ) -> Result<Reply, Refusal> {
        bounds::id("identity", &identity)?;
        self.claim(step, token)?;
        // A transient attempt that fails is left to time out, as above.
        if token.attempt == 1 {
            self.fail_workflow_task(
                step,
                token.run_id,
                cause,
                failure::bounded(failure, &self.settings),
                identity,
            );
        }
        Ok(Reply::Done)
    }

    /// Whether a run's task is out under this very token. One that is speculative becomes a real one: something comes of
    /// it.
    fn claim(&mut self, step: &mut Step<'_>, token: &WorkflowTaskToken) -> Result<(), Refusal> {
        if self.is_speculative(token) {
            self.firm_up(step, token.run_id);
        }
        let run = self.open_run(token.run_id)?;
        let is_theirs = run.workflow_tasks.current().is_some_and(|task| task.is_out_under(token));
        // SDKs throw the run out of their cache on exactly this.
        if is_theirs { Ok(()) } else { Err(Refusal::NotFound(String::from("Workflow task not found."))) }
    }
}
