//! The gateway agent. Data flows from top to bottom; `run` wires it, `gateway` decides.
//!
//! ```text
//! broker ─► mqtt ─► decode ─┐                        ┌─► mqtt (PUBACK, publish)
//! bridge ─► uplink ─────────┼─► log: gateway ────────┼─► uplink (batches, receipts)
//! command line ─► control ──┘   (samples, pipeline,  └─► worker ─► activities
//!                                engine, link)
//! ```

pub mod config;
pub mod clock;
pub mod decode;
pub mod link;
pub mod uplink;

pub mod worker;
