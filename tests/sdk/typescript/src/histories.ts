/** The histories of this run: each is written down as JSON, read back, and replayed against the code that made it. */

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { historyFromJSON, historyToJSON } from '@temporalio/common/lib/proto-utils';
import { type ReplayHistoriesIterable, Worker } from '@temporalio/worker';
import { Driver, persistently, until } from './driver';

/** Writes one file per run, named by workflow and run; gives their number. */
export async function save(driver: Driver, folder: string): Promise<number> {
  await mkdir(folder, { recursive: true });
  const query = `TaskQueue = '${driver.taskQueue}' OR TaskQueue = '${driver.taskQueue}-handover'`;
  const runs: { workflowId: string; runId: string }[] = [];
  // What was started here must be among them, and nothing must be open.
  await until('all workflows are listed and closed', async () => {
    runs.length = 0;
    let open = 0;
    for await (const { workflowId, runId, closeTime } of driver.client.workflow.list({ query })) {
      runs.push({ workflowId, runId });
      if (!closeTime) open++;
    }
    const listed = new Set(runs.map(({ workflowId }) => workflowId));
    return open === 0 && [...driver.started].every((id) => listed.has(id));
  });
  for (const { workflowId, runId } of runs) {
    const history = await persistently(() => driver.client.workflow.getHandle(workflowId, runId).fetchHistory());
    await writeFile(join(folder, `${workflowId}.${runId}.json`), historyToJSON(history));
  }
  return runs.length;
}

/** Replays every file; the first that does not fit throws. Gives their number. */
export async function replay(driver: Driver, folder: string): Promise<number> {
  const { workflowBundle } = driver;
  let count = 0;
  for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle }, read(folder))) {
    if (error) throw new Error(`${workflowId} cannot be replayed`, { cause: error });
    count++;
  }
  return count;
}

async function* read(folder: string): ReplayHistoriesIterable {
  for (const file of await readdir(folder)) {
    const [workflowId] = file.split('.');
    yield { workflowId, history: historyFromJSON(JSON.parse(await readFile(join(folder, file), 'utf8'))) };
  }
}
