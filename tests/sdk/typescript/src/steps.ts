/** The steps: each uses one feature through the client and checks what came of it. */

import {
  ApplicationFailure,
  CancelledFailure,
  isGrpcServiceError,
  QueryNotRegisteredError,
  ScheduleAlreadyRunning,
  type ScheduleHandle,
  ScheduleNotFoundError,
  TerminatedFailure,
  TimeoutFailure,
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowIdConflictPolicy,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateStage,
  type WorkflowHandle,
} from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { ALREADY_EXISTS, Driver, expect, grpcCode, persistently, rejects, result, until } from './driver';
import * as wf from './workflows';

const { PENDING_ACTIVITY_STATE_STARTED } = temporal.api.enums.v1.PendingActivityState;
const { INDEXED_VALUE_TYPE_KEYWORD, INDEXED_VALUE_TYPE_INT } = temporal.api.enums.v1.IndexedValueType;

async function activity(driver: Driver): Promise<void> {
  expect(await driver.execute(wf.readSensor, 'activity', ['bed-12']), 'bed-12 reads 21.5');
}

async function retry(driver: Driver): Promise<void> {
  const outcome = await driver.execute(wf.readBadSensors, 'retry', [2]);
  expect(outcome, 'answer at attempt 3, then BrokenSensor: the wire is cut (bed-12)');
}

async function heartbeat(driver: Driver): Promise<void> {
  expect(await driver.execute(wf.updateFirmware, 'heartbeat', [6]), 'attempt 3 went on at block 5 of 6');
}

async function activityCancel(driver: Driver): Promise<void> {
  const handle = await driver.start(wf.watchBed, 'activity-cancel', ['bed-12']);
  await until('the activity has sent a heartbeat', async () => (await startedActivity(handle))?.heartbeatDetails != null);
  await persistently(() => handle.signal(wf.stop));
  expect(await result(handle), 'nobody watches bed-12');
}

async function asyncCompletion(driver: Driver): Promise<void> {
  const handle = await driver.start(wf.askNurse, 'async-completion', ['is bed-12 free?']);
  await until('the question is asked', async () => (await startedActivity(handle)) !== undefined);
  const { workflowId } = handle;
  await persistently(() => driver.client.activity.complete({ workflowId, activityId: 'question' }, 'it is'));
  expect(await result(handle), 'it is');
}

async function startedActivity(handle: WorkflowHandle) {
  const { raw } = await handle.describe();
  return raw.pendingActivities?.find(({ state }) => state === PENDING_ACTIVITY_STATE_STARTED);
}

async function localActivity(driver: Driver): Promise<void> {
  expect(await driver.execute(wf.convertReading, 'local-activity', [21.5]), 294.65);
}

async function timer(driver: Driver): Promise<void> {
  expect((await driver.execute(wf.pause, 'timer', [[0.2, 1]])) >= 1, true);
}

async function signal(driver: Driver): Promise<void> {
  const handle = await driver.start(wf.collectReadings, 'signal', []);
  for (const number of [1, 2, 3]) {
    await persistently(() => handle.signal(wf.add, { number, text: `reading ${number}` }));
  }
  await persistently(() => handle.signal(wf.close));
  expect(await result(handle), ['reading 1', 'reading 2', 'reading 3']);
  await rejects(WorkflowNotFoundError, persistently(() => handle.signal(wf.close)));
}

async function signalWithStart(driver: Driver): Promise<void> {
  const workflowId = driver.id('signal-with-start');
  driver.started.add(workflowId);
  const send = (number: number) =>
    persistently(() =>
      driver.client.workflow.signalWithStart(wf.collectReadings, {
        workflowId,
        taskQueue: driver.taskQueue,
        signal: wf.add,
        signalArgs: [{ number, text: `reading ${number}` }],
      })
    );
  const first = await send(1);
  const second = await send(2);
  expect(second.signaledRunId, first.signaledRunId);
  await persistently(() => first.signal(wf.close));
  expect(await result(first), ['reading 1', 'reading 2']);
}

async function query(driver: Driver): Promise<void> {
  const handle = await driver.start(wf.collectReadings, 'query', []);
  await persistently(() => handle.signal(wf.add, { number: 1, text: 'open' }));
  expect(await persistently(() => handle.query(wf.readingsSoFar)), ['open']);
  await rejects(QueryNotRegisteredError, persistently(() => handle.query('somethingElse')));
  await persistently(() => handle.signal(wf.close));
  await result(handle);
  expect(await persistently(() => handle.query(wf.readingsSoFar)), ['open']);
}

