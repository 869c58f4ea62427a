import { expect } from 'chai';
import fc from 'fast-check';
import { checkBody } from '../../src/protocol/arguments.js';
import {
  bareLine,
  buryLine,
  COMMANDS,
  errorCodeOf,
  jobLine,
  kickLine,
  pauseTubeLine,
  putLine,
  releaseLine,
  reserveLine,
  tubeLine,
} from '../../src/protocol/commands.js';
import { InvalidArgumentError } from '../../src/protocol/errors.js';
import { MAX_COMMAND_LINE } from '../../src/protocol/limits.js';
import { thrown } from '../support/failures.js';

const U32 = 4294967295;
const U64 = 2n ** 64n - 1n;
const LONG = 'x'.repeat(200);

/** Each command with its defaults or smallest arguments, and with its largest. */
const LINES: [line: string, expected: string][] = [
  [putLine(0), 'put 1024 0 60 0'],
  [putLine(5, { priority: 0, delay: 0, ttr: 0 }), 'put 0 0 0 5'],
  [putLine(5, { priority: undefined, ttr: 9 }), 'put 1024 0 9 5'],
  [putLine(U32, { priority: U32, delay: U32, ttr: U32 }), 'put 4294967295 4294967295 4294967295 4294967295'],
  [tubeLine('use', 'a'), 'use a'],
  [tubeLine('use', LONG), `use ${LONG}`],
  [reserveLine(), 'reserve'],
  [reserveLine(undefined), 'reserve'],
  [reserveLine(0), 'reserve-with-timeout 0'],
  [reserveLine(2147483647), 'reserve-with-timeout 2147483647'],
  [jobLine('reserve-job', 7), 'reserve-job 7'],
  [jobLine('reserve-job', U64), 'reserve-job 18446744073709551615'],
  [jobLine('delete', '7'), 'delete 7'],
  [jobLine('delete', U64), 'delete 18446744073709551615'],
  [releaseLine('7'), 'release 7 1024 0'],
  [releaseLine(7, { priority: 0, delay: 10 }), 'release 7 0 10'],
  [releaseLine(U64, { priority: U32, delay: U32 }), 'release 18446744073709551615 4294967295 4294967295'],
  [buryLine('7'), 'bury 7 1024'],
  [buryLine(7n, { priority: 0 }), 'bury 7 0'],
  [buryLine(U64, { priority: U32 }), 'bury 18446744073709551615 4294967295'],
  [jobLine('touch', 0), 'touch 0'],
  [jobLine('touch', U64), 'touch 18446744073709551615'],
  [tubeLine('watch', 'null'), 'watch null'],
  [tubeLine('watch', LONG), `watch ${LONG}`],
  [tubeLine('ignore', '+/;.$_()-'), 'ignore +/;.$_()-'],
  [tubeLine('ignore', LONG), `ignore ${LONG}`],
  [jobLine('peek', 7), 'peek 7'],
  [jobLine('peek', U64), 'peek 18446744073709551615'],
  [bareLine('peek-ready'), 'peek-ready'],
  [bareLine('peek-delayed'), 'peek-delayed'],
  [bareLine('peek-buried'), 'peek-buried'],
  [kickLine(0), 'kick 0'],
  [kickLine(U32), 'kick 4294967295'],
  [jobLine('kick-job', 7), 'kick-job 7'],
  [jobLine('kick-job', U64), 'kick-job 18446744073709551615'],
  [jobLine('stats-job', 7), 'stats-job 7'],
  [jobLine('stats-job', U64), 'stats-job 18446744073709551615'],
  [tubeLine('stats-tube', 'a'), 'stats-tube a'],
  [tubeLine('stats-tube', LONG), `stats-tube ${LONG}`],
  [bareLine('stats'), 'stats'],
  [bareLine('list-tubes'), 'list-tubes'],
  [bareLine('list-tube-used'), 'list-tube-used'],
  [bareLine('list-tubes-watched'), 'list-tubes-watched'],
  [pauseTubeLine('a', 0), 'pause-tube a 0'],
  [pauseTubeLine(LONG, U32), `pause-tube ${LONG} 4294967295`],
  [bareLine('quit'), 'quit'],
];

