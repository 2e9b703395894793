//! What a run carries for people to see and may change on the way: what it is remembered and found by.

use serde::{Deserialize, Serialize};
use tidegate_model::event::WorkflowExecutionStarted;
use tidegate_model::payload::Header;

use crate::search_attributes::upsert;

/// See the module.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Shown {
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub(crate) memo: Header,
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub(crate) search_attributes: Header,
    /// Changes of its state, with or without events.
    #[serde(default)]
    pub(crate) state_transitions: u64,
}

impl Shown {
    pub(crate) fn of(started: &WorkflowExecutionStarted) -> Self {
        let mut shown = Self::default();
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
