//! HTTP/JSON on a unix socket: how the command line, and anyone on the gateway, looks at a running agent.
//!
//! The socket is the permission: whoever may write to the file may ask. Nothing here listens on a network; where
//! Temporal's API is served, the same routes are there, behind the same key.

mod json;
mod routes;
mod workflows;
mod schedules;
mod reset;
mod socket;
mod temporal_json;

pub use json::{HistoryEvent, payload_to_json};
pub use routes::{Control, router};
pub use socket::{Caller, SocketError, bind};
pub use temporal_json::{ReadError, read_history};
pub use workflows::Count;
