//! The uplink against a bridge that fails in every way the way to it can fail, on a real store.

mod bridge;
mod checker;
mod device;
mod http;

mod faults;
mod lanes;
mod random;
mod signals;
mod standing;
