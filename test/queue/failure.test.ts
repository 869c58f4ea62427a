import { expect } from 'chai';
import fc from 'fast-check';
import {
  MAX_FAILURE_BYTES,
  messageOfError,
  parseFailure,
  serializeFailure,
  toFailure,
} from '../../src/queue/failure.js';

const CONTEXT = { reason: 'attempts', attempt: 3, at: new Date('2026-01-02T03:04:05Z') } as const;

const sizeOf = (error: unknown): number => Buffer.byteLength(JSON.stringify(toFailure(error, CONTEXT)));

describe('A failure', () => {
  it('tells the name, message, stack and causes of an error', () => {
    const error = new TypeError('outer', { cause: new RangeError('inner', { cause: 'text' }) });
    expect(toFailure(error, CONTEXT)).to.deep.equal({
      ...CONTEXT,
      name: 'TypeError',
      message: 'outer',
      stack: error.stack,
      causes: [
        { name: 'RangeError', message: 'inner' },
        { name: 'string', message: 'text' },
      ],
    });
  });

  it('tells the errors of an aggregate', () => {
    const error = new AggregateError([new Error('a', { cause: new Error('b') }), 'c'], 'several');
    expect(toFailure(error, CONTEXT).causes.map(({ message }) => message)).to.deep.equal(['a', 'b', 'c']);
  });

  it('tells each cause once where they hold each other', () => {
    const error = new Error('self');
    error.cause = error;
    expect(toFailure(error, CONTEXT).causes).to.deep.equal([]);
    const other = new Error('other', { cause: error });
    error.cause = other;
    expect(toFailure(error, CONTEXT).causes).to.deep.equal([{ name: 'Error', message: 'other' }]);
  });

  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const throwing = {
    get message() {
      throw new Error('no');
    },
  };
  for (const [title, thrown, message] of [
    ['undefined', undefined, 'undefined'],
    ['null', null, 'null'],
    ['a string', 'why', 'why'],
    ['a string with NUL', 'a\0b', 'a\0b'],
    ['a symbol', Symbol('why'), 'Symbol(why)'],
    ['a bigint', 5n, '5'],
    ['an object', { code: 5 }, '{"code":5}'],
    ['an object without a prototype', Object.create(null), '{}'],
    ['a revoked proxy', revoked.proxy, 'a value that cannot be shown'],
    ['an object whose message throws', throwing, 'a value that cannot be shown'],
  ] as const) {
    it(`can be made of ${title}`, () => {
      expect(toFailure(thrown, CONTEXT).message).to.equal(message);
      expect(messageOfError(thrown)).to.equal(message);
    });
  }

  it('takes no more than 16 KiB, whatever is thrown', () => {
    const huge = '\u0000日\ud800'.repeat(1_000_000);
    const error = new AggregateError(
      Array.from({ length: 100 }, () => new Error(huge, { cause: huge })),
      huge,
    );
    error.name = huge;
    error.stack = huge;
    expect(sizeOf(error)).to.be.at.most(MAX_FAILURE_BYTES);
    expect(sizeOf(huge)).to.be.at.most(MAX_FAILURE_BYTES);
    expect(toFailure(error, CONTEXT).message.slice(0, 2)).to.equal('\u0000日');
  });

  it('is stored in fewer bytes where less is allowed', () => {
    const failure = toFailure(new Error('日'.repeat(10_000), { cause: 'x'.repeat(10_000) }), CONTEXT);
    expect(Buffer.byteLength(serializeFailure(failure, 1024))).to.be.at.most(1024);
    expect(parseFailure(serializeFailure(failure, 1024)).message).to.match(/^日+…$/);
  });

  it('is read as it was stored', () => {
    const property = fc.property(
      fc.string({ unit: 'binary' }),
      fc.option(fc.nat(), { nil: undefined }),
      (text, attempt) => {
        const failure = toFailure(new Error(text, { cause: text }), { ...CONTEXT, attempt });
        expect(parseFailure(serializeFailure(failure))).to.deep.equal(failure);
      },
    );
    fc.assert(property, { numRuns: 200 });
  });

  for (const stored of ['', 'why', '5', 'null', '[]', '{"causes":5,"at":"x","name":1}']) {
    it(`is made of what another program stored: ${stored}`, () => {
      expect(parseFailure(stored)).to.have.all.keys('reason', 'name', 'message', 'stack', 'causes', 'attempt', 'at');
    });
  }
});