const REFUSED: [what: string, encode: () => string, message: string][] = [
  ['put priority', () => putLine(0, { priority: -1 }), 'put: priority must be an integer from 0 to 4294967295, got -1'],
  ['put delay', () => putLine(0, { delay: 1.5 }), 'put: delay must be an integer from 0 to 4294967295, got 1.5'],
  ['put ttr', () => putLine(0, { ttr: 2 ** 32 }), 'put: ttr must be an integer from 0 to 4294967295, got 4294967296'],
  ['reserve', () => reserveLine(-1), 'reserve-with-timeout: timeout must be an integer from 0 to 2147483647, got -1'],
  [
    'release id',
    () => releaseLine('x'),
    'release: a job id must be an integer from 0 to 18446744073709551615, got "x"',
  ],
  [
    'release priority',
    () => releaseLine(1, { priority: Number.NaN }),
    'release: priority must be an integer from 0 to 4294967295, got NaN',
  ],
  [
    'release delay',
    () => releaseLine(1, { delay: -1 }),
    'release: delay must be an integer from 0 to 4294967295, got -1',
  ],
  ['bury id', () => buryLine(-1), 'bury: a job id must be an integer from 0 to 18446744073709551615, got -1'],
  [
    'bury priority',
    () => buryLine(1, { priority: 0.1 }),
    'bury: priority must be an integer from 0 to 4294967295, got 0.1',
  ],
  ['kick', () => kickLine(-1), 'kick: bound must be an integer from 0 to 4294967295, got -1'],
  ['pause', () => pauseTubeLine('a', -1), 'pause-tube: seconds must be an integer from 0 to 4294967295, got -1'],
  [
    'job command',
    () => jobLine('touch', 1.5),
    'touch: a job id must be an integer from 0 to 18446744073709551615, got 1.5',
  ],
];

/** Arguments that an untyped program may pass: mostly nearly valid. */
const junk = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true, withTypedArray: true }),
  },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 300 }) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(
        fc.constantFrom('a', '7', '-1', 'x'.repeat(200)),
        fc.constantFrom('', '\r\n', '\n', '\0', ' ', '\r\nquit\r\n'),
      )
      .map(([text, end]) => text + end),
  },
  { weight: 2, arbitrary: fc.oneof(fc.integer(), fc.double(), fc.bigInt(), fc.nat(), fc.bigInt(0n, 2n ** 64n)) },
  fc.constantFrom(null, undefined, -0, -1, 1.5, 2 ** 31, 2 ** 32, 2 ** 53, 2n ** 64n, Number.NaN, Symbol('s'), () => 7),
);

const ENCODERS: Record<string, (a: never, b: never, c: never) => string> = {
  put: (priority, delay, ttr) => putLine(0, { priority, delay, ttr }),
  'the size of a put': (body) => putLine(checkBody(body, Buffer.byteLength, undefined)),
  reserve: (timeout) => reserveLine(timeout),
  release: (id, priority, delay) => releaseLine(id, { priority, delay }),
  bury: (id, priority) => buryLine(id, { priority }),
  kick: (bound) => kickLine(bound),
  'pause-tube': (tube, seconds) => pauseTubeLine(tube, seconds),
  'a command about a job': (id) => jobLine('delete', id),
  'a command about a tube': (tube) => tubeLine('stats-tube', tube),
};

describe('the commands', () => {
  it('are 25, all of them encoded below', () => {
    expect(Object.keys(COMMANDS)).to.have.length(25);
    expect(new Set(LINES.map(([line]) => line.split(/[ \r]/)[0]))).to.deep.equal(new Set(Object.keys(COMMANDS)));
  });

  for (const [line, expected] of LINES) {
    it(`are encoded: ${expected.replace(LONG, 'x…')}`, () => expect(line).to.equal(`${expected}\r\n`));
  }

  it('have no longer line than the server reads', () => {
    const longest = Math.max(...LINES.map(([line]) => line.length));
    expect(longest).to.equal(MAX_COMMAND_LINE).and.to.equal(224);
  });

  for (const [what, encode, message] of REFUSED) {
    it(`refuse a wrong ${what}, saying what is allowed`, () => {
      expect(thrown(encode, InvalidArgumentError).message).to.equal(message);
    });
  }

  for (const command of ['use', 'watch', 'ignore', 'stats-tube'] as const) {
    it(`refuse a wrong tube of ${command}, and name the command`, () => {
      expect(thrown(() => tubeLine(command, 'a\r\ndelete 7'), InvalidArgumentError).command).to.equal(command);
    });
  }

  it('refuse a wrong tube of pause-tube, and name the command', () => {
    expect(thrown(() => pauseTubeLine('-', 1), InvalidArgumentError).command).to.equal('pause-tube');
  });

  for (const [what, encode] of Object.entries(ENCODERS)) {
    it(`are one line or none, whatever they are given (${what})`, () => {
      fc.assert(
        fc.property(junk, junk, junk, (a, b, c) => {
          let line: string;
          try {
            line = encode(a as never, b as never, c as never);
          } catch (error) {
            expect(error).to.be.instanceOf(InvalidArgumentError);
            return;
          }
          expect(line).to.match(/^[a-z-]+( [A-Za-z0-9\-+/;.$_()]+)*\r\n$/);
          expect(line.length).to.be.at.most(MAX_COMMAND_LINE);
        }),
        { numRuns: 1000 },
      );
    });
  }

  it('name the error of a reply by its word, with an id or without', () => {
    expect(errorCodeOf('BURIED <id>')).to.equal('BURIED');
    expect(errorCodeOf('BURIED')).to.equal('BURIED');
    expect(errorCodeOf('NOT_FOUND')).to.equal('NOT_FOUND');
  });
});
