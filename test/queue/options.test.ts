import { expect } from 'chai';
import type { Driver } from '../../src/queue/driver.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { defineMessage } from '../../src/queue/message.js';
import {
  checkBoolean,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkSignal,
  type OptionNames,
} from '../../src/queue/options.js';
import { Queue } from '../../src/queue/queue.js';
import type { SignalDispatcher } from '../../src/signals/dispatcher.js';
import { rejection, thrown } from '../support/failures.js';
import { FakeDriver } from '../support/fake-driver.js';

interface Cook {
  readonly time?: number | undefined;
  readonly heat?: string | undefined;
}

const COOK: OptionNames<Cook> = { time: true, heat: true };

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

describe('options', () => {
  it('are any object with known names, whatever made it', () => {
    class Settings {
      time = 5;
    }
    const bare = Object.assign(Object.create(null) as Cook, { heat: 'low' });
    for (const options of [{}, { time: 5 }, { time: undefined }, new Settings(), bare, Object.create({ time: 5 })]) {
      expect(checkOptions('cook', options, COOK)).to.equal(options);
    }
  });

  it('are refused when they contain an unknown name, with those that are known', () => {
    for (const options of [{ tiem: 5 }, { time: 5, tiem: 5 }, { tiem: undefined }, Object.create({ tiem: 5 })]) {
      expect(thrown(() => checkOptions('cook', options, COOK), InvalidOptionError).message).to.equal(
        'an option of cook must be time or heat, got "tiem"',
      );
    }
  });

  it('are refused when they have a name that every object inherits', () => {
    for (const name of ['toString', 'constructor', '__proto__', 'hasOwnProperty']) {
      const options = Object.fromEntries([[name, 5]]);
      thrown(() => checkOptions('cook', options, COOK), InvalidOptionError);
    }
  });

  it('are refused when they are not an object of options', () => {
    for (const [options, shown] of NO_OPTIONS) {
      expect(thrown(() => checkOptions('cook', options as Cook, COOK), InvalidOptionError).message).to.equal(
        `the options of cook must be an object, got ${shown}`,
      );
    }
  });

  it('have values of their type, in their range', () => {
    expect(checkInteger('limit', 3, 0)).to.equal(3);
    expect(thrown(() => checkInteger('limit', 1.5, 1), InvalidOptionError).message).to.equal(
      'limit must be an integer of at least 1, got 1.5',
    );
    expect(thrown(() => checkInteger('limit', 9, 1, 8), InvalidOptionError).message).to.equal(
      'limit must be an integer from 1 to 8, got 9',
    );
    expect(checkBoolean('loud', false)).to.equal(false);
    expect(thrown(() => checkBoolean('loud', 'no' as unknown as boolean), InvalidOptionError).message).to.equal(
      'loud must be true or false, got "no"',
    );
    expect(checkOneOf('heat', 'low', ['low', 'high'])).to.equal('low');
    expect(thrown(() => checkOneOf('heat', 'none' as 'low', ['low', 'high']), InvalidOptionError).message).to.equal(
      'heat must be "low" or "high", got "none"',
    );
  });

  it('have real signals: what only looks like one is refused', () => {
    const { signal } = new AbortController();
    expect(checkSignal('signal', signal)).to.equal(signal);
    expect(checkSignal('signal', undefined)).to.equal(undefined);
    const alike = {
      aborted: false,
      addEventListener: () => {},
      removeEventListener: () => {},
      throwIfAborted: () => {},
    };
    for (const [wrong, shown] of [
      [alike, 'an object'],
      [null, 'null'],
      [new AbortController(), 'an AbortController'],
      [new EventTarget(), 'an EventTarget'],
    ] as const) {
      expect(thrown(() => checkSignal('signal', wrong as AbortSignal), InvalidOptionError).message).to.equal(
        `signal must be an AbortSignal, got ${shown}`,
      );
    }
  });
});

describe('The options of a queue', () => {
  const Ping = defineMessage<number>('ping');

  it('are refused by every call when they are unknown or no options, and nothing is done', async () => {
    const driver = new FakeDriver();
    const queue = new Queue(driver, 'mail');
    const calls: [what: string, known: string, call: (options: object) => Promise<unknown>][] = [
      ['Queue', 'codec, type, source or signals', async (options) => new Queue(driver, 'mail', options)],
      ['publish', 'priority, delay, ttr or headers', (options) => queue.publish(Ping, 5, options)],
      ['publishMany', 'priority, delay, ttr or headers', (options) => queue.publishMany(Ping, [5], options)],
      ['reserve', 'timeout or signal', (options) => queue.reserve(options)],
      ['take', 'timeout or signal', (options) => queue.take(options)],
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
    expect([driver.calls, driver.puts, driver.log]).to.deep.equal([[], [], []]);
  });

  it('name a real signal, which is refused before anything is reserved', async () => {
    const driver = new FakeDriver();
    const queue = new Queue(driver, 'mail');
    for (const signal of [{ aborted: false }, null, 'now'] as unknown as AbortSignal[]) {
      for (const call of [queue.reserve({ signal }), queue.take({ signal })]) {
        expect((await rejection(call, InvalidOptionError)).message).to.match(/^signal must be an AbortSignal, got /);
      }
    }
    expect(driver.calls).to.deep.equal([]);
  });

  it('are a driver and a dispatcher, and nothing else', () => {
    for (const driver of [undefined, null, {}, 'memory:', Promise.resolve(new FakeDriver())]) {
      expect(thrown(() => new Queue(driver as unknown as Driver, 'mail'), InvalidOptionError).message).to.match(
        /^driver must be a driver, such as openDriver resolves to, got /,
      );
    }
    for (const signals of [null, {}, 'signals']) {
      const options = { signals: signals as unknown as SignalDispatcher };
      expect(thrown(() => new Queue(new FakeDriver(), 'mail', options), InvalidOptionError).message).to.match(
        /^signals must be a SignalDispatcher, got /,
      );
    }
  });

  it('are not asked of the engine for an id that can be none', async () => {
    const driver = new FakeDriver();
    const queue = new Queue(driver, 'mail');
    for (const id of ['', undefined, null, 7, 7n, ['7']]) {
      expect((await rejection(queue.delete(id as string), InvalidOptionError)).message).to.match(
        /^a job id must be a string that is not empty, got /,
      );
    }
    expect(driver.calls).to.deep.equal([]);
  });
});
