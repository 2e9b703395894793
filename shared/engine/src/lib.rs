//! Workflow execution with Temporal's semantics, as a deterministic machine.
//!
//! Time and chance are arguments; requests go in, records to append and replies to release come out. What a run is
//! follows from its records alone, so a machine that has applied the same records is in the same state. It names no
//! store, no socket and no clock.

mod request;
mod command;
mod record;
mod engine;

pub use command::{Command, ScheduleActivity};
pub use engine::{Effect, Engine, Input, Step};
pub use record::{Record, StateChange};
pub use request::{
    ActivityTask, ActivityTaskToken, HistoryPart, Refusal, Reply, Request, RunStatus, RunSummary, StartWorkflow,
    StickyAttributes, Ticket, WorkflowTask, WorkflowTaskToken,
};
