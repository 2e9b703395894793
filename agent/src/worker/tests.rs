//! What a worker promises, tried on an engine in memory.

mod workflows;
mod asked;
mod children;
mod remembered;
mod local;
mod local_at_work;
mod heartbeats;
mod cancelling;
mod replay;
mod changed_code;
mod forbidden;
mod host;
mod deadlock;
mod random_programs;
