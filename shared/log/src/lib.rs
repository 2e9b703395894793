//! The durable log and the one commit loop.
//!
//! Inputs go in; a deterministic [`Machine`] decides and appends; one row is committed; effects come out. The log is
//! the truth: one row of one redb table for each group commit. Everything else in the file is derived from rows and
//! says at which row it is true. Knows nothing of workflows, MQTT or HTTP.
//!
//! docs/storage.md has the file byte by byte.

mod machine;
mod row;
mod pending;
mod snapshot;
mod store;
mod reader;
mod core;
mod commit_loop;
mod metrics;

pub use commit_loop::{LogHandle, LogStopped, Runtime, spawn};
pub use core::{Core, ENGINE_TIME_FLOOR, Upkeep};
pub use machine::{Append, CorruptRecord, Deadline, Machine, Record, TrimPolicy, Turn};
pub use metrics::{Histogram, Metrics};
pub use reader::{LaneSlice, Reader, StoredRecord};
pub use row::LaneHead;
pub use store::{Error, Options, Recovered, Store};
