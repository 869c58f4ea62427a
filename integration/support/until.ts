import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../src/client/client.js';

/** Asks again and again until the answer is yes. */
export async function until(what: string, condition: () => Promise<boolean>, limitMs = 5000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await sleep(10);
  }
}

/** Until one connection waits in a reserve for a job of `tube`. */
export function untilWaitedFor(tube: string, witness: Client): Promise<void> {
  return until(`somebody waits for ${tube}`, async () => (await witness.statsTube(tube))?.currentWaiting === 1);
}

/** The outcome of the promise, or a rejection if it takes too long. */
export async function within<T>(limitMs: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${limitMs} ms: ${what}`)), limitMs);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}
