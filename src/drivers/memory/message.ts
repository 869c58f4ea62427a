import type { MessageState } from '../../queue/capabilities.js';
import type { PutItem, StoredMessage } from '../../queue/driver.js';
import { InvalidOptionError } from '../../queue/errors.js';
import type { Failure } from '../../queue/failure.js';
import { copyBytes, keepBytes } from '../../shared/bytes.js';
import { preview } from '../../shared/text.js';
import type { HeapItem } from './heap.js';

/** Whoever holds a message, as far as its queue is concerned. */
export interface Holder {
  /** The message is no longer held. */
  lose(why: string): void;
}

/** A message in a queue. */
export interface Message extends HeapItem {
  readonly id: string;
  /** Its place among the messages of the engine, in order of publication. */
  readonly age: number;
  /** Never leaves the engine, and may share its memory with others. Nobody writes to it. */
  body: Buffer;
  readonly ttrMs: number;
  /** By `Date.now()`. */
  readonly createdAt: number;
  priority: number;
  state: MessageState;
  /**
   * By `performance.now()`: delayed, when the delay ends; reserved, when the lease ends; ready, since when. Buried: its place in
   * the order of burial.
   */
  stateTime: number;
  /** Deliveries since it was put or retried. */
  attempt: number;
  failure: Failure | undefined;
  holder: Holder | undefined;
}

/** What the order of messages depends on. */
type Place = Pick<Message, 'age' | 'priority' | 'stateTime'>;

/** Which of two ready messages is delivered first. */
export const moreUrgent = (a: Place, b: Place): boolean =>
  a.priority < b.priority || (a.priority === b.priority && a.age < b.age);

/** Which of two messages comes first in any other state. */
export const sooner = (a: Place, b: Place): boolean =>
  a.stateTime < b.stateTime || (a.stateTime === b.stateTime && a.age < b.age);

/** @param now by `performance.now()` */
export function createMessage({ body, options }: PutItem, age: number, createdAt: number, now: number): Message {
  const { priority, delayMs, ttrMs } = options;
  return {
    id: String(age),
    age,
    body: keepBytes(body),
    ttrMs,
    createdAt,
    priority,
    state: delayMs > 0 ? 'delayed' : 'ready',
    stateTime: now + delayMs,
    attempt: 0,
    failure: undefined,
    holder: undefined,
    heapIndex: 0,
  };
}

/** The message as a new one of another queue: ready, or delayed for the rest of its delay. */
export function renewMessage(message: Message, age: number, createdAt: number, now: number): Message {
  const isDelayed = message.state === 'delayed';
  return {
    ...message,
    id: String(age),
    age,
    createdAt,
    state: isDelayed ? 'delayed' : 'ready',
    stateTime: isDelayed ? message.stateTime : now,
    attempt: 0,
    failure: undefined,
    holder: undefined,
  };
}

/** @param queue its name as the user knows it */
export function showMessage(message: Message, queue: string): StoredMessage {
  const { id, state, body, priority, ttrMs, attempt, createdAt, stateTime, failure } = message;
  const isDue = state === 'delayed' || state === 'reserved';
  return {
    ...{ jobId: id, queue, state, body: copyBytes(body), priority, ttrMs, attempts: attempt, failure },
    createdAt: new Date(createdAt),
    dueAt: isDue ? dateOf(stateTime - performance.now()) : undefined,
  };
}

/** The time after so many milliseconds, rounded up. */
export function dateOf(ms: number): Date {
  return new Date(Math.ceil(Date.now() + ms));
}

/** The cursor behind a message of a page. */
export function cursorOf({ state, priority, stateTime, age }: Message): string {
  return `${state === 'ready' ? priority : stateTime}:${age}`;
}

/** Reads a cursor. @throws InvalidOptionError */
export function placeOf(cursor: string): Place {
  const [, first, age] = /^(\d+(?:\.\d+)?):(\d+)$/.exec(cursor) ?? [];
  if (first === undefined) {
    throw new InvalidOptionError(`after must be the next of an earlier page, got ${preview(cursor)}`);
  }
  return { priority: Number(first), stateTime: Number(first), age: Number(age) };
}
