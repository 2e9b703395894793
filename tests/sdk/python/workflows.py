"""Workflows of a ward's gateway, each there for one thing that a server must do right."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, ChildWorkflowError, is_cancelled_exception
from temporalio.workflow import ActivityCancellationType, ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    import activities
    from activities import Outage

QUICKLY = timedelta(seconds=10)
OFTEN = RetryPolicy(initial_interval=timedelta(milliseconds=100), backoff_coefficient=1.0)

WARD = SearchAttributeKey.for_keyword("SdkWard")
BEDS = SearchAttributeKey.for_int("SdkBeds")


@workflow.defn
class ReadSensor:
    @workflow.run
    async def run(self, sensor: str) -> str:
        return await workflow.execute_activity(activities.read_sensor, sensor, start_to_close_timeout=QUICKLY)


@workflow.defn
class ReadBadSensors:
    """One answers in the end, the other is not even asked again."""

    @workflow.run
    async def run(self, failures: int) -> str:
        attempt = await workflow.execute_activity(
            activities.read_flaky_sensor, failures, start_to_close_timeout=QUICKLY, retry_policy=OFTEN
        )
        try:
            await workflow.execute_activity(
                activities.read_broken_sensor,
                start_to_close_timeout=QUICKLY,
                retry_policy=RetryPolicy(non_retryable_error_types=["BrokenSensor"]),
            )
        except ActivityError as error:
            cause = error.cause
            assert isinstance(cause, ApplicationError)
            return f"answer at attempt {attempt}, then {cause.type}: {cause.message} ({cause.details[0]})"
        return "the broken sensor answered"


@workflow.defn
class UpdateFirmware:
    @workflow.run
    async def run(self, blocks: int) -> str:
        return await workflow.execute_activity(
            activities.upload_firmware,
            blocks,
            start_to_close_timeout=timedelta(seconds=60),
            heartbeat_timeout=timedelta(seconds=2),
            retry_policy=OFTEN,
        )


@workflow.defn
class WatchBed:
    """Cancels its activity when it is told to, and waits until the activity has seen it."""

    def __init__(self) -> None:
        self.enough = False

    @workflow.signal
    def stop(self) -> None:
        self.enough = True

    @workflow.run
    async def run(self, bed: str) -> str:
        watch = workflow.start_activity(
            activities.watch_bed,
            bed,
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=QUICKLY,
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        await workflow.wait_condition(lambda: self.enough)
        watch.cancel()
        try:
            await watch
        except ActivityError as error:
            if isinstance(error.cause, CancelledError):
                return f"nobody watches {bed}"
        return "the watch went on"


@workflow.defn
class AskNurse:
    @workflow.run
    async def run(self, question: str) -> str:
        return await workflow.execute_activity(
            activities.ask_nurse, question, activity_id="question", start_to_close_timeout=timedelta(minutes=5)
        )


@workflow.defn
class ConvertReading:
    @workflow.run
    async def run(self, celsius: float) -> float:
        return await workflow.execute_local_activity(
            activities.to_kelvin, celsius, start_to_close_timeout=QUICKLY, retry_policy=OFTEN
        )


@workflow.defn
class Pause:
    """Two timers side by side, and a third that is not waited for."""

    @workflow.run
    async def run(self, seconds: list[float]) -> float:
        begun = workflow.now()
        never = asyncio.create_task(asyncio.sleep(3600))
        await asyncio.gather(*(asyncio.sleep(each) for each in seconds))
        never.cancel()
        return (workflow.now() - begun).total_seconds()


@dataclass
class Reading:
    number: int
    text: str


@workflow.defn
class CollectReadings:
    """Takes each reading once, however often it comes, until it is told that this was all."""

    def __init__(self) -> None:
        self.readings: dict[int, str] = {}
        self.complete = False

    @workflow.signal
    def add(self, reading: Reading) -> None:
        self.readings.setdefault(reading.number, reading.text)

    @workflow.signal
    def close(self) -> None:
        self.complete = True

    @workflow.query
    def readings_so_far(self) -> list[str]:
        return list(self.readings.values())

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: self.complete)
        return list(self.readings.values())


@workflow.defn
class Thermostat:
    def __init__(self) -> None:
        self.target = 20
        self.off = False

    @workflow.update
    async def set_target(self, degrees: int) -> int:
        """Gives the target before."""
        before, self.target = self.target, degrees
        await workflow.execute_activity(activities.read_sensor, "thermostat", start_to_close_timeout=QUICKLY)
        return before

    @set_target.validator
    def check_target(self, degrees: int) -> None:
        if not 5 <= degrees <= 30:
            raise ApplicationError(f"{degrees} degrees are not for people", type="OutOfRange")

    @workflow.update
    async def wait_for_target(self, degrees: int) -> str:
        await workflow.wait_condition(lambda: self.target >= degrees)
        return f"{degrees} degrees are reached"

    @workflow.signal
    def switch_off(self) -> None:
        self.off = True

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.off and workflow.all_handlers_finished())
        return self.target


@workflow.defn
class Bed:
    """A child: waits to be woken."""

    def __init__(self) -> None:
        self.awake = False

    @workflow.signal
    def wake(self) -> None:
        self.awake = True

    @workflow.run
    async def run(self, name: str) -> str:
        if name == "broken":
            raise ApplicationError("a bed broke down", type="BrokenBed")
        await workflow.wait_condition(lambda: self.awake)
        return f"{name} is awake"


@workflow.defn
class Ward:
    """Wakes its beds by signals; one of them has broken down, and one is cancelled."""

    @workflow.run
    async def run(self, beds: list[str]) -> list[str]:
        prefix = workflow.info().workflow_id
        children = [await workflow.start_child_workflow(Bed.run, bed, id=f"{prefix}-{bed}") for bed in beds]
        for child in children:
            await child.signal(Bed.wake)
        results = [await child for child in children]
        try:
            await workflow.execute_child_workflow(Bed.run, "broken", id=f"{prefix}-broken")
        except ChildWorkflowError as error:
            assert isinstance(error.cause, ApplicationError)
            results.append(f"{error.cause.type}: {error.cause.message}")
        asleep = await workflow.start_child_workflow(Bed.run, "asleep", id=f"{prefix}-asleep")
        asleep.cancel()
        try:
            await asleep
        except ChildWorkflowError as error:
            results.append(f"asleep is cancelled: {isinstance(error.cause, CancelledError)}")
        return results


@workflow.defn
class NightShift:
    """Leaves two children behind: one is asked to stop, the other is left alone."""

    @workflow.run
    async def run(self) -> None:
        prefix = workflow.info().workflow_id
        for bed, policy in [("left", ParentClosePolicy.ABANDON), ("stopped", ParentClosePolicy.REQUEST_CANCEL)]:
            await workflow.start_child_workflow(Bed.run, bed, id=f"{prefix}-{bed}", parent_close_policy=policy)


@workflow.defn
class WaitForBed:
    """A parent whose child is woken by somebody else."""

    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_child_workflow(Bed.run, "guest", id=f"{workflow.info().workflow_id}-guest")


@workflow.defn
class Rounds:
    """One run per round; each hands over what it saw to the next."""

    @workflow.run
    async def run(self, left: int, seen: list[str]) -> list[str]:
        await asyncio.sleep(0.2)
        seen.append(f"round {len(seen) + 1}")
        if left > 1:
            workflow.continue_as_new(args=[left - 1, seen])
        return seen


@workflow.defn
class Patrol:
    """Walks until it is cancelled, and leaves nothing switched on."""

    def __init__(self) -> None:
        self.done: list[str] = []

    @workflow.query
    def what_was_done(self) -> list[str]:
        return self.done

    @workflow.run
    async def run(self, ward: str) -> None:
        try:
            await asyncio.sleep(3600)
        except BaseException as error:
            if not is_cancelled_exception(error):
                raise
            self.done.append(
                await workflow.execute_activity(
                    activities.switch_lights_off, ward, start_to_close_timeout=QUICKLY
                )
            )
            raise


@workflow.defn
class ChooseNumbers:
    """What only chance decides must come out the same at every replay."""

    def __init__(self) -> None:
        self.numbers: list[str] = []

    @workflow.query
    def chosen(self) -> list[str]:
        return self.numbers

    @workflow.run
    async def run(self) -> list[str]:
        self.numbers = [str(workflow.uuid4()), str(workflow.random().randrange(1_000_000))]
        await asyncio.sleep(0.1)
        self.numbers.append("new way" if workflow.patched("count-differently") else "old way")
        return self.numbers


@workflow.defn
class LabelWard:
    @workflow.run
    async def run(self, beds: int) -> None:
        workflow.upsert_search_attributes([BEDS.value_set(beds)])
        workflow.upsert_memo({"note": "labelled"})


@workflow.defn
class GiveUp:
    @workflow.run
    async def run(self, attempts_that_fail: int) -> str:
        attempt = workflow.info().attempt
        if attempt <= attempts_that_fail:
            raise ApplicationError("it cannot be done", attempt, type="GivenUp")
        return f"done at attempt {attempt}"


@workflow.defn
class StayForever:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)


@workflow.defn
class KeepReporting:
    """Its activity fails for as long as the outage lasts."""

    @workflow.run
    async def run(self) -> int:
        return await workflow.execute_activity_method(
            Outage.report_to_centre,
            start_to_close_timeout=QUICKLY,
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=300), backoff_coefficient=1.0),
        )


@workflow.defn
class HoldLine:
    """Its activity goes on through the outage."""

    @workflow.run
    async def run(self) -> int:
        return await workflow.execute_activity_method(
            Outage.hold_line,
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=timedelta(seconds=30),
        )


ALL = [
    ReadSensor,
    ReadBadSensors,
    UpdateFirmware,
    WatchBed,
    AskNurse,
    ConvertReading,
    Pause,
    CollectReadings,
    Thermostat,
    Bed,
    Ward,
    NightShift,
    WaitForBed,
    Rounds,
    Patrol,
    ChooseNumbers,
    LabelWard,
    GiveUp,
    StayForever,
    KeepReporting,
    HoldLine,
]
