/** Activities of a ward's gateway. Some misbehave on purpose: they fail, fall silent, or go on until they are cancelled. */

import { activityInfo, ApplicationFailure, CompleteAsyncError, Context, heartbeat, sleep } from '@temporalio/activity';

export async function readSensor(sensor: string): Promise<string> {
  return `${sensor} reads 21.5`;
}

/** Fails as often as it is told, then gives the attempt that succeeded. */
export async function readFlakySensor(failures: number): Promise<number> {
  const { attempt } = activityInfo();
  if (attempt <= failures) {
    throw ApplicationFailure.retryable(`no answer at attempt ${attempt}`, 'NoAnswer');
  }
  return attempt;
}

export async function readBrokenSensor(): Promise<void> {
  throw ApplicationFailure.retryable('the wire is cut', 'BrokenSensor', 'bed-12');
}

/** Goes on where the last attempt came to. The first one fails halfway, the second falls silent. */
export async function uploadFirmware(blocks: number): Promise<string> {
  const { attempt, heartbeatDetails } = activityInfo();
  const resumedAt: number = heartbeatDetails ?? 0;
  for (let done = resumedAt + 1; done <= blocks; done++) {
    heartbeat(done);
    if (attempt === 1 && done === 3) {
      throw ApplicationFailure.retryable('the link broke');
    }
    if (attempt === 2 && done === 5) {
      await Context.current().cancelled;
    }
  }
  return `attempt ${attempt} went on at block ${resumedAt} of ${blocks}`;
}

/** Watches until it is cancelled, which it can only learn by its heartbeat. */
export async function watchBed(bed: string): Promise<void> {
  for (;;) {
    heartbeat(bed);
    await sleep(100);
  }
}

export async function toKelvin(celsius: number): Promise<number> {
  if (activityInfo().attempt === 1) {
    throw ApplicationFailure.retryable('the table is being loaded');
  }
  return celsius + 273.15;
}

export async function switchLightsOff(ward: string): Promise<string> {
  return `lights of ${ward} are off`;
}

/** Somebody else completes it, by its id. */
export async function askNurse(_question: string): Promise<string> {
  throw new CompleteAsyncError();
}

/** What the activities that live through the outage know of it. */
export class Outage {
  isOver = false;
  failedAttempts = 0;
  heartbeats = 0;

  /** Activities that are under way while the server is killed, and go on until it is over. */
  activities() {
    return {
      /** Fails until the outage is over; gives the attempt that got through. */
      reportToCentre: async (): Promise<number> => {
        const { attempt } = activityInfo();
        if (!this.isOver) {
          this.failedAttempts = attempt;
          throw ApplicationFailure.retryable('the centre cannot be reached');
        }
        return attempt;
      },

      /** One long attempt with heartbeats; gives its number. */
      holdLine: async (): Promise<number> => {
        while (!this.isOver) {
          heartbeat(++this.heartbeats);
          await sleep(200);
        }
        return activityInfo().attempt;
      },
    };
  }
}
