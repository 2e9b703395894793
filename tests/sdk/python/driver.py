"""What every step needs: starting workflows under ids of this run, and calls that outlast a server that is away."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.client import Client, WorkflowHandle, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

import activities
import workflows

PATIENCE_SECONDS = 60.0

T = TypeVar("T")


class Driver:
    def __init__(self, client: Client, run: str) -> None:
        self.client = client
        self.run = run
        self.task_queue = f"sdk-{run}"
        self.outage = activities.Outage()
        self.started: set[str] = set()

    def id(self, name: str) -> str:
        return f"{self.run}-{name}"

    def worker(self, task_queue: str | None = None) -> Worker:
        return Worker(
            self.client,
            task_queue=task_queue or self.task_queue,
            workflows=workflows.ALL,
            activities=[*activities.STATELESS, self.outage.report_to_centre, self.outage.hold_line],
            # By default a heartbeat waits for most of its timeout, and so does the news of a cancellation.
            max_heartbeat_throttle_interval=timedelta(milliseconds=200),
        )

    async def start(self, workflow: Any, *args: Any, name: str, **options: Any) -> WorkflowHandle:
        """Starts a workflow; where it has been started by a call whose answer was lost, that one counts."""
        id = self.id(name)
        self.started.add(id)
        options.setdefault("task_queue", self.task_queue)
        try:
            return await persistently(
                lambda: self.client.start_workflow(workflow, args=args, id=id, **options)
            )
        except WorkflowAlreadyStartedError:
            return self.client.get_workflow_handle(id)

    async def execute(self, workflow: Any, *args: Any, name: str, **options: Any) -> Any:
        return await result(await self.start(workflow, *args, name=name, **options))


async def persistently(call: Callable[[], Awaitable[T]]) -> T:
    """Calls until the server answers. The client repeats calls by itself for ten seconds only."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await call()
        except (RPCError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            away = not isinstance(error, RPCError) or error.status in (
                RPCStatusCode.UNAVAILABLE,
                RPCStatusCode.DEADLINE_EXCEEDED,
                RPCStatusCode.CANCELLED,
            )
            if not away or time.monotonic() > give_up:
                raise
        await asyncio.sleep(0.2)


async def result(handle: WorkflowHandle) -> Any:
    return await persistently(handle.result)


async def until(what: str, check: Callable[[], Awaitable[T | None]]) -> T:
    """Waits until `check` gives something that is true."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = await persistently(check)
        if found:
            return found
        if time.monotonic() > give_up:
            raise AssertionError(f"waited in vain until {what}")
        await asyncio.sleep(0.1)


def expect(found: Any, wanted: Any) -> None:
    if found != wanted:
        raise AssertionError(f"found {found!r}, and not {wanted!r}")
