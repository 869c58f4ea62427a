import { expect } from 'chai';
import { InvalidArgumentError } from 'commander';
import {
  DEFAULT_URL,
  parseBackoff,
  parseBytes,
  parseCount,
  parseDuration,
  parseExitCode,
  parseHeader,
  parsePriority,
  parseStates,
  queueOptionsOf,
  urlOf,
} from '../../src/cli/options.js';
import { cloudEvents } from '../../src/queue/cloudevents.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { json } from '../../src/queue/json.js';
import { raw } from '../../src/queue/raw.js';
import { thrown } from '../support/failures.js';
import { setVariable, useEnvironment } from './harness.js';

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
    for (const text of [
      '',
      's',
      '-1',
      '-5s',
      '5 s',
      'soon',
      '1.2.3',
      '.',
      '1e3',
      'Infinity',
      '0x10',
      '250',
      '1.5',
      '60',
    ]) {
      expect(
        refusal(() => parseDuration(text)),
        text,
      ).to.equal('a duration with its unit, such as 500ms, 30s, 5m, 2h or 1d');
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
      ).to.equal('a duration with its unit, such as 30s, or two for growing delays, such as 1s..5m');
    }
  });

  it('a count is a whole number that is not negative', () => {
    expect(['0', '7', '007', '9007199254740991'].map(parseCount)).to.deep.equal([0, 7, 7, Number.MAX_SAFE_INTEGER]);
    for (const text of ['', '-1', '1.5', '1e3', ' 1', 'many', '9007199254740993', '0x10']) {
      expect(
        refusal(() => parseCount(text)),
        text,
      ).to.equal('a whole number of at least 0');
    }
  });

  it('an exit code is what a process can return', () => {
    expect(['0', '3', '255'].map(parseExitCode)).to.deep.equal([0, 3, 255]);
    for (const text of ['256', '-1', '', 'one']) {
      expect(refusal(() => parseExitCode(text))).to.equal('a whole number from 0 to 255');
    }
  });

  it('a priority is what engines can hold', () => {
    expect(['0', '4294967295'].map(parsePriority)).to.deep.equal([0, 4_294_967_295]);
    expect(refusal(() => parsePriority('4294967296'))).to.equal('a whole number from 0 to 4294967295');
  });

  it('states are some of those that are allowed, in their order', () => {
    const parse = parseStates(['ready', 'delayed', 'buried']);
    expect(parse('buried,ready')).to.deep.equal(['ready', 'buried']);
    expect(parse('ready,ready')).to.deep.equal(['ready']);
    for (const text of ['', 'lost', 'ready,', 'ready buried', 'Ready']) {
      expect(refusal(() => parse(text))).to.equal('one or several of ready, delayed, buried, separated by commas');
    }
  });

  it('a codec is one of ours, and has the type of the queue with it', () => {
    expect(queueOptionsOf({})).to.deep.equal({});
    expect(queueOptionsOf({ codec: 'cloudevents' })).to.deep.equal({ codec: cloudEvents });
    expect(queueOptionsOf({ codec: 'json', type: 'a' })).to.deep.equal({ codec: json, type: 'a' });
    expect(queueOptionsOf({ codec: 'raw', type: 'a' })).to.deep.equal({ codec: raw, type: 'a' });
    const only = queueOptionsOf({ type: 'a' });
    expect(only).to.deep.equal({ type: 'a' });
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
    for (const text of ['', 'M', '-1M', '1.5G', '1T', '1 M', 'much', '5B', '256']) {
      expect(
        refusal(() => parseBytes(text)),
        text,
      ).to.equal('a size with its unit, such as 256MB or 1GB');
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
      ).to.equal('name=value');
    }
  });
});

describe('The URL of a command', () => {
  useEnvironment({ HARICOT_URL: undefined });

  it('is the one that --url names, or else HARICOT_URL, or else an SQLite file in the working directory', () => {
    expect(urlOf({})).to.equal(DEFAULT_URL).and.to.equal('sqlite:./haricot.db');
    setVariable('HARICOT_URL', 'beanstalkd://a');
    expect(urlOf({})).to.equal('beanstalkd://a');
    expect(urlOf({ url: 'beanstalkd://b' })).to.equal('beanstalkd://b');
  });

  it('is the default where HARICOT_URL is empty', () => {
    setVariable('HARICOT_URL', '');
    expect(urlOf({})).to.equal(DEFAULT_URL);
  });

  it('cannot be empty where it is given', () => {
    setVariable('HARICOT_URL', 'beanstalkd://a');
    expect(thrown(() => urlOf({ url: '' }), InvalidOptionError).message).to.match(
      /^--url must name an engine, .*, got ""$/,
    );
  });
});
