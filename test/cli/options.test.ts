import { expect } from 'chai';
import { InvalidArgumentError } from 'commander';
import {
  parseBackoff,
  parseBytes,
  parseCount,
  parseDuration,
  parseExitCode,
  parseHeader,
} from '../../src/cli/options.js';
import { thrown } from '../support/failures.js';

function refusal(parse: () => unknown): string {
  return thrown(parse, InvalidArgumentError).message;
}

describe('On the command line', () => {
  it('a duration is a text with its unit, or a number of milliseconds', () => {
    for (const [text, ms] of [
      ['500ms', 500],
      ['30s', 30_000],
      ['1.5m', 90_000],
      ['2h', 7_200_000],
      ['1d', 86_400_000],
      ['250', 250],
      ['0', 0],
      ['1.5', 1.5],
    ] as const) {
      expect(parseDuration(text), text).to.equal(ms);
    }
    for (const text of ['', 's', '-1', '-5s', '5 s', 'soon', '1.2.3', '.', '1e3', 'Infinity', '0x10']) {
      expect(
        refusal(() => parseDuration(text)),
        text,
      ).to.equal('Allowed are 500ms, 30s, 5m, 2h, 1d, or a number of milliseconds.');
    }
  });

  it('a backoff is one delay, or two between which delays grow', () => {
    expect(parseBackoff('30s')).to.equal(30_000);
    expect(parseBackoff('0')).to.equal(0);
    expect(parseBackoff('1s..5m')).to.deep.equal({ initial: 1000, max: 300_000 });
    expect(parseBackoff('1s..1s')).to.deep.equal({ initial: 1000, max: 1000 });
    for (const text of ['', '..', '1s..', '..5m', '5m..1s', '1s..2s..3s', '1s-5m', 'soon']) {
      expect(
        refusal(() => parseBackoff(text)),
        text,
      ).to.equal('Allowed are 30s, or 1s..5m for delays that grow from the one to the other.');
    }
  });

  it('a count is a whole number that is not negative', () => {
    expect(['0', '7', '007', '9007199254740991'].map(parseCount)).to.deep.equal([0, 7, 7, Number.MAX_SAFE_INTEGER]);
    for (const text of ['', '-1', '1.5', '1e3', ' 1', 'many', '9007199254740993', '0x10']) {
      expect(
        refusal(() => parseCount(text)),
        text,
      ).to.equal('Allowed is a whole number that is not negative.');
    }
  });

  it('an exit code is what a process can return', () => {
    expect(['0', '3', '255'].map(parseExitCode)).to.deep.equal([0, 3, 255]);
    expect(refusal(() => parseExitCode('256'))).to.equal('Allowed is a whole number from 0 to 255.');
  });

  it('a size is a number of bytes, or of kibi-, mebi- or gibibytes', () => {
    for (const [text, bytes] of [
      ['512', 512],
      ['1K', 1024],
      ['256M', 268_435_456],
      ['256m', 268_435_456],
      ['256MB', 268_435_456],
      ['256MiB', 268_435_456],
      ['1G', 1_073_741_824],
      ['5B', 5],
    ] as const) {
      expect(parseBytes(text), text).to.equal(bytes);
    }
    for (const text of ['', 'M', '-1M', '1.5G', '1T', '1 M', 'much']) {
      expect(
        refusal(() => parseBytes(text)),
        text,
      ).to.equal('Allowed are 268435456, 256M, 1G and the like.');
    }
  });

  it('headers are gathered, each a name and a value that may have anything in it', () => {
    let headers = parseHeader('tenant=a');
    headers = parseHeader('X-Note==b=c ', headers);
    headers = parseHeader('empty=', headers);
    headers = parseHeader('tenant=d', headers);
    expect(headers).to.deep.equal({ tenant: 'd', 'X-Note': '=b=c ', empty: '' });
    for (const text of ['', 'tenant', '=a']) {
      expect(
        refusal(() => parseHeader(text)),
        text,
      ).to.equal('Allowed is name=value.');
    }
  });
});
