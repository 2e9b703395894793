"""The steps: each uses one feature through the client and checks what came of it."""

import uuid
from collections.abc import Awaitable
from datetime import timedelta

from temporalio.api.enums.v1 import EventType, IndexedValueType, PendingActivityState
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)
from temporalio.common import RetryPolicy, SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy
from temporalio.exceptions import (
    ApplicationError,
    CancelledError,
    TerminatedError,
    TimeoutError,
    WorkflowAlreadyStartedError,
)
from temporalio.service import RPCError, RPCStatusCode

import workflows as wf
from driver import Driver, expect, persistently, result, until


async def activity(driver: Driver) -> None:
    expect(await driver.execute(wf.ReadSensor.run, "bed-12", name="activity"), "bed-12 reads 21.5")


async def retry(driver: Driver) -> None:
    outcome = await driver.execute(wf.ReadBadSensors.run, 2, name="retry")
    expect(outcome, "answer at attempt 3, then BrokenSensor: the wire is cut (bed-12)")


async def heartbeat(driver: Driver) -> None:
    outcome = await driver.execute(wf.UpdateFirmware.run, 6, name="heartbeat")
    expect(outcome, "attempt 3 went on at block 5 of 6")


async def activity_cancel(driver: Driver) -> None:
    handle = await driver.start(wf.WatchBed.run, "bed-12", name="activity-cancel")

    async def is_watched() -> bool:
        pending = (await handle.describe()).raw_description.pending_activities
        return any(
            each.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED and each.HasField("heartbeat_details")
            for each in pending
        )

    await until("the activity has sent a heartbeat", is_watched)
    await persistently(lambda: handle.signal(wf.WatchBed.stop))
    expect(await result(handle), "nobody watches bed-12")


async def async_completion(driver: Driver) -> None:
    handle = await driver.start(wf.AskNurse.run, "is bed-12 free?", name="async-completion")
    activity = driver.client.get_async_activity_handle(workflow_id=handle.id, run_id=None, activity_id="question")

    async def is_asked() -> bool:
        pending = (await handle.describe()).raw_description.pending_activities
        return any(each.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED for each in pending)

    await until("the question is asked", is_asked)
    await persistently(lambda: activity.complete("it is"))
    expect(await result(handle), "it is")


async def local_activity(driver: Driver) -> None:
    expect(await driver.execute(wf.ConvertReading.run, 21.5, name="local-activity"), 294.65)


async def timer(driver: Driver) -> None:
    seconds = await driver.execute(wf.Pause.run, [0.2, 1.0], name="timer")
    expect(seconds >= 1.0, True)


async def signal(driver: Driver) -> None:
    handle = await driver.start(wf.CollectReadings.run, name="signal")
    for number in (1, 2, 3):
        reading = wf.Reading(number, f"reading {number}")
        await persistently(lambda: handle.signal(wf.CollectReadings.add, reading))
    await persistently(lambda: handle.signal(wf.CollectReadings.close))
    expect(await result(handle), ["reading 1", "reading 2", "reading 3"])
    try:
        await persistently(lambda: handle.signal(wf.CollectReadings.close))
    except RPCError as error:
        expect(error.status, RPCStatusCode.NOT_FOUND)
    else:
        raise AssertionError("a closed workflow took a signal")


async def signal_with_start(driver: Driver) -> None:
    async def send(number: int) -> WorkflowHandle:
        return await driver.start(
            wf.CollectReadings.run,
            name="signal-with-start",
            start_signal="add",
            start_signal_args=[wf.Reading(number, f"reading {number}")],
        )

    first = await send(1)
    second = await send(2)
    expect(second.first_execution_run_id, first.first_execution_run_id)
    await persistently(lambda: first.signal(wf.CollectReadings.close))
    expect(await result(first), ["reading 1", "reading 2"])


async def query(driver: Driver) -> None:
    handle = await driver.start(wf.CollectReadings.run, name="query")
    await persistently(lambda: handle.signal(wf.CollectReadings.add, wf.Reading(1, "open")))
    expect(await persistently(lambda: handle.query(wf.CollectReadings.readings_so_far)), ["open"])
    try:
        await persistently(lambda: handle.query("something_else"))
    except WorkflowQueryFailedError as error:
        expect("something_else" in str(error), True)
    else:
        raise AssertionError("a query that nobody defined was answered")
    await persistently(lambda: handle.signal(wf.CollectReadings.close))
    await result(handle)
    expect(await persistently(lambda: handle.query(wf.CollectReadings.readings_so_far)), ["open"])


