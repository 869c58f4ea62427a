import type { Consumer, ReservedMessage } from '../../../src/queue/driver.js';
import type { Failure } from '../../../src/queue/failure.js';
import { alterConsumers, alterOptions, alterReserved, alterSettlements, alterShown } from '../altered.js';
import { type Fault, LATER } from './fault.js';

const REDELIVERY = 'delivers a message to another consumer when its lease has ended, and counts that';

/** By queue: their names are random, so that a fault which is tried again begins anew. */
const delivered = new Map<string, ReservedMessage>();
const deliveries = new Map<string, number>();

/** A consumer, with what it was given. */
interface Holder {
  readonly held: ReservedMessage[];
  readonly settle: Consumer['settle'];
}

export const settling: readonly Fault[] = [
  {
    what: 'delivers a message to two consumers',
    fails: ['delivers a held message to nobody else'],
    because: /the message is held/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: async (options) => {
          const [queue = ''] = [...delivered.keys()].slice(-1);
          const messages = await reserve(options);
          for (const message of messages) delivered.set(message.queue, message);
          const again = delivered.get(queue);
          return messages.length === 0 && again !== undefined ? [again] : messages;
        },
      })),
  },
  {
    what: 'never ends a lease',
    fails: [REDELIVERY],
    because: /not within \d+ ms: the message comes again/,
    breaks: (driver) => alterOptions(driver, () => ({ ttrMs: 3_600_000 })),
  },
  {
    what: 'ends leases early',
    fails: [REDELIVERY],
    because: /the lease of 2 s ended after \d+ ms, which is before/,
    breaks: (driver) => alterOptions(driver, ({ ttrMs }) => ({ ttrMs: ttrMs * 0.2 })),
  },
  {
    what: 'counts no attempts',
    fails: [REDELIVERY, 'count a release'],
    because: /deep-equal/,
    breaks: (driver) => alterReserved(driver, () => ({ attempt: 1 })),
  },
  {
    what: 'counts a release that is not to count',
    fails: ['do not count a release that is not counted'],
    because: /the attempt of delivery 3, after \[1; released; 2; released uncounted\]/,
    breaks: (driver) =>
      alterConsumers(driver, ({ settle }) => ({
        settle: (settlements) =>
          settle(settlements.map((each) => (each.kind === 'release' ? { ...each, counted: true } : each))),
      })),
  },
  {
    what: 'says that it has done what a stale holder asks for',
    fails: [
      'refuses ack to the holder before, when another holds the message, and changes nothing',
      'does to each what is said, and answers in order, though one is no longer held',
    ],
    because: /ack\(\) of the holder before must reject with an error whose code is LEASE_LOST, and it succeeded/,
    breaks: (driver) =>
      alterConsumers(driver, ({ settle }) => ({
        settle: async (settlements) => (await settle(settlements)).map(() => ({})),
      })),
  },
  {
    what: 'renews the lease of nobody',
    fails: ['keeps a lease that is renewed, beyond its TTR'],
    because: /stats while the lease is renewed/,
    breaks: (driver) => alterConsumers(driver, () => ({ touch: async (messages) => messages.map(() => ({})) })),
  },
  {
    what: 'answers the results of settlements in another order',
    fails: ['does to each what is said, and answers in order, though one is no longer held'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterConsumers(driver, ({ settle }) => ({
        settle: async (settlements) => (await settle(settlements)).toReversed(),
      })),
  },
  {
    what: 'takes one message more than it may',
    fails: ['takes no more than it may, the next ones first, and does not wait for more'],
    because: /a reserve of at most 3 took 4/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: (options = {}) => reserve({ ...options, max: (options.max ?? 1) + 1 }),
      })),
  },
  {
    what: 'loses the failure of a buried message',
    fails: ['are kept with a message that is buried'],
    because: /what find\(\) shows/,
    breaks: (driver) => alterShown(driver, ({ state }) => (state === 'buried' ? { failure: undefined } : {})),
  },
  {
    what: 'loses the failure of a released message',
    fails: ['are kept with a message that is released, until the next one'],
    because: /of a message that was released/,
    breaks: (driver) => alterShown(driver, ({ state }) => (state === 'buried' ? {} : { failure: undefined })),
  },
  {
    what: 'releases without the delay',
    fails: ['tell at each step where a message is'],
    because: /stats after a release with a delay/,
    breaks: (driver) =>
      alterConsumers(driver, ({ settle }) => ({
        settle: (settlements) =>
          settle(settlements.map((each) => (each.kind === 'release' ? { ...each, delayMs: 0 } : each))),
      })),
  },
  {
    what: 'loses one message of a thousand',
    fails: ['delivers each of 5000 messages to one of 8 consumers, once'],
    because: /so many messages were delivered/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve, settle }) => ({
        reserve: async (options) => {
          const messages = await reserve(options);
          for (const message of messages) {
            const count = (deliveries.get(message.queue) ?? 0) + 1;
            deliveries.set(message.queue, count);
            if (count % 1000 !== 0) continue;
            await settle([{ kind: 'ack', message }]);
            return reserve(options);
          }
          return messages;
        },
      })),
  },
  {
    what: 'keeps a message that is acknowledged',
    fails: ['removes a message that is acknowledged'],
    because: /stats after the ack/,
    breaks: (driver) =>
      alterSettlements(driver, (each) => (each.kind === 'ack' ? { kind: 'bury', message: each.message } : each)),
  },
  {
    what: 'holds back what is released',
    fails: ['delivers a message again at once that is released'],
    because: /stats after the release/,
    breaks: (driver) =>
      alterSettlements(driver, (each) => (each.kind === 'release' ? { ...each, delayMs: 60_000 } : each)),
  },
  {
    what: 'forgets the priority of a message that is released',
    fails: ['keeps the priority of a message that is released, unless another is given'],
    because: /the first message after a release that gives no priority/,
    breaks: (driver) =>
      alterSettlements(driver, (each) => (each.kind === 'release' ? { priority: LATER, ...each } : each)),
  },
  {
    what: 'removes a message that is buried',
    fails: ['puts a message aside that is buried, until it is retried'],
    because: /stats after it was buried/,
    breaks: (driver) =>
      alterSettlements(driver, (each) => (each.kind === 'bury' ? { kind: 'ack', message: each.message } : each)),
  },
  {
    what: 'forgets the priority of a message that is buried',
    fails: ['keeps the priority of a message that is buried, unless another is given'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterSettlements(driver, (each) => (each.kind === 'bury' ? { priority: LATER, ...each } : each)),
  },
  {
    what: 'settles a message again and again',
    fails: [
      'is over with ack: the holder can do nothing more',
      'is over with release: the holder can do nothing more',
      'is over with bury: the holder can do nothing more',
    ],
    because: /must reject with an error whose code is LEASE_LOST, and it succeeded/,
    breaks: (driver) =>
      alterConsumers(driver, ({ settle }) => ({
        settle: async (settlements) => (await settle(settlements)).map(() => ({})),
      })),
  },
  {
    what: 'settles all that it holds with one message',
    fails: ['leaves alone what others hold, and what is in other queues'],
    because: /stats after one of three held messages was acknowledged/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve, settle }) => {
        const held: ReservedMessage[] = [];
        return {
          reserve: async (options) => {
            const messages = await reserve(options);
            held.push(...messages);
            return messages;
          },
          settle: async (settlements) => {
            const results = await settle(settlements);
            await settle(held.map((message) => ({ kind: 'ack', message })));
            return results.map(() => ({}));
          },
        };
      }),
  },
  {
    what: 'removes what other consumers hold with one message that is acknowledged',
    fails: ['leaves alone what others hold, and what is in other queues'],
    because: /stats after one of three held messages was acknowledged/,
    breaks: (driver) => {
      const holders: Holder[] = [];
      return alterConsumers(driver, ({ reserve, settle }) => {
        const own: Holder = { held: [], settle };
        holders.push(own);
        return {
          reserve: async (options) => {
            const messages = await reserve(options);
            own.held.push(...messages);
            return messages;
          },
          settle: async (settlements) => {
            const results = await settle(settlements);
            if (!settlements.some(({ kind }) => kind === 'ack')) return results;
            for (const other of holders.filter((each) => each !== own)) {
              await other.settle(other.held.splice(0).map((message) => ({ kind: 'ack', message })));
            }
            return results;
          },
        };
      });
    },
  },
  {
    what: 'reserves nothing while a settlement is under way',
    fails: ['makes commands that were issued before one that follows, without waiting for them'],
    because: /undefined !== 'b'/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve, settle }) => {
        let settling = 0;
        return {
          reserve: async (options) => (settling > 0 ? [] : reserve(options)),
          settle: async (settlements) => {
            settling++;
            return settle(settlements).finally(() => settling--);
          },
        };
      }),
  },
  {
    what: 'waits for as many messages as it may take',
    fails: ['gets one message that comes while it waits'],
    because: /not within \d+ ms: the reserve that waits answers/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve }) => ({
        reserve: async ({ max = 1, timeoutMs: _, ...options } = {}) => {
          const messages: ReservedMessage[] = [];
          while (messages.length < max) messages.push(...(await reserve(options)));
          return messages;
        },
      })),
  },
  {
    what: 'says of a message that stands there twice that it was settled twice',
    fails: ['takes a message that stands there twice as held once'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterConsumers(driver, ({ settle }) => ({
        settle: async (settlements) => {
          const results = await settle(settlements);
          return settlements.map(
            ({ message }) => results[settlements.findIndex((each) => each.message === message)] ?? {},
          );
        },
      })),
  },
  {
    what: 'settles no more than 100 messages in one call',
    fails: ['settles 200 messages of two queues in one call, and none in an empty one'],
    because: /stats after 200 settlements in one call/,
    breaks: (driver) =>
      alterConsumers(driver, ({ settle }) => ({
        settle: async (settlements) => {
          const results = await settle(settlements.slice(0, 100));
          return settlements.map((_, index) => results[index] ?? {});
        },
      })),
  },
  {
    what: 'takes all leases for lost where one is',
    fails: ['renews each, and answers in order, though one is no longer held'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterConsumers(driver, ({ touch }) => ({
        touch: async (messages) => {
          const results = await touch(messages);
          const lost = results.find(({ error }) => error !== undefined);
          return results.map((result) => lost ?? result);
        },
      })),
  },
  {
    what: 'keeps the failure of the first message with all that are buried',
    fails: ['are told apart: each message has its own'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterConsumers(driver, ({ settle }) => {
        let first: Failure | undefined;
        return {
          settle: (settlements) =>
            settle(
              settlements.map((each) => {
                if (each.kind !== 'bury') return each;
                first ??= each.failure;
                return { ...each, failure: first };
              }),
            ),
        };
      }),
  },
];
