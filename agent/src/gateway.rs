//! The gateway's deterministic half: one machine on the log, made of smaller ones, each with its own state.
//!
//! This module routes. What a reading is worth is decided in `samples`, when a window closes in `pipeline`, what a
//! run does next in the engine, which signals count in `link`. It reads no clock and does no I/O: the log gives it a
//! turn, it appends records and asks for effects, and those are released once the records are on disk.

mod input;
mod state;
mod readings;
mod workflows;
mod replication;

pub use input::{Answer, Effect, Input, Message, PipelineText, Status};
pub use state::Gateway;

#[cfg(test)]
mod tests;