async def update(driver: Driver) -> None:
    handle = await driver.start(wf.Thermostat.run, name="update")
    for _ in range(2):
        # The same id: the second call gets the outcome of the first.
        set_to_22 = lambda: handle.execute_update(wf.Thermostat.set_target, 22, id="set-to-22")
        expect(await persistently(set_to_22), 20)
    waiting = await persistently(
        lambda: handle.start_update(
            wf.Thermostat.wait_for_target, 25, id="wait-for-25", wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )
    )
    try:
        await persistently(lambda: handle.execute_update(wf.Thermostat.set_target, 99, id="set-to-99"))
    except WorkflowUpdateFailedError as error:
        assert isinstance(error.cause, ApplicationError)
        expect((error.cause.type, error.cause.message), ("OutOfRange", "99 degrees are not for people"))
    else:
        raise AssertionError("an update that its validator refuses was accepted")
    expect(await persistently(lambda: handle.execute_update(wf.Thermostat.set_target, 25, id="set-to-25")), 22)
    expect(await persistently(waiting.result), "25 degrees are reached")
    await persistently(lambda: handle.signal(wf.Thermostat.switch_off))
    expect(await result(handle), 25)
    history = await persistently(handle.fetch_history)
    accepted = [
        event.workflow_execution_update_accepted_event_attributes.protocol_instance_id
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
    ]
    expect(accepted, ["set-to-22", "wait-for-25", "set-to-25"])


async def update_with_start(driver: Driver) -> None:
    def start() -> WithStartWorkflowOperation:
        return WithStartWorkflowOperation(
            wf.Thermostat.run,
            id=driver.id("update-with-start"),
            task_queue=driver.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )

    driver.started.add(driver.id("update-with-start"))
    for degrees, before in [(18, 20), (19, 18)]:
        set_target = lambda: driver.client.execute_update_with_start_workflow(
            wf.Thermostat.set_target, degrees, id=f"set-to-{degrees}", start_workflow_operation=start()
        )
        expect(await persistently(set_target), before)
    handle = driver.client.get_workflow_handle(driver.id("update-with-start"))
    await persistently(lambda: handle.signal(wf.Thermostat.switch_off))
    expect(await result(handle), 19)


async def child(driver: Driver) -> None:
    expect(
        await driver.execute(wf.Ward.run, ["bed-1", "bed-2"], name="child"),
        ["bed-1 is awake", "bed-2 is awake", "BrokenBed: a bed broke down", "asleep is cancelled: True"],
    )


async def parent_close_policy(driver: Driver) -> None:
    await driver.execute(wf.NightShift.run, name="night")
    stopped = driver.client.get_workflow_handle(driver.id("night-stopped"))
    await fails_with(CancelledError, result(stopped))
    left = driver.client.get_workflow_handle_for(wf.Bed.run, driver.id("night-left"))
    await persistently(lambda: left.signal(wf.Bed.wake))
    expect(await result(left), "left is awake")


async def continue_as_new(driver: Driver) -> None:
    handle = await driver.start(wf.Rounds.run, 3, [], name="continue-as-new", memo={"ward": "west"})
    expect(await result(handle), ["round 1", "round 2", "round 3"])
    first = driver.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    last = driver.client.get_workflow_handle(handle.id)
    expect((await persistently(first.describe)).status, WorkflowExecutionStatus.CONTINUED_AS_NEW)
    described = await persistently(last.describe)
    expect(described.status, WorkflowExecutionStatus.COMPLETED)
    expect(await described.memo_value("ward"), "west")


async def cancel(driver: Driver) -> None:
    handle = await driver.start(wf.Patrol.run, "west", name="cancel")
    # Cancelled before its first task, it would not even begin.
    expect(await persistently(lambda: handle.query(wf.Patrol.what_was_done)), [])
    await persistently(handle.cancel)
    await fails_with(CancelledError, result(handle))
    expect(await persistently(lambda: handle.query(wf.Patrol.what_was_done)), ["lights of west are off"])
    # Nothing happens to a workflow that is closed.
    await persistently(handle.cancel)


async def terminate(driver: Driver) -> None:
    handle = await driver.start(wf.StayForever.run, name="terminate")
    await persistently(lambda: handle.terminate(reason="the ward is closed"))
    error = await fails_with(TerminatedError, result(handle))
    expect(str(error), "the ward is closed")


