//! The world around the programs: real processes, a link that can be cut, and what must be true in the end.
//!
//! The test programs stand beside this folder: `tidy` reads the repository, `mqtt` talks to a real broker, `e2e`
//! runs everything.

pub mod site;
pub mod link;
pub mod mosquitto;
pub mod programs;
pub mod recordings;
pub mod checker;
