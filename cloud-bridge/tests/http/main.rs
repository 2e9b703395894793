//! The bridge from outside: real listeners on loopback, a real store, HTTP as devices and operators speak it.

mod device;
mod running;
mod replication;
mod wrong;
mod crash;
mod downlink;
mod operator;
mod process;
