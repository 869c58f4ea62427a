import { inspect } from 'node:util';
import { expect } from 'chai';
import { cloudEvents } from '../../src/queue/cloudevents.js';
import type { Codec, CodecContext } from '../../src/queue/codec.js';
import { DecodeError, EncodeError, InvalidOptionError } from '../../src/queue/errors.js';
import { json } from '../../src/queue/json.js';
import { defineMessage, type Message } from '../../src/queue/message.js';
import { Queue } from '../../src/queue/queue.js';
import { raw } from '../../src/queue/raw.js';
import { preview } from '../../src/shared/text.js';
import { SignalDispatcher } from '../../src/signals/dispatcher.js';
import type { SignalEvents } from '../../src/signals/signals.js';
import { rejection, thrown } from '../support/failures.js';
import { RecordingDriver, reservedMessage } from '../support/recording-driver.js';

const Placed = defineMessage<unknown>('order.placed');
const Other = defineMessage<unknown>('other');
const STORED = { jobId: '7', body: Buffer.from('what is stored') };
const MESSAGE: Message = { id: 'm', type: 'a', data: 5, time: new Date(0), headers: {}, source: '/a' };

describe('A queue whose codec writes nothing but the data', () => {
  let driver: RecordingDriver;
  let queue: Queue;

  beforeEach(() => {
    driver = new RecordingDriver();
    queue = new Queue(driver, 'orders', { codec: json, type: 'order.placed' });
  });

  it('must have a type', () => {
    for (const codec of [json, raw, { dataOnly: true, encode: json.encode, decode: json.decode }]) {
      expect(thrown(() => new Queue(driver, 'orders', { codec }), InvalidOptionError).message).to.equal(
        'the option type of queue "orders" must be given, got none: its codec writes nothing but the data, so all its messages have one type',
      );
    }
    for (const type of ['', 5, null] as string[]) {
      thrown(() => new Queue(driver, 'orders', { codec: json, type }), InvalidOptionError);
    }
  });

  it('stores the bare data', async () => {
    await queue.publish(Placed, { id: 7 });
    await queue.publishMany(Placed, [1, 'two']);
    await new Queue(driver, 'images', { codec: raw, type: 'image' }).publish(
      defineMessage('image'),
      Buffer.from('png'),
    );
    expect(driver.puts.map(({ body }) => body.toString())).to.deep.equal(['{"id":7}', '1', '"two"', 'png']);
  });

  it('stores what was published, whatever the schema does to the bytes that it checks', async () => {
    const schema = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate(value: unknown) {
          structuredClone(value, { transfer: [(value as Buffer).buffer as ArrayBuffer] });
          return { value: value as Buffer };
        },
      },
    };
    const images = new Queue(driver, 'images', { codec: raw, type: 'image' });
    await images.publish(defineMessage('image', schema), Buffer.from('png'));
    expect(driver.puts[0]?.body.toString()).to.equal('png');
  });

  it('reads what another program has stored there, at rest too', async () => {
    const message = reservedMessage({ jobId: '9', queue: 'orders', body: Buffer.from('{"id":7}') });
    driver.consumer.messages.push(message);
    expect(queue.decode(message)).to.deep.include({ id: '9', type: 'order.placed', data: { id: 7 } });
    expect(await queue.take()).to.deep.include({ id: '9', type: 'order.placed', data: { id: 7 } });
    expect(queue.decode({ jobId: '8', body: Buffer.from('[]') })).to.deep.include({ id: '8', data: [] });
  });

  it('refuses messages of another type, and stores nothing', async () => {
    const message = 'the type of a message in queue "orders" must be "order.placed", got "other"';
    expect((await rejection(queue.publish(Other, 5), InvalidOptionError)).message).to.equal(message);
    expect((await rejection(queue.publishMany(Other, [5]), InvalidOptionError)).message).to.equal(message);
    expect(driver.puts).to.deep.equal([]);
  });

  it('refuses headers, which it could not store, and stores nothing', async () => {
    const message =
      'the headers of a message in queue "orders" must be none, got some: its codec writes nothing but the data';
    const options = { headers: { tenant: 'a' } };
    expect((await rejection(queue.publish(Placed, 5, options), InvalidOptionError)).message).to.equal(message);
    await rejection(queue.publishMany(Placed, [5], options), InvalidOptionError);
    expect(driver.puts).to.deep.equal([]);
    expect(await queue.publish(Placed, 5, { headers: {} })).to.equal('1');
  });

  it('tells messageSubmitted the id by which slots will know the message', async () => {
    const signals = new SignalDispatcher();
    const events: SignalEvents['messageSubmitted'][] = [];
    signals.connect('messageSubmitted', (event) => events.push(event));
    await new Queue(driver, 'orders', { codec: json, type: 'order.placed', signals }).publish(Placed, 5);
    expect(events.map(({ jobId, message }) => [jobId, message.id, message.data])).to.deep.equal([['1', '1', 5]]);
  });
});

describe('A queue of CloudEvents that has a type', () => {
  const queue = new Queue(new RecordingDriver(), 'orders', { type: 'order.placed' });

  it('takes messages of that type only', async () => {
    expect(await queue.publish(Placed, 5)).to.equal('1');
    await rejection(queue.publish(Other, 5), InvalidOptionError);
  });

  it('reads others with the type that they tell', () => {
    expect(queue.decode({ jobId: '7', body: Buffer.from(cloudEvents.encode(MESSAGE)) }).type).to.equal('a');
  });
});