async def failure(driver: Driver) -> None:
    error = await fails_with(ApplicationError, driver.execute(wf.GiveUp.run, 1, name="failure"))
    expect((error.type, error.message, error.details), ("GivenUp", "it cannot be done", (1,)))


async def workflow_retry(driver: Driver) -> None:
    policy = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=3)
    outcome = await driver.execute(wf.GiveUp.run, 1, name="workflow-retry", retry_policy=policy)
    expect(outcome, "done at attempt 2")


async def timeout(driver: Driver) -> None:
    stay = driver.execute(wf.StayForever.run, name="timeout", run_timeout=timedelta(seconds=1))
    await fails_with(TimeoutError, stay)


async def start_rules(driver: Driver) -> None:
    """One open workflow per id."""
    first = await driver.start(wf.CollectReadings.run, name="start-rules")
    try:
        await persistently(
            lambda: driver.client.start_workflow(
                wf.CollectReadings.run, id=driver.id("start-rules"), task_queue=driver.task_queue
            )
        )
    except WorkflowAlreadyStartedError as error:
        expect(error.run_id, first.first_execution_run_id)
    else:
        raise AssertionError("a second workflow was started under the same id")
    same = await driver.start(
        wf.CollectReadings.run, name="start-rules", id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
    )
    expect(same.first_execution_run_id, first.first_execution_run_id)
    await persistently(lambda: first.signal(wf.CollectReadings.close))
    await result(first)


async def patch(driver: Driver) -> None:
    handle = await driver.start(wf.ChooseNumbers.run, name="patch")
    numbers = await result(handle)
    expect((len(numbers), uuid.UUID(numbers[0]).version, numbers[2]), (3, 4, "new way"))
    expect(await persistently(lambda: handle.query(wf.ChooseNumbers.chosen)), numbers)


async def search_attributes(driver: Driver) -> None:
    ward = driver.id("west")
    handle = await driver.start(
        wf.LabelWard.run,
        12,
        name="search-attributes",
        memo={"floor": 3},
        search_attributes=TypedSearchAttributes([SearchAttributePair(wf.WARD, ward)]),
    )
    await result(handle)
    described = await persistently(handle.describe)
    expect((described.typed_search_attributes[wf.WARD], described.typed_search_attributes[wf.BEDS]), (ward, 12))
    expect((await described.memo_value("floor"), await described.memo_value("note")), (3, "labelled"))

    async def is_listed() -> bool:
        found = [each.id async for each in driver.client.list_workflows(f"SdkWard = '{ward}' AND SdkBeds > 10")]
        return found == [handle.id]

    await until("the workflow is found by its labels", is_listed)


async def register_search_attributes(driver: Driver) -> None:
    """Both may be there from a run before."""
    kinds = {
        "SdkWard": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
        "SdkBeds": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    }
    request = AddSearchAttributesRequest(namespace=driver.client.namespace, search_attributes=kinds)
    try:
        await persistently(lambda: driver.client.operator_service.add_search_attributes(request))
    except RPCError as error:
        expect(error.status, RPCStatusCode.ALREADY_EXISTS)


async def list_and_count(driver: Driver) -> None:
    open_one = await driver.start(wf.CollectReadings.run, name="list")
    here = f"TaskQueue = '{driver.task_queue}'"

    async def lists_only_the_open_one() -> bool:
        query = f"{here} AND ExecutionStatus = 'Running' AND WorkflowType = 'CollectReadings'"
        return [each.id async for each in driver.client.list_workflows(query)] == [open_one.id]

    async def counts_add_up() -> bool:
        counted = await driver.client.count_workflows(f"{here} GROUP BY ExecutionStatus")
        groups = {group.group_values[0]: group.count for group in counted.groups}
        return groups.get("Running") == 1 and groups.get("Terminated") == 1 and sum(groups.values()) == counted.count

    await until("the list has the one that is open", lists_only_the_open_one)
    await until("the counts by status add up", counts_add_up)
    prefix = f"WorkflowId STARTS_WITH '{driver.id('child')}' ORDER BY StartTime DESC"
    by_prefix = lambda: all_ids(driver, prefix.split(" ORDER")[0])
    expect(len(await persistently(by_prefix)), 5)
    await persistently(lambda: open_one.signal(wf.CollectReadings.close))
    await result(open_one)


