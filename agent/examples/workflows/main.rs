//! A gateway with workflow code of its own: the four workflows that docs/workflows.md teaches with.
//!
//! `cargo run -p tidegate --example workflows -- start-dev`, and in another terminal
//! `tidegate workflow start --type timed-event --task-queue home --input '{"name":"hunt","target":100}'`.

mod energy_use;
mod adverse_reaction;
mod timed_event;
mod device_saga;
#[cfg(test)]
mod document;
#[cfg(test)]
mod leak_watch;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod versions;

// region: main
use std::process::ExitCode;

use tidegate::cli;
use tidegate::run::Native;
use tidegate_model::id::TaskQueue;

use adverse_reaction::{AdverseReaction, Page};
use device_saga::{DeviceSaga, Operate};
use energy_use::{EnergyUse, Notify, ReadMeter};
use timed_event::{GrantReward, Reward, TimedEvent};

fn main() -> ExitCode {
    let queue = TaskQueue::new("home").expect("a task queue by its form");
    let native = Native::new(queue, |worker| {
        worker
            .build_id(env!("CARGO_PKG_VERSION"))
            .workflow::<EnergyUse>()
            .workflow::<AdverseReaction>()
            .workflow::<TimedEvent>()
            .workflow::<Reward>()
            .workflow::<DeviceSaga>()
            .activity::<ReadMeter>(energy_use::read_meter)
            .activity::<Notify>(energy_use::notify)
            .activity::<Page>(adverse_reaction::page)
            .activity::<GrantReward>(timed_event::grant_reward)
            .activity::<Operate>(device_saga::operate)
    });
    cli::main_with(std::env::args_os(), vec![native])
}
// endregion
