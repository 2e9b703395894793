/** Workflows of a ward's gateway, each there for one thing that a server must do right. */

import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  ChildWorkflowFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  patched,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  sleep,
  startChild,
  upsertMemo,
  upsertSearchAttributes,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import type * as activities from './activities';

type OutageActivities = ReturnType<activities.Outage['activities']>;

const often = { initialInterval: '100ms', backoffCoefficient: 1 };
const { readSensor: read, switchLightsOff } = proxyActivities<typeof activities>({ startToCloseTimeout: '10s' });

export const ward = defineSearchAttributeKey('SdkWard', SearchAttributeType.KEYWORD);
export const beds = defineSearchAttributeKey('SdkBeds', SearchAttributeType.INT);

export async function readSensor(sensor: string): Promise<string> {
  return await read(sensor);
}

/** One answers in the end, the other is not even asked again. */
export async function readBadSensors(failures: number): Promise<string> {
  const { readFlakySensor } = proxyActivities<typeof activities>({ startToCloseTimeout: '10s', retry: often });
  const { readBrokenSensor } = proxyActivities<typeof activities>({
    startToCloseTimeout: '10s',
    retry: { nonRetryableErrorTypes: ['BrokenSensor'] },
  });
  const attempt = await readFlakySensor(failures);
  try {
    await readBrokenSensor();
  } catch (error) {
    if (error instanceof ActivityFailure && error.cause instanceof ApplicationFailure) {
      const { type, message, details } = error.cause;
      return `answer at attempt ${attempt}, then ${type}: ${message} (${details?.[0]})`;
    }
    throw error;
  }
  return 'the broken sensor answered';
}

export async function updateFirmware(blocks: number): Promise<string> {
  const { uploadFirmware } = proxyActivities<typeof activities>({
    startToCloseTimeout: '60s',
    heartbeatTimeout: '2s',
    retry: often,
  });
  return await uploadFirmware(blocks);
}

export const stop = defineSignal('stop');

