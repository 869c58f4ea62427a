import { expect } from 'chai';
import fc from 'fast-check';
import { cloudEvents } from '../../src/queue/cloudevents.js';
import type { Message } from '../../src/queue/message.js';

/** Any UTF-16, halves of surrogate pairs included. */
const anyText = fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) });
const name = fc.oneof(
  anyText,
  fc.stringMatching(/^[a-z0-9]{1,21}$/),
  fc.constantFrom('id', 'data', 'datacontenttype', 'dataschema', 'subject', 'headers', '__proto__', 'constructor'),
);

/** Halves of surrogate pairs are refused in data; headers may have them. */
const dataName = name.filter((text) => !/\p{Cs}/u.test(text));

/** Whatever JSON can say, with keys that are a trap for whoever assigns them. */
const jsonData = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6 },
    fc.constantFrom(null, true, false, '', 0, Number.MAX_VALUE, Number.MIN_VALUE, -1e-300, 2 ** 53 - 1, -(2 ** 63)),
    // JSON has no negative zero.
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
    fc.string({ unit: 'binary' }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(dataName, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
  ),
})).value;

const message: fc.Arbitrary<Message> = fc.record({
  id: fc.string({ minLength: 1, unit: 'binary' }),
  type: fc.string({ minLength: 1, unit: 'binary' }),
  source: fc.oneof(
    fc.webUrl(),
    fc.webPath().filter((path) => path !== ''),
  ),
  time: fc.date({ noInvalidDate: true, min: new Date('0000-01-01T00:00:00Z'), max: new Date(253_402_300_799_999) }),
  data: fc.oneof(fc.constant(undefined), jsonData),
  headers: fc.array(fc.tuple(name, anyText)).map((entries) => Object.fromEntries(entries)),
});

/** Bodies travel as UTF-8. */
function thereAndBack(sent: Message): Message {
  return cloudEvents.decode(new Uint8Array(cloudEvents.encode(sent)));
}

describe('A message that travels as a CloudEvents event', () => {
  it('is the same message when it is read again', () => {
    fc.assert(
      fc.property(message, (sent) => {
        expect(thereAndBack(sent)).to.deep.equal(sent);
      }),
      { numRuns: 500 },
    );
  });

  it('has the same own properties in its data and headers, whatever they are called', () => {
    fc.assert(
      fc.property(fc.dictionary(dataName, fc.string({ unit: 'binary' }), { noNullPrototype: true }), (texts) => {
        const received = thereAndBack({ ...fc.sample(message, 1)[0], data: texts, headers: texts } as Message);
        expect(Object.entries(received.data as object).sort()).to.deep.equal(Object.entries(texts).sort());
        expect(Object.entries(received.headers).sort()).to.deep.equal(Object.entries(texts).sort());
        expect(Object.getPrototypeOf(received.headers)).to.equal(Object.prototype);
      }),
    );
  });

  it('is the same bytes when it is read again', () => {
    fc.assert(
      fc.property(message, fc.uint8Array({ maxLength: 300 }), (sent, data) => {
        const received = thereAndBack({ ...sent, data });
        expect(received.data).to.be.instanceOf(Buffer);
        expect((received.data as Buffer).equals(data)).to.equal(true);
      }),
    );
  });

  it('is deep where its data is deep', () => {
    let data: unknown = 'bottom';
    for (let depth = 0; depth < 1000; depth++) data = depth % 2 === 0 ? [data] : { a: data };
    let received = thereAndBack({ ...(fc.sample(message, 1)[0] as Message), data }).data;
    for (let depth = 999; depth >= 0; depth--) {
      received = depth % 2 === 0 ? (received as unknown[])[0] : (received as { a: unknown }).a;
    }
    expect(received).to.equal('bottom');
  });

  it('has zero for a negative zero, no member for what is undefined, and what toJSON returns', () => {
    const data = [-0, { a: undefined }, new Date(0)];
    const { data: received } = thereAndBack({ ...(fc.sample(message, 1)[0] as Message), data });
    expect(received).to.deep.equal([0, {}, '1970-01-01T00:00:00.000Z']);
    expect(Object.is((received as number[])[0], 0)).to.equal(true);
  });
});
