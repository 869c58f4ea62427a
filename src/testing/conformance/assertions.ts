import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HaricotErrorCode } from '../../queue/errors.js';

/**
 * Something came too late, or a failure came after the time in which it would have told something. A busy machine may be to
 * blame for either, so the test is run again: a driver that is slow is slow each time.
 */
export class TimingError extends assert.AssertionError {}

/** The outcome of the promise, or a failure that says what did not happen in time. */
export async function within<T>(limitMs: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new assert.AssertionError({ message: `not within ${limitMs} ms: ${what}` })),
      limitMs,
    );
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again until the answer is yes. */
export async function until(limitMs: number, what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) assert.fail(`not within ${limitMs} ms: ${what}`);
    await sleep(20);
  }
}

/**
 * Checks that the call is refused with this code. Codes, not classes: a driver may have been loaded with a copy of the
 * package of its own.
 */
export async function refuses(code: HaricotErrorCode, what: string, call: Promise<unknown>): Promise<void> {
  const instead = await call.then(
    () => 'it succeeded',
    (error: unknown) => (codeOf(error) === code ? undefined : `it rejected with ${String(error)}`),
  );
  assert.equal(instead, undefined, `${what} must reject with an error whose code is ${code}, and ${instead}`);
}

export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

export function strings(found: readonly { readonly body: Buffer }[]): string[] {
  return found.map(({ body }) => body.toString());
}