/** Cancels its activity when it is told to, and waits until the activity has seen it. */
export async function watchBed(bed: string): Promise<string> {
  const activity = proxyActivities<typeof activities>({
    startToCloseTimeout: '5m',
    heartbeatTimeout: '10s',
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
  const scope = new CancellationScope();
  setHandler(stop, () => scope.cancel());
  try {
    await scope.run(() => activity.watchBed(bed));
  } catch (error) {
    if (error instanceof ActivityFailure && error.cause instanceof CancelledFailure) {
      return `nobody watches ${bed}`;
    }
    throw error;
  }
  return 'the watch went on';
}

export async function askNurse(question: string): Promise<string> {
  const activity = proxyActivities<typeof activities>({ activityId: 'question', startToCloseTimeout: '5m' });
  return await activity.askNurse(question);
}

export async function convertReading(celsius: number): Promise<number> {
  const { toKelvin } = proxyLocalActivities<typeof activities>({ startToCloseTimeout: '10s', retry: often });
  return await toKelvin(celsius);
}

/** Two timers side by side, and a third that is not waited for. */
export async function pause(seconds: number[]): Promise<number> {
  const begun = Date.now();
  const never = new CancellationScope();
  const cancelled = never.run(() => sleep('1h')).catch(isCancellation);
  await Promise.all(seconds.map((each) => sleep(each * 1000)));
  never.cancel();
  await cancelled;
  return (Date.now() - begun) / 1000;
}

export interface Reading {
  number: number;
  text: string;
}

export const add = defineSignal<[Reading]>('add');
export const close = defineSignal('close');
export const readingsSoFar = defineQuery<string[]>('readingsSoFar');

/** Takes each reading once, however often it comes, until it is told that this was all. */
export async function collectReadings(): Promise<string[]> {
  const readings = new Map<number, string>();
  let complete = false;
  setHandler(add, ({ number, text }) => void (readings.has(number) || readings.set(number, text)));
  setHandler(close, () => void (complete = true));
  setHandler(readingsSoFar, () => [...readings.values()]);
  await condition(() => complete);
  return [...readings.values()];
}

export const setTarget = defineUpdate<number, [number]>('setTarget');
export const waitForTarget = defineUpdate<string, [number]>('waitForTarget');
export const switchOff = defineSignal('switchOff');

export async function thermostat(): Promise<number> {
  let target = 20;
  let off = false;
  const setTo = async (degrees: number) => {
    const before = target;
    target = degrees;
    await read('thermostat');
    return before;
  };
  const validator = (degrees: number) => {
    if (degrees < 5 || degrees > 30) {
      throw ApplicationFailure.nonRetryable(`${degrees} degrees are not for people`, 'OutOfRange');
    }
  };
  setHandler(setTarget, setTo, { validator });
  setHandler(waitForTarget, async (degrees) => {
    await condition(() => target >= degrees);
    return `${degrees} degrees are reached`;
  });
  setHandler(switchOff, () => void (off = true));
  await condition(() => off && allHandlersFinished());
  return target;
}

export const wake = defineSignal('wake');

/** A child: waits to be woken. */
export async function bed(name: string): Promise<string> {
  let awake = false;
  setHandler(wake, () => void (awake = true));
  if (name === 'broken') {
    throw ApplicationFailure.nonRetryable('a bed broke down', 'BrokenBed');
  }
  await condition(() => awake);
  return `${name} is awake`;
}

/** Wakes its beds by signals; one of them has broken down, and one is cancelled. */
export async function wakeWard(names: string[]): Promise<string[]> {
  const child = (name: string) => ({ args: [name] as [string], workflowId: `${workflowInfo().workflowId}-${name}` });
  const children = [];
  for (const name of names) {
    children.push(await startChild(bed, child(name)));
  }
  for (const each of children) {
    await each.signal(wake);
  }
  const results = await Promise.all(children.map((each) => each.result()));
  try {
    await executeChild(bed, child('broken'));
  } catch (error) {
    if (!(error instanceof ChildWorkflowFailure && error.cause instanceof ApplicationFailure)) throw error;
    results.push(`${error.cause.type}: ${error.cause.message}`);
  }
  const scope = new CancellationScope();
  const asleep = await scope.run(() => startChild(bed, child('asleep')));
  scope.cancel();
  try {
    await asleep.result();
  } catch (error) {
    results.push(`asleep is cancelled: ${isCancellation(error)}`);
  }
  return results;
}

/** Leaves two children behind: one is asked to stop, the other is left alone. */
export async function nightShift(): Promise<void> {
  const leave = (name: string, parentClosePolicy: ParentClosePolicy) =>
    startChild(bed, { args: [name], workflowId: `${workflowInfo().workflowId}-${name}`, parentClosePolicy });
  await leave('left', ParentClosePolicy.ABANDON);
  await leave('stopped', ParentClosePolicy.REQUEST_CANCEL);
}

/** A parent whose child is woken by somebody else. */
export async function waitForBed(): Promise<string> {
  return await executeChild(bed, { args: ['guest'], workflowId: `${workflowInfo().workflowId}-guest` });
}

/** One run per round; each hands over what it saw to the next. */
export async function rounds(left: number, seen: string[]): Promise<string[]> {
  await sleep(200);
  seen.push(`round ${seen.length + 1}`);
  return left > 1 ? await continueAsNew<typeof rounds>(left - 1, seen) : seen;
}

export const whatWasDone = defineQuery<string[]>('whatWasDone');

/** Walks until it is cancelled, and leaves nothing switched on. */
export async function patrol(name: string): Promise<void> {
  const done: string[] = [];
  setHandler(whatWasDone, () => done);
  try {
    await sleep('1h');
  } catch (error) {
    if (isCancellation(error)) {
      await CancellationScope.nonCancellable(async () => done.push(await switchLightsOff(name)));
    }
    throw error;
  }
}

export const chosen = defineQuery<string[]>('chosen');

/** What only chance decides must come out the same at every replay. */
export async function chooseNumbers(): Promise<string[]> {
  const numbers = [uuid4(), String(Math.random())];
  setHandler(chosen, () => numbers);
  await sleep(100);
  numbers.push(patched('count-differently') ? 'new way' : 'old way');
  return numbers;
}

export async function labelWard(count: number): Promise<void> {
  upsertSearchAttributes([{ key: beds, value: count }]);
  upsertMemo({ note: 'labelled' });
}

export async function giveUp(attemptsThatFail: number): Promise<string> {
  const { attempt } = workflowInfo();
  if (attempt <= attemptsThatFail) {
    throw ApplicationFailure.retryable('it cannot be done', 'GivenUp', attempt);
  }
  return `done at attempt ${attempt}`;
}

export async function stayForever(): Promise<void> {
  await condition(() => false);
}

/** Its activity fails for as long as the outage lasts. */
export async function keepReporting(): Promise<number> {
  const { reportToCentre } = proxyActivities<OutageActivities>({
    startToCloseTimeout: '10s',
    retry: { initialInterval: '300ms', backoffCoefficient: 1 },
  });
  return await reportToCentre();
}

/** Its activity goes on through the outage. */
export async function keepLine(): Promise<number> {
  const { holdLine } = proxyActivities<OutageActivities>({ startToCloseTimeout: '5m', heartbeatTimeout: '30s' });
  return await holdLine();
}
