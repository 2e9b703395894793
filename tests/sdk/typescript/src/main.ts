/**
 * Conformance of a server with the TypeScript SDK: main.js ADDRESS NAMESPACE OUTPUT
 *
 * Prints `ok <step>` for each step. At READY-FOR-KILL the server may be killed and started again; a line on the
 * standard input (or its end) says that this is over. Histories are written to OUTPUT and replayed. The exit code is 0
 * if all was as it should be; otherwise the reason stands in the last lines.
 */

import { once } from 'node:events';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { Driver } from './driver';
import * as histories from './histories';
import { outlast } from './outage';
import { inOrder, registerSearchAttributes } from './steps';

function ok(step: string): void {
  console.log(`ok ${step}`);
}

async function waitForKill(): Promise<void> {
  console.log('READY-FOR-KILL');
  await Promise.race([once(process.stdin, 'data'), once(process.stdin, 'end')]);
  process.stdin.pause();
}

async function main(address: string, namespace: string, output: string): Promise<void> {
  // Activities that fail are part of the plan.
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const driver = await Driver.connect(address, namespace);
  await registerSearchAttributes(driver);
  const worker = await driver.worker();
  await worker.runUntil(async () => {
    for (const [name, step] of inOrder) {
      await step(driver);
      ok(name);
    }
    await outlast(driver, waitForKill, ok);
    ok(`histories (${await histories.save(driver, output)})`);
  });
  ok(`replay (${await histories.replay(driver, output)})`);
  await driver.close();
}

const [address, namespace, output] = process.argv.slice(2);
if (!output) {
  console.error('usage: main.js ADDRESS NAMESPACE OUTPUT');
  process.exit(2);
}
main(address, namespace, output).catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
