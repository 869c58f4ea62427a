// Lists of messages to store, cut into parts that are stored one by one.
import type { PutResult } from '../../queue/driver.js';
import { EngineError, InvalidOptionError } from '../../queue/errors.js';

/** One part after another, each of so many messages and bytes at most, or of one message. */
export function split<T extends { readonly body: Uint8Array }>(
  items: readonly T[],
  maxMessages: number,
  maxBytes: number,
): T[][] {
  const parts: T[][] = [];
  let part: T[] = [];
  let bytes = 0;
  for (const item of items) {
    if (part.length === maxMessages || (part.length > 0 && bytes + item.body.length > maxBytes)) {
      parts.push(part);
      part = [];
      bytes = 0;
    }
    part.push(item);
    bytes += item.body.length;
  }
  if (part.length > 0) parts.push(part);
  return parts;
}

/** The ids of a list that was stored in parts. @throws EngineError that tells which are stored */
export function storedIds(
  parts: readonly (readonly unknown[])[],
  outcomes: readonly PromiseSettledResult<readonly string[]>[],
): string[] {
  const ids: (string | undefined)[] = [];
  const unknownAt: number[] = [];
  let failure: unknown;
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === 'fulfilled') {
      ids.push(...outcome.value);
      continue;
    }
    failure ??= outcome.reason;
    for (const _ of parts[index] ?? []) {
      if (outcome.reason instanceof EngineError && outcome.reason.outcome === 'unknown') unknownAt.push(ids.length);
      ids.push(undefined);
    }
  }
  if (failure === undefined) return ids as string[];
  const count = ids.filter((id) => id !== undefined).length;
  if (count === 0 || !(failure instanceof EngineError)) throw failure;
  throw new EngineError(
    `cannot store all ${ids.length} messages: only ${count} are known to be stored; ${failure.message}`,
    {
      cause: failure,
      retryable: failure.retryable,
      outcome: unknownAt.length > 0 ? 'unknown' : 'partial',
      storedIds: ids,
      unknownAt: unknownAt.length > 0 ? unknownAt : undefined,
    },
  );
}

/** What was stored, part by part. Several parts are not stored together. */
export function stored(ids: readonly string[], parts = 1): PutResult {
  return { atomic: parts <= 1, stored: ids.map((jobId) => ({ jobId, isNew: true })) };
}

/** @throws InvalidOptionError, before something that the engine refuses spoils the transaction that it shares with others */
export function checkSize(body: Uint8Array, most: number, engine: string): void {
  if (body.length <= most) return;
  throw new InvalidOptionError(`a body must be at most ${most} bytes in ${engine}, got ${body.length}`);
}