async def all_ids(driver: Driver, query: str) -> list[str]:
    return [each.id async for each in driver.client.list_workflows(query)]


async def schedule(driver: Driver) -> None:
    name = driver.id("schedule")
    handle = await create_schedule(driver, "schedule", timedelta(hours=1))
    await persistently(handle.trigger)
    await until("the triggered workflow is known", lambda: recent_actions(handle, 1))
    triggered = (await persistently(handle.describe)).info.recent_actions[0].action
    expect(await result(driver.client.get_workflow_handle(triggered.workflow_id)), "bed-12 reads 21.5")

    await persistently(lambda: handle.pause(note="the ward is closed"))
    state = (await persistently(handle.describe)).schedule.state
    expect((state.paused, state.note), (True, "the ward is closed"))
    await persistently(lambda: handle.unpause(note="open again"))

    def more_often(update: ScheduleUpdateInput) -> ScheduleUpdate:
        update.description.schedule.spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=1))])
        return ScheduleUpdate(schedule=update.description.schedule)

    await persistently(lambda: handle.update(more_often))
    await until("the schedule has started two by itself", lambda: recent_actions(handle, 3))
    described = await persistently(handle.describe)
    expect((described.id, described.schedule.state.paused), (name, False))

    async def is_listed() -> bool:
        return name in [each.id async for each in await driver.client.list_schedules()]

    await until("the schedule is listed", is_listed)
    await delete_schedule(handle)


async def create_schedule(driver: Driver, name: str, every: timedelta) -> ScheduleHandle:
    """A schedule that reads a sensor."""
    action = ScheduleActionStartWorkflow(
        wf.ReadSensor.run, "bed-12", id=driver.id(f"{name}-run"), task_queue=driver.task_queue
    )
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)])
    schedule = Schedule(action=action, spec=spec, state=ScheduleState(note="reads a sensor"))
    try:
        return await persistently(lambda: driver.client.create_schedule(driver.id(name), schedule))
    except ScheduleAlreadyRunningError:
        return driver.client.get_schedule_handle(driver.id(name))


async def recent_actions(handle: ScheduleHandle, wanted: int) -> bool:
    return len((await handle.describe()).info.recent_actions) >= wanted


async def delete_schedule(handle: ScheduleHandle) -> None:
    async def is_gone() -> bool:
        try:
            await handle.describe()
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return True
            raise
        return False

    await persistently(handle.delete)
    await until("the schedule is gone", is_gone)


async def new_worker(driver: Driver) -> None:
    """A worker that has never seen the workflow goes on with it."""
    task_queue = f"{driver.task_queue}-handover"
    async with driver.worker(task_queue):
        handle = await driver.start(wf.CollectReadings.run, name="new-worker", task_queue=task_queue)
        await persistently(lambda: handle.signal(wf.CollectReadings.add, wf.Reading(1, "before")))
        expect(await persistently(lambda: handle.query(wf.CollectReadings.readings_so_far)), ["before"])
    async with driver.worker(task_queue):
        await persistently(lambda: handle.signal(wf.CollectReadings.add, wf.Reading(2, "after")))
        await persistently(lambda: handle.signal(wf.CollectReadings.close))
        expect(await result(handle), ["before", "after"])


async def fails_with(cause: type, outcome: Awaitable) -> BaseException:
    try:
        await outcome
    except WorkflowFailureError as error:
        if isinstance(error.cause, cause):
            return error.cause
        raise
    raise AssertionError(f"it was to fail with {cause.__name__}")


IN_ORDER = [
    ("activity", activity),
    ("retry", retry),
    ("heartbeat", heartbeat),
    ("activity-cancel", activity_cancel),
    ("async-completion", async_completion),
    ("local-activity", local_activity),
    ("timer", timer),
    ("signal", signal),
    ("signal-with-start", signal_with_start),
    ("query", query),
    ("update", update),
    ("update-with-start", update_with_start),
    ("child", child),
    ("parent-close-policy", parent_close_policy),
    ("continue-as-new", continue_as_new),
    ("cancel", cancel),
    ("terminate", terminate),
    ("failure", failure),
    ("workflow-retry", workflow_retry),
    ("timeout", timeout),
    ("start-rules", start_rules),
    ("patch", patch),
    ("search-attributes", search_attributes),
    ("list", list_and_count),
    ("schedule", schedule),
    ("new-worker", new_worker),
]
