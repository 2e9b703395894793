//! The gateway agent. Data flows from top to bottom; `run` wires it, `gateway` decides.
//!
//! ```text
//! broker ─► mqtt ─► decode ─┐                        ┌─► mqtt (PUBACK, publish)
//! bridge ─► uplink ─────────┼─► log: gateway ────────┼─► uplink (batches, receipts)
//! command line ─► control ──┘   (samples, pipeline,  └─► worker ─► activities
//!                                engine, link)
//! ```

pub mod run;
pub mod config;
pub mod gateway;
pub mod samples;
pub mod pipeline;
pub mod link;
pub mod ingest;
pub mod decode;
pub mod mqtt;
pub mod clock;
pub mod client;
pub mod worker;
pub mod activities;
pub mod uplink;
pub mod control;
pub mod cli;
pub mod telemetry;
