import type { MessageState } from '../queue/capabilities.js';
import type { CheckedDriver } from '../queue/checked-driver.js';
import { type Codec, read } from '../queue/codec.js';
import type { StoredMessage } from '../queue/driver.js';
import { InvalidOptionError } from '../queue/errors.js';
import { checkType, type MessageType } from '../queue/message.js';
import type { Publisher } from '../queue/publishing.js';
import { preview } from '../shared/text.js';

/**
 * A queue as these functions see it; `Queue` is one. They do not import it, because its methods call them: an import back would
 * be a cycle.
 */
export interface OperatedQueue {
  readonly driver: CheckedDriver;
  readonly name: string;
  readonly codec: Codec;
  readonly type: string | undefined;
  readonly publisher: Publisher;
}

/** Which messages. What is left out does not matter. */
export interface MessageFilter {
  /** Their type. Messages whose body cannot be read have none. */
  readonly type?: string | MessageType<unknown, unknown> | undefined;
  /** Why they failed, such as `'attempts'` or `'invalid'`. */
  readonly reason?: string | undefined;
}

export type Matches = (message: StoredMessage) => boolean;

/** How many messages, with their bodies, are in memory at once where many are gone through. */
export const PAGE_SIZE = 500;

/** @returns undefined where all messages match @throws InvalidOptionError */
export function matcherOf(queue: OperatedQueue, { type, reason }: MessageFilter): Matches | undefined {
  const name = type === undefined ? undefined : typeName(type);
  if (reason !== undefined && (typeof reason !== 'string' || reason === ''))
    throw new InvalidOptionError(`reason must be a string that is not empty, got ${preview(reason)}`);
  if (name === undefined && reason === undefined) return undefined;
  // The reason first: it needs no decoding.
  return (message) =>
    (reason === undefined || message.failure?.reason === reason) &&
    (name === undefined || typeOf(queue, message) === name);
}

/** @throws InvalidOptionError */
export function typeName(type: string | MessageType<unknown, unknown>): string {
  return checkType(typeof type === 'object' ? type?.type : type);
}

/** The type of a message that was shown; `undefined` where its body cannot be read. Never throws. */
export function typeOf({ name, codec, type }: OperatedQueue, { jobId, body }: StoredMessage): string | undefined {
  try {
    return read(codec, body, { queue: name, jobId, type }).type;
  } catch {
    return undefined;
  }
}

/**
 * The messages of a state, page by page, as many as there were at the beginning: what is buried again meanwhile does not come
 * a second time. Messages of a page may be removed before the next one is asked for.
 */
export async function* pagesOf(
  { driver, name }: OperatedQueue,
  state: MessageState,
): AsyncGenerator<readonly StoredMessage[]> {
  const [counts] = await driver.stats([name]);
  // What is only estimated may be less than there is.
  let left = driver.capabilities.counts === 'exact' ? (counts?.[state] ?? 0) : Number.POSITIVE_INFINITY;
  let after: string | undefined;
  while (left > 0) {
    const { messages, next } = await driver.list(name, { state, limit: Math.min(left, PAGE_SIZE), after });
    yield messages;
    if (next === undefined) return;
    left -= messages.length;
    after = next;
  }
}