async function update(driver: Driver): Promise<void> {
  const handle = await driver.start(wf.thermostat, 'update', []);
  const setTo = (degrees: number) =>
    persistently(() => handle.executeUpdate(wf.setTarget, { args: [degrees], updateId: `set-to-${degrees}` }));
  expect(await setTo(22), 20);
  // The same id: the second call gets the outcome of the first.
  expect(await setTo(22), 20);
  const waiting = await persistently(() =>
    handle.startUpdate(wf.waitForTarget, {
      args: [25],
      updateId: 'wait-for-25',
      waitForStage: WorkflowUpdateStage.ACCEPTED,
    })
  );
  const { cause } = await rejects(WorkflowUpdateFailedError, setTo(99));
  if (!(cause instanceof ApplicationFailure)) throw cause;
  expect([cause.type, cause.message], ['OutOfRange', '99 degrees are not for people']);
  expect(await setTo(25), 22);
  expect(await persistently(() => waiting.result()), '25 degrees are reached');
  await persistently(() => handle.signal(wf.switchOff));
  expect(await result(handle), 25);
  const { events } = await persistently(() => handle.fetchHistory());
  const accepted = events?.flatMap(({ workflowExecutionUpdateAcceptedEventAttributes: each }) =>
    each ? [each.protocolInstanceId] : []
  );
  expect(accepted, ['set-to-22', 'wait-for-25', 'set-to-25']);
}

async function updateWithStart(driver: Driver): Promise<void> {
  const workflowId = driver.id('update-with-start');
  driver.started.add(workflowId);
  const setTo = (degrees: number) =>
    persistently(() =>
      driver.client.workflow.executeUpdateWithStart(wf.setTarget, {
        args: [degrees],
        updateId: `set-to-${degrees}`,
        startWorkflowOperation: new WithStartWorkflowOperation(wf.thermostat, {
          workflowId,
          taskQueue: driver.taskQueue,
          workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
        }),
      })
    );
  expect(await setTo(18), 20);
  expect(await setTo(19), 18);
  const handle = driver.client.workflow.getHandle<typeof wf.thermostat>(workflowId);
  await persistently(() => handle.signal(wf.switchOff));
  expect(await result(handle), 19);
}

async function child(driver: Driver): Promise<void> {
  const woken = await driver.execute(wf.wakeWard, 'child', [['bed-1', 'bed-2']]);
  expect(woken, ['bed-1 is awake', 'bed-2 is awake', 'BrokenBed: a bed broke down', 'asleep is cancelled: true']);
}

async function parentClosePolicy(driver: Driver): Promise<void> {
  await driver.execute(wf.nightShift, 'night', []);
  const stopped = driver.client.workflow.getHandle(driver.id('night-stopped'));
  await failsWith(CancelledFailure, result(stopped));
  const left = driver.client.workflow.getHandle<typeof wf.bed>(driver.id('night-left'));
  await persistently(() => left.signal(wf.wake));
  expect(await result(left), 'left is awake');
}

async function continueAsNew(driver: Driver): Promise<void> {
  const handle = await driver.start(wf.rounds, 'continue-as-new', [3, []], { memo: { ward: 'west' } });
  const { runId } = await persistently(() => handle.describe());
  expect(await result(handle), ['round 1', 'round 2', 'round 3']);
  const first = await persistently(() => driver.client.workflow.getHandle(handle.workflowId, runId).describe());
  expect(first.status.name, 'CONTINUED_AS_NEW');
  const last = await persistently(() => driver.client.workflow.getHandle(handle.workflowId).describe());
  expect([last.status.name, last.memo], ['COMPLETED', { ward: 'west' }]);
}

async function cancel(driver: Driver): Promise<void> {
  const handle = await driver.start(wf.patrol, 'cancel', ['west']);
  // Cancelled before its first task, it would not even begin.
  expect(await persistently(() => handle.query(wf.whatWasDone)), []);
  await persistently(() => handle.cancel());
  await failsWith(CancelledFailure, result(handle));
  expect(await persistently(() => handle.query(wf.whatWasDone)), ['lights of west are off']);
  // Nothing happens to a workflow that is closed.
  await persistently(() => handle.cancel());
}

async function terminate(driver: Driver): Promise<void> {
  const handle = await driver.start(wf.stayForever, 'terminate', []);
  await persistently(() => handle.terminate('the ward is closed'));
  expect((await failsWith(TerminatedFailure, result(handle))).message, 'the ward is closed');
}

