//! What a worker is hosted by.

pub use tidegate_engine::{ServiceError, WorkflowService};
