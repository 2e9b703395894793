//! Workflows that do as little as possible themselves, so that what is measured is the server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use temporalio_macros::{activities, workflow, workflow_methods};
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use temporalio_sdk::workflows::join_all;
use temporalio_sdk::{
    ActivityOptions, ChildWorkflowOptions, SyncWorkflowContext, TimerOptions, WorkflowContext, WorkflowResult,
};

/// Waits between the scheduling of each activity and its start, as the worker sees them.
#[derive(Clone, Default)]
pub struct Load {
    pub waits: Arc<Mutex<Vec<Duration>>>,
}

#[activities]
impl Load {
    #[activity]
    pub async fn noop(self: Arc<Self>, ctx: ActivityContext) -> Result<(), ActivityError> {
        let info = ctx.info();
        if let (Some(scheduled), Some(started)) = (info.current_attempt_scheduled_time, info.started_time)
            && let Ok(wait) = started.duration_since(scheduled)
        {
            self.waits.lock().expect("nobody panics with it").push(wait);
        }
        Ok(())
    }
}

fn quickly() -> ActivityOptions {
    ActivityOptions::start_to_close_timeout(Duration::from_secs(30))
}

/// One activity that does nothing.
#[workflow]
#[derive(Default)]
pub struct Noop;

#[workflow_methods]
impl Noop {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        Ok(ctx.execute_activity(Load::noop, (), quickly()).await?)
    }
}

/// Many activities, in groups side by side.
#[workflow]
#[derive(Default)]
pub struct ManyActions;

#[workflow_methods]
impl ManyActions {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, groups: u32) -> WorkflowResult<()> {
        for _ in 0..groups {
            for done in join_all((0..5).map(|_| ctx.execute_activity(Load::noop, (), quickly()))).await {
                done?;
            }
        }
        Ok(())
    }
}

/// Adds up what it is sent until a threshold is reached, then reacts.
#[workflow]
#[derive(Default)]
pub struct Reactor {
    sum: u64,
}

#[workflow_methods]
impl Reactor {
    #[signal]
    pub fn add(&mut self, _ctx: &mut SyncWorkflowContext<Self>, value: u64) {
        self.sum += value;
    }

    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, threshold: u64) -> WorkflowResult<u64> {
        ctx.wait_condition(|state| state.sum >= threshold).await?;
        ctx.execute_activity(Load::noop, (), quickly()).await?;
        Ok(ctx.state(|state| state.sum))
    }
}

/// A tree of children: each has `breadth` of its own, `depth` deep.
#[workflow]
#[derive(Default)]
pub struct Rabbit;

#[workflow_methods]
impl Rabbit {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, (depth, breadth): (u32, u32)) -> WorkflowResult<u64> {
        if depth == 0 {
            return Ok(1);
        }
        let me = ctx.workflow_id().to_owned();
        let mut children = Vec::new();
        for child in 0..breadth {
            let options = ChildWorkflowOptions::workflow_id(format!("{me}/{child}"));
            children.push(ctx.start_child_workflow(Rabbit::run, (depth - 1, breadth), options).await?);
        }
        let mut descendants = 1;
        for child in children {
            descendants += child.result().await?;
        }
        Ok(descendants)
    }
}

/// Timers side by side, of a second at most.
#[workflow]
#[derive(Default)]
pub struct ManyTimers;

#[workflow_methods]
impl ManyTimers {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, timers: u32) -> WorkflowResult<()> {
        let timers = (0..timers).map(|n| {
            let duration = Duration::from_millis(u64::from(n % 10) * 100 + 1);
            ctx.timer(TimerOptions::from(duration))
        });
        join_all(timers).await;
        Ok(())
    }
}

/// Takes numbered signals in whatever order they come, and ends when it has all of them.
#[workflow]
#[derive(Default)]
pub struct OutOfOrder {
    missing_from: u64,
    ahead: std::collections::BTreeSet<u64>,
}

#[workflow_methods]
impl OutOfOrder {
    #[signal]
    pub fn number(&mut self, _ctx: &mut SyncWorkflowContext<Self>, number: u64) {
        self.ahead.insert(number);
        while self.ahead.remove(&self.missing_from) {
            self.missing_from += 1;
        }
    }

    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, numbers: u64) -> WorkflowResult<u64> {
        ctx.wait_condition(|state| state.missing_from >= numbers).await?;
        Ok(ctx.state(|state| state.missing_from))
    }
}

macro_rules! with_all {
    ($options:expr) => {
        $options
            .register_workflow::<$crate::workflows::Noop>()?
            .register_workflow::<$crate::workflows::ManyActions>()?
            .register_workflow::<$crate::workflows::Reactor>()?
            .register_workflow::<$crate::workflows::Rabbit>()?
            .register_workflow::<$crate::workflows::ManyTimers>()?
            .register_workflow::<$crate::workflows::OutOfOrder>()?
    };
}
pub(crate) use with_all;
