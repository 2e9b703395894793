"""Activities of a ward's gateway. Some misbehave on purpose: they fail, fall silent, or go on until they are cancelled."""

import asyncio
from dataclasses import dataclass, field

from temporalio import activity
from temporalio.exceptions import ApplicationError


@activity.defn
async def read_sensor(sensor: str) -> str:
    return f"{sensor} reads 21.5"


@activity.defn
async def read_flaky_sensor(failures: int) -> int:
    """Fails as often as it is told, then gives the attempt that succeeded."""
    attempt = activity.info().attempt
    if attempt <= failures:
        raise ApplicationError(f"no answer at attempt {attempt}", type="NoAnswer")
    return attempt


@activity.defn
async def read_broken_sensor() -> None:
    raise ApplicationError("the wire is cut", "bed-12", type="BrokenSensor")


@activity.defn
async def upload_firmware(blocks: int) -> str:
    """Goes on where the last attempt came to. The first one fails halfway, the second falls silent."""
    info = activity.info()
    done = info.heartbeat_details[0] if info.heartbeat_details else 0
    resumed_at = done
    while done < blocks:
        done += 1
        activity.heartbeat(done)
        if info.attempt == 1 and done == 3:
            raise ApplicationError("the link broke")
        if info.attempt == 2 and done == 5:
            await asyncio.Event().wait()
    return f"attempt {info.attempt} went on at block {resumed_at} of {blocks}"


@activity.defn
async def watch_bed(bed: str) -> None:
    """Watches until it is cancelled, which it can only learn by its heartbeat."""
    while True:
        activity.heartbeat(bed)
        await asyncio.sleep(0.1)


@activity.defn
async def to_kelvin(celsius: float) -> float:
    if activity.info().attempt == 1:
        raise ApplicationError("the table is being loaded")
    return celsius + 273.15


@activity.defn
async def switch_lights_off(ward: str) -> str:
    return f"lights of {ward} are off"


@activity.defn
async def ask_nurse(question: str) -> str:
    """Somebody else completes it, by its id."""
    activity.raise_complete_async()


@dataclass
class Outage:
    """Activities that are under way while the server is killed, and go on until it is over."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    failed_attempts: int = 0
    heartbeats: int = 0

    @activity.defn
    async def report_to_centre(self) -> int:
        """Fails until the outage is over; gives the attempt that got through."""
        if not self.over.is_set():
            self.failed_attempts = activity.info().attempt
            raise ApplicationError("the centre cannot be reached")
        return activity.info().attempt

    @activity.defn
    async def hold_line(self) -> int:
        """One long attempt with heartbeats; gives its number."""
        while not self.over.is_set():
            self.heartbeats += 1
            activity.heartbeat(self.heartbeats)
            await asyncio.sleep(0.2)
        return activity.info().attempt


STATELESS = [
    read_sensor,
    read_flaky_sensor,
    read_broken_sensor,
    upload_firmware,
    watch_bed,
    to_kelvin,
    switch_lights_off,
    ask_nurse,
]
