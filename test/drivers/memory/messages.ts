import { expect } from 'chai';
import type {
  Consumer,
  Driver,
  ListOptions,
  MessageCounts,
  PutOptions,
  ReservedMessage,
  ReserveOptions,
  Settlement,
} from '../../../src/queue/driver.js';
import { type Failure, toFailure } from '../../../src/queue/failure.js';
import { countsOf } from '../../support/counts.js';

export const PLAIN: PutOptions = { priority: 1024, delayMs: 0, ttrMs: 60_000 };

/** @returns its id */
export async function put(
  driver: Driver,
  body: string,
  options: Partial<PutOptions> = {},
  queue = 'mail',
): Promise<string> {
  const { stored } = await driver.put([{ queue, body: Buffer.from(body), options: { ...PLAIN, ...options } }]);
  return stored[0]?.jobId ?? expect.fail('nothing was stored');
}

/** One message, which must be there. */
export async function reserve(consumer: Consumer, options?: ReserveOptions): Promise<ReservedMessage> {
  return first(await consumer.reserve(options));
}

export function first(reserved: readonly ReservedMessage[]): ReservedMessage {
  return reserved[0] ?? expect.fail('no message was delivered');
}

type Verb = Settlement['kind'] | 'touch';

/** @throws the error of its result */
export async function settle(
  consumer: Consumer,
  verb: Verb,
  message: ReservedMessage,
  options: Omit<Extract<Settlement, { kind: 'release' }>, 'kind' | 'message'> = {},
): Promise<void> {
  const results =
    verb === 'touch' ? await consumer.touch([message]) : await consumer.settle([{ kind: verb, message, ...options }]);
  expect(results).to.have.length(1);
  if (results[0]?.error) throw results[0].error;
}

/** The bodies of a page of messages. */
export async function bodies(driver: Driver, options: Partial<ListOptions>, queue = 'mail'): Promise<string[]> {
  const { messages } = await driver.list(queue, { state: 'ready', limit: 100, ...options });
  return messages.map(({ body }) => body.toString());
}

/** Puts a message and reserves it. */
export async function hold(driver: Driver, consumer: Consumer, body: string): Promise<ReservedMessage> {
  await put(driver, body);
  return reserve(consumer);
}

export async function counts(driver: Driver, queue = 'mail'): Promise<MessageCounts> {
  const [stats = null] = await driver.stats([queue]);
  return countsOf(stats);
}

export function failure(text: string): Failure {
  return toFailure(new Error(text), { reason: 'attempts', attempt: 1 });
}
