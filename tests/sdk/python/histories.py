"""The histories of this run: each is written down as JSON, read back, and replayed against the code that made it."""

from collections.abc import AsyncIterator
from pathlib import Path

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

import workflows as wf
from driver import Driver, persistently, until


async def save(driver: Driver, folder: Path) -> int:
    """Writes one file per run, named by workflow and run; gives their number."""
    folder.mkdir(parents=True, exist_ok=True)
    queues = f"TaskQueue = '{driver.task_queue}' OR TaskQueue = '{driver.task_queue}-handover'"

    async def all_runs() -> list[tuple[str, str]] | None:
        """What was started here must be among them, and nothing must be open."""
        found = [each async for each in driver.client.list_workflows(queues)]
        missing = driver.started - {each.id for each in found}
        still_open = [each.id for each in found if each.close_time is None]
        return None if missing or still_open else [(each.id, each.run_id) for each in found]

    runs = await until("all workflows are listed and closed", all_runs)
    for id, run_id in runs:
        handle = driver.client.get_workflow_handle(id, run_id=run_id)
        history = await persistently(handle.fetch_history)
        (folder / f"{id}.{run_id}.json").write_text(history.to_json())
    return len(runs)


async def replay(folder: Path) -> int:
    """Replays every file; the first that does not fit raises. Gives their number."""
    files = sorted(folder.glob("*.json"))

    async def histories() -> AsyncIterator[WorkflowHistory]:
        for file in files:
            workflow_id, _run_id, _json = file.name.rsplit(".", 2)
            yield WorkflowHistory.from_json(workflow_id, file.read_text())

    await Replayer(workflows=wf.ALL).replay_workflows(histories())
    return len(files)
