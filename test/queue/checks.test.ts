import { expect } from 'chai';
import { checkConsume, checkLimit, checkPut, checkPutMany, checkReserve } from '../../src/queue/checks.js';
import type { PutItem, PutOptions, ReserveOptions } from '../../src/queue/driver.js';
import { InvalidOptionError } from '../../src/queue/errors.js';

const OPTIONS: PutOptions = { priority: 1, delayMs: 0, ttrMs: 1000 };

describe('The checks that all drivers share', () => {
  it('refuse a put without options, without a lease, and of bytes that were transferred', () => {
    const bytes = new Uint8Array(1);
    structuredClone(bytes, { transfer: [bytes.buffer] });
    expect(() => checkPut(Buffer.from('a'), undefined as unknown as PutOptions)).to.throw(
      InvalidOptionError,
      'the options of a put must be an object, got undefined',
    );
    expect(() => checkPut(Buffer.from('a'), { ...OPTIONS, ttrMs: 0 })).to.throw(
      InvalidOptionError,
      'ttrMs must be a number from 1 to 4294967295000, got 0',
    );
    expect(() => checkPut(bytes, OPTIONS)).to.throw(
      InvalidOptionError,
      'a body must have its memory, got bytes that were transferred',
    );
    checkPut(new Uint8Array(0), OPTIONS);
  });

  it('refuse what is no list of messages, and a list with what is none', () => {
    expect(() => checkPutMany(null as unknown as PutItem[])).to.throw(InvalidOptionError, 'must be an array, got null');
    expect(() => checkPutMany([undefined as unknown as PutItem])).to.throw(InvalidOptionError, 'options of a put');
    checkPutMany([{ body: Buffer.from('a'), options: OPTIONS }]);
  });

  it('refuse a limit that is no number of messages', () => {
    for (const limit of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1' as unknown as number]) {
      expect(() => checkLimit(limit), String(limit)).to.throw(InvalidOptionError, 'limit must be an integer');
    }
    expect(checkLimit(0)).to.equal(0);
  });

  it('refuse to consume no queue, and in an order that there is not', () => {
    expect(() => checkConsume([])).to.throw(InvalidOptionError, 'must be an array of at least one name');
    expect(() => checkConsume('mail' as unknown as string[])).to.throw(InvalidOptionError, 'got "mail"');
    expect(() => checkConsume(['a'], { order: 'random' as 'fair' })).to.throw(InvalidOptionError, 'order must be');
    checkConsume(['a'], { order: undefined });
  });

  it('refuse to wait for no duration or with what is no signal, and throw the reason of one that has aborted', () => {
    for (const timeoutMs of [-1, Number.NaN, 1e300]) {
      expect(() => checkReserve({ timeoutMs }), String(timeoutMs)).to.throw(InvalidOptionError, 'timeoutMs must be');
    }
    const options = { signal: { aborted: false } } as unknown as ReserveOptions;
    expect(() => checkReserve(options)).to.throw(InvalidOptionError, 'signal must be an AbortSignal');
    expect(() => checkReserve({ signal: AbortSignal.abort(new RangeError('enough')) })).to.throw(RangeError, 'enough');
    checkReserve({ timeoutMs: 0, signal: new AbortController().signal });
  });
});
