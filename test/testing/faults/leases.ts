import type { Consumer, ReservedMessage } from '../../../src/queue/driver.js';
import { alterConsumers, alterDriver, alterReserved } from '../altered.js';
import { type Fault, LATER, PLAIN } from './fault.js';

/** Who was given a message last, through whichever driver. */
const latest = new Map<string, { readonly message: ReservedMessage; readonly settle: Consumer['settle'] }>();

export const leases: readonly Fault[] = [
  ...(['release', 'bury', 'touch'] as const).map(
    (command): Fault => ({
      what: `says to a stale holder that its ${command} was done`,
      fails: [`refuses ${command} to the holder before, when another holds the message, and changes nothing`],
      because: new RegExp(`${command}\\(\\) of the holder before must reject with an error whose code is LEASE_LOST`),
      breaks: (driver) =>
        alterReserved(driver, (_, { settle, touch }) => ({
          settle: async (settlement) => {
            const result = await settle(settlement);
            return settlement.kind === command ? {} : result;
          },
          touch: async () => {
            const result = await touch();
            return command === 'touch' ? {} : result;
          },
        })),
    }),
  ),
  ...(['ack', 'release', 'bury'] as const).map(
    (command): Fault => ({
      what: `refuses ${command} to a stale holder, and does it all the same`,
      fails: [
        `refuses ${command} to the holder before, when another holds the message, and changes nothing`,
        `refuse ${command} to the first holder, when the second was given the message, and change nothing`,
        'refuses every command to the holder before, when the same consumer has delivered the message again',
      ],
      because: /stats while the message is held/,
      breaks: (driver) =>
        alterConsumers(driver, ({ reserve, settle }) => ({
          reserve: async (options) => {
            const messages = await reserve(options);
            for (const message of messages) latest.set(`${message.queue} ${message.jobId}`, { message, settle });
            return messages;
          },
          settle: async (settlements) => {
            const results = await settle(settlements);
            for (const [index, each] of settlements.entries()) {
              const holder = latest.get(`${each.message.queue} ${each.message.jobId}`);
              if (results[index]?.error === undefined || each.kind !== command || !holder) continue;
              await holder.settle([{ ...each, message: holder.message }]);
            }
            return results;
          },
        })),
    }),
  ),
  {
    what: 'takes the stale holder of a message for the current one, within a consumer',
    fails: [
      'refuses every command to the holder before, when the same consumer has delivered the message again',
      ...(['ack', 'release', 'bury', 'touch'] as const).map(
        (command) => `refuse ${command} to the first holder, when the second was given the message, and change nothing`,
      ),
    ],
    because: /ack\(\) of the holder before must reject with an error whose code is LEASE_LOST/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve, settle, touch }) => {
        const holders = new Map<string, ReservedMessage>();
        const current = (message: ReservedMessage): ReservedMessage => holders.get(message.jobId) ?? message;
        return {
          reserve: async (options) => {
            const messages = await reserve(options);
            for (const message of messages) holders.set(message.jobId, message);
            return messages;
          },
          settle: (settlements) => settle(settlements.map((each) => ({ ...each, message: current(each.message) }))),
          touch: (messages) => touch(messages.map(current)),
        };
      }),
  },
  {
    what: 'tells nobody that a lease is lost',
    fails: ['tells the holder before that its lease is lost, with its next command at the latest'],
    because: /the signal `lost` is aborted/,
    breaks: (driver) => alterReserved(driver, () => ({ lost: new AbortController().signal })),
  },
  {
    what: 'counts a renewed lease from when it began',
    fails: ['tells when the lease ends at the latest, a TTR after it began or was renewed'],
    because: /renewed to [\d.]+, between/,
    breaks: (driver) => alterReserved(driver, ({ leaseEndsAt }) => ({ leaseEndsAt })),
  },
  {
    what: 'says that it has renewed a lease, and does not',
    fails: ['ends a renewed lease a TTR after the last renewal'],
    because: /the renewed lease of 2 s ended after \d+ ms, which is before/,
    breaks: (driver) => alterConsumers(driver, () => ({ touch: async (messages) => messages.map(() => ({})) })),
  },
  {
    what: 'puts a message whose lease has ended behind the others',
    fails: ['puts a message whose lease has ended before younger ones of its priority'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterConsumers(driver, ({ reserve, settle }) => {
        const moved = new Set<string>();
        return {
          reserve: async (options) => {
            const messages = await reserve(options);
            const [message] = messages;
            if (message?.attempt !== 2 || moved.has(message.jobId)) return messages;
            moved.add(message.jobId);
            await settle([{ kind: 'release', message, priority: LATER }]);
            return reserve(options);
          },
        };
      }),
  },
  {
    what: 'says that a late ack was done, and does nothing',
    fails: ['give the message to one of them, when both want it in the same moment'],
    because: /the first holder was heeded/,
    breaks: (driver) =>
      alterReserved(driver, ({ leaseEndsAt }, { settle }) => ({
        settle: async (settlement) => (performance.now() > leaseEndsAt ? {} : settle(settlement)),
      })),
  },
  {
    what: 'delivers a message again whose late ack was heeded',
    fails: ['has its ack heeded, or is told that it came too late, never both'],
    because: /stats after the late ack was heeded/,
    breaks: (driver) =>
      alterReserved(driver, ({ queue, body, leaseEndsAt }, { settle }) => ({
        settle: async (settlement) => {
          const isLate = performance.now() > leaseEndsAt;
          const result = await settle(settlement);
          if (isLate) await driver.put([{ queue, body, options: PLAIN }]);
          return result;
        },
      })),
  },
  {
    what: 'delivers what has expired',
    fails: ['is not delivered any more, unless it was delivered before'],
    because: /deep-equal/,
    breaks: (driver) =>
      alterDriver(driver, ({ capabilities }) => ({ capabilities: { ...capabilities, expiry: true } })),
  },
];
