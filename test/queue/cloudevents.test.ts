import { expect } from 'chai';
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
      datacontenttype: 'not theirs',
      dataschema: 'no URI',
      headers: 'not these',
      // Attributes of CloudEvents 0.3, at which libraries that know both stumble.
      schemaurl: 'f',
      datacontentencoding: 'base64',
      // Values that are no texts in CloudEvents.
      control: 'a\u0000b\u0085',
      half: '\ud800',
      nocharacter: '\uffff',
    };
    const message = { ...MESSAGE, headers: { ...others, tenant: 'e' } };
    const event = json(message) as Record<string, unknown>;
    expect(event).to.include({ id: '6e1f', tenant: 'e' });
    expect(Object.keys(event)).to.have.members([
      ...['specversion', 'id', 'source', 'type', 'time', 'datacontenttype', 'data', 'tenant', 'headers'],
    ]);
    expect(event['headers'], 'a text of CloudEvents itself').to.match(/^[\x20-\x7e]*$/);
    expect(JSON.parse(event['headers'] as string)).to.deep.equal(others);
    expect(cloudEvents.decode(cloudEvents.encode(message))).to.deep.equal(message);
  });

  it('carries a header called subject as its subject, unless it is empty', () => {
    const message = { ...MESSAGE, headers: { subject: 'order 7' } };
    expect(json(message)).to.include({ subject: 'order 7' }).and.not.have.property('headers');
    expect(cloudEvents.decode(cloudEvents.encode(message))).to.deep.equal(message);
    const empty = { ...MESSAGE, headers: { subject: '' } };
    expect(json(empty)).not.to.have.property('subject');
    expect(cloudEvents.decode(cloudEvents.encode(empty))).to.deep.equal(empty);
  });

  it('keeps a header called __proto__ a header', () => {
    const headers = Object.fromEntries([['__proto__', 'a']]);
    const decoded = cloudEvents.decode(cloudEvents.encode({ ...MESSAGE, headers })).headers;
    expect(Object.entries(decoded)).to.deep.equal([['__proto__', 'a']]);
  });

  it('cannot be made of data that JSON does not know', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    for (const data of [5n, { a: 5n }, circle, () => {}, Symbol('s'), { toJSON: () => undefined }]) {
      const error = thrown(() => cloudEvents.encode({ ...MESSAGE, data }), EncodeError);
      expect(error.message).to.match(/^cannot write the data of a message of type "mail\.send" as JSON: /);
    }
    expect(thrown(() => cloudEvents.encode({ ...MESSAGE, data: { a: 5n } }), EncodeError).cause).to.be.instanceOf(
      TypeError,
    );
  });

  it('says so when its data fails as it is written', () => {
    const failure = new RangeError('nested too deeply');
    const data = {
      toJSON: () => {
        throw failure;
      },
    };
    expect(thrown(() => cloudEvents.encode({ ...MESSAGE, data }), EncodeError).cause).to.equal(failure);
  });

  it('tells the time of each message, of many within a millisecond and of those between', () => {
    const times = [1, 1, 2, 1, 0, 253_402_300_799_999].map((ms) => new Date(ms));
    expect(times.map((time) => cloudEvents.decode(cloudEvents.encode({ ...MESSAGE, time })).time)).to.deep.equal(times);
  });
});
