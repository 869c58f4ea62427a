import { alterDriver, alterOptions, alterReservations } from '../altered.js';
import { type Fault, PLAIN } from './fault.js';

const TOGETHER = 'keeps messages that are put together in order, and answers their ids in order';
const OPTIONS_TOGETHER = 'puts many messages with different options together';

let puts = 0;

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
