import { expect } from 'chai';
import { LONGEST_TIMER_MS, toMs, toTimerMs, toTtrMs } from '../../src/queue/duration.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { thrown } from '../support/failures.js';

const ALLOWED =
  'delay must be a number of milliseconds or a string such as "500ms", "30s", "5m", "2h", "1d", from 0 to 4294967295 s (136 years), got ';

describe('a duration', () => {
  it('is a number of milliseconds', () => {
    for (const ms of [0, 1, 1.5, 60_000, 86_400_000_000]) expect(toMs(ms, 'delay')).to.equal(ms);
  });

  it('is at most what every engine can hold', () => {
    expect(toMs(4_294_967_295_000, 'delay')).to.equal(4_294_967_295_000);
    expect(toMs('4294967295s', 'delay')).to.equal(4_294_967_295_000);
  });

  it('is a text with its unit', () => {
    for (const [text, ms] of [
      ['0s', 0],
      ['500ms', 500],
      ['30s', 30_000],
      ['5m', 300_000],
      ['2h', 7_200_000],
      ['1d', 86_400_000],
      ['1.5s', 1500],
      ['0.25h', 900_000],
      ['007s', 7000],
    ] as const) {
      expect(toMs(text, 'delay'), text).to.equal(ms);
    }
  });

  it('is refused as any other text, with what was given and what is allowed', () => {
    for (const text of [
      '',
      '5',
      's',
      '5 s',
      ' 5s',
      '5s ',
      '-5s',
      '+5s',
      '5S',
      '5sec',
      '1e3s',
      '.5s',
      '5.s',
      '1h30m',
      '5\ns',
      '1y',
      '50000d',
      '1e300ms',
    ]) {
      expect(thrown(() => toMs(text, 'delay'), InvalidOptionError).message).to.equal(ALLOWED + JSON.stringify(text));
    }
  });

  it('is refused as a number that is negative, more than every engine can hold, or no number', () => {
    for (const ms of [-1, -0.5, Number.NaN, Number.POSITIVE_INFINITY, 1e300, 2 ** 53, 4_294_967_295_001]) {
      expect(thrown(() => toMs(ms, 'delay'), InvalidOptionError).message).to.equal(ALLOWED + String(ms));
    }
  });

  it('is refused as anything else, which JavaScript does not prevent', () => {
    for (const [value, shown] of [
      [undefined, 'undefined'],
      [null, 'null'],
      [true, 'true'],
      [5n, '5n'],
      [['5s'], 'an array of 1'],
      [new Date(5), 'a Date'],
    ]) {
      expect(thrown(() => toMs(value as unknown as number, 'delay'), InvalidOptionError).message).to.equal(
        `${ALLOWED}${shown}`,
      );
    }
  });

  it('names the option that it is for', () => {
    expect(thrown(() => toMs('soon', 'backoff.initial'), InvalidOptionError)).to.include({ code: 'INVALID_OPTION' });
    expect(thrown(() => toMs('soon', 'backoff.initial'), InvalidOptionError).message).to.match(
      /^backoff\.initial must be /,
    );
  });
});

describe('a time to run', () => {
  it('is a second or more', () => {
    expect(toTtrMs(1000, 'ttr')).to.equal(1000);
    expect(toTtrMs('1s', 'ttr')).to.equal(1000);
    expect(toTtrMs('2m', 'ttr')).to.equal(120_000);
  });

  it('is refused below a second, and told that a number is milliseconds', () => {
    for (const [ttr, shown] of [
      [60, '60'],
      [0, '0'],
      [999.9, '999.9'],
      ['999ms', '"999ms"'],
      ['0s', '"0s"'],
    ] as const) {
      expect(thrown(() => toTtrMs(ttr, 'ttr'), InvalidOptionError).message).to.equal(
        `ttr must be at least 1 second (ttr is a number of milliseconds or a string such as "500ms", "30s", "5m", "2h", "1d"), got ${shown}`,
      );
    }
    for (const ttr of [-1, Number.NaN, 1e300, 'soon']) thrown(() => toTtrMs(ttr, 'ttr'), InvalidOptionError);
  });
});

describe('a duration for a timer', () => {
  it('may be as long as a timer of Node can be', () => {
    expect(toTimerMs(LONGEST_TIMER_MS, 'grace')).to.equal(2 ** 31 - 1);
    expect(toTimerMs('24d', 'grace')).to.equal(2_073_600_000);
  });

  it('is refused when it is longer: the timer would fire at once', () => {
    expect(thrown(() => toTimerMs('25d', 'grace'), InvalidOptionError).message).to.equal(
      'grace must be at most 24.8 days (2147483647 ms), got "25d"',
    );
    thrown(() => toTimerMs(2 ** 31, 'grace'), InvalidOptionError);
    thrown(() => toTimerMs(-1, 'grace'), InvalidOptionError);
  });
});
