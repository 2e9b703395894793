//! What the programs have produced, counted: a comparison in which something never happens says nothing of it.

use std::collections::BTreeMap;

use tidegate_engine::Record;
use tidegate_model::event::Event;

use crate::program::Op;
use crate::sides::Sides;

/// See the module.
#[derive(Default)]
pub(crate) struct Coverage(BTreeMap<String, u64>);

impl Coverage {
    pub(crate) fn take(&mut self, sides: &Sides, program: &[Op]) {
        for record in &sides.records {
            match record {
                Record::History(batch) => {
                    batch.events.iter().for_each(|event| self.count(Event::type_name(event)));
                }
                Record::State(change) => {
                    self.count(&format!("change {}", first_word(&format!("{change:?}"))))
                }
            }
        }
        for answer in &sides.answered {
            self.count(answer);
        }
        for op in program {
            self.count(&format!("operation {}", first_word(&format!("{op:?}"))));
        }
    }

    fn count(&mut self, name: &str) {
        *self.0.entry(name.to_owned()).or_default() += 1;
    }

    /// Everything that the programs speak of has happened.
    pub(crate) fn assert_all(&self) {
        let missing: Vec<&&str> = EXPECTED.iter().filter(|name| !self.0.contains_key(**name)).collect();
        assert!(missing.is_empty(), "never: {missing:?}, of {:#?}", self.0);
    }
}

fn first_word(text: &str) -> &str {
    &text[..text.find(['(', '{', ' ']).unwrap_or(text.len())]
}

const EXPECTED: [&str; 61] = [
    "WorkflowExecutionStarted",
    "WorkflowExecutionCompleted",
    "WorkflowExecutionFailed",
    "WorkflowExecutionTimedOut",
    "WorkflowTaskScheduled",
    "WorkflowTaskStarted",
    "WorkflowTaskCompleted",
    "WorkflowTaskTimedOut",
    "WorkflowTaskFailed",
    "ActivityTaskScheduled",
    "ActivityTaskStarted",
    "ActivityTaskCompleted",
    "ActivityTaskFailed",
    "ActivityTaskTimedOut",
    "TimerStarted",
    "TimerFired",
    "TimerCanceled",
    "WorkflowExecutionCancelRequested",
    "WorkflowExecutionCanceled",
    "RequestCancelExternalWorkflowExecutionInitiated",
    "RequestCancelExternalWorkflowExecutionFailed",
    "ExternalWorkflowExecutionCancelRequested",
    "MarkerRecorded",
    "WorkflowExecutionSignaled",
    "WorkflowExecutionTerminated",
    "WorkflowExecutionContinuedAsNew",
    "StartChildWorkflowExecutionInitiated",
    "StartChildWorkflowExecutionFailed",
    "ChildWorkflowExecutionStarted",
    "ChildWorkflowExecutionCompleted",
    "ChildWorkflowExecutionFailed",
    "ChildWorkflowExecutionCanceled",
    "ChildWorkflowExecutionTimedOut",
    "ChildWorkflowExecutionTerminated",
    "SignalExternalWorkflowExecutionInitiated",
    "SignalExternalWorkflowExecutionFailed",
    "ExternalWorkflowExecutionSignaled",
    "UpsertWorkflowSearchAttributes",
    "WorkflowPropertiesModified",
    "WorkflowExecutionOptionsUpdated",
    "change TransientTaskStarted",
    "change TransientTaskEnded",
    "change Buffered",
    "change StickyBound",
    "change StickyReleased",
    "change ActivityStarted",
    "change ActivityRetried",
    "change WorkflowReset",
    "change ParentTold",
    "change ChildLeft",
    "Started",
    "Signaled",
    "Done",
    "Reset",
    "History",
    "WorkflowTask",
    "ActivityTask",
    "refused AlreadyStarted",
    "refused NotFound",
    "refused InvalidArgument",
    "refused BusyWorkflow",
];
