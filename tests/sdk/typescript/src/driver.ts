/** What every step needs: starting workflows under ids of this run, and calls that outlast a server that is away. */

import { isDeepStrictEqual, inspect } from 'node:util';
import { randomUUID } from 'node:crypto';
import {
  Client,
  Connection,
  isGrpcServiceError,
  ServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  type Workflow,
  type WorkflowHandle,
  type WorkflowResultType,
  type WorkflowStartOptions,
} from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Worker, type WorkflowBundle } from '@temporalio/worker';
import * as activities from './activities';

const PATIENCE_MS = 60_000;

// Numbers of gRPC: CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE.
const AWAY: unknown[] = [1, 4, 14];
export const NOT_FOUND = 5;
export const ALREADY_EXISTS = 6;

export class Driver {
  readonly run = `typescript-${randomUUID().slice(0, 8)}`;
  readonly taskQueue = `sdk-${this.run}`;
  readonly outage = new activities.Outage();
  readonly started = new Set<string>();

  private constructor(
    readonly connection: Connection,
    readonly client: Client,
    private readonly workerConnection: NativeConnection,
    readonly workflowBundle: WorkflowBundle
  ) {}

  static async connect(address: string, namespace: string): Promise<Driver> {
    const connection = await Connection.connect({ address });
    const workflowBundle = await bundleWorkflowCode({
      workflowsPath: require.resolve('./workflows'),
      logger: new DefaultLogger('ERROR'),
    });
    const workerConnection = await NativeConnection.connect({ address });
    return new Driver(connection, new Client({ connection, namespace }), workerConnection, workflowBundle);
  }

  async close(): Promise<void> {
    await this.workerConnection.close();
    await this.connection.close();
  }

  id(name: string): string {
    return `${this.run}-${name}`;
  }

  async worker(taskQueue = this.taskQueue): Promise<Worker> {
    return await Worker.create({
      connection: this.workerConnection,
      namespace: this.client.options.namespace,
      taskQueue,
      workflowBundle: this.workflowBundle,
      activities: { ...activities, ...this.outage.activities() },
      // By default a heartbeat waits for most of its timeout, and so does the news of a cancellation.
      maxHeartbeatThrottleInterval: '200ms',
    });
  }

  /** Starts a workflow; where it has been started by a call whose answer was lost, that one counts. */
  async start<T extends Workflow>(
    workflow: T,
    name: string,
    args: Parameters<T>,
    options: Partial<WorkflowStartOptions<T>> = {}
  ): Promise<WorkflowHandle<T>> {
    const workflowId = this.id(name);
    this.started.add(workflowId);
    const all = { taskQueue: this.taskQueue, ...options, workflowId, args } as unknown as WorkflowStartOptions<T>;
    try {
      return await persistently(() => this.client.workflow.start(workflow, all));
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return this.client.workflow.getHandle<T>(workflowId);
      throw error;
    }
  }

  async execute<T extends Workflow>(
    workflow: T,
    name: string,
    args: Parameters<T>,
    options: Partial<WorkflowStartOptions<T>> = {}
  ): Promise<WorkflowResultType<T>> {
    return await result(await this.start(workflow, name, args, options));
  }

  async listIds(query: string): Promise<string[]> {
    const ids = [];
    for await (const { workflowId } of this.client.workflow.list({ query })) ids.push(workflowId);
    return ids;
  }
}

/** Calls until the server answers. The client repeats calls by itself for some seconds only. */
export async function persistently<T>(call: () => Promise<T>): Promise<T> {
  const giveUp = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isAway(error) || Date.now() > giveUp) throw error;
    }
    await wait(200);
  }
}

function isAway(error: unknown): boolean {
  return error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || AWAY.includes(grpcCode(error));
}

/** The code the server answered with, if the error is an answer. */
export function grpcCode(error: unknown): number | undefined {
  const status = error instanceof ServiceError ? error.cause : error;
  return isGrpcServiceError(status) ? status.code : undefined;
}

export async function result<T extends Workflow>(handle: WorkflowHandle<T>): Promise<WorkflowResultType<T>> {
  return await persistently(() => handle.result());
}

/** Waits until `check` says yes. */
export async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  const giveUp = Date.now() + PATIENCE_MS;
  while (!(await persistently(check))) {
    if (Date.now() > giveUp) throw new Error(`waited in vain until ${what}`);
    await wait(100);
  }
}

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export function expect(found: unknown, wanted: unknown): void {
  if (!isDeepStrictEqual(found, wanted)) throw new Error(`found ${inspect(found)}, and not ${inspect(wanted)}`);
}

/** Awaits something that must fail with this kind of error, and gives the error. */
export async function rejects<E extends Error>(
  kind: abstract new (...args: any[]) => E,
  outcome: Promise<unknown>
): Promise<E> {
  try {
    await outcome;
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  throw new Error(`it was to fail with ${kind.name}`);
}
