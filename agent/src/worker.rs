//! The built-in worker: workflow code in Rust, as deterministic futures that are replayed from their history.
//!
//! A workflow is an `async fn` that reaches the world only through its [`Context`]: activities, timers, signals, the
//! time and chance. What it asked for and what came of it is its history; a worker that has lost the future makes
//! another and feeds it the history, and it arrives where it was. Code that no longer fits its history is found
//! out, and the run waits for better code: it is never failed for it.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use tidegate::worker::{select, Activity, Context, Either, Workflow};
//! # use tidegate_model::payload::Failure;
//! struct ReadMeter;
//! impl Activity for ReadMeter {
//!     const TYPE: &'static str = "read-meter";
//!     type Input = String;
//!     type Output = f64;
//! }
//!
//! struct Watch;
//! impl Workflow for Watch {
//!     const TYPE: &'static str = "watch";
//!     type Input = String;
//!     type Output = f64;
//!
//!     async fn run(cx: Context, meter: String) -> Result<f64, Failure> {
//!         let stop = cx.signal::<()>("stop");
//!         let mut highest = f64::MIN;
//!         loop {
//!             let value = cx.activity::<ReadMeter>(meter.clone()).start_to_close(Duration::from_secs(5)).await?;
//!             highest = highest.max(value);
//!             match select(stop.recv(), cx.timer(Duration::from_secs(60))).await {
//!                 Either::Left(_) => return Ok(highest),
//!                 Either::Right(()) => {}
//!             }
//!         }
//!     }
//! }
//! ```
//!
//! The worker asks the engine what any worker asks it, through [`WorkflowService`]: it has no other door.

mod service;
mod workflow;
mod context;
mod calls;
mod local;
mod others;
mod waits;
mod handlers;
mod markers;
mod local_state;
mod ahead;
mod outcome;
mod asked;
mod state;
mod combinators;
mod activity;
mod local_work;
mod replay;
mod fault;
mod wake;
mod panics;
mod executor;
mod version;
mod watchdog;
mod health;
mod host;
pub mod testkit;
#[cfg(test)]
mod tests;

pub use activity::{ActivityContext, Handler};
pub use calls::{ActivityCall, ActivityFuture};
pub use combinators::{Either, join, join_all, select, select_all};
pub use context::{Context, ContinueAsNewOptions, WorkflowInfo};
pub use health::{Blocked, Counts, Health};
pub use host::{Options, Running, ShadowReplay, StartError, Worker};
pub use local::{LocalActivityCall, LocalActivityFuture};
pub use others::{ChildCall, ChildFuture, Request};
pub use service::{ServiceError, WorkflowService};
pub use version::CodeVersion;
pub use waits::{Cancelled, Elapsed, Recv, Signal, Timer, Until};
pub use workflow::{Activity, Workflow};
