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

  it('has its data where the bytes or the data are null, which is the same as none', () => {
    expect(decode({ ...REQUIRED, data: { a: 1 }, data_base64: null }).data).to.deep.equal({ a: 1 });
    expect(decode({ ...REQUIRED, data: null, data_base64: 'AA==' }).data).to.deep.equal(Buffer.alloc(1));
    const nothing = { datacontenttype: 'application/json', data_base64: null };
    expect(decode({ ...REQUIRED, ...nothing })).to.deep.include({ data: undefined, headers: {} });
  });

  it('has the last of members with the same name', () => {
    const body = JSON.stringify(REQUIRED).replace('"id":"7"', '"id":"6","id":"7","data":1,"data":2');
    expect(decode(body)).to.deep.include({ id: '7', data: 2 });
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
      expect(error.message).to.equal(`the body must be JSON, got ${body.length} bytes that are not`);
      expect(error.cause).to.equal(undefined);
    }
  });

  it('is refused when it begins with a byte order mark, which the error tells', () => {
    const text = JSON.stringify(REQUIRED);
    const [utf8, utf16] = [Buffer.from(`\ufeff${text}`), Buffer.from(`\ufeff${text}`, 'utf16le')];
    for (const [body, encoding, what] of [
      [utf8, 'UTF-8', 'JSON'],
      [utf16, 'UTF-16', 'UTF-8'],
      [Buffer.from(utf16).swap16(), 'UTF-16', 'UTF-8'],
    ] as const) {
      expect(thrown(() => cloudEvents.decode(body), DecodeError).message).to.equal(
        `the body must be ${what}, got a byte order mark (BOM) of ${encoding}; JSON is UTF-8 without one`,
      );
    }
  });

  it('is refused without a word of what it says', () => {
    const bodies = [
      'secret',
      '"secret"',
      ['secret'],
      { secret: 5 },
      ...['specversion', 'id', 'type', 'source', 'time', 'data_base64'].flatMap((name) => [
        { ...REQUIRED, [name]: ['secret'] },
        { ...REQUIRED, [name]: { secret: 5 } },
      ]),
      ...['specversion', 'time', 'data_base64'].map((name) => ({ ...REQUIRED, [name]: 'secret' })),
    ];
    for (const body of bodies) expect(refusal(body)).not.to.include('secret');
  });

  it('is refused when it is JSON, but no object', () => {
    for (const body of ['5', 'null', '"text"', '[]', 'true']) {
      expect(refusal(body)).to.match(
        /^the body must be a CloudEvents event \(a JSON object\), got (a number|null|a string|an empty array|a boolean)$/,
      );
    }
  });

  it('is refused when its version is not 1.0', () => {
    for (const [specversion, kind] of [
      [undefined, 'undefined'],
      ['0.3', 'a string'],
      [1, 'a number'],
    ] as const) {
      expect(refusal({ ...REQUIRED, specversion })).to.equal(
        `the specversion of a CloudEvents event must be "1.0", got ${kind}`,
      );
    }
  });

  it('is refused when its id, source or type is missing, empty or no text', () => {
    for (const name of ['id', 'source', 'type']) {
      for (const [value, shown] of [
        [undefined, 'undefined'],
        ['', 'an empty string'],
        [5, 'a number'],
        [null, 'null'],
        [['x'.repeat(200)], 'an array of 1'],
      ]) {
        expect(refusal({ ...REQUIRED, [name as string]: value })).to.equal(
          `the ${name} of a CloudEvents event must be a string that is not empty, got ${shown}`,
        );
      }
    }
  });

  it('is refused when its time is none, or one that RFC 3339 does not know', () => {
    const local = ['2026-01-02T03:04:05', '2026-01-02', '2026', 'Fri, 02 Jan 2026 03:04:05 GMT'];
    const impossible = ['2026-13-02T03:04:05Z', '2026-01-02T03:04:05+99:00', '+012026-01-02T03:04:05Z'];
    const otherwiseRead = ['2024-02-30T00:00:00Z', '2024-01-01T24:00:00Z'];
    for (const time of ['', 'yesterday', 5, true, {}, [], ...local, ...impossible, ...otherwiseRead]) {
      expect(refusal({ ...REQUIRED, time })).to.match(
        /^the time of a CloudEvents event must be a date and time as in RFC 3339, got an? [a-z ]+$/,
      );
    }
  });

  it('is refused when its data_base64 is no text', () => {
    for (const value of [5, true, {}, []]) {
      expect(refusal({ ...REQUIRED, data_base64: value })).to.match(
        /^the data_base64 of a CloudEvents event must be base64 as in RFC 4648, with padding, got an? /,
      );
    }
  });

  it('is refused when its data_base64 is not base64: no byte of it is guessed', () => {
    for (const value of ['A', 'AA', 'AA=', 'AB==', 'A A=', 'AA==\n', '-_8=', 'AA==AA==', '%%%%', 'é']) {
      expect(refusal({ ...REQUIRED, data_base64: value }), value).to.equal(
        'the data_base64 of a CloudEvents event must be base64 as in RFC 4648, with padding, got a string',
      );
    }
  });

  it('is refused when it is not UTF-8: no character of it is replaced', () => {
    const text = JSON.stringify({ ...REQUIRED, data: '*' });
    const broken = Buffer.from(text);
    broken[text.indexOf('*')] = 0xff;
    expect(thrown(() => cloudEvents.decode(broken), DecodeError).message).to.equal(
      `the body must be UTF-8, got ${broken.length} bytes that are not`,
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
