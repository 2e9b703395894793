//! Workflow execution with Temporal's semantics, as a deterministic machine.
//!
//! Time and chance are arguments; requests go in, records to append and replies to release come out. What a run is
//! follows from its records alone, so a machine that has applied the same records is in the same state. It names no
//! store, no socket and no clock.
//!
//! A feature of workflows has a file: the part of a run it keeps, what events and changes do to that part, and the
//! verbs that decide. `run` hands records to the parts, `engine` hands requests to the verbs; `index` is what follows
//! from the runs and is never stored.

mod request;
mod command;
mod record;
mod service;
mod settings;
mod engine;
mod run;
mod start;
mod workflow_task;
mod plan;
mod buffer;
mod sticky;
mod activity;
mod retry;
mod schedule;
mod cron;
mod scheduler;
mod timer;
mod signal;
mod query;
mod update;
mod child;
mod external;
mod marker;
mod chain;
mod timeout;
mod cancel;
mod terminate;
mod reset;
mod retired;
mod close;
mod closed;
mod due;
mod workers;
mod search_attributes;
mod namespaces;
mod visibility;
mod history_wait;
mod index;
mod outbox;
mod queue;
mod deadlines;
mod alarms;
mod bounds;
mod failure;
mod snapshot;

pub use command::{Command, ContinueAsNew, ScheduleActivity, StartChildWorkflow};
pub use cron::{CronError, CronSchedule};
pub use engine::{Effect, Engine, Input, Step};
pub use failure::kept as shortened_failure;
pub use record::{
    BackfillProgress, NamespaceRecord, Record, ScheduleChange, ScheduleChangeKind, StartedAction,
    StateChange, WaitingAction,
};
pub use request::*;
pub use retry::{Verdict as RetryVerdict, completed as completed_retry_policy, verdict as retry_verdict};
pub use schedule::{
    CalendarSpec, FieldRange, IntervalSpec, ScheduleSpec, SearchLimit, SpecError, SpecTime, SpecTimes,
    StructuredCalendarSpec, parse_duration,
};
pub use service::{ServiceError, WorkflowService};
pub use settings::Settings;
pub use update::outcome_in_history;
