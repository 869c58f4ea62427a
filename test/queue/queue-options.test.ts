import { expect } from 'chai';
import type { Driver } from '../../src/queue/driver.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { defineMessage } from '../../src/queue/message.js';
import { publishTo, Queue } from '../../src/queue/queue.js';
import { Reservation } from '../../src/queue/reservation.js';
import type { SignalDispatcher } from '../../src/signals/dispatcher.js';
import { rejection, thrown } from '../support/failures.js';
import { RecordingDriver, reservedMessage } from '../support/recording-driver.js';

/** What JavaScript does not prevent. */
const NO_OPTIONS: readonly (readonly [value: unknown, shown: string])[] = [
  [null, 'null'],
  [5, '5'],
  ['5s', '"5s"'],
  [[], 'an empty array'],
  [new Map(), 'a Map'],
  [new AbortController().signal, 'an AbortSignal'],
  [Promise.resolve({}), 'a Promise'],
  [() => {}, 'a function'],
];

describe('The options of a queue', () => {
  const Ping = defineMessage<number>('ping');

  it('are refused by every call when they are unknown or no options, and nothing is done', async () => {
    const driver = new RecordingDriver();
    const queue = new Queue(driver, 'mail');
    const reservation = new Reservation(driver.consumer, reservedMessage());
    const publishing = 'priority, delay, ttr, headers or transaction';
    const calls: [what: string, known: string, call: (options: object) => Promise<unknown>][] = [
      ['Queue', 'codec, type, source, signals or defaults', async (options) => new Queue(driver, 'mail', options)],
      ['defaults', 'priority, delay or ttr', async (options) => new Queue(driver, 'mail', { defaults: options })],
      ['publish', 'priority, delay, ttr, headers, transaction or id', (options) => queue.publish(Ping, 5, options)],
      ['publishMany', publishing, (options) => queue.publishMany(Ping, [5], options)],
      [
        'publishTo',
        'priority, delay, ttr, headers, transaction or id',
        (options) => publishTo([queue], Ping, 5, options),
      ],
      ['reserve', 'timeout or signal', (options) => queue.reserve(options)],
      ['take', 'timeout or signal', (options) => queue.take(options)],
      ['list', 'state, limit or after', (options) => queue.list(options as { state: 'ready' })],
      ['failed', 'type, reason, limit or after', (options) => queue.failed(options)],
      ['retry', 'ids, limit, type, reason or data', (options) => queue.retry(options)],
      ['promote', 'ids or limit', (options) => queue.promote(options as { limit: number })],
      ['flush', 'states', (options) => queue.flush(options)],
      [
        'moveTo',
        'ids, state, limit, type or reason',
        (options) => queue.moveTo(new Queue(driver, 'other'), options as { ids: string[] }),
      ],
      ['ack', 'transaction', (options) => reservation.ack(options)],
      ['release', 'priority, failure or delay', (options) => reservation.release(options)],
      ['bury', 'priority or failure', (options) => reservation.bury(options)],
    ];
    for (const [what, known, call] of calls) {
      expect((await rejection(call({ prio: 5 }), InvalidOptionError)).message).to.equal(
        `an option of ${what} must be ${known}, got "prio"`,
      );
      for (const [options, shown] of NO_OPTIONS) {
        expect((await rejection(call(options as object), InvalidOptionError)).message).to.equal(
          `the options of ${what} must be an object, got ${shown}`,
        );
      }
    }
    expect(driver.calls).to.deep.equal([]);
  });

  it('name a real signal, which is refused before anything is reserved', async () => {
    const driver = new RecordingDriver();
    const queue = new Queue(driver, 'mail');
    for (const signal of [{ aborted: false }, null, 'now'] as unknown as AbortSignal[]) {
      for (const call of [queue.reserve({ signal }), queue.take({ signal })]) {
        expect((await rejection(call, InvalidOptionError)).message).to.match(/^signal must be an AbortSignal, got /);
      }
    }
    expect(driver.calls).to.deep.equal([]);
  });

  it('are a driver and a dispatcher, and nothing else', () => {
    for (const driver of [undefined, null, {}, 'memory:', Promise.resolve(new RecordingDriver())]) {
      expect(thrown(() => new Queue(driver as unknown as Driver, 'mail'), InvalidOptionError).message).to.match(
        /^driver must be a driver, such as openDriver resolves to, got /,
      );
    }
    for (const signals of [null, {}, 'signals']) {
      const options = { signals: signals as unknown as SignalDispatcher };
      expect(thrown(() => new Queue(new RecordingDriver(), 'mail', options), InvalidOptionError).message).to.match(
        /^signals must be a SignalDispatcher, got /,
      );
    }
  });
});
