//! The engine's promises, each a test under its name.
//!
//! Most are transcripts: lines that begin with `>` are done to an engine with a clock of its own, the others are what
//! must come of it (`script`). Whatever is done here is also done to a second engine from the records alone, compared
//! with it, and read by a checker that knows the rules of history and nothing of the engine (`world`, `checker`).

mod checker;
mod world;
mod script;
mod scene;

mod start;
mod policies;
mod chain;
mod ends;
mod reset;
mod event_time;
mod workflow_task;
mod buffer;
mod sticky;
mod activity;
mod activity_time_outs;
mod activity_heartbeat;
mod activity_cancel;
mod activity_by_id;
mod activity_operate;
mod timer;
mod signal;
mod query;
mod update;
mod speculative;
mod update_closing;
mod update_chain;
mod child;
mod external;
mod workers;
mod queues;
mod task_on_request;
mod polls;
mod history_wait;
mod limits;
mod visibility;
mod visibility_model;
mod search_attributes;
mod namespaces;
mod schedule_stage;
mod schedule;
mod schedule_overlap;
mod schedule_chain;
mod schedule_catch_up;
mod schedule_clock;
mod schedule_programs;
mod schedule_golden;
mod golden;
mod random_programs;
mod planted_faults;
