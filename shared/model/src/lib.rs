//! What device, gateway and cloud must agree on: nothing more, and nothing that computes.
//!
//! The modules stand in the order a newcomer should read them. The crate is `no_std` with `alloc`, so that firmware
//! speaks the same words as the cloud; it reads no clock, draws no random number and does no I/O.
#![no_std]

extern crate alloc;

pub mod id;
pub mod time;
pub mod limits;
pub mod topic;
pub mod payload;
pub mod reading;
pub mod event;
pub mod signal;
pub mod lane;
pub mod replication;
pub mod chance;
pub mod codec;
