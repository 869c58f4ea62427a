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
  it('a duration has a unit, or is 0', () => {
    for (const [text, ms] of [
      ['500ms', 500],
      ['30s', 30_000],
      ['1.5m', 90_000],
      ['2h', 7_200_000],
      ['1d', 86_400_000],
      ['0', 0],
    ] as const) {
      expect(parseDuration(text), text).to.equal(ms);
    }
    for (const text of ['', 's', '-1', '-5s', '5 s', 'soon', '1.2.3', '.', '1e3', 'Infinity', '0x10']) {
      expect(
        refusal(() => parseDuration(text)),
        text,
      ).to.match(/^Allowed are 500ms, 30s, 5m, 2h, 1d and the like\./);
    }
    for (const text of ['250', '1.5', '60']) {
      expect(
        refusal(() => parseDuration(text)),
        text,
      ).to.match(/ A number needs its unit\.$/);
    }
  });

  it('a backoff is one delay, or two between which delays grow', () => {
    expect(parseBackoff('30s')).to.equal(30_000);
    expect(parseBackoff('0')).to.equal(0);
    expect(parseBackoff('1s..5m')).to.deep.equal({ initial: 1000, max: 300_000 });
    expect(parseBackoff('1s..1s')).to.deep.equal({ initial: 1000, max: 1000 });
    for (const text of ['', '..', '1s..', '..5m', '5m..1s', '1s..2s..3s', '1s-5m', 'soon', '5', '1..5m']) {
      expect(
        refusal(() => parseBackoff(text)),
        text,
      ).to.equal('Allowed are 30s, or 1s..5m for delays that grow from the one to the other. A number needs its unit.');
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

  it('a size is a number of kibi-, mebi- or gibibytes', () => {
    for (const [text, bytes] of [
      ['1K', 1024],
      ['256M', 268_435_456],
      ['256m', 268_435_456],
      ['256MB', 268_435_456],
      ['256MiB', 268_435_456],
      ['1G', 1_073_741_824],
    ] as const) {
      expect(parseBytes(text), text).to.equal(bytes);
    }
    for (const text of ['', 'M', '-1M', '1.5G', '1T', '1 M', 'much', '5B']) {
      expect(
        refusal(() => parseBytes(text)),
        text,
      ).to.equal('Allowed are 256MB, 1GB and the like.');
    }
    expect(refusal(() => parseBytes('256'))).to.equal(
      'Allowed are 256MB, 1GB and the like. A number needs its unit, such as 256MB.',
    );
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
