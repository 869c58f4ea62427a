import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../src/client/client.js';

/** Longer than anything takes that does not hang, however busy the machine is: a limit that gives a hang its name. */
export const HANG_MS = 120_000;

/** Asks again and again until the answer is yes. */
export async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + HANG_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${HANG_MS} ms: ${what}`);
    await sleep(10);
  }
}

/** Until one connection waits in a reserve for a job of `tube`. */
export function untilWaitedFor(tube: string, witness: Client): Promise<void> {
  return until(`somebody waits for ${tube}`, async () => (await witness.statsTube(tube))?.currentWaiting === 1);
}

/** The outcome of the promise, or a rejection that says what hangs. */
export async function completes<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${HANG_MS} ms: ${what}`)), HANG_MS);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether the promise settles before the event loop turns, so without waiting for anything from outside. */
export async function settlesAtOnce(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  promise.then(note, note);
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}
