import { alterDriver, alterOptions, alterReservations } from '../altered.js';
import { type Fault, PLAIN } from './fault.js';

const TOGETHER = 'keeps messages that are put together in order, and answers their ids in order';
const OPTIONS_TOGETHER = 'puts many messages with different options together';

let puts = 0;
let delayedPuts = 0;

export const order: readonly Fault[] = [
  {
    what: 'knows no priority',
    fails: ['delivers the lowest priority first', 'lets a more urgent message overtake those that were there before'],
    because: /deep-equal/,
    breaks: (driver) => alterOptions(driver, () => ({ priority: 5 })),
  },
  {
    what: 'delivers the youngest first',
    fails: ['delivers the oldest first among equal priorities', TOGETHER],
    because: /deep-equal/,
    breaks: (driver) => alterOptions(driver, () => ({ priority: 1_000_000 - ++puts })),
  },
  {
    what: 'puts a released message behind the others',
    fails: ['puts a released message before younger ones of its priority'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterReservations(driver, ({ body, queue, ack }) => ({
        release: async () => {
          await driver.put(queue, body, PLAIN);
          await ack();
        },
      })),
  },
  {
    what: 'puts a buried message behind the others',
    fails: [
      'puts a kicked message before younger ones of its priority',
      'keeps the priority of a message that is buried, unless another is given',
    ],
    because: /deep-equal/,
    breaks: (driver) =>
      alterReservations(driver, ({ bury }) => ({ bury: (options) => bury({ ...options, priority: 5000 }) })),
  },
  {
    what: 'puts a delayed message behind the others',
    fails: ['puts a message whose delay is over before younger ones of its priority'],
    because: /deep-equal/,
    breaks: (driver) => alterOptions(driver, ({ priority, delayMs }) => ({ priority: delayMs > 0 ? 5000 : priority })),
  },
  {
    what: 'orders no more than 500 of those that become due',
    fails: ['delivers the most urgent first of more than 500 that became due at once'],
    because: /what a peek shows first/,
    breaks: (driver) =>
      alterOptions(driver, ({ priority, delayMs }) => ({
        priority: delayMs > 0 && ++delayedPuts > 500 ? 5000 : priority,
      })),
  },
  {
    what: 'shows the buried by age',
    fails: ['makes those ready first that were buried first, as peek shows them'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterDriver(driver, ({ peek }) => ({
        peek: async (queue, state, limit) => {
          const found = await peek(queue, state, 100);
          return found.toSorted((one, other) => Number(one.id) - Number(other.id)).slice(0, limit);
        },
      })),
  },
  {
    what: 'kicks the one buried last',
    fails: ['makes those ready first that were buried first, as peek shows them'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterDriver(driver, ({ consume, kick, stats }) => ({
        // All are kicked; the first one goes back behind the others.
        kick: async (queue, limit) => {
          const buried = (await stats(queue))?.buried ?? 0;
          if (limit >= buried) return kick(queue, limit);
          await kick(queue, buried);
          const consumer = await consume([queue], buried);
          const held = [];
          for (let n = 0; n < buried; n++) held.push(await consumer.reserve());
          for (const reservation of held.slice(limit)) await reservation?.bury();
          for (const reservation of held.slice(0, limit)) await reservation?.release();
          return limit;
        },
      })),
  },
  {
    what: 'answers the ids of messages put together in another order',
    fails: [TOGETHER, OPTIONS_TOGETHER],
    because: /deep-equal/,
    breaks: (driver) =>
      alterDriver(driver, ({ putMany }) => ({ putMany: async (...args) => (await putMany(...args)).toReversed() })),
  },
  {
    what: 'puts messages together with the options of the first',
    fails: [OPTIONS_TOGETHER],
    because: /stats after putting/,
    breaks: (driver) =>
      alterDriver(driver, ({ putMany }) => ({
        putMany: (queue, items) => {
          const [first] = items;
          return putMany(
            queue,
            items.map((item) => ({ ...item, ...(first && { options: first.options }) })),
          );
        },
      })),
  },
  {
    what: 'knows no fair order',
    fails: [
      'lets them take turns in fair order: a long queue does not starve a short one',
      'lets them take turns when no order is asked for: a long queue does not starve a short one',
    ],
    because: /of the 4 messages of the short queue among the first 16/,
    breaks: (driver) =>
      alterDriver(driver, ({ consume }) => ({
        consume: (queues, slots) => consume(queues, slots, { order: 'strict' }),
      })),
  },
  {
    what: 'knows no strict order',
    fails: ['takes from the first that has a message in strict order'],
    because: /deep-equal/,
    breaks: (driver) => alterDriver(driver, ({ consume }) => ({ consume: (queues, slots) => consume(queues, slots) })),
  },
];
