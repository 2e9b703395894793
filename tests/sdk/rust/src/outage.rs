//! The outage: everything is under way when the server is killed, and everything is completed when it is back.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use anyhow::Result;
use temporalio_common::HasWorkflowDefinition;

use crate::driver::{Answer, Driver, Handle, expect, persistently, result, until};
use crate::steps::{
    add, close, create_schedule, delete_schedule, describe_schedule, is_cancelled, reached, readings_so_far,
    request_cancel, set_target, switch_off, wait_for_target, wake, what_was_done,
};
use crate::workflows::{
    Bed, CollectReadings, KeepLine, KeepReporting, Patrol, Pause, Rounds, Thermostat, WaitForBed,
};

/// `kill` gives the word, and is done when the server has been killed and started again.
pub async fn outlast(driver: &Driver, kill: impl Future<Output = Result<()>>, ok: fn(&str)) -> Result<()> {
    let outage = &driver.gateway.outage;
    let pause = driver.start::<Pause>("outage-timer", [1.0, 5.0]).await?;
    let reporting = driver.start::<KeepReporting>("outage-retry", ()).await?;
    let holding = driver.start::<KeepLine>("outage-heartbeat", ()).await?;
    let collecting = driver.start::<CollectReadings>("outage-signal", ()).await?;
    add(&collecting, 1, "before").await?;
    let waiting = driver.start::<WaitForBed>("outage-child", ()).await?;
    let thermostat = driver.start::<Thermostat>("outage-update", ()).await?;
    let accepted = wait_for_target(&thermostat, 23).await?;
    let rounds = driver.start::<Rounds>("outage-continue-as-new", (5, Vec::new())).await?;
    let patrol = driver.start::<Patrol>("outage-cancel", "east").await?;
    expect(what_was_done(&patrol).await?.is_empty(), true)?;
    let schedule = create_schedule(driver, "outage-schedule", Duration::from_secs(1)).await?;
    let guest = driver.handle::<Bed>(&driver.id("outage-child-guest"));

    until("all of it is under way", async || {
        let actions = describe_schedule(&schedule).await?.action_count();
        let activities_are = outage.failed_attempts.load(SeqCst) >= 2 && outage.heartbeats.load(SeqCst) >= 2;
        Ok(activities_are && actions >= 1 && has_begun(&guest).await?)
    })
    .await?;
    let attempts_before = outage.failed_attempts.load(SeqCst);
    let actions_before = describe_schedule(&schedule).await?.action_count();

    // The first of the two waits while the server is killed under it.
    let (paused, killed) = tokio::join!(result(&pause), kill);
    killed?;
    expect(paused? >= 5.0, true)?;
    ok("outage-timer");

    outage.is_over.store(true, SeqCst);
    expect(result(&reporting).await? > attempts_before, true)?;
    ok("outage-retry");

    expect(result(&holding).await?, 1)?;
    ok("outage-heartbeat");

    expect(readings_so_far(&collecting).await?, ["before"])?;
    add(&collecting, 2, "after").await?;
    close(&collecting).await?;
    expect(result(&collecting).await?, ["before", "after"])?;
    ok("outage-signal");

    wake(&guest).await?;
    expect(result(&waiting).await?, "guest is awake")?;
    ok("outage-child");

    expect(set_target(&thermostat, 23).await?, 20)?;
    expect(reached(&accepted).await?, "23 degrees are reached")?;
    switch_off(&thermostat).await?;
    expect(result(&thermostat).await?, 23)?;
    ok("outage-update");

    expect(result(&rounds).await?, ["round 1", "round 2", "round 3", "round 4", "round 5"])?;
    ok("outage-continue-as-new");

    request_cancel(&patrol).await?;
    is_cancelled(result(&patrol).await)?;
    expect(what_was_done(&patrol).await?, ["lights of east are off"])?;
    ok("outage-cancel");

    until("the schedule goes on", async || {
        Ok(describe_schedule(&schedule).await?.action_count() > actions_before)
    })
    .await?;
    delete_schedule(&schedule).await?;
    ok("outage-schedule");
    Ok(())
}

async fn has_begun(handle: &Handle<impl HasWorkflowDefinition>) -> Result<bool> {
    match persistently(async || handle.describe(Default::default()).await).await {
        Err(error) if error.is_not_found() => Ok(false),
        described => Ok(described.map(|_| true)?),
    }
}
