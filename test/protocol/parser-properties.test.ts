import { expect } from 'chai';
import fc from 'fast-check';
import sinon from 'sinon';
import { ProtocolError } from '../../src/protocol/errors.js';
import { ReplyParser } from '../../src/protocol/parser.js';
import { REPLY_FORMS, type Reply } from '../../src/protocol/replies.js';
import { cut, encode, latin1, parse, show, upTo } from '../support/replies.js';

/** Small, so that mutated sizes often exceed it. */
const MAX_BODY = 300;

const FIRST = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/;.$_()';
const tube = fc
  .tuple(fc.constantFrom(...FIRST), fc.string({ unit: fc.constantFrom(...FIRST, '-'), maxLength: 199, size: 'max' }))
  .map(([first, rest]) => first + rest);
const u64 = fc.oneof(fc.bigInt(0n, 20n), fc.bigInt(0n, 2n ** 64n - 1n)).map(String);
const body = fc.oneof(
  fc.uint8Array({ maxLength: MAX_BODY, size: 'max' }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom('', '\r\n', '\r', '\n\r\n', 'DELETED\r\n', 'RESERVED 1 2\r\nab\r\n', 'OK 9\r\n').map(latin1),
);
const reply: fc.Arbitrary<Reply> = fc.constantFrom(...REPLY_FORMS).chain((form) => {
  const value = form.includes('<tube>') ? tube : /<(id|count)>/.test(form) ? u64 : fc.constant('');
  return fc.record({ form: fc.constant(form), value, body: form.includes('<bytes>') ? body : fc.constant(undefined) });
});
const replies = fc.array(reply, { maxLength: 8 });
/** Places to cut a stream at, as fractions of its length. */
const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });

function cutAt(bytes: Buffer, shares: number[]): Buffer[] {
  return cut(
    bytes,
    shares.map((share) => Math.floor(share * bytes.length)),
  );
}

type Mutation = (bytes: number[]) => void;

const place = fc.nat({ max: 100_000 });
/** The bytes of the grammar, more often than others. */
const byte = fc.oneof(fc.constantFrom(...latin1('\r\n 0123456789OKFUND')), fc.nat({ max: 255 }));
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(place, fc.nat({ max: 7 })).map(([at, bit]) => (bytes: number[]) => {
    const index = at % (bytes.length || 1);
    bytes.splice(index, 1, (bytes[index] ?? 0) ^ (1 << bit));
  }),
  fc.tuple(place, byte).map(
    ([at, value]) =>
      (bytes: number[]) =>
        void bytes.splice(at % (bytes.length || 1), 1, value),
  ),
  fc.tuple(place, byte).map(
    ([at, value]) =>
      (bytes: number[]) =>
        void bytes.splice(at % (bytes.length + 1), 0, value),
  ),
  fc.tuple(place, fc.integer({ min: 1, max: 9 })).map(([at, n]) => (bytes: number[]) => {
    bytes.splice(at % (bytes.length || 1), n);
  }),
  place.map((at) => (bytes: number[]) => void bytes.splice(at % (bytes.length || 1))),
  fc.tuple(place, fc.integer({ min: 1, max: 30 })).map(([at, n]) => (bytes: number[]) => {
    const from = at % (bytes.length || 1);
    bytes.splice(from, 0, ...bytes.slice(from, from + n));
  }),
);
const mutated = fc.tuple(replies, fc.array(mutation, { minLength: 1, maxLength: 4 })).map(([stream, mutations]) => {
  const bytes = [...Buffer.concat(stream.map(encode))];
  for (const mutate of mutations) mutate(bytes);
  return Buffer.from(bytes);
});

/** What must have been sent for the reply; unknown for a FOUND without CR LF. */
function prefixOf(outcome: readonly Reply[]): Buffer {
  const cutShort = outcome.findIndex((one) => one.form.includes('<bytes>') && one.body === undefined);
  return Buffer.concat(outcome.slice(0, cutShort === -1 ? undefined : cutShort).map(encode));
}

