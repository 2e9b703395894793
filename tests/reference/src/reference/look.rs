//! What is to be seen of runs: one described, many listed and counted.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use tidegate_engine::{
    ChildDescription, CountGroup, ListToken, ListWorkflows, PendingActivity, PendingActivityState, Refusal,
    Reply, RunDescription, RunStatus, RunSummary,
};
use tidegate_model::event::Event;
use tidegate_model::id::{EventId, Namespace, RunId, WorkflowId};
use tidegate_model::payload::Header;
use tidegate_model::time::Timestamp;

use super::Reference;
use super::filter::Filter;
use super::run::Run;

/// Open ones first, then by close, then by start, the latest first.
fn place(run: &Run) -> (Reverse<Timestamp>, Reverse<Timestamp>, RunId) {
    let close = if run.is_open() { Timestamp::MAX } else { run.last_time() };
    (Reverse(close), Reverse(run.began), run.run_id)
}

impl Reference {
    pub(super) fn describe(
        &self,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Result<Reply, Refusal> {
        let run = self.run(self.meant(namespace, workflow_id, run_id)?);
        let started = run.started();
        let is_open = run.is_open();
        let activities = run.activities();
        let children = run.children();
        Ok(Reply::Described(Box::new(RunDescription {
            summary: run.summary(),
            workflow_execution_timeout: started.workflow_execution_timeout,
            workflow_run_timeout: started.workflow_run_timeout,
            workflow_task_timeout: started.workflow_task_timeout,
            run_expiration_time: run.run_expires(),
            execution_expiration_time: run.execution_expires(),
            cancel_requested: run.is_asked_to_cancel(),
            start_request_id: started.request_id.clone(),
            user_metadata: started.user_metadata.clone(),
            reset_run_id: run.reset.as_ref().map(|(run_id, _)| *run_id),
            pending_activities: activities
                .keys()
                .filter(|_| is_open)
                .map(|id| self.pending_activity(run, *id))
                .collect(),
            pending_children: children
                .into_iter()
                .filter(|_| is_open)
                .map(|(id, child)| ChildDescription {
                    child: tidegate_model::event::Execution {
                        namespace: child.initiated.namespace.clone(),
                        workflow_id: child.initiated.workflow_id.clone(),
                        run_id: child.run_id,
                    },
                    workflow_type: child.initiated.workflow_type.clone(),
                    initiated_event_id: id,
                    parent_close_policy: child.initiated.parent_close_policy,
                })
                .collect(),
            pending_workflow_task: run
                .task
                .as_ref()
                .map(|task| (task.scheduled_time, task.lease.as_ref().map(|lease| lease.since))),
        })))
    }

    fn pending_activity(&self, run: &Run, id: EventId) -> PendingActivity {
        let scheduled = run.activities()[&id];
        let attempt = &run.attempts[&id];
        let options = attempt.tried_as(scheduled);
        let is_paused = attempt.pause.is_some();
        let last = attempt.last.as_ref();
        let waits = attempt.waits_from;
        let state = if run.cancel_of_activity(id).is_some() {
            PendingActivityState::CancelRequested
        } else {
            match (attempt.out.is_some(), is_paused) {
                (false, false) => PendingActivityState::Scheduled,
                (true, false) => PendingActivityState::Started,
                (false, true) => PendingActivityState::Paused,
                (true, true) => PendingActivityState::PauseRequested,
            }
        };
        let who = attempt.out.as_ref().map(|out| &out.identity).or(last.map(|(_, _, identity)| identity));
        PendingActivity {
            activity_id: scheduled.activity_id.clone(),
            activity_type: scheduled.activity_type.clone(),
            state,
            attempt: attempt.number,
            maximum_attempts: options.retry_policy.maximum_attempts,
            scheduled_time: waits,
            expiration_time: options.schedule_to_close_timeout.map(|timeout| attempt.scheduled + timeout),
            last_started_time: attempt.out.as_ref().map(|out| out.since).or(last.map(|(began, _, _)| *began)),
            next_attempt_schedule_time: (attempt.out.is_none() && !is_paused && waits > self.now)
                .then_some(waits),
            last_failure: attempt.last_failure.clone(),
            last_worker_identity: who.cloned().unwrap_or_default(),
            heartbeat: attempt.heartbeat.clone(),
            last_attempt_complete_time: last.map(|(_, ended, _)| *ended),
            options,
            pause: attempt.pause.clone(),
        }
    }

    fn filtered(&self, namespace: Option<&Namespace>, query: &str) -> Result<(Filter, Vec<&Run>), Refusal> {
        let filter = Filter::parse(query).ok_or_else(|| Refusal::InvalidArgument(String::new()))?;
        let mut runs: Vec<&Run> = self
            .runs
            .values()
            .filter(|run| namespace.is_none_or(|namespace| run.namespace == *namespace))
            .filter(|run| filter.accepts_run(run))
            .collect();
        runs.sort_by_key(|run| place(run));
        Ok((filter, runs))
    }

    pub(super) fn list(&self, list: &ListWorkflows) -> Result<Reply, Refusal> {
        let (_, mut runs) = self.filtered(list.namespace.as_ref(), &list.query)?;
        if let Some(token) = &list.page_token {
            let close = token.close_time.unwrap_or(Timestamp::MAX);
            let behind = (Reverse(close), Reverse(token.start_time), token.run_id);
            runs.retain(|run| place(run) > behind);
        }
        let has_more = runs.len() > list.page_size;
        runs.truncate(list.page_size);
        let next = runs.last().filter(|_| has_more).map(|run| ListToken {
            close_time: (!run.is_open()).then(|| run.last_time()),
            start_time: run.began,
            run_id: run.run_id,
        });
        Ok(Reply::Listed { runs: runs.into_iter().map(Run::summary).collect(), next })
    }

    pub(super) fn count(&self, namespace: &Namespace, query: &str) -> Result<Reply, Refusal> {
        let (filter, runs) = self.filtered(Some(namespace), query)?;
        let mut groups: BTreeMap<&str, CountGroup> = BTreeMap::new();
        for run in runs.iter().filter(|_| filter.groups) {
            let status = run.status();
            groups.entry(status.name()).or_insert(CountGroup { status, count: 0 }).count += 1;
        }
        Ok(Reply::Counted { count: runs.len() as u64, groups: groups.into_values().collect() })
    }
}

impl Run {
    /// What a list shows of it.
    fn summary(&self) -> RunSummary {
        let started = self.started();
        let is_open = self.is_open();
        let count = |pending: usize| if is_open { u32::try_from(pending).unwrap_or(u32::MAX) } else { 0 };
        let mut memo: Header = started.memo.clone();
        let mut search_attributes: Header = started.search_attributes.clone();
        for (_, event) in &self.history {
            if let Event::WorkflowPropertiesModified { upserted_memo, .. } = event {
                memo.extend(upserted_memo.clone());
            } else if let Event::UpsertWorkflowSearchAttributes { search_attributes: upserted, .. } = event {
                search_attributes.extend(upserted.clone());
            }
        }
        RunSummary {
            namespace: self.namespace.clone(),
            workflow_id: self.workflow_id.clone(),
            run_id: self.run_id,
            workflow_type: started.workflow_type.clone(),
            task_queue: started.task_queue.clone(),
            status: self.status(),
            start_time: self.began,
            execution_time: self.execution_time(),
            close_time: (self.status() != RunStatus::Running).then(|| self.last_time()),
            history_length: self.history.len() as u64,
            history_size_bytes: 0,
            pending_activities: count(self.activities().len()),
            pending_timers: count(self.timers().len()),
            workflow_task_attempt: self.task.as_ref().map_or(0, |task| task.attempt),
            first_run_id: started.first_execution_run_id,
            parent: started.parent.clone(),
            root: started.root.clone(),
            memo,
            search_attributes,
            state_transitions: 0,
        }
    }
}