async function failure(driver: Driver): Promise<void> {
  const error = await failsWith(ApplicationFailure, driver.execute(wf.giveUp, 'failure', [1]));
  expect([error.type, error.message, error.details], ['GivenUp', 'it cannot be done', [1]]);
}

async function workflowRetry(driver: Driver): Promise<void> {
  const policy = { retry: { initialInterval: '100ms', maximumAttempts: 3 } } as const;
  expect(await driver.execute(wf.giveUp, 'workflow-retry', [1], policy), 'done at attempt 2');
}

async function timeout(driver: Driver): Promise<void> {
  const stay = driver.execute(wf.stayForever, 'timeout', [], { workflowRunTimeout: '1s' });
  await failsWith(TimeoutFailure, stay);
}

/** One open workflow per id. */
async function startRules(driver: Driver): Promise<void> {
  const workflowId = driver.id('start-rules');
  const first = await driver.start(wf.collectReadings, 'start-rules', []);
  const { runId } = await persistently(() => first.describe());
  const again = (workflowIdConflictPolicy: WorkflowIdConflictPolicy) =>
    persistently(() =>
      driver.client.workflow.start(wf.collectReadings, {
        workflowId,
        taskQueue: driver.taskQueue,
        workflowIdConflictPolicy,
      })
    );
  await rejects(WorkflowExecutionAlreadyStartedError, again(WorkflowIdConflictPolicy.FAIL));
  const same = await again(WorkflowIdConflictPolicy.USE_EXISTING);
  expect(same.firstExecutionRunId, runId);
  await persistently(() => same.signal(wf.close));
  await result(same);
}

async function patch(driver: Driver): Promise<void> {
  const handle = await driver.start(wf.chooseNumbers, 'patch', []);
  const numbers = await result(handle);
  expect([numbers.length, numbers[2]], [3, 'new way']);
  expect(await persistently(() => handle.query(wf.chosen)), numbers);
}

async function searchAttributes(driver: Driver): Promise<void> {
  const west = driver.id('west');
  const handle = await driver.start(wf.labelWard, 'search-attributes', [12], {
    memo: { floor: 3 },
    typedSearchAttributes: [{ key: wf.ward, value: west }],
  });
  await result(handle);
  const described = await persistently(() => handle.describe());
  const labels = described.typedSearchAttributes;
  expect([labels.get(wf.ward), labels.get(wf.beds)], [west, 12]);
  expect(described.memo, { floor: 3, note: 'labelled' });
  await until('the workflow is found by its labels', async () => {
    const [found] = await driver.listIds(`SdkWard = '${west}' AND SdkBeds > 10`);
    return found === handle.workflowId;
  });
}

/** Both may be there from a run before. */
export async function registerSearchAttributes(driver: Driver): Promise<void> {
  const { namespace } = driver.client.options;
  const searchAttributes = { SdkWard: INDEXED_VALUE_TYPE_KEYWORD, SdkBeds: INDEXED_VALUE_TYPE_INT };
  try {
    await persistently(() => driver.connection.operatorService.addSearchAttributes({ namespace, searchAttributes }));
  } catch (error) {
    if (!isGrpcServiceError(error)) throw error;
    expect(grpcCode(error), ALREADY_EXISTS);
  }
}

async function list(driver: Driver): Promise<void> {
  const open = await driver.start(wf.collectReadings, 'list', []);
  const here = `TaskQueue = '${driver.taskQueue}'`;
  await until('the list has the one that is open', async () => {
    const found = await driver.listIds(
      `${here} AND ExecutionStatus = 'Running' AND WorkflowType = 'collectReadings'`
    );
    return found.length === 1 && found[0] === open.workflowId;
  });
  await until('the counts by status add up', async () => {
    const { count, groups } = await driver.client.workflow.count(`${here} GROUP BY ExecutionStatus`);
    const byStatus = new Map(groups.map(({ groupValues, count }) => [String(groupValues[0]), count]));
    const sum = groups.reduce((all, group) => all + group.count, 0);
    return byStatus.get('Running') === 1 && byStatus.get('Terminated') === 1 && sum === count;
  });
  const family = await persistently(() => driver.listIds(`WorkflowId STARTS_WITH '${driver.id('child')}'`));
  expect(family.length, 5);
  await persistently(() => open.signal(wf.close));
  await result(open);
}

