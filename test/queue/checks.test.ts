import { expect } from 'chai';
import {
  checkBody,
  checkBoolean,
  checkDecimalId,
  checkInteger,
  checkJobId,
  checkLimit,
  checkMs,
  checkOneOf,
  checkOptions,
  checkSignal,
  type OptionNames,
} from '../../src/queue/checks.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { thrown } from '../support/failures.js';

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

describe('Checks of single values', () => {
  it('take durations in milliseconds that every engine can hold, and counts', () => {
    expect([checkMs('delayMs', 0), checkMs('delayMs', 1.5), checkMs('ttrMs', 1000, 1000), checkLimit(0)]).to.deep.equal(
      [0, 1.5, 1000, 0],
    );
    for (const ms of [-1, Number.NaN, 1e300, '5' as unknown as number]) {
      expect(() => checkMs('delayMs', ms), String(ms)).to.throw(
        InvalidOptionError,
        'delayMs must be a number from 0 to 4294967295000, got ',
      );
    }
    for (const limit of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1' as unknown as number]) {
      expect(() => checkLimit(limit), String(limit)).to.throw(InvalidOptionError, 'limit must be an integer');
    }
  });

  it('take bytes that are there', () => {
    const bytes = new Uint8Array(1);
    structuredClone(bytes, { transfer: [bytes.buffer] });
    expect(() => checkBody(bytes)).to.throw(
      InvalidOptionError,
      'a body must have its memory, got bytes that were transferred',
    );
    expect(() => checkBody('secret' as never)).to.throw(
      InvalidOptionError,
      'a body must be bytes (Uint8Array), got a string',
    );
    for (const body of [new Uint8Array(0), Buffer.from('a')]) expect(checkBody(body)).to.equal(body);
  });

  it('take ids: any that are not empty, or those of an engine that counts', () => {
    expect([checkJobId('a-7'), checkDecimalId('18446744073709551615')]).to.deep.equal(['a-7', '18446744073709551615']);
    for (const id of ['', undefined, null, 7, 7n, ['7']]) {
      expect(() => checkJobId(id as string)).to.throw(
        InvalidOptionError,
        'a job id must be a string that is not empty',
      );
    }
    for (const id of ['', '0', '07', '-7', '7 ', '7.5', 'a', '18446744073709551616', 7]) {
      expect(() => checkDecimalId(id as string)).to.throw(InvalidOptionError, 'a job id must be a decimal number');
    }
  });
});
