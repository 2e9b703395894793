//! Pipelines: what to collect, when a window of it closes, what is decided of it, and what is done then.
//!
//! A pipeline is a TOML file (docs/pipelines.md). Read, it is a [`Definition`]: rules by which messages become readings,
//! a window over them, a condition on the window, and steps. [`Windows`] is the deterministic machine that the gateway
//! keeps; where a condition holds, the steps run as a workflow of type [`PIPELINE_WORKFLOW`].

mod diagnostic;
mod reader;
mod definition;
mod source;
mod steps;
mod template;
mod condition;
mod time;
mod windows;
mod workflow;

pub use definition::{Definition, WindowSpec};
pub use diagnostic::Diagnostic;
pub use time::{TimeOf, TimeUnit, ZoneOffset};
pub use windows::{Counts, Windows};
pub use workflow::{
    PIPELINE_QUEUE, PIPELINE_WORKFLOW, PipelineInput, PipelineOutput, PipelineWorkflow, StepOutcome,
    StepReport, start_request, workflow_id,
};
