import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import {
  checkBody,
  checkJobId,
  checkReserveTimeout,
  checkTube,
  checkU32,
  exceedsU64,
  isTubeName,
} from '../../src/protocol/arguments.js';
import { InvalidArgumentError, JobTooBigError } from '../../src/protocol/errors.js';
import { thrown } from '../support/failures.js';
import { expectLinear, HOSTILE } from '../support/linear.js';

const refusal = (check: () => unknown): string => thrown(check, InvalidArgumentError).message;
const byteLength = (text: string): number => Buffer.byteLength(text);

describe('a tube name', () => {
  it('may have 1 to 200 of the bytes the server allows', () => {
    for (const name of ['a', 'Z', '0', '+/;.$_()-', 'null', '1e3', 'a-', 'x'.repeat(200)]) {
      expect(checkTube(name, 'use')).to.equal(name);
    }
  });

  it('is refused with any other byte, anywhere', () => {
    const allowed = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-+/;.$_()';
    for (let code = 0; code < 0x180; code++) {
      const character = String.fromCharCode(code);
      const legal = allowed.includes(character);
      for (const name of [`a${character}`, `a${character}b`]) expect(isTubeName(name), name).to.equal(legal);
      expect(isTubeName(character)).to.equal(legal && character !== '-');
    }
  });

  it('is refused when it is empty, too long, begins with "-" or is no string', () => {
    for (const name of [
      '',
      'x'.repeat(201),
      '-',
      '-a',
      ' a',
      'a ',
      'a\r\ndelete 7',
      'a\n',
      undefined,
      null,
      5,
      ['a'],
    ]) {
      expect(thrown(() => checkTube(name, 'watch'), InvalidArgumentError).command).to.equal('watch');
    }
  });

  it('is refused with what was given and what is allowed', () => {
    expect(refusal(() => checkTube('a\r\ndelete 7', 'use'))).to.equal(
      'use: a tube name must be 1 to 200 of A-Z a-z 0-9 - + / ; . $ _ ( ) and not begin with "-", got "a\\r\\ndelete 7"',
    );
    expect(refusal(() => checkTube('x'.repeat(201), 'use'))).to.match(/got "x{59}…"$/);
    expect(refusal(() => checkTube(' '.repeat(60), 'use'))).to.match(/got " {60}"$/);
  });
});

describe('a job id', () => {
  it('is a u64 as string, number or bigint, and comes back as decimal text', () => {
    for (const [given, text] of [
      ['0', '0'],
      ['18446744073709551615', '18446744073709551615'],
      [0, '0'],
      [-0, '0'],
      [7, '7'],
      [Number.MAX_SAFE_INTEGER, '9007199254740991'],
      [7n, '7'],
      [2n ** 64n - 1n, '18446744073709551615'],
    ] as const) {
      expect(checkJobId(given, 'peek')).to.equal(text);
    }
  });

  it('is refused when it is anything else', () => {
    const wrong = [
      '',
      '01',
      '1 ',
      ' 1',
      '1\n',
      '+1',
      '-1',
      '0x1',
      '1e3',
      '1.0',
      '18446744073709551616',
      '9'.repeat(40),
    ];
    const others = [
      -1,
      1.5,
      2 ** 53,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      -1n,
      2n ** 64n,
      undefined,
      null,
      {},
      [],
      true,
    ];
    for (const id of [...wrong, ...others]) {
      expect(thrown(() => checkJobId(id, 'touch'), InvalidArgumentError).command).to.equal('touch');
    }
  });

  it('is refused with what was given and what is allowed', () => {
    const message = (got: string): string =>
      `delete: a job id must be an integer from 0 to 18446744073709551615, got ${got}`;
    for (const [id, got] of [
      ['7\r\n', '"7\\r\\n"'],
      [1.5, '1.5'],
      [Number.NaN, 'NaN'],
      [-1n, '-1n'],
      [undefined, 'undefined'],
      [null, 'null'],
      [{}, 'an object'],
      [Object.create(null), 'an object'],
      [new Date(0), 'a Date'],
      [() => 7, 'a function'],
      [Symbol('id'), 'Symbol(id)'],
    ] as const) {
      expect(refusal(() => checkJobId(id, 'delete'))).to.equal(message(got));
    }
  });

  it('exceeds u64 from 2^64 on', () => {
    expect(exceedsU64('18446744073709551615')).to.equal(false);
    expect(exceedsU64('18446744073709551616')).to.equal(true);
    expect(exceedsU64('9999999999999999999')).to.equal(false);
    expect(exceedsU64('100000000000000000000')).to.equal(true);
  });
});

