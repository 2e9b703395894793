//! The centre: takes in what devices recorded, archives it, and sends operators' signals down.
//!
//! ```text
//! devices ─► link ─┐                      ┌─► log (rows on disk) ─► archive ─┐
//!                  ├─► desk ─► fleet ─────┤                                  ├─► operators
//! operators ─► operator ─┘   (a machine)  └─► answers, once on disk ─────────┘
//! ```
//! `run` puts it together and sees everything; the other modules see what the arrows show.

pub mod config;
pub mod api;
mod fleet;
mod desk;
mod archive;
mod timeline;
mod link;
mod operator;
mod listen;
mod clock;
mod telemetry;
mod run;
pub mod cli;

pub use config::Config;
pub use run::{Addresses, Bridge, Error, ListenError, check, run};
