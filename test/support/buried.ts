import { toFailure } from '../../src/queue/failure.js';
import { defineMessage } from '../../src/queue/message.js';
import type { Queue } from '../../src/queue/queue.js';

/** Buries a message of each type and reason, the data of which is its place. @returns the ids, in order of burial */
export async function buryAll(
  queue: Queue,
  messages: readonly (readonly [type: string, reason: string])[],
): Promise<string[]> {
  const jobIds: string[] = [];
  for (const [index, [type, reason]] of messages.entries()) {
    await queue.publish(defineMessage(type), index, { headers: { place: String(index) } });
    const reservation = await queue.reserve({ timeout: 0 });
    await reservation?.bury({ failure: toFailure(new Error(`no. ${index}`), { reason, attempt: 1 }) });
    jobIds.push(reservation?.jobId ?? '');
  }
  return jobIds;
}

/** Buries a body that is no message. */
export async function buryBody(queue: Queue, body: string): Promise<string> {
  const options = { priority: 0, delayMs: 0, ttrMs: 60_000 };
  const { stored } = await queue.driver.put([{ queue: queue.name, body: Buffer.from(body), options }]);
  const reservation = await queue.reserve({ timeout: 0 });
  const failure = toFailure(new Error('no message'), { reason: 'undecodable', attempt: 1 });
  await reservation?.bury({ failure });
  return stored[0]?.jobId ?? '';
}
