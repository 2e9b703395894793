//! A sensor that loses nothing its gateway has not confirmed.
//!
//! The logic is `no_std` and waits for nothing of its own accord: a board hands it a [`tasks::Driver`] (what measures)
//! and a [`tasks::Link`] (what carries), and runs two tasks joined by an `embassy-sync` channel. The same two tasks run
//! on a laptop in [`host`].
//!
//! ```text
//! Driver ─► sampling (deadband) ─► channel ─► publishing (station: number, keep, send, send again) ─► Link ─► broker
//!                                                  └──────────── acknowledgement from the gateway ◄──────────┘
//! ```
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "host"))]
extern crate std;

pub mod deadband;
pub mod outbox;
pub mod station;
pub mod tasks;
#[cfg(feature = "host")]
pub mod host;
