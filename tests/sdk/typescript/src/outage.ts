/** The outage: everything is under way when the server is killed, and everything is completed when it is back. */

import { CancelledFailure, WorkflowNotFoundError, WorkflowUpdateStage, type WorkflowHandle } from '@temporalio/client';
import { Driver, expect, persistently, result, until } from './driver';
import { createSchedule, deleteSchedule, failsWith } from './steps';
import * as wf from './workflows';

/** `kill` gives the word, and is done when the server has been killed and started again. */
export async function outlast(driver: Driver, kill: () => Promise<void>, ok: (step: string) => void): Promise<void> {
  const { outage } = driver;
  const pause = await driver.start(wf.pause, 'outage-timer', [[1, 5]]);
  const reporting = await driver.start(wf.keepReporting, 'outage-retry', []);
  const holding = await driver.start(wf.keepLine, 'outage-heartbeat', []);
  const collecting = await driver.start(wf.collectReadings, 'outage-signal', []);
  await persistently(() => collecting.signal(wf.add, { number: 1, text: 'before' }));
  const waiting = await driver.start(wf.waitForBed, 'outage-child', []);
  const thermostat = await driver.start(wf.thermostat, 'outage-update', []);
  const accepted = await persistently(() =>
    thermostat.startUpdate(wf.waitForTarget, {
      args: [23],
      updateId: 'wait-for-23',
      waitForStage: WorkflowUpdateStage.ACCEPTED,
    })
  );
  const rounds = await driver.start(wf.rounds, 'outage-continue-as-new', [5, []]);
  const patrol = await driver.start(wf.patrol, 'outage-cancel', ['east']);
  expect(await persistently(() => patrol.query(wf.whatWasDone)), []);
  const schedule = await createSchedule(driver, 'outage-schedule', '1s');
  const actions = async () => (await schedule.describe()).info.numActionsTaken;
  const guest = driver.client.workflow.getHandle<typeof wf.bed>(driver.id('outage-child-guest'));

  await until('all of it is under way', async () => {
    const activitiesAre = outage.failedAttempts >= 2 && outage.heartbeats >= 2;
    return activitiesAre && (await actions()) >= 1 && (await hasBegun(guest));
  });
  const attemptsBefore = outage.failedAttempts;
  const actionsBefore = await persistently(actions);
  // This call waits while the server is killed under it.
  const paused = result(pause);

  await kill();

  expect((await paused) >= 5, true);
  ok('outage-timer');

  outage.isOver = true;
  expect((await result(reporting)) > attemptsBefore, true);
  ok('outage-retry');

  expect(await result(holding), 1);
  ok('outage-heartbeat');

  expect(await persistently(() => collecting.query(wf.readingsSoFar)), ['before']);
  await persistently(() => collecting.signal(wf.add, { number: 2, text: 'after' }));
  await persistently(() => collecting.signal(wf.close));
  expect(await result(collecting), ['before', 'after']);
  ok('outage-signal');

  await persistently(() => guest.signal(wf.wake));
  expect(await result(waiting), 'guest is awake');
  ok('outage-child');

  const setTo23 = { args: [23] as [number], updateId: 'set-to-23' };
  expect(await persistently(() => thermostat.executeUpdate(wf.setTarget, setTo23)), 20);
  expect(await persistently(() => accepted.result()), '23 degrees are reached');
  await persistently(() => thermostat.signal(wf.switchOff));
  expect(await result(thermostat), 23);
  ok('outage-update');

  expect(await result(rounds), ['round 1', 'round 2', 'round 3', 'round 4', 'round 5']);
  ok('outage-continue-as-new');

  await persistently(() => patrol.cancel());
  await failsWith(CancelledFailure, result(patrol));
  expect(await persistently(() => patrol.query(wf.whatWasDone)), ['lights of east are off']);
  ok('outage-cancel');

  await until('the schedule goes on', async () => (await actions()) > actionsBefore);
  await deleteSchedule(schedule);
  ok('outage-schedule');
}

async function hasBegun(handle: WorkflowHandle): Promise<boolean> {
  try {
    await handle.describe();
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
