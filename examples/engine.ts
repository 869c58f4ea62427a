import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Driver, openDriver, type Queue } from 'haricot';

/** Runs an example on the engine that HARICOT_URL names, or on SQLite in a temporary folder that is removed at the end. */
export async function onEngine(example: (driver: Driver) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'haricot-example-'));
  try {
    const { HARICOT_URL = `sqlite:${join(folder, 'queues.db')}` } = process.env;
    const driver = await openDriver(HARICOT_URL);
    try {
      await example(driver);
    } finally {
      await driver.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Waits until nothing is left to do in a queue. A buried message waits for a human, not for a worker. */
export async function untilDone(queue: Queue): Promise<void> {
  for (;;) {
    const { ready = 0, delayed = 0, reserved = 0 } = (await queue.stats()) ?? {};
    if (ready + delayed + reserved === 0) return;
    await sleep(20);
  }
}
