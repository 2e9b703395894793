//! The bytes of everything stored and sent: that they stay what they were, that older and newer ones are understood,
//! and that every value comes back as it went.

#[path = "../samples/mod.rs"]
mod samples;

mod evolution;
mod golden;
mod round_trip;
