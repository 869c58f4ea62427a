import { expect } from 'chai';
import sinon from 'sinon';
import { ProtocolError } from '../../src/protocol/errors.js';
import { ReplyParser } from '../../src/protocol/parser.js';
import type { Reply } from '../../src/protocol/replies.js';
import { thrown } from '../support/failures.js';
import { latin1, slices, upTo } from '../support/replies.js';

const MIB = 1024 * 1024;

/** The sizes that are allocated while `work` runs, by any way to create a buffer. */
function allocations(work: () => void): number[] {
  const spies = [
    sinon.spy(Buffer, 'alloc'),
    sinon.spy(Buffer, 'allocUnsafe'),
    sinon.spy(Buffer, 'allocUnsafeSlow'),
    sinon.spy(Buffer, 'concat'),
    sinon.spy(Buffer, 'from'),
  ];
  try {
    work();
    return spies.flatMap((spy) => spy.args.map(([size]) => (typeof size === 'number' ? size : Number.NaN)));
  } finally {
    sinon.restore();
  }
}

function pattern(size: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(size);
  for (let at = 0; at < size; at++) bytes[at] = (at * 31 + (at >> 8)) & 255;
  return bytes;
}

function reserved(body: Buffer): Buffer {
  return Buffer.concat([latin1(`RESERVED 1 ${body.length}\r\n`), body, latin1('\r\n')]);
}

describe('ReplyParser', () => {
  let replies: Reply[];
  let parser: ReplyParser;

  beforeEach(() => {
    replies = [];
    parser = new ReplyParser((reply) => replies.push(reply));
  });

  function onlyBody(): Buffer {
    expect(replies).to.have.length(1);
    return replies[0]?.body ?? expect.fail('no body');
  }

  for (const size of [0, 1, 64, 65, 5000, 16 * MIB]) {
    it(`hands out a body of ${size} bytes in an ArrayBuffer of just its size`, () => {
      const chunk = reserved(pattern(size));
      expect(allocations(() => parser.push(chunk))).to.deep.equal([size]);
      chunk.fill(0);
      const body = onlyBody();
      expect(body.buffer).to.not.equal(chunk.buffer);
      expect([body.byteOffset, body.buffer.byteLength]).to.deep.equal([0, size]);
      expect(body.equals(pattern(size))).to.equal(true);
    });
  }

  for (const [what, size, step] of [
    ['byte by byte', 5000, 1],
    ['at a chunk of a socket', 16 * MIB, 65_536],
    ['at odd places', MIB, 1013],
    ['just before its last byte', 5000, 5000 + 'RESERVED 1 5000\r\n'.length - 1],
  ] as const) {
    it(`makes place once for a body of ${size} bytes that is split ${what}`, () => {
      const chunks = slices(reserved(pattern(size)), step);
      const made = allocations(() => {
        for (const chunk of chunks) parser.push(chunk);
      });
      expect(made).to.deep.equal([size]);
      expect(onlyBody().equals(pattern(size))).to.equal(true);
    });
  }

  it('copies each byte at most once, however small the chunks', () => {
    const stream = Buffer.concat([
      ...Array.from({ length: 2000 }, (_, i) => latin1(`INSERTED ${i}\r\n`)),
      reserved(pattern(100_000)),
    ]);
    for (const step of [1, 7, 100]) {
      const copy = sinon.spy(Buffer.prototype, 'copy');
      const set = sinon.spy(Uint8Array.prototype, 'set');
      const fresh = new ReplyParser(() => {});
      for (const chunk of slices(stream, step)) fresh.push(chunk);
      const copied = copy.returnValues.reduce((sum, bytes) => sum + bytes, 0);
      expect(set.callCount).to.equal(0);
      sinon.restore();
      expect(copied, `chunks of ${step}`).to.be.at.most(stream.length);
    }
  });

  it('copies nothing of what was read into the target', () => {
    const body = pattern(MIB);
    const bytes = reserved(body);
    let read = 1000;
    parser.push(bytes.subarray(0, read));
    const copy = sinon.spy(Buffer.prototype, 'copy');
    while (read < bytes.length - '\r\n'.length) {
      const target = parser.nextTarget ?? expect.fail('no target');
      const length = Math.min(target.length, 70_001);
      target.set(bytes.subarray(read, read + length));
      read += length;
      parser.push(target.subarray(0, length));
    }
    sinon.restore();
    expect(copy.callCount).to.equal(0);
    expect(replies).to.deep.equal([]);
    parser.push(bytes.subarray(read));
    expect(onlyBody().equals(body)).to.equal(true);
  });

  it('has a target only while a part of a body is missing', () => {
    for (const [chunk, length] of [
      ['RESERVED 1', undefined],
      [' 5\r', undefined],
      ['\n', 5],
      ['he', 3],
      ['llo', undefined],
      ['\r\nOK 3\r\nabc', undefined],
      ['\r\nOK 0\r\n', undefined],
    ] as const) {
      parser.push(latin1(chunk));
      expect(parser.nextTarget?.length, chunk).to.equal(length);
    }
    thrown(() => parser.push(latin1('\r\nOK 9\r\n'.padEnd(50))), ProtocolError);
    expect(parser.nextTarget).to.equal(undefined);
  });

  it('takes no memory for a body that is skipped', () => {
    const bytes = reserved(pattern(MIB));
    parser = new ReplyParser((reply) => replies.push(reply), upTo(MIB - 1));
    expect(
      allocations(() => {
        for (const chunk of slices(bytes, 65_536)) {
          parser.push(chunk);
          expect(parser.nextTarget).to.equal(undefined);
        }
      }),
    ).to.deep.equal([]);
    expect(replies).to.have.length(1);
  });

  it('keeps what was handed out untouched by what comes later', () => {
    for (const chunk of slices(reserved(latin1('first')), 4)) parser.push(chunk);
    for (const chunk of slices(reserved(latin1('other')), 4)) parser.push(chunk);
    parser.push(reserved(latin1('third')));
    expect(replies.map(({ body }) => body?.toString())).to.deep.equal(['first', 'other', 'third']);
  });
});
