//! What a worker promises, tried on an engine in memory.

mod workflows;
mod asked;
mod cancelling;
mod replay;
mod changed_code;
mod forbidden;
mod host;
