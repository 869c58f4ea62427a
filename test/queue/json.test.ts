import { expect } from 'chai';
import fc from 'fast-check';
import type { CodecContext } from '../../src/queue/codec.js';
import { DecodeError, EncodeError } from '../../src/queue/errors.js';
import { json } from '../../src/queue/json.js';
import type { Message } from '../../src/queue/message.js';
import { thrown } from '../support/failures.js';

const CONTEXT: CodecContext = { queue: 'orders', jobId: '7', type: 'order.placed' };

const HELP = 'what travels must be strings, finite numbers, booleans, null, arrays and objects of these';

function written(data: unknown): Buffer {
  const message: Message = { id: 'm', type: 'order.placed', data, time: new Date(), headers: {}, source: '/a' };
  return Buffer.from(json.encode(message));
}

describe('The codec json', () => {
  it('writes the bare data', () => {
    expect(written({ to: 'é', parts: [1, null] }).toString()).to.equal('{"to":"é","parts":[1,null]}');
    for (const data of [null, false, 0, '']) expect(written(data).toString()).to.equal(JSON.stringify(data));
  });

  it('reads a message with the type of its queue, the id of the engine, and nothing that nobody knows', () => {
    expect(json.decode(Buffer.from('{"to":"é"}'), CONTEXT)).to.deep.equal({
      id: '7',
      type: 'order.placed',
      data: { to: 'é' },
      time: new Date(0),
      headers: {},
      source: '/haricot/orders',
    });
  });

  it('reads what it has written', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (data) => {
        const plain: unknown = JSON.parse(JSON.stringify(data));
        expect(json.decode(written(data), CONTEXT).data).to.deep.equal(plain);
      }),
    );
  });

  it('refuses data that JSON does not know', () => {
    for (const [data, why] of [
      [undefined, `it is undefined; ${HELP}`],
      [() => {}, `it is a function; ${HELP}`],
      [{ toJSON: () => undefined }, `it is an object whose toJSON returns undefined; ${HELP}`],
      [5n, `it is a BigInt; ${HELP}`],
      [Buffer.from('a'), 'it is bytes; the codecs raw and cloudEvents can write them'],
      [new Uint8Array(1), 'it is bytes; the codecs raw and cloudEvents can write them'],
    ] as const) {
      expect(thrown(() => written(data), EncodeError).message).to.equal(
        `cannot write the data of a message of type "order.placed" as JSON: ${why}`,
      );
    }
  });

  it('refuses a body that is no JSON, without a word of what it is', () => {
    for (const body of ['', '{', 'secret', '{"a":"secret"']) {
      const error = thrown(() => json.decode(Buffer.from(body), CONTEXT), DecodeError);
      expect(error.message).to.equal(`the body must be JSON, got ${body.length} bytes that are not`);
      expect(error.cause).to.equal(undefined);
    }
    expect(thrown(() => json.decode(Buffer.from([0x22, 0xff, 0x22]), CONTEXT), DecodeError).message).to.equal(
      'the body must be UTF-8, got 3 bytes that are not',
    );
  });

  it('refuses a body whose type nobody tells', () => {
    const error = thrown(() => json.decode(Buffer.from('5'), { ...CONTEXT, type: undefined }), DecodeError);
    expect(error.message).to.equal('cannot decode the body: it does not tell its type, and queue "orders" has none');
  });
});
