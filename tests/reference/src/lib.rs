//! The engine once more, as simply as it can be written, and random programs on which both must agree.
//!
//! For tests alone. `differential` compares the engine in memory with the reference after every operation and every
//! crash; `power_cut` does so over the real store on a disk that loses what is not synced.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the reference asks one thing at a time of an event; what it has not learned fails loudly"
)]

mod reference;
mod seen;
mod program;
mod gist;
mod coverage;
mod host;
mod sides;
pub mod faults;

use std::time::Duration;

use tidegate_engine::{Refusal, Reply, Settings, Ticket};

pub use coverage::Coverage;
pub use host::{Crash, Decided, Host, InMemory, decide, stamp};
pub use program::{Op, planted, random};
pub use reference::Reference;
pub use seen::Seen;
pub use sides::{Kept, Sides, State};

/// A request's ticket, and what is said to it.
pub type Answer = (Ticket, Result<Reply, Refusal>);

/// What differs, in words.
pub type Difference = String;

/// Limits so small that programs reach them.
#[must_use]
pub fn settings() -> Settings {
    Settings {
        payload_bytes_max: 4_000,
        history_events_max: 60,
        history_events_suggest: 30,
        pending_activities_max: 2,
        pending_timers_max: 2,
        pending_children_max: 2,
        pending_signals_max: 1,
        pending_cancel_requests_max: 1,
        signals_per_run_max: 9,
        buffered_queries_max: 1,
        updates_in_flight_max: 2,
        updates_per_run_max: 6,
        retention: Duration::from_secs(6 * 3_600),
        ..Settings::default()
    }
}