describe('ReplyParser, whatever comes,', () => {
  it('needs a chunk no longer once it was pushed, and each body can be transferred as soon as it came', () => {
    fc.assert(
      fc.property(replies, places, (stream, shares) => {
        const outcome: string[] = [];
        const kept: Buffer[] = [];
        const parser = new ReplyParser((one) => {
          outcome.push(show(one));
          if (one.body === undefined) return;
          if (kept.length % 2 === 0) structuredClone(one.body, { transfer: [one.body.buffer as ArrayBuffer] });
          kept.push(one.body);
        });
        for (const chunk of cutAt(Buffer.concat(stream.map(encode)), shares)) {
          parser.push(chunk);
          chunk.fill(0);
        }
        expect(outcome).to.deep.equal(stream.map(show));
        const bodies = stream.flatMap(({ body }) => (body === undefined ? [] : [body]));
        for (const [index, body] of kept.entries()) {
          expect(body.toString('latin1')).to.equal(index % 2 === 0 ? '' : bodies[index]?.toString('latin1'));
        }
        expect(new Set(kept.map(({ buffer }) => buffer)).size).to.equal(kept.length);
      }),
      { numRuns: 1000 },
    );
  });

  it('gives the same replies however the stream is split', () => {
    fc.assert(
      fc.property(replies, places, (stream, shares) => {
        const bytes = Buffer.concat(stream.map(encode));
        for (const chunks of [[bytes], cutAt(bytes, shares)]) {
          const outcome = parse(chunks, upTo(MAX_BODY));
          expect(outcome.fault).to.equal(undefined);
          expect(outcome.replies.map(show)).to.deep.equal(stream.map(show));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('gives the same replies and faults where the rest of a body is read into its target', () => {
    const stream = fc.oneof(
      mutated,
      replies.map((list) => Buffer.concat(list.map(encode))),
    );
    // The size of each read, and whether it asks for a target first.
    const reads = fc.array(fc.record({ most: fc.integer({ min: 1, max: 200 }), asks: fc.boolean() }), { minLength: 1 });
    fc.assert(
      fc.property(stream, reads, (bytes, turns) => {
        const whole = parse([bytes], upTo(MAX_BODY));
        const outcome: Reply[] = [];
        const parser = new ReplyParser((one) => outcome.push(one), upTo(MAX_BODY));
        let fault: unknown;
        try {
          for (let at = 0, turn = 0; at < bytes.length; turn++) {
            const { most, asks } = turns[turn % turns.length] ?? expect.fail();
            const memory = (asks ? parser.nextTarget : undefined) ?? Buffer.alloc(most);
            const length = bytes.copy(memory, 0, at, at + most);
            parser.push(memory.subarray(0, length));
            at += length;
          }
        } catch (error) {
          fault = error;
        }
        expect(outcome.map(show)).to.deep.equal(whole.replies.map(show));
        expect((fault as Error | undefined)?.message).to.equal(whole.fault?.message);
      }),
      { numRuns: 3000 },
    );
  });

  it('makes of a damaged stream the same valid replies and the same fault however it is split', () => {
    fc.assert(
      fc.property(mutated, places, (bytes, shares) => {
        const whole = parse([bytes], upTo(MAX_BODY));
        const split = parse(cutAt(bytes, shares), upTo(MAX_BODY));
        expect(split.replies.map(show)).to.deep.equal(whole.replies.map(show));
        expect(split.fault?.message).to.equal(whole.fault?.message);
        const prefix = prefixOf(whole.replies);
        expect(bytes.subarray(0, prefix.length).equals(prefix), 'replies that were not sent').to.equal(true);
        if (whole.fault) expect(bytes.includes(Buffer.from(whole.fault.bytes)), 'bytes not sent').to.equal(true);
      }),
      { numRuns: 4000 },
    );
  });

  it('makes of mere noise replies or one fault, which it then repeats', () => {
    const noise = fc.array(fc.oneof(fc.uint8Array({ maxLength: 400, size: 'max' }), fc.constant(latin1('OK 2\r\n'))));
    fc.assert(
      fc.property(noise, (chunks) => {
        let fault: unknown;
        const parser = new ReplyParser(() => expect(fault).to.equal(undefined), upTo(MAX_BODY));
        for (const chunk of chunks) {
          try {
            parser.push(Buffer.from(chunk));
            expect(fault).to.equal(undefined);
          } catch (error) {
            expect(error).to.be.instanceOf(ProtocolError);
            expect(error).to.equal(fault ?? error);
            fault = error;
          }
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('never makes place for more than the ceiling, nor for more than one body at a time', () => {
    const made = [sinon.spy(Buffer, 'alloc'), sinon.spy(Buffer, 'allocUnsafe'), sinon.spy(Buffer, 'allocUnsafeSlow')];
    const concat = sinon.spy(Buffer, 'concat');
    const callCount = (): number => made.reduce((sum, spy) => sum + spy.callCount, 0);
    try {
      fc.assert(
        fc.property(mutated, places, (bytes, shares) => {
          const chunks = cutAt(bytes, shares);
          let complete = 0;
          const parser = new ReplyParser(() => complete++, upTo(MAX_BODY));
          for (const spy of [...made, concat]) spy.resetHistory();
          try {
            for (const chunk of chunks) parser.push(chunk);
          } catch (fault) {
            expect(fault).to.be.instanceOf(ProtocolError);
          }
          for (const spy of made) for (const [size] of spy.args) expect(size).to.be.at.most(MAX_BODY);
          expect(callCount()).to.be.at.most(complete + 1);
          expect(concat.callCount).to.equal(0);
        }),
        { numRuns: 2000 },
      );
    } finally {
      sinon.restore();
    }
  });
});
