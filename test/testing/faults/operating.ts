import type { Reservation } from '../../../src/queue/driver.js';
import { alterDriver, alterReservations, alterStats } from '../altered.js';
import type { Fault } from './fault.js';

const PAUSE = 'tell until when a queue is paused, to every driver';
const LIFE = 'tell at each step where a message is';
const FLUSH = 'removes all that nobody holds, and says how many messages that were';

const held = new Set<Reservation>();

export const operating: readonly Fault[] = [
  {
    what: 'shows several messages though it said that it could not',
    fails: ['refuses to show several messages of a state'],
    because: /peek\(\) for 2 ready messages must reject with an error whose code is UNSUPPORTED/,
    breaks: (driver) =>
      alterDriver(driver, ({ capabilities }) => ({ capabilities: { ...capabilities, peekMany: false } })),
  },
  {
    what: 'shows one message where several are asked for',
    fails: ['shows several messages of a state'],
    because: /deep-equal/,
    breaks: (driver) => alterDriver(driver, ({ peek }) => ({ peek: (queue, state) => peek(queue, state, 1) })),
  },
  {
    what: 'shows a message where none is asked for',
    fails: ['shows nothing of what is reserved, of an empty queue, or when none is asked for'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterDriver(driver, ({ peek }) => ({ peek: (queue, state, limit) => peek(queue, state, limit || 1) })),
  },
  {
    what: 'shows the last message first',
    fails: ['shows the most urgent ready message, and the delayed one that is due next'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterDriver(driver, ({ peek }) => ({
        peek: async (queue, state, limit) => (await peek(queue, state, 100)).toReversed().slice(0, limit),
      })),
  },
  {
    what: 'delivers what it shows',
    fails: ['shows the next message of each state, and delivers none'],
    because: /a peek is no delivery/,
    breaks: (driver) =>
      alterDriver(driver, ({ peek, consume }) => ({
        peek: async (queue, state, limit) => {
          const shown = await peek(queue, state, limit);
          await (await (await consume([queue], 1)).reserve({ timeoutMs: 0 }))?.release();
          return shown;
        },
      })),
  },
  {
    what: 'answers the limit of a kick, not the count',
    fails: ['makes as many buried messages ready as it is told, and says how many'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterDriver(driver, ({ kick }) => ({
        kick: async (queue, limit) => {
          await kick(queue, limit);
          return limit;
        },
      })),
  },
  {
    what: 'kicks buried and delayed messages together',
    fails: ['leaves delayed messages alone as long as one is buried'],
    because: /2 !== 1/,
    breaks: (driver) =>
      alterDriver(driver, ({ kick }) => ({
        kick: async (queue, limit) => {
          const kicked = await kick(queue, limit);
          return kicked + (kicked < limit ? await kick(queue, limit - kicked) : 0);
        },
      })),
  },
  {
    what: 'kicks no delayed message',
    fails: ['makes delayed messages ready where none is buried, those due next first', LIFE],
    because: /0 !== 1/,
    breaks: (driver) =>
      alterDriver(driver, ({ stats, kick }) => ({
        kick: async (queue, limit) => ((await stats(queue))?.buried === 0 ? 0 : kick(queue, limit)),
      })),
  },
  {
    what: 'says that it has deleted what is not there',
    fails: [
      'removes a message that nobody holds, and says whether there was one',
      'leaves a held message to its holder',
      'leaves messages of other queues alone',
    ],
    because: /deleting it again/,
    breaks: (driver) =>
      alterDriver(driver, (original) => ({
        delete: async (...args) => {
          await original.delete(...args);
          return true;
        },
      })),
  },
  {
    what: 'flushes what is held, too',
    fails: [FLUSH],
    because: /11 !== 10/,
    breaks: (driver) => {
      const remembering = alterReservations(driver, (reservation) => {
        held.add(reservation);
        return {};
      });
      return alterDriver(remembering, ({ flush }) => ({
        flush: async (queue) => {
          const acked = await Promise.allSettled([...held].map((reservation) => reservation.ack()));
          return (await flush(queue)) + acked.filter(({ status }) => status === 'fulfilled').length;
        },
      }));
    },
  },
  {
    what: 'does not count the delayed messages that it flushes',
    fails: [FLUSH],
    because: /6 !== 10/,
    breaks: (driver) =>
      alterDriver(driver, ({ stats, flush }) => ({
        flush: async (queue) => {
          const { delayed = 0 } = (await stats(queue)) ?? {};
          return (await flush(queue)) - delayed;
        },
      })),
  },
  {
    what: 'flushes all queues with one',
    fails: ['leaves other queues alone'],
    because: /stats after a flush of another queue/,
    breaks: (driver) =>
      alterDriver(driver, ({ queues, flush }) => ({
        flush: async (queue) => {
          const counts = await Promise.all([queue, ...(await queues())].map((name) => flush(name)));
          return counts.reduce((sum, count) => sum + count, 0);
        },
      })),
  },
  {
    what: 'counts reserved messages as ready',
    fails: [LIFE, 'tell of the messages of many states at once, to every driver'],
    because: /stats after the message was reserved/,
    breaks: (driver) => alterStats(driver, ({ ready, reserved }) => ({ ready: ready + reserved, reserved: 0 })),
  },
  {
    what: 'counts the messages of queues that are not there',
    fails: ['know no queue that nobody has used'],
    because: /null/,
    breaks: (driver) =>
      alterDriver(driver, ({ stats }) => ({
        stats: async (queue) =>
          (await stats(queue)) ?? { ready: 0, delayed: 0, reserved: 0, buried: 0, pausedUntil: null },
      })),
  },
  {
    what: 'does not tell that a queue is paused',
    fails: [PAUSE],
    because: /pausedUntil of a paused queue must be a Date, got null/,
    breaks: (driver) => alterStats(driver, () => ({ pausedUntil: null })),
  },
  {
    what: 'tells when a pause has begun, not when it ends',
    fails: [PAUSE],
    because: /the pause of 60 s is told to end -?\d+ ms after it began/,
    breaks: (driver) => alterStats(driver, ({ pausedUntil }) => ({ pausedUntil: pausedUntil && new Date() })),
  },
  {
    what: 'tells of a pause that is over',
    fails: [PAUSE],
    because: /of a queue that is not paused/,
    breaks: (driver) => alterStats(driver, ({ pausedUntil }) => ({ pausedUntil: pausedUntil ?? new Date(0) })),
  },
  {
    what: 'lists no empty queue, though it is paused',
    fails: ['list a queue that is paused, though it has no messages'],
    because: /falsy value|false == true|evaluated to/,
    breaks: (driver) =>
      alterDriver(driver, ({ queues, stats }) => ({
        queues: async () => {
          const names = await queues();
          const found = await Promise.all(names.map(stats));
          return names.filter((_, index) => {
            const { ready = 0, delayed = 0, reserved = 0, buried = 0 } = found[index] ?? {};
            return ready + delayed + reserved + buried > 0;
          });
        },
      })),
  },
  {
    what: 'lists no queue without ready messages',
    fails: ['list the queues that have messages, in whatever state'],
    because: /queues\(\) lists .* once/,
    breaks: (driver) =>
      alterDriver(driver, ({ queues, stats }) => ({
        queues: async () => {
          const names = await queues();
          const ready = await Promise.all(names.map(async (name) => ((await stats(name))?.ready ?? 0) > 0));
          return names.filter((_, index) => ready[index]);
        },
      })),
  },
];
