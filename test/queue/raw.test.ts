import { expect } from 'chai';
import fc from 'fast-check';
import type { CodecContext } from '../../src/queue/codec.js';
import { EncodeError } from '../../src/queue/errors.js';
import type { Message } from '../../src/queue/message.js';
import { raw } from '../../src/queue/raw.js';
import { thrown } from '../support/failures.js';

const CONTEXT: CodecContext = { queue: 'images', jobId: '7', type: 'image' };

function written(data: unknown): Uint8Array {
  const message: Message = { id: 'm', type: 'image', data, time: new Date(), headers: {}, source: '/a' };
  return raw.encode(message);
}

describe('The codec raw', () => {
  it('writes and reads bytes, exactly', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
        expect([...written(data)]).to.deep.equal([...data]);
        const { data: received } = raw.decode(Buffer.from(written(data)), CONTEXT);
        expect(received).to.be.instanceOf(Buffer);
        expect((received as Buffer).equals(data)).to.equal(true);
      }),
    );
  });

  it('writes those of a view and no others', () => {
    const memory = Buffer.from([9, 0, 255, 9]);
    expect([...written(memory.subarray(1, 3))]).to.deep.equal([0, 255]);
    expect([...written(new Uint8Array(memory.buffer, memory.byteOffset + 1, 2))]).to.deep.equal([0, 255]);
  });

  it('reads a message with the type of its queue, the id of the engine, and nothing that nobody knows', () => {
    const body = Buffer.from([0, 255]);
    expect(raw.decode(body, CONTEXT)).to.deep.equal({
      id: '7',
      type: 'image',
      data: body,
      time: new Date(0),
      headers: {},
      source: '/haricot/images',
    });
  });

  it('refuses everything else', () => {
    for (const [data, given] of [
      ['text', 'a string'],
      [undefined, 'undefined'],
      [null, 'null'],
      [[1, 2], 'an array of 2'],
      [new ArrayBuffer(2), 'an ArrayBuffer'],
      [new Uint16Array(2), 'an Uint16Array'],
    ] as const) {
      expect(thrown(() => written(data), EncodeError).message).to.equal(
        `the data of a message of type "image" must be bytes (Uint8Array) where the codec is raw, got ${given}`,
      );
    }
  });
});
