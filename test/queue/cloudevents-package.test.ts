// The CNCF's own package as the judge: what we write it accepts, what it writes we read.
import { expect } from 'chai';
import { CloudEvent, type CloudEventV1, HTTP } from 'cloudevents';
import fc from 'fast-check';
import { checkSource } from '../../src/queue/checks.js';
import { cloudEvents } from '../../src/queue/cloudevents.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import type { Message } from '../../src/queue/message.js';

const MESSAGE: Message = {
  id: '6e1f',
  type: 'mail.send',
  data: { to: 'a@b.example' },
  time: new Date('2026-01-02T03:04:05.678Z'),
  headers: {},
  source: '/haricot/mail',
};

/** As the package receives it by HTTP; it throws where the event is not valid. */
function accepted(message: Message): CloudEventV1<unknown> {
  const text = Buffer.from(cloudEvents.encode(message)).toString();
  new CloudEvent(JSON.parse(text) as CloudEventV1<unknown>, true);
  const event = HTTP.toEvent({ headers: { 'content-type': 'application/cloudevents+json' }, body: text });
  const [only] = [event].flat();
  if (!(only instanceof CloudEvent)) throw new Error('no event');
  only.validate();
  return only;
}

function published(event: Partial<CloudEventV1<unknown>>): Message {
  const made = new CloudEvent({ source: '/theirs', type: 'mail.send', ...event });
  const { body } = HTTP.structured(made);
  return cloudEvents.decode(Buffer.from(body as string));
}

describe('The cloudevents package reads our events', () => {
  it('with the fields and headers of the message', () => {
    const headers = { tenant: 'a', subject: 'order 7', 'X-B': 'c' };
    expect(accepted({ ...MESSAGE, headers })).to.deep.include({
      specversion: '1.0',
      id: '6e1f',
      type: 'mail.send',
      source: '/haricot/mail',
      time: '2026-01-02T03:04:05.678Z',
      datacontenttype: 'application/json',
      data: { to: 'a@b.example' },
      tenant: 'a',
      subject: 'order 7',
      headers: '{"X-B":"c"}',
    });
  });

  it('with bytes', () => {
    const { data_base64: base64, datacontenttype } = accepted({ ...MESSAGE, data: Buffer.from([0, 255, 13, 10]) });
    expect([base64, datacontenttype]).to.deep.equal(['AP8NCg==', 'application/octet-stream']);
  });

  it('without data', () => {
    expect(accepted({ ...MESSAGE, data: undefined }).data).to.equal(undefined);
  });

  it('whatever the data and headers are', () => {
    const headers = fc.dictionary(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.stringMatching(/^[a-z0-9]{1,22}$/),
        fc.constantFrom('schemaurl', 'data'),
      ),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.uint8Array()), headers, (data, given) => {
        accepted({ ...MESSAGE, data, headers: given });
      }),
      { numRuns: 300 },
    );
  });

  it('whatever source a queue lets through', () => {
    const part = fc.constantFrom(
      'a',
      '1',
      ':',
      '/',
      '//',
      '?',
      '#',
      '[',
      ']',
      '[::1]',
      '@',
      '%20',
      '%',
      ' ',
      'é',
      '"',
      'urn:',
      '[a]',
      '[::1]',
      'http:',
      '.',
    );
    const sources = fc.oneof(
      fc.webUrl(),
      fc.array(part).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(sources, (source) => {
        try {
          checkSource(source);
        } catch (error) {
          expect(error).to.be.instanceOf(InvalidOptionError);
          return;
        }
        accepted({ ...MESSAGE, source });
      }),
      { numRuns: 2000 },
    );
  });
});

describe('We read the events of the cloudevents package', () => {
  it('with all attributes and extensions of every type', () => {
    const event = {
      id: '7',
      time: '2026-01-02T05:04:05.678+02:00',
      subject: 'order 7',
      dataschema: 'https://theirs.example/schema',
      datacontenttype: 'application/json',
      data: { parts: [1, null, 'é'] },
      tenant: 'a',
      attempt: 5,
      urgent: true,
    };
    expect(published(event)).to.deep.equal({
      id: '7',
      source: '/theirs',
      type: 'mail.send',
      time: new Date('2026-01-02T03:04:05.678Z'),
      data: { parts: [1, null, 'é'] },
      headers: {
        subject: 'order 7',
        dataschema: 'https://theirs.example/schema',
        tenant: 'a',
        attempt: '5',
        urgent: 'true',
      },
    });
  });

  it('with a text that is no JSON', () => {
    const { data, headers } = published({ datacontenttype: 'text/xml', data: '<a/>' });
    expect([data, headers]).to.deep.equal(['<a/>', { datacontenttype: 'text/xml' }]);
  });

  it('with bytes', () => {
    for (const bytes of [new Uint8Array([0, 255, 13, 10]), new Uint8Array()]) {
      const { data } = published({ datacontenttype: 'application/octet-stream', data: bytes });
      expect(Buffer.from(bytes).equals(data as Buffer)).to.equal(true);
    }
  });

  it('without data, and with an id and a time that it made up', () => {
    const { id, time, data, headers } = published({});
    expect(id).to.match(/^[0-9a-f-]{36}$/);
    expect(time.getTime()).to.be.closeTo(Date.now(), 60_000);
    expect([data, headers]).to.deep.equal([undefined, {}]);
  });

  it('as the package wrote them, whatever the data is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (data) => {
        expect(JSON.stringify(published({ data }).data)).to.equal(JSON.stringify(data));
      }),
    );
  });
});