describe('A codec of your own', () => {
  const driver = new RecordingDriver();

  function queueWith(codec: Partial<Codec>): Queue {
    return new Queue(driver, 'orders', { codec: { ...cloudEvents, ...codec } });
  }

  it('is two functions', () => {
    for (const codec of [null, {}, { encode: () => Buffer.alloc(0) }, { decode: () => MESSAGE }, 'json']) {
      expect(
        thrown(() => new Queue(driver, 'orders', { codec: codec as unknown as Codec }), InvalidOptionError).message,
      ).to.equal(
        `codec must be an object with the functions encode and decode, such as json or raw, got ${preview(codec)}`,
      );
    }
  });

  it('is told whose body it reads', () => {
    const calls: [Buffer, CodecContext][] = [];
    const codec: Codec = {
      encode: cloudEvents.encode,
      decode: (body, context) => {
        calls.push([body, context]);
        return MESSAGE;
      },
    };
    expect(new Queue(driver, 'orders', { codec, type: 'a' }).decode(STORED)).to.equal(MESSAGE);
    expect(new Queue(driver, 'orders', { codec }).decode(STORED)).to.equal(MESSAGE);
    expect(calls).to.deep.equal([
      [STORED.body, { queue: 'orders', jobId: '7', type: 'a' }],
      [STORED.body, { queue: 'orders', jobId: '7', type: undefined }],
    ]);
  });

  it('may throw what it likes: a DecodeError with that as its cause is what comes of it', () => {
    for (const cause of [new Error('odd'), 'odd']) {
      const decode = (): never => {
        throw cause;
      };
      const error = thrown(() => queueWith({ decode }).decode(STORED), DecodeError);
      expect(error).to.include({ message: 'cannot decode the body: odd', cause, jobId: '7', queue: 'orders' });
      expect(error.body).to.equal(STORED.body);
    }
  });

  it('may throw what nobody can look at', async () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const bare: unknown = Object.create(null);
    for (const cause of [proxy, bare, undefined, Symbol('odd')]) {
      const fail = (): never => {
        throw cause;
      };
      const unreadable = thrown(() => queueWith({ decode: fail }).decode(STORED), DecodeError);
      expect(unreadable.message).to.match(/^cannot decode the body: /);
      expect(unreadable).to.include({ jobId: '7', queue: 'orders' });
      const unwritable = await rejection(queueWith({ encode: fail }).publish(Other, 5), EncodeError);
      expect(unwritable.message).to.match(/^cannot encode a "other" message: /);
    }
  });

  it('may read JSON: the error does not quote the body as that of JSON.parse does', () => {
    const decode = (body: Buffer): Message => JSON.parse(body.toString());
    const error = thrown(() => queueWith({ decode }).decode({ ...STORED, body: Buffer.from('secret') }), DecodeError);
    expect(error).to.include({ message: 'cannot decode the body: the codec failed with a SyntaxError', jobId: '7' });
    expect(error.cause).to.equal(undefined);
    expect(inspect(error)).not.to.include('secret');
  });

  it('has its own DecodeError come through, told whose body it is about', () => {
    const own = new DecodeError('no such version', { cause: 5 });
    const decode = (): never => {
      throw own;
    };
    const error = thrown(() => queueWith({ decode }).decode(STORED), DecodeError);
    expect(error).to.equal(own);
    expect(error).to.include({ message: 'no such version', cause: 5, jobId: '7', queue: 'orders' });
    expect(error.body).to.equal(STORED.body);
  });

  it('must answer with a message, and at once', () => {
    const promises = [Promise.resolve(MESSAGE), Promise.reject(new Error('nobody waits for this'))];
    for (const answer of [undefined, null, {}, { type: 5 }, ...promises]) {
      const error = thrown(() => queueWith({ decode: () => answer as unknown as Message }).decode(STORED), DecodeError);
      expect(error).to.include({ jobId: '7', queue: 'orders' });
      expect(error.message).to.match(
        /^what the codec reads must be a message, got (undefined|null|an object|a Promise)$/,
      );
    }
  });

  it('must write bytes', async () => {
    for (const [answer, given] of [
      ['text', 'a string'],
      [undefined, 'undefined'],
      [Promise.resolve(Buffer.alloc(0)), 'a Promise'],
    ] as const) {
      const encode = () => answer as unknown as Uint8Array;
      expect((await rejection(queueWith({ encode }).publish(Other, 5), EncodeError)).message).to.equal(
        `what the codec writes must be bytes (Uint8Array), got ${given} for a "other" message`,
      );
    }
  });

  it('may throw what it likes when it writes: an EncodeError with that as its cause is what comes of it', async () => {
    const cause = new Error('odd');
    const encode = (): never => {
      throw cause;
    };
    for (const published of [queueWith({ encode }).publish(Other, 5), queueWith({ encode }).publishMany(Other, [5])]) {
      expect(await rejection(published, EncodeError)).to.include({
        message: 'cannot encode a "other" message: odd',
        cause,
      });
    }
    const own = new EncodeError('too odd');
    const throwsOwn = (): never => {
      throw own;
    };
    expect(await rejection(queueWith({ encode: throwsOwn }).publish(Other, 5), EncodeError)).to.equal(own);
  });
});

describe('The error of a body that cannot be read', () => {
  const error = thrown(() => new Queue(new RecordingDriver(), 'mail').decode(STORED), DecodeError);

  it('carries the body, the queue and the id of the engine', () => {
    expect(error).to.include({
      message: 'the body must be JSON, got 14 bytes that are not',
      queue: 'mail',
      jobId: '7',
    });
    expect(error.body).to.equal(STORED.body);
  });

  it('does not show the body to whoever prints it', () => {
    expect(inspect(error)).to.include("jobId: '7'").and.not.include('body:');
    expect(JSON.stringify(error)).not.to.include('body');
  });
});
