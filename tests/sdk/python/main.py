"""Conformance of a server with the Python SDK: main.py ADDRESS NAMESPACE OUTPUT

Prints `ok <step>` for each step. At READY-FOR-KILL the server may be killed and started again; a line on the standard
input (or its end) says that this is over. Histories are written to OUTPUT and replayed. The exit code is 0 if all was
as it should be; otherwise the reason stands in the last lines.
"""

import asyncio
import logging
import sys
import uuid
from pathlib import Path

from temporalio.client import Client

import histories
import outage
import steps
from driver import Driver


def ok(step: str) -> None:
    print(f"ok {step}", flush=True)


def wait_for_kill() -> None:
    print("READY-FOR-KILL", flush=True)
    sys.stdin.readline()


async def main(address: str, namespace: str, output: Path) -> None:
    # Activities that fail are part of the plan.
    logging.getLogger("temporalio").setLevel(logging.ERROR)
    client = await Client.connect(address, namespace=namespace)
    driver = Driver(client, run=f"python-{uuid.uuid4().hex[:8]}")
    await steps.register_search_attributes(driver)
    async with driver.worker():
        for name, step in steps.IN_ORDER:
            await step(driver)
            ok(name)
        await outage.outlast(driver, wait_for_kill, ok)
        ok(f"histories ({await histories.save(driver, output)})")
    ok(f"replay ({await histories.replay(output)})")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: main.py ADDRESS NAMESPACE OUTPUT")
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