describe('arguments of 100,000 characters', () => {
  it('are refused in linear time, and shown cut', () => {
    for (const make of HOSTILE) {
      expectLinear(make, (text) => {
        for (const check of [checkTube, checkJobId, (value: string) => checkU32('delay', value, 'put')]) {
          expect(refusal(() => check(text, 'use')).length).to.be.below(400);
        }
      });
    }
  });
});

describe('a number', () => {
  const WRONG = [
    -1,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    '1',
    '',
    1n,
    null,
    undefined,
    {},
    [1],
    true,
    new Number(1),
  ];

  it('is an integer up to 4294967295', () => {
    for (const value of [0, 1, 4294967295]) expect(checkU32('delay', value, 'put')).to.equal(value);
    for (const value of [...WRONG, 4294967296]) thrown(() => checkU32('delay', value, 'put'), InvalidArgumentError);
    expect(refusal(() => checkU32('delay', 4294967296, 'put'))).to.equal(
      'put: delay must be an integer from 0 to 4294967295, got 4294967296',
    );
  });

  it('is at most 2147483647 where it is the timeout of a reserve', () => {
    for (const value of [0, 2147483647]) expect(checkReserveTimeout(value)).to.equal(value);
    for (const value of [...WRONG, 2147483648]) thrown(() => checkReserveTimeout(value), InvalidArgumentError);
    expect(refusal(() => checkReserveTimeout(-1))).to.equal(
      'reserve-with-timeout: timeout must be an integer from 0 to 2147483647, got -1',
    );
  });
});

describe('a body', () => {
  it('counts in bytes, whatever it is given as', () => {
    expect(checkBody('é€😀', byteLength, undefined)).to.equal(9);
    expect(checkBody('\ud800', byteLength, undefined)).to.equal(3);
    expect(checkBody('', byteLength, undefined)).to.equal(0);
    expect(checkBody(new Uint8Array(5), byteLength, undefined)).to.equal(5);
    expect(checkBody(Buffer.from('é'), byteLength, undefined)).to.equal(2);
  });

  it('counts what is copied, whatever a subclass says of its length', () => {
    class Odd extends Uint8Array {
      override get length(): number {
        return 3;
      }
      override get byteLength(): number {
        return 3;
      }
    }
    expect(checkBody(new Odd(5), byteLength, undefined)).to.equal(5);
    thrown(() => checkBody(Object.create(Uint8Array.prototype), byteLength, undefined), InvalidArgumentError);
    expect(checkBody(runInNewContext('new Uint8Array(4)'), byteLength, undefined)).to.equal(4);
  });

  it('is refused where its memory was transferred: it would be put as an empty one', () => {
    const body = new Uint8Array(5);
    structuredClone(body, { transfer: [body.buffer] });
    expect(refusal(() => checkBody(body, byteLength, undefined))).to.equal(
      'put: a body must have its memory, got bytes that were transferred',
    );
  });

  it('is refused when it is neither text nor bytes', () => {
    for (const body of [undefined, null, 5, {}, [1], new Uint16Array(1), new ArrayBuffer(1)]) {
      expect(thrown(() => checkBody(body, byteLength, undefined), InvalidArgumentError).command).to.equal('put');
    }
    expect(refusal(() => checkBody([1], byteLength, undefined))).to.equal(
      'put: a body must be a string or a Uint8Array, got an array of 1',
    );
  });

  it('is refused above the limit of the server, with both sizes', () => {
    expect(checkBody('ab', byteLength, 2)).to.equal(2);
    const error = thrown(() => checkBody('aé', byteLength, 2), JobTooBigError);
    expect(error).to.include({ code: 'JOB_TOO_BIG', command: 'put' });
    expect(error.message).to.equal("cannot put: a body must have at most 2 bytes (the server's max-job-size), got 3");
    thrown(() => checkBody(new Uint8Array(1), byteLength, 0), JobTooBigError);
  });

  it('is refused above 4294967295 bytes where the limit of the server is not known', () => {
    expect(thrown(() => checkBody('huge', () => 4294967296, undefined), JobTooBigError).message).to.equal(
      'cannot put: a body must have at most 4294967295 bytes (the protocol), got 4294967296',
    );
    expect(checkBody('huge', () => 4294967295, undefined)).to.equal(4294967295);
  });
});
