import { alterDriver } from '../altered.js';
import type { Fault } from './fault.js';

export const queues: readonly Fault[] = [
  {
    what: 'gets the messages of the first queue alone',
    fails: [
      'gets the messages of all of them, and of no other, and is told the queue',
      'waits for messages of all of them',
    ],
    because: /not within \d+ ms: a message comes/,
    breaks: (driver) =>
      alterDriver(driver, ({ consume }) => ({ consume: (names, options) => consume(names.slice(0, 1), options) })),
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
        consume: (names, options) => consume(names, { ...options, order: 'strict' }),
      })),
  },
  {
    what: 'knows no strict order',
    fails: ['takes from the first that has a message in strict order'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterDriver(driver, ({ consume }) => ({
        consume: (names, options) => consume(names, { ...options, order: 'fair' }),
      })),
  },
];
