"""The outage: everything is under way when the server is killed, and everything is completed when it is back."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from temporalio.client import WorkflowHandle, WorkflowUpdateStage
from temporalio.exceptions import CancelledError
from temporalio.service import RPCError, RPCStatusCode

import workflows as wf
from driver import Driver, expect, persistently, result, until
from steps import create_schedule, delete_schedule, fails_with


async def outlast(driver: Driver, kill: Callable[[], None], ok: Callable[[str], None]) -> None:
    """`kill` gives the word, and returns when the server has been killed and started again."""
    outage = driver.outage
    pause = await driver.start(wf.Pause.run, [1.0, 5.0], name="outage-timer")
    reporting = await driver.start(wf.KeepReporting.run, name="outage-retry")
    holding = await driver.start(wf.HoldLine.run, name="outage-heartbeat")
    collecting = await driver.start(wf.CollectReadings.run, name="outage-signal")
    await persistently(lambda: collecting.signal(wf.CollectReadings.add, wf.Reading(1, "before")))
    waiting = await driver.start(wf.WaitForBed.run, name="outage-child")
    thermostat = await driver.start(wf.Thermostat.run, name="outage-update")
    accepted = await persistently(
        lambda: thermostat.start_update(
            wf.Thermostat.wait_for_target, 23, id="wait-for-23", wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )
    )
    rounds = await driver.start(wf.Rounds.run, 5, [], name="outage-continue-as-new")
    patrol = await driver.start(wf.Patrol.run, "east", name="outage-cancel")
    expect(await persistently(lambda: patrol.query(wf.Patrol.what_was_done)), [])
    schedule = await create_schedule(driver, "outage-schedule", timedelta(seconds=1))
    guest = driver.client.get_workflow_handle_for(wf.Bed.run, driver.id("outage-child-guest"))

    async def is_under_way() -> bool:
        actions = (await schedule.describe()).info.num_actions
        return outage.failed_attempts >= 2 and outage.heartbeats >= 2 and actions >= 1 and await has_begun(guest)

    await until("all of it is under way", is_under_way)
    attempts_before = outage.failed_attempts
    actions_before = (await persistently(schedule.describe)).info.num_actions
    # This call waits while the server is killed under it.
    paused = asyncio.create_task(result(pause))

    await asyncio.to_thread(kill)

    expect(await paused >= 5.0, True)
    ok("outage-timer")

    outage.over.set()
    expect(await result(reporting) > attempts_before, True)
    ok("outage-retry")

    expect(await result(holding), 1)
    ok("outage-heartbeat")

    expect(await persistently(lambda: collecting.query(wf.CollectReadings.readings_so_far)), ["before"])
    await persistently(lambda: collecting.signal(wf.CollectReadings.add, wf.Reading(2, "after")))
    await persistently(lambda: collecting.signal(wf.CollectReadings.close))
    expect(await result(collecting), ["before", "after"])
    ok("outage-signal")

    await persistently(lambda: guest.signal(wf.Bed.wake))
    expect(await result(waiting), "guest is awake")
    ok("outage-child")

    expect(await persistently(lambda: thermostat.execute_update(wf.Thermostat.set_target, 23, id="set-to-23")), 20)
    expect(await persistently(accepted.result), "23 degrees are reached")
    await persistently(lambda: thermostat.signal(wf.Thermostat.switch_off))
    expect(await result(thermostat), 23)
    ok("outage-update")

    expect(await result(rounds), [f"round {number}" for number in range(1, 6)])
    ok("outage-continue-as-new")

    await persistently(patrol.cancel)
    await fails_with(CancelledError, result(patrol))
    expect(await persistently(lambda: patrol.query(wf.Patrol.what_was_done)), ["lights of east are off"])
    ok("outage-cancel")

    async def is_more() -> bool:
        return (await schedule.describe()).info.num_actions > actions_before

    await until("the schedule goes on", is_more)
    await delete_schedule(schedule)
    ok("outage-schedule")


async def has_begun(handle: WorkflowHandle) -> bool:
    try:
        await handle.describe()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True
