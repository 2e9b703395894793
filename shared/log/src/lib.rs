//! The durable log and the one commit loop.
//!
//! Inputs go in; a deterministic [`Machine`] decides and appends; one row is committed; effects come out. The log is
//! the truth: one row of one redb table for each group commit. Everything else in the file is derived from rows and
//! says at which row it is true. Knows nothing of workflows, MQTT or HTTP.

mod machine;
mod row;
mod store;
mod reader;
mod commit_loop;

pub use commit_loop::{LogHandle, LogStopped, Metrics, Runtime, spawn};
pub use machine::{Append, CorruptRecord, Deadline, Machine, Record, Turn};
pub use reader::{LaneSlice, Reader, StoredRecord};
pub use row::LaneHead;
pub use store::{Error, Options, Recovered, Store};
