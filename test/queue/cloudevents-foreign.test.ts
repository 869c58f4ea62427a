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

  it('is read with a time in any form of RFC 3339', () => {
    for (const [time, means] of [
      ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000Z'],
      ['2026-01-02t03:04:05.5z', '2026-01-02T03:04:05.500Z'],
      ['2026-01-02 03:04:05-01:30', '2026-01-02T04:34:05.000Z'],
      ['2026-01-02T03:04:05.123456789Z', '2026-01-02T03:04:05.123Z'],
      ['0001-01-01T00:00:00+00:00', '0001-01-01T00:00:00.000Z'],
    ]) {
      expect(decode({ ...REQUIRED, time }).time.toISOString(), time).to.equal(means);
    }
  });

  it('has its subject and its dataschema as headers: nothing that it tells is lost', () => {
    const headers = { subject: 's', dataschema: 'http://b.example/schema' };
    expect(decode({ ...REQUIRED, ...headers }).headers).to.deep.equal(headers);
    expect(decode({ ...REQUIRED, subject: null, dataschema: null }).headers).to.deep.equal({});
  });

  it('has its datacontenttype as a header where it is not the one that we write', () => {
    for (const [event, header] of [
      [{ data: 5, datacontenttype: 'application/json' }, undefined],
      [{ data_base64: 'AA==', datacontenttype: 'application/octet-stream' }, undefined],
      [{ data: '<a/>', datacontenttype: 'text/xml' }, 'text/xml'],
      [{ data_base64: 'AA==', datacontenttype: 'image/png' }, 'image/png'],
      [{ data_base64: 'AA==', datacontenttype: 'application/json' }, 'application/json'],
      [{ data: 5, datacontenttype: null }, undefined],
      [{ data: 5 }, undefined],
    ] as const) {
      expect(decode({ ...REQUIRED, ...event }).headers['datacontenttype'], JSON.stringify(event)).to.equal(header);
    }
  });

  it('has its data as it is, a text where that is no JSON', () => {
    for (const data of ['<a/>', '{"a":1}', '', 0, false, null, ['x'], { a: { b: 1 } }]) {
      expect(decode({ ...REQUIRED, data, datacontenttype: 'text/xml' }).data).to.deep.equal(data);
    }
  });

  it('has its bytes as data where it has both', () => {
    const { data } = decode({ ...REQUIRED, data: {}, data_base64: '' });
    expect(data).to.deep.equal(Buffer.alloc(0));
  });

  it('is read from the bytes of a view', () => {
    const memory = new Uint8Array(Buffer.from(`xx${JSON.stringify(REQUIRED)}xx`));
    expect(cloudEvents.decode(memory.subarray(2, -2)).id).to.equal('7');
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
        [['x'.repeat(200)], `["${'x'.repeat(98)}…`],
      ]) {
        expect(refusal({ ...REQUIRED, [name as string]: value })).to.equal(
          `not a CloudEvents event: its ${name} is ${shown}, not a text`,
        );
      }
    }
  });

  it('is refused when its time is none, or one that RFC 3339 does not know', () => {
    const local = ['2026-01-02T03:04:05', '2026-01-02', '2026', 'Fri, 02 Jan 2026 03:04:05 GMT'];
    const impossible = ['2026-13-02T03:04:05Z', '2026-01-02T03:04:05+99:00', '+012026-01-02T03:04:05Z'];
    for (const time of ['', 'yesterday', 5, true, {}, [], ...local, ...impossible]) {
      expect(refusal({ ...REQUIRED, time })).to.equal(
        `not a CloudEvents event: its time is ${JSON.stringify(time)}, not a time as in RFC 3339`,
      );
    }
  });

  it('is refused when its data_base64 is no text', () => {
    for (const value of [5, null, {}, []]) {
      expect(refusal({ ...REQUIRED, data_base64: value })).to.equal(
        'not a CloudEvents event: its data_base64 is not a text',
      );
    }
  });

  it('is refused when its data_base64 is not base64: no byte of it is guessed', () => {
    for (const value of ['A', 'AA', 'AA=', 'AB==', 'A A=', 'AA==\n', '-_8=', 'AA==AA==', '%%%%', 'é']) {
      expect(refusal({ ...REQUIRED, data_base64: value }), value).to.equal(
        'not a CloudEvents event: its data_base64 is not base64 as in RFC 4648, with padding',
      );
    }
  });

  it('is refused when it is not UTF-8: no character of it is replaced', () => {
    const text = JSON.stringify({ ...REQUIRED, data: '*' });
    const broken = Buffer.from(text);
    broken[text.indexOf('*')] = 0xff;
    expect(thrown(() => cloudEvents.decode(broken), DecodeError).message).to.equal(
      `the body is not UTF-8 (${broken.length} bytes)`,
    );
    expect(decode({ ...REQUIRED, data: '\ufffd' }).data).to.equal('\ufffd');
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
