//! The commands by which a workflow says what it is found by and remembered with.

use tidegate_model::event::{Event, WorkflowTaskFailedCause};
use tidegate_model::payload::Header;

use crate::bounds::{self, Wrong};
use crate::plan::{BadCommand, Draft};

impl Draft<'_> {
    pub(crate) fn upsert_search_attributes(&mut self, wanted: &Header) -> Result<Event, BadCommand> {
        let bad = |reason| BadCommand::new(WorkflowTaskFailedCause::BadSearchAttributes, reason);
        if wanted.is_empty() {
            return Err(bad(Wrong(String::from("the command names no search attribute"))));
        }
        let search_attributes = self.attributes.check(wanted).map_err(bad)?;
        Ok(Event::UpsertWorkflowSearchAttributes {
            workflow_task_completed_event_id: self.completed_event_id,
            search_attributes,
        })
    }

    pub(crate) fn modify_properties(&mut self, upserted_memo: Header) -> Result<Event, BadCommand> {
        let bad =
            |reason| BadCommand::new(WorkflowTaskFailedCause::BadModifyWorkflowPropertiesAttributes, reason);
        if upserted_memo.is_empty() {
            return Err(bad(Wrong(String::from("the command names no entry of the memo"))));
        }
        bounds::header("memo", &upserted_memo, self.settings).map_err(bad)?;
        Ok(Event::WorkflowPropertiesModified {
            workflow_task_completed_event_id: self.completed_event_id,
            upserted_memo,
        })
    }
}
