//! How runs are started.

use std::time::Duration;

use tidegate_engine::StartWorkflow;
use tidegate_model::chance::Chance;
use tidegate_model::event::{Priority, WorkflowIdConflictPolicy, WorkflowIdReusePolicy};
use tidegate_model::payload::Header;

use super::words::{
    below, execution, flip, header, name, retry_policy, said, seldom, small, task_queue, word, workflow,
};

/// How a run is started.
#[derive(Debug, Clone)]
pub struct Start {
    pub(super) workflow: u8,
    pub(super) request: u8,
    pub(super) reuse: WorkflowIdReusePolicy,
    pub(super) conflict: WorkflowIdConflictPolicy,
    pub(super) attach: bool,
    pub(super) attempts: Option<u32>,
    pub(super) cron: bool,
    pub(super) delay: Option<u64>,
    pub(super) run_timeout: Option<u64>,
    pub(super) execution_timeout: Option<u64>,
    pub(super) priority: Option<u8>,
    pub(super) attribute: bool,
}

pub(super) fn random(chance: &mut Chance) -> Start {
    let workflow = workflow(chance);
    of(chance, workflow)
}

pub(super) fn of(chance: &mut Chance, workflow: u8) -> Start {
    use WorkflowIdConflictPolicy as Conflict;
    use WorkflowIdReusePolicy as Reuse;
    Start {
        workflow,
        request: small(chance, 4),
        reuse: [
            Reuse::AllowDuplicate,
            Reuse::AllowDuplicate,
            Reuse::AllowDuplicateFailedOnly,
            Reuse::RejectDuplicate,
        ][below(chance, 4)],
        conflict: [Conflict::Fail, Conflict::Fail, Conflict::UseExisting, Conflict::TerminateExisting]
            [below(chance, 4)],
        attach: flip(chance),
        attempts: [None, None, None, Some(2)][below(chance, 4)],
        cron: seldom(chance, 12),
        delay: [None, None, None, None, None, Some(3)][below(chance, 6)],
        run_timeout: [None, None, None, None, Some(20)][below(chance, 5)],
        execution_timeout: [None, None, None, None, None, Some(40)][below(chance, 6)],
        priority: seldom(chance, 3).then(|| small(chance, 7)),
        attribute: seldom(chance, 12),
    }
}

impl Start {
    /// Nothing said but this.
    pub(super) fn plain(workflow: u8) -> Self {
        Self {
            workflow,
            request: 1,
            reuse: WorkflowIdReusePolicy::AllowDuplicate,
            conflict: WorkflowIdConflictPolicy::Fail,
            attach: false,
            attempts: None,
            cron: false,
            delay: None,
            run_timeout: None,
            execution_timeout: None,
            priority: None,
            attribute: false,
        }
    }

    pub(super) fn request(&self) -> StartWorkflow {
        let (namespace, workflow_id) = execution(self.workflow);
        StartWorkflow {
            input: said("input"),
            identity: String::from("caller"),
            request_id: name('r', self.request),
            workflow_id_reuse_policy: self.reuse,
            workflow_id_conflict_policy: self.conflict,
            on_conflict_attach_request_id: self.attach,
            retry_policy: self.attempts.map(retry_policy),
            cron_schedule: if self.cron { String::from("* * * * *") } else { String::new() },
            workflow_start_delay: self.delay.map(Duration::from_secs),
            workflow_run_timeout: self.run_timeout.map(Duration::from_secs),
            workflow_execution_timeout: self.execution_timeout.map(Duration::from_secs),
            memo: header("note", 1),
            search_attributes: if self.attribute { word("s0", "x") } else { Header::new() },
            priority: self.priority.map(|key| Priority {
                priority_key: u32::from(key),
                fairness_key: String::new(),
                fairness_weight: 0.0,
            }),
            ..StartWorkflow::new(namespace, workflow_id, "random", task_queue(0))
        }
    }
}
