// What every driver checks of a call before it touches its engine, so that a wrong call is refused alike on all of them.
// Names of queues are checked by checkQueueName.
import { preview } from '../shared/text.js';
import type { PutOptions } from './driver.js';
import { MAX_DURATION_MS } from './duration.js';
import { InvalidOptionError } from './errors.js';
import { kindOf } from './kind.js';
import { checkPriority } from './priority.js';

/** The largest id that an engine counts to: 64 bits. */
const MAX_ID = 2n ** 64n - 1n;

/** A duration of a driver's call. @throws InvalidOptionError for milliseconds that not every engine can hold */
export function checkMs(what: string, ms: number): number {
  if (typeof ms === 'number' && ms >= 0 && ms <= MAX_DURATION_MS) return ms;
  throw new InvalidOptionError(`${what} must be a number from 0 to ${MAX_DURATION_MS}, got ${preview(ms)}`);
}

/** A message to store. @throws InvalidOptionError */
export function checkPut(body: Uint8Array, { priority, delayMs, ttrMs }: PutOptions): void {
  checkPriority(priority);
  checkMs('delayMs', delayMs);
  checkMs('ttrMs', ttrMs);
  if (!(body instanceof Uint8Array))
    throw new InvalidOptionError(`a body must be bytes (Uint8Array), got ${kindOf(body)}`);
}

/** The options of a release or a burial, before anything is given up. @throws InvalidOptionError */
export function checkSettlement({
  priority,
  delayMs,
}: {
  priority?: number | undefined;
  delayMs?: number | undefined;
}): void {
  if (priority !== undefined) checkPriority(priority);
  if (delayMs !== undefined) checkMs('delayMs', delayMs);
}

/** An id as all engines give them that count their messages: a whole number in decimal. @throws InvalidOptionError */
export function checkDecimalId(id: string): string {
  if (typeof id === 'string' && /^[1-9][0-9]{0,19}$/.test(id) && BigInt(id) <= MAX_ID) return id;
  throw new InvalidOptionError(`a job id must be a decimal number from 1 to ${MAX_ID}, got ${preview(id)}`);
}
