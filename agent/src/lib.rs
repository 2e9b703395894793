//! The gateway agent. Data flows from top to bottom; `run` wires it, `gateway` decides.
//!
//! ```text
//! broker ─► mqtt ─► decode ─┐                        ┌─► mqtt (PUBACK, publish)
//! bridge ─► uplink ─────────┼─► log: gateway ────────┼─► uplink (batches, receipts)
//! command line ─► control ──┘   (samples, pipeline,  └─► worker ─► activities
//!                                engine, link)
//! ```

pub mod config;
pub mod samples;
pub mod link;
pub mod decode;
pub mod mqtt;
pub mod clock;
pub mod worker;
pub mod uplink;
