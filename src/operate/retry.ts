import { checkLimit, checkOptions, type OptionNames } from '../queue/checks.js';
import { read, write } from '../queue/codec.js';
import type { StoredMessage } from '../queue/driver.js';
import { InvalidOptionError } from '../queue/errors.js';
import type { Message, MessageType } from '../queue/message.js';
import { checkData } from '../queue/publishing.js';
import { preview } from '../shared/text.js';
import { type Matches, type MessageFilter, matcherOf, type OperatedQueue, pagesOf, typeName } from './filter.js';

/** Which buried messages to retry, and what to change. */
export type RetryOptions =
  /** Those with these ids of the engine. */
  | {
      /** The engine's ids of the messages. */
      readonly ids: readonly string[];
    }
  /** So many of those that were buried first. */
  | {
      /** The largest number of messages. */
      readonly limit: number;
    }
  /** All of a type, of a reason or of both, or so many of them. */
  | (MessageFilter & {
      /** The largest number of messages. Default: all. */
      readonly limit?: number | undefined;
    })
  /** The one that is named, with other data. A `type` with a schema checks it. */
  | {
      /** The engine's id of the message. */
      readonly ids: readonly [string];
      /** The new data. */
      readonly data: unknown;
      /** The type of the message. Default: unchanged. */
      readonly type?: string | MessageType<unknown, unknown> | undefined;
    };

interface AnyRetry extends MessageFilter {
  readonly ids?: readonly string[];
  readonly limit?: number | undefined;
  readonly data?: unknown;
}

const RETRY_OPTIONS: OptionNames<AnyRetry> = { ids: true, limit: true, type: true, reason: true, data: true };

/** Makes buried messages ready. @returns how many @throws InvalidOptionError, SchemaError, EncodeError, EngineError */
export async function retry(queue: OperatedQueue, selection: RetryOptions): Promise<number> {
  const { driver, name } = queue;
  const given: AnyRetry = checkOptions<AnyRetry>('retry', selection, RETRY_OPTIONS);
  const { ids, limit, type, reason } = given;
  if ('data' in given) return edit(queue, given);
  if (ids !== undefined) {
    for (const [option, value] of Object.entries({ limit, type, reason })) {
      if (value !== undefined)
        throw new InvalidOptionError(`the selection of retry must have ids or ${option}, got both`);
    }
    return driver.retry(name, { ids });
  }
  const matches = matcherOf(queue, { type, reason });
  if (matches !== undefined) return retryMatching(queue, matches, limit);
  if (limit !== undefined) return driver.retry(name, { limit });
  throw new InvalidOptionError('the selection of retry must have ids, limit, type or reason, got none of them');
}

async function retryMatching(queue: OperatedQueue, matches: Matches, limit: number | undefined): Promise<number> {
  const { driver, name } = queue;
  const most = limit === undefined ? Number.POSITIVE_INFINITY : checkLimit(limit);
  let retried = 0;
  if (most === 0) return retried;
  for await (const messages of pagesOf(queue, 'buried')) {
    const ids = messages.filter(matches).map(({ jobId }) => jobId);
    if (ids.length > 0) retried += await driver.retry(name, { ids: ids.slice(0, most - retried) });
    if (retried >= most) break;
  }
  return retried;
}

/** Gives the one message that is named other data. */
async function edit(queue: OperatedQueue, { ids, limit, reason, type, data }: AnyRetry): Promise<number> {
  const [jobId] = ids ?? [];
  if (jobId === undefined || ids?.length !== 1 || limit !== undefined || reason !== undefined)
    throw new InvalidOptionError(
      'the selection of retry must have one id, and no limit or reason, where data is given',
    );
  const { driver, name, codec, publisher } = queue;
  const stored = await driver.find(name, jobId);
  if (stored?.state !== 'buried') return 0;
  const message = messageOf(queue, stored, type);
  const { messageType: own } = publisher.parts;
  const known = typeof type === 'object' ? type : own?.type === message.type ? own : undefined;
  const body = write(codec, { ...message, data: checkData(message.type, data) });
  if (known !== undefined) await publisher.checkWritten(known, body);
  return driver.retry(name, { ids: [jobId], body });
}

/** What is kept of the message. */
function messageOf(
  queue: OperatedQueue,
  { jobId, body, createdAt }: StoredMessage,
  type: MessageFilter['type'],
): Message {
  const asked = type === undefined ? undefined : typeName(type);
  let message: Message;
  try {
    message = read(queue.codec, body, { queue: queue.name, jobId, type: queue.type });
  } catch (cause) {
    const known = asked ?? queue.type;
    if (known !== undefined) return newMessage(queue, known, createdAt);
    throw new InvalidOptionError(
      `cannot edit message ${preview(jobId)}: its body cannot be read, so its type is unknown; name it in the option type`,
      { cause },
    );
  }
  if (asked === undefined || asked === message.type) return message;
  throw new InvalidOptionError(
    `the type of message ${preview(jobId)} must be ${preview(message.type)}, got ${preview(asked)}`,
  );
}

function newMessage({ publisher }: OperatedQueue, type: string, time: Date = new Date()): Message {
  return { id: crypto.randomUUID(), type, data: undefined, time, headers: {}, source: publisher.parts.source };
}
