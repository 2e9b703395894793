//! The API as a caller sees it: a real listener, a real client, the engine in memory behind it.

mod caller;
mod host;
mod door;
mod hello;
mod reading;
mod namespaces;
mod schedules;
mod errors;
mod batches;
mod executions;
mod conversations;
