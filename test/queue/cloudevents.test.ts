import { expect } from 'chai';
import fc from 'fast-check';
import { cloudEvents } from '../../src/queue/cloudevents.js';
import { EncodeError } from '../../src/queue/errors.js';
import type { Message } from '../../src/queue/message.js';
import { thrown } from '../support/failures.js';

const MESSAGE: Message = {
  id: '6e1f',
  type: 'mail.send',
  data: { to: 'a@b.example', parts: [1, null, 'é'] },
  time: new Date('2026-01-02T03:04:05.678Z'),
  headers: {},
  source: '/haricot/mail',
};

function json(message: Message): unknown {
  return JSON.parse(textOf(message));
}

function textOf(message: Message): string {
  return Buffer.from(cloudEvents.encode(message)).toString('utf8');
}

describe('A message as CloudEvents JSON', () => {
  it('has the members that the specification asks for, and no others', () => {
    expect(json(MESSAGE)).to.deep.equal({
      specversion: '1.0',
      id: '6e1f',
      source: '/haricot/mail',
      type: 'mail.send',
      time: '2026-01-02T03:04:05.678Z',
      datacontenttype: 'application/json',
      data: { to: 'a@b.example', parts: [1, null, 'é'] },
    });
  });

  it('has no data members where there is no data', () => {
    const message = { ...MESSAGE, data: undefined };
    expect(json(message)).to.have.all.keys('specversion', 'id', 'source', 'type', 'time');
    expect(cloudEvents.decode(cloudEvents.encode(message))).to.deep.equal(message);
  });

  it('keeps data that is false in JavaScript', () => {
    for (const data of [null, false, 0, '', []]) {
      expect(json({ ...MESSAGE, data })).to.deep.include({ datacontenttype: 'application/json', data });
      expect(cloudEvents.decode(cloudEvents.encode({ ...MESSAGE, data })).data).to.deep.equal(data);
    }
  });

  it('carries bytes as data_base64, and exactly those of a view', () => {
    const memory = Buffer.from([9, 0, 255, 13, 10, 9]);
    for (const data of [memory.subarray(1, 5), new Uint8Array(memory.buffer, memory.byteOffset + 1, 4)]) {
      const message = { ...MESSAGE, data };
      expect(json(message)).to.deep.include({ datacontenttype: 'application/octet-stream', data_base64: 'AP8NCg==' });
      expect(json(message)).not.to.have.property('data');
      expect(cloudEvents.decode(cloudEvents.encode(message)).data).to.deep.equal(Buffer.from([0, 255, 13, 10]));
    }
    expect(cloudEvents.decode(cloudEvents.encode({ ...MESSAGE, data: Buffer.alloc(0) })).data).to.deep.equal(
      Buffer.alloc(0),
    );
  });

  it('carries headers as extension attributes where CloudEvents allows their names', () => {
    const headers = { traceparent: '00-0af7-b7ad-01', a1: '', x: '5' };
    expect(json({ ...MESSAGE, headers })).to.deep.include(headers);
    expect(json({ ...MESSAGE, headers })).not.to.have.property('headers');
  });

  it('carries the other headers together in one more', () => {
    const others = {
      'X-Tenant': 'a',
      'with space': 'b',
      '': 'c',
      toolongforanextension: 'd',
      id: 'not the id',
      data: 'not the data',
      subject: 'not the subject',
      headers: 'not these',
    };
    const message = { ...MESSAGE, headers: { ...others, tenant: 'e' } };
    const event = json(message) as Record<string, unknown>;
    expect(event).to.include({ id: '6e1f', tenant: 'e' });
    expect(event).not.to.have.any.keys('X-Tenant', 'subject', 'toolongforanextension');
    expect(JSON.parse(event['headers'] as string)).to.deep.equal(others);
    expect(cloudEvents.decode(cloudEvents.encode(message))).to.deep.equal(message);
  });

  it('keeps a header called __proto__ a header', () => {
    const headers = Object.fromEntries([['__proto__', 'a']]);
    const decoded = cloudEvents.decode(cloudEvents.encode({ ...MESSAGE, headers })).headers;
    expect(Object.entries(decoded)).to.deep.equal([['__proto__', 'a']]);
  });

  it('cannot be made of data that JSON does not know', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    for (const data of [5n, { a: 5n }, circle, () => {}, Symbol('s')]) {
      const error = thrown(() => cloudEvents.encode({ ...MESSAGE, data }), EncodeError);
      expect(error.message).to.match(/^the data of a "mail\.send" message is not JSON: /);
    }
    expect(thrown(() => cloudEvents.encode({ ...MESSAGE, data: { a: 5n } }), EncodeError).cause).to.be.instanceOf(
      TypeError,
    );
  });

  it('is the same message when it is read again', () => {
    const text = fc.string({ minLength: 1, unit: 'grapheme' });
    const messages = fc.record({
      id: text,
      type: text,
      source: text,
      time: fc.date({ noInvalidDate: true }),
      // JSON has no negative zero.
      data: fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown),
      headers: fc.dictionary(
        fc.oneof(
          fc.string(),
          fc.stringMatching(/^[a-z0-9]{1,20}$/),
          fc.constantFrom('id', 'data', 'headers', 'Ünïcode'),
        ),
        fc.string({ unit: 'binary' }),
      ),
    });
    fc.assert(
      fc.property(messages, (message) => {
        expect(cloudEvents.decode(cloudEvents.encode(message))).to.deep.equal(message);
      }),
      { numRuns: 300 },
    );
  });

  it('is the same bytes when it is read again', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
        const decoded = cloudEvents.decode(cloudEvents.encode({ ...MESSAGE, data })).data as Buffer;
        expect(decoded.equals(data)).to.equal(true);
      }),
    );
  });
});
