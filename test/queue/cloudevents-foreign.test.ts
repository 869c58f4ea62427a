import { expect } from 'chai';
import fc from 'fast-check';
import { cloudEvents } from '../../src/queue/cloudevents.js';
import { DecodeError } from '../../src/queue/errors.js';
import type { Message } from '../../src/queue/message.js';
import { thrown } from '../support/failures.js';

const REQUIRED = { specversion: '1.0', id: '7', source: 'https://b.example/app', type: 'mail.send' };

function decode(body: unknown): Message {
  return cloudEvents.decode(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));
}

function refusal(body: unknown): string {
  return thrown(() => decode(body), DecodeError).message;
}

describe('An event that another program has published', () => {
  it('is read with nothing but what the specification requires', () => {
    expect(decode(REQUIRED)).to.deep.equal({
      id: '7',
      source: 'https://b.example/app',
      type: 'mail.send',
      time: new Date(0),
      data: undefined,
      headers: {},
    });
  });

  it('is read with a time of any zone, and with none', () => {
    expect(decode({ ...REQUIRED, time: '2026-01-02T03:04:05+02:00' }).time).to.deep.equal(
      new Date('2026-01-02T01:04:05Z'),
    );
    expect(decode({ ...REQUIRED, time: null }).time).to.deep.equal(new Date(0));
  });

  it('has its extensions as headers, numbers and truths as text', () => {
    const extensions = { tenant: 'a', attempt: 5, share: 0.5, urgent: true, draft: false, none: null };
    expect(decode({ ...REQUIRED, ...extensions }).headers).to.deep.equal({
      tenant: 'a',
      attempt: '5',
      share: '0.5',
      urgent: 'true',
      draft: 'false',
    });
  });

  it('keeps the attributes of CloudEvents out of the headers', () => {
    const attributes = { subject: 's', dataschema: 'http://b.example/schema', datacontenttype: 'application/json' };
    expect(decode({ ...REQUIRED, ...attributes, data: 5 })).to.deep.include({ headers: {}, data: 5 });
  });

  it('keeps an extension called headers as it is, unless it holds headers', () => {
    for (const headers of ['X-A: 5', '[1,2]', '"a"', 'null', '5', '{"a":5}', '{"a":{"b":"c"}}', '{']) {
      expect(decode({ ...REQUIRED, headers }).headers, headers).to.deep.equal({ headers });
    }
    expect(decode({ ...REQUIRED, headers: { a: 'b' } }).headers).to.deep.equal({ headers: '{"a":"b"}' });
    expect(decode({ ...REQUIRED, headers: '{"X-A":"5"}' }).headers).to.deep.equal({ 'X-A': '5' });
  });

  it('cannot slip properties into the headers by way of their prototype', () => {
    const { headers } = decode(`{"specversion":"1.0","id":"7","source":"a","type":"b",
      "__proto__":"x","headers":"{\\"__proto__\\":{\\"admin\\":\\"yes\\"}}"}`);
    expect(headers['admin']).to.equal(undefined);
    expect(Object.getPrototypeOf(headers)).to.equal(Object.prototype);
  });
});

describe('A body that is no event', () => {
  it('is refused when it is no JSON, without a word of what it is', () => {
    for (const body of ['', '{', 'secret text', '{"data":"secret"', '\u0000']) {
      const error = thrown(() => decode(body), DecodeError);
      expect(error.message).to.equal(`the body is not JSON (${body.length} bytes)`);
      expect(error.cause).to.equal(undefined);
    }
  });

  it('is refused when it is JSON, but no object', () => {
    for (const body of ['5', 'null', '"text"', '[]', 'true']) {
      expect(refusal(body)).to.equal('not a CloudEvents event: the body is not a JSON object');
    }
  });

  it('is refused when its version is not 1.0', () => {
    expect(refusal({})).to.equal('not a CloudEvents 1.0 event: its specversion is undefined');
    expect(refusal({ ...REQUIRED, specversion: '0.3' })).to.equal(
      'not a CloudEvents 1.0 event: its specversion is "0.3"',
    );
    expect(refusal({ ...REQUIRED, specversion: 1 })).to.match(/specversion is 1$/);
  });

  it('is refused when its id, source or type is missing, empty or no text', () => {
    for (const name of ['id', 'source', 'type']) {
      for (const [value, shown] of [
        [undefined, 'undefined'],
        ['', '""'],
        [5, '5'],
        [null, 'null'],
      ]) {
        expect(refusal({ ...REQUIRED, [name as string]: value })).to.equal(
          `not a CloudEvents event: its ${name} is ${shown}, not a text`,
        );
      }
    }
  });

  it('is refused when its time is none', () => {
    for (const time of ['', 'yesterday', 5, true, {}, []]) {
      expect(refusal({ ...REQUIRED, time })).to.equal(`not a CloudEvents event: its time is ${JSON.stringify(time)}`);
    }
  });

  it('is refused when its data_base64 is no text', () => {
    for (const value of [5, null, {}, []]) {
      expect(refusal({ ...REQUIRED, data_base64: value })).to.equal(
        'not a CloudEvents event: its data_base64 is not a text',
      );
    }
  });

  it('is never more than a DecodeError, whatever it is', () => {
    const mutations = fc.dictionary(
      fc.constantFrom('specversion', 'id', 'source', 'type', 'time', 'data', 'data_base64', 'headers', 'extension'),
      fc.jsonValue(),
    );
    const events = mutations.map((event) => Buffer.from(JSON.stringify({ ...REQUIRED, ...event })));
    fc.assert(
      fc.property(fc.oneof(events, fc.uint8Array()), (body) => {
        try {
          const { id, source, type, time, headers } = cloudEvents.decode(body);
          for (const text of [id, source, type, ...Object.values(headers)]) expect(text).to.be.a('string');
          expect(time.getTime()).to.be.finite;
        } catch (error) {
          expect(error).to.be.instanceOf(DecodeError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
