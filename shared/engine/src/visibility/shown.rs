//! What a run carries for people and other runs to see: where it comes from, how it was started, what it is
//! remembered and found by.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::event::{Execution, WorkflowExecutionStarted, WorkflowParent};
use tidegate_model::id::RunId;
use tidegate_model::payload::Header;

use crate::closed::AsStarted;
use crate::search_attributes::upsert;

/// See the module.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// First run of its chain; `None` is itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_run_id: Option<RunId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<Box<WorkflowParent>>,
    /// The topmost run of its tree; `None` is itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) root: Option<Box<Execution>>,
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    pub(crate) first_workflow_task_backoff: Duration,
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub(crate) memo: Header,
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub(crate) search_attributes: Header,
    /// Changes of its state, with or without events.
    #[serde(default)]
    pub(crate) state_transitions: u64,
    #[serde(default, skip_serializing_if = "AsStarted::is_default")]
    pub(crate) as_started: AsStarted,
}

impl Shown {
    pub(crate) fn of(run_id: RunId, started: &WorkflowExecutionStarted) -> Self {
        let mut shown = Self {
            first_run_id: Some(started.first_execution_run_id).filter(|first| *first != run_id),
            parent: started.parent.clone(),
            root: started.root.clone(),
            first_workflow_task_backoff: started.first_workflow_task_backoff,
            memo: Header::new(),
            search_attributes: Header::new(),
            state_transitions: 0,
            as_started: AsStarted {
                run_timeout: started.workflow_run_timeout,
                execution_timeout: started.workflow_execution_timeout,
                execution_expiration_time: started.workflow_execution_expiration_time,
                task_timeout: started.workflow_task_timeout,
                user_metadata: started.user_metadata.clone(),
            },
        };
        shown.upsert_memo(&started.memo);
        shown.upsert_search_attributes(&started.search_attributes);
        shown
    }

    pub(crate) fn upsert_memo(&mut self, changes: &Header) {
        upsert(&mut self.memo, changes);
    }

    pub(crate) fn upsert_search_attributes(&mut self, changes: &Header) {
        upsert(&mut self.search_attributes, changes);
    }
}
