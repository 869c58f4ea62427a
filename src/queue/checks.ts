// What every driver checks of a call before it touches its engine, so that a wrong call is refused alike on all of them.
// Names of queues are checked by checkQueueName.
import { isDetached } from '../shared/bytes.js';
import { preview } from '../shared/text.js';
import type { ConsumeOptions, PutItem, PutOptions, QueueOrder, ReserveOptions } from './driver.js';
import { MAX_DURATION_MS } from './duration.js';
import { InvalidOptionError } from './errors.js';
import { kindOf } from './kind.js';
import { checkInteger, checkOneOf, checkSignal } from './options.js';
import { checkPriority } from './priority.js';

/** The largest id that an engine counts to: 64 bits. */
const MAX_ID = 2n ** 64n - 1n;

/** A duration of a driver's call. @throws InvalidOptionError for milliseconds that not every engine can hold */
export function checkMs(what: string, ms: number, min = 0): number {
  if (typeof ms === 'number' && ms >= min && ms <= MAX_DURATION_MS) return ms;
  throw new InvalidOptionError(`${what} must be a number from ${min} to ${MAX_DURATION_MS}, got ${preview(ms)}`);
}

/** A message to store. @throws InvalidOptionError */
export function checkPut(body: Uint8Array, options: PutOptions): void {
  if (typeof options !== 'object' || options === null)
    throw new InvalidOptionError(`the options of a put must be an object, got ${preview(options)}`);
  checkPriority(options.priority);
  checkMs('delayMs', options.delayMs);
  // Less than a second is possible on some engines; a lease that ends at once is none on any.
  checkMs('ttrMs', options.ttrMs, 1);
  if (!(body instanceof Uint8Array))
    throw new InvalidOptionError(`a body must be bytes (Uint8Array), got ${kindOf(body)}`);
  if (body.length === 0 && isDetached(body))
    throw new InvalidOptionError('a body must have its memory, got bytes that were transferred');
}

/** The messages of a list. @throws InvalidOptionError */
export function checkPutMany(items: readonly PutItem[]): void {
  if (!Array.isArray(items))
    throw new InvalidOptionError(`the messages to put must be an array, got ${preview(items)}`);
  for (const item of items) checkPut(item?.body, item?.options);
}

/** How many messages to look at, or to kick. @throws InvalidOptionError */
export function checkLimit(limit: number): number {
  return checkInteger('limit', limit, 0);
}

const ORDERS: readonly QueueOrder[] = ['fair', 'strict'];

/** What to consume, and in which order. @throws InvalidOptionError */
export function checkConsume(queues: readonly string[], { order }: ConsumeOptions = {}): void {
  if (!Array.isArray(queues) || queues.length === 0)
    throw new InvalidOptionError(`the queues to consume must be an array of at least one name, got ${preview(queues)}`);
  if (order !== undefined) checkOneOf('order', order, ORDERS);
}

/** How long to wait for a message. @throws InvalidOptionError, or the signal's reason once it has aborted */
export function checkReserve({ timeoutMs, signal }: ReserveOptions): void {
  if (timeoutMs !== undefined) checkMs('timeoutMs', timeoutMs);
  checkSignal('signal', signal)?.throwIfAborted();
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