async function schedule(driver: Driver): Promise<void> {
  const handle = await createSchedule(driver, 'schedule', '1h');
  await persistently(() => handle.trigger());
  await until('the triggered workflow is known', () => hasRecentActions(handle, 1));
  const { info } = await persistently(() => handle.describe());
  const triggered = driver.client.workflow.getHandle(info.recentActions[0].action.workflow.workflowId);
  expect(await result(triggered), 'bed-12 reads 21.5');

  await persistently(() => handle.pause('the ward is closed'));
  const { state } = await persistently(() => handle.describe());
  expect([state.paused, state.note], [true, 'the ward is closed']);
  await persistently(() => handle.unpause('open again'));

  await persistently(() => handle.update((before) => ({ ...before, spec: { intervals: [{ every: '1s' }] } })));
  await until('the schedule has started two by itself', () => hasRecentActions(handle, 3));
  const described = await persistently(() => handle.describe());
  expect([described.scheduleId, described.state.paused], [driver.id('schedule'), false]);
  await until('the schedule is listed', async () => {
    for await (const { scheduleId } of driver.client.schedule.list()) {
      if (scheduleId === described.scheduleId) return true;
    }
    return false;
  });
  await deleteSchedule(handle);
}

/** A schedule that reads a sensor. */
export async function createSchedule(driver: Driver, name: string, every: '1h' | '1s'): Promise<ScheduleHandle> {
  try {
    return await persistently(() =>
      driver.client.schedule.create({
        scheduleId: driver.id(name),
        spec: { intervals: [{ every }] },
        action: {
          type: 'startWorkflow',
          workflowType: wf.readSensor,
          workflowId: driver.id(`${name}-run`),
          args: ['bed-12'],
          taskQueue: driver.taskQueue,
        },
        state: { note: 'reads a sensor' },
      })
    );
  } catch (error) {
    if (error instanceof ScheduleAlreadyRunning) return driver.client.schedule.getHandle(driver.id(name));
    throw error;
  }
}

async function hasRecentActions(handle: ScheduleHandle, wanted: number): Promise<boolean> {
  return (await handle.describe()).info.recentActions.length >= wanted;
}

export async function deleteSchedule(handle: ScheduleHandle): Promise<void> {
  await persistently(() => handle.delete());
  await until('the schedule is gone', async () => {
    try {
      await handle.describe();
      return false;
    } catch (error) {
      if (error instanceof ScheduleNotFoundError) return true;
      throw error;
    }
  });
}

/** A worker that has never seen the workflow goes on with it. */
async function newWorker(driver: Driver): Promise<void> {
  const taskQueue = `${driver.taskQueue}-handover`;
  const first = await driver.worker(taskQueue);
  const handle = await first.runUntil(async () => {
    const handle = await driver.start(wf.collectReadings, 'new-worker', [], { taskQueue });
    await persistently(() => handle.signal(wf.add, { number: 1, text: 'before' }));
    expect(await persistently(() => handle.query(wf.readingsSoFar)), ['before']);
    return handle;
  });
  const second = await driver.worker(taskQueue);
  await second.runUntil(async () => {
    await persistently(() => handle.signal(wf.add, { number: 2, text: 'after' }));
    await persistently(() => handle.signal(wf.close));
    expect(await result(handle), ['before', 'after']);
  });
}

/** Awaits a workflow that must fail for this kind of cause, and gives the cause. */
export async function failsWith<E extends Error>(
  kind: abstract new (...args: any[]) => E,
  outcome: Promise<unknown>
): Promise<E> {
  const failed = await rejects(WorkflowFailedError, outcome);
  if (failed.cause instanceof kind) return failed.cause;
  throw failed;
}

export const inOrder: [string, (driver: Driver) => Promise<void>][] = [
  ['activity', activity],
  ['retry', retry],
  ['heartbeat', heartbeat],
  ['activity-cancel', activityCancel],
  ['async-completion', asyncCompletion],
  ['local-activity', localActivity],
  ['timer', timer],
  ['signal', signal],
  ['signal-with-start', signalWithStart],
  ['query', query],
  ['update', update],
  ['update-with-start', updateWithStart],
  ['child', child],
  ['parent-close-policy', parentClosePolicy],
  ['continue-as-new', continueAsNew],
  ['cancel', cancel],
  ['terminate', terminate],
  ['failure', failure],
  ['workflow-retry', workflowRetry],
  ['timeout', timeout],
  ['start-rules', startRules],
  ['patch', patch],
  ['search-attributes', searchAttributes],
  ['list', list],
  ['schedule', schedule],
  ['new-worker', newWorker],
];
