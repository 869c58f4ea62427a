import { expect } from 'chai';
import { z } from 'zod';
import { cloudEvents } from '../../src/queue/cloudevents.js';
import type { Codec } from '../../src/queue/codec.js';
import { EncodeError, EngineError, InvalidOptionError, SchemaError, UnsupportedError } from '../../src/queue/errors.js';
import { json } from '../../src/queue/json.js';
import { defineMessage } from '../../src/queue/message.js';
import type { PublishOptions } from '../../src/queue/publishing.js';
import { Queue } from '../../src/queue/queue.js';
import { raw } from '../../src/queue/raw.js';
import { SignalDispatcher } from '../../src/signals/dispatcher.js';
import type { SignalEvents } from '../../src/signals/signals.js';
import { rejection, thrown } from '../support/failures.js';
import { RecordingDriver } from '../support/recording-driver.js';

const SendMail = defineMessage<{ to: string }>('mail.send');
const Remind = defineMessage('remind', z.object({ at: z.string().transform((text) => new Date(text)) }));

describe('A queue', () => {
  it('has a name that every engine allows', () => {
    expect(new Queue(new RecordingDriver(), 'mail/urgent-1').name).to.equal('mail/urgent-1');
    for (const name of ['', '-mail', 'mail box', 'x'.repeat(201)]) {
      thrown(() => new Queue(new RecordingDriver(), name), InvalidOptionError);
    }
  });

  it('has a source that is a URI reference', () => {
    const sources = [
      '/orders',
      'https://shop.example/a?b=c#d',
      'urn:isbn:1',
      'mailto:a@b.example',
      '//[::1]:80/x',
      '%20',
    ];
    for (const source of sources) expect(new Queue(new RecordingDriver(), 'mail', { source }).name).to.equal('mail');
    for (const source of [
      '//"@[::1]',
      '//a b@[::1]',
      '',
      'a b',
      'é',
      '1:a',
      'a#b#c',
      '%2',
      'a[b]',
      '//[a]',
      '//[::1]:a',
      '<a>',
      5,
      null,
    ]) {
      expect(
        thrown(() => new Queue(new RecordingDriver(), 'mail', { source: source as string }), InvalidOptionError)
          .message,
      ).to.equal(
        `a source must be a URI reference such as "https://shop.example/orders" or "/orders", got ${JSON.stringify(source)}`,
      );
    }
  });
});

describe('Queue.publish', () => {
  let driver: RecordingDriver;
  let queue: Queue;

  beforeEach(() => {
    driver = new RecordingDriver();
    queue = new Queue(driver, 'mail');
  });

  it("stores the message and returns the engine's id", async () => {
    expect(await queue.publish(SendMail, { to: 'a' })).to.equal('1');
    expect(await queue.publish(SendMail, { to: 'b' })).to.equal('2');
    expect(driver.puts.map(({ queue: name }) => name)).to.deep.equal(['mail', 'mail']);
  });

  it('stores a message with an id of its own, the time, its source and its headers', async () => {
    const before = Date.now();
    await queue.publish(SendMail, { to: 'a' }, { headers: { tenant: 't', 'X-A': 'b' } });
    await new Queue(driver, 'mail', { source: 'https://a.example/shop' }).publish(SendMail, { to: 'b' });
    const [first, second] = driver.puts.map(({ body }) => cloudEvents.decode(body));
    expect(first).to.deep.include({
      type: 'mail.send',
      data: { to: 'a' },
      source: '/haricot/mail',
      headers: { tenant: 't', 'X-A': 'b' },
    });
    expect(first?.time.getTime()).to.be.within(before, Date.now());
    expect(first?.id).to.match(/^[0-9a-f-]{36}$/);
    expect(second).to.deep.include({ source: 'https://a.example/shop', headers: {} });
    expect(second?.id).not.to.equal(first?.id);
  });

  it('fills in the options', async () => {
    await queue.publish(SendMail, { to: 'a' });
    await queue.publish(SendMail, { to: 'a' }, { priority: undefined, delay: undefined, ttr: undefined });
    await queue.publish(SendMail, { to: 'a' }, { priority: 0, delay: '1.5s', ttr: 90_000 });
    await queue.publish(SendMail, { to: 'a' }, { priority: 4_294_967_295 });
    expect(driver.puts.map(({ options }) => options)).to.deep.equal([
      { priority: 1024, delayMs: 0, ttrMs: 60_000 },
      { priority: 1024, delayMs: 0, ttrMs: 60_000 },
      { priority: 0, delayMs: 1500, ttrMs: 90_000 },
      { priority: 4_294_967_295, delayMs: 0, ttrMs: 60_000 },
    ]);
  });

  it('takes what it is not told from the defaults of the queue', async () => {
    const slow = new Queue(driver, 'mail', { defaults: { ttr: '5m', priority: 7, delay: '2s' } });
    await slow.publish(SendMail, { to: 'a' });
    await slow.publishMany(SendMail, [{ to: 'a' }], { priority: 8, delay: 0 });
    await new Queue(driver, 'mail', { defaults: { ttr: undefined, delay: 5 } }).publish(SendMail, { to: 'a' });
    expect(driver.puts.map(({ options }) => options)).to.deep.equal([
      { priority: 7, delayMs: 2000, ttrMs: 300_000 },
      { priority: 8, delayMs: 0, ttrMs: 300_000 },
      { priority: 1024, delayMs: 5, ttrMs: 60_000 },
    ]);
    for (const defaults of [{ ttr: 999 }, { priority: -1 }, { delay: 'soon' }]) {
      thrown(() => new Queue(driver, 'mail', { defaults }), InvalidOptionError);
    }
  });

  it('gives the message the id that it is told', async () => {
    await queue.publish(SendMail, { to: 'a' }, { id: 'order-7' });
    await queue.publish(SendMail, { to: 'a' }, { id: undefined });
    const [first, second] = driver.puts.map(({ body }) => cloudEvents.decode(body).id);
    expect(first).to.equal('order-7');
    expect(second).to.match(/^[0-9a-f-]{36}$/);
    for (const id of ['', '\ud800', 5, null] as string[]) {
      const error = await rejection(queue.publish(SendMail, { to: 'a' }, { id }), InvalidOptionError);
      expect(error.message).to.match(/^the id of a message must be a string that is not empty and without lone /);
    }
    const bare = new Queue(driver, 'mail', { codec: json, type: 'mail.send' });
    expect((await rejection(bare.publish(SendMail, { to: 'a' }, { id: 'a' }), InvalidOptionError)).message).to.equal(
      'the id of a message in queue "mail" must be the engine\'s, got "a": its codec writes nothing but the data',
    );
    expect(driver.puts).to.have.length(2);
  });

  it('hands the transaction of the user to the engine, where that has any', async () => {
    const transaction = {};
    await queue.publish(SendMail, { to: 'a' }, { transaction });
    await queue.publishMany(SendMail, [{ to: 'a' }], { transaction });
    await queue.publish(SendMail, { to: 'a' }, { transaction: undefined });
    expect(driver.calls).to.deep.equal([
      ['put', ['mail'], { transaction }],
      ['put', ['mail'], { transaction }],
      ['put', ['mail'], undefined],
    ]);
    await rejection(queue.publish(SendMail, { to: 'a' }, { transaction: 'begin' as never }), InvalidOptionError);
    const without = new Queue(new RecordingDriver({ transactions: false }), 'mail');
    await rejection(without.publish(SendMail, { to: 'a' }, { transaction }), UnsupportedError);
  });

  it('refuses options that cannot be meant, and stores nothing', async () => {
    const wrong: [PublishOptions, RegExp][] = [
      [{ priority: -1 }, /^priority must be an integer from 0 to 4294967295, got -1$/],
      [{ priority: 4_294_967_296 }, /got 4294967296$/],
      [{ priority: 1.5 }, /got 1\.5$/],
      [{ priority: Number.NaN }, /got NaN$/],
      [{ priority: '5' as unknown as number }, /got "5"$/],
      [{ delay: -1 }, /^delay must be .*got -1$/],
      [{ delay: 'soon' }, /^delay must be .*got "soon"$/],
      [{ delay: 1e300 }, /^delay must be .*got 1e\+300$/],
      [{ delay: 2 ** 53 }, /^delay must be /],
      [{ delay: '1y' }, /^delay must be .*got "1y"$/],
      [{ ttr: 60 }, /^ttr must be at least 1 second \(ttr is a number of milliseconds or .*\), got 60$/],
      [{ ttr: 0 }, /^ttr must be at least 1 second .*, got 0$/],
      [{ ttr: Number.POSITIVE_INFINITY }, /^ttr must be .*got Infinity$/],
    ];
    for (const [options, message] of wrong) {
      expect((await rejection(queue.publish(SendMail, { to: 'a' }, options), InvalidOptionError)).message).to.match(
        message,
      );
      await rejection(queue.publishMany(SendMail, [{ to: 'a' }], options), InvalidOptionError);
    }
    expect(driver.puts).to.deep.equal([]);
  });

  it('refuses headers that are no texts, and stores nothing', async () => {
    const wrong: [unknown, string][] = [
      [{ tenant: 5 }, 'the header "tenant" must be a string, got 5'],
      [{ tenant: undefined }, 'the header "tenant" must be a string, got undefined'],
      [{ a: 'b', c: {} }, 'the header "c" must be a string, got an object'],
      [null, 'headers must be an object of strings, got null'],
      ['a=b', 'headers must be an object of strings, got "a=b"'],
      [new Map([['a', 'b']]), 'headers must be an object of strings, got a Map'],
      [new Headers({ a: 'b' }), 'headers must be an object of strings, got a Headers'],
      [[['a', 'b']], 'headers must be an object of strings, got an array of 1'],
    ];
    for (const [headers, message] of wrong) {
      const options = { headers } as PublishOptions;
      expect((await rejection(queue.publish(SendMail, { to: 'a' }, options), InvalidOptionError)).message).to.equal(
        message,
      );
      await rejection(queue.publishMany(SendMail, [{ to: 'a' }], options), InvalidOptionError);
    }
    expect(driver.puts).to.deep.equal([]);
    const bare = Object.assign(Object.create(null) as Record<string, string>, { a: 'b' });
    expect(await queue.publish(SendMail, { to: 'a' }, { headers: bare })).to.equal('1');
  });

  it('refuses what is no message type, and stores nothing', async () => {
    for (const type of ['mail.send', {}, { type: '' }, undefined] as unknown as (typeof SendMail)[]) {
      expect((await rejection(queue.publish(type, { to: 'a' }), InvalidOptionError)).message).to.match(
        /^a message type must be a string that is not empty and without lone surrogates, got /,
      );
      await rejection(queue.publishMany(type, [{ to: 'a' }]), InvalidOptionError);
    }
    expect(driver.puts).to.deep.equal([]);
  });

  it('stores a message without data where there is none', async () => {
    await queue.publish(defineMessage('ping'), undefined);
    expect(driver.puts.map(({ body }) => cloudEvents.decode(body).data)).to.deep.equal([undefined]);
  });

  it('refuses a promise as data: somebody forgot to wait for it', async () => {
    const message = 'the data of a message of type "ping" must not be a promise, got one; await it first';
    const data = Promise.resolve(5);
    expect((await rejection(queue.publish(defineMessage('ping'), data), EncodeError)).message).to.equal(message);
    expect((await rejection(queue.publishMany(defineMessage('ping'), [data]), EncodeError)).message).to.equal(message);
    expect(driver.puts).to.deep.equal([]);
  });

  it('waits for a schema that is asynchronous', async () => {
    const Known = defineMessage(
      'known',
      z.string().refine(async (name) => name === 'a'),
    );
    expect(await queue.publish(Known, 'a')).to.equal('1');
    expect((await rejection(queue.publish(Known, 'b'), SchemaError)).type).to.equal('known');
    expect(await queue.publishMany(Known, ['a', 'a'])).to.deep.equal(['2', '3']);
    await rejection(queue.publishMany(Known, ['a', 'b', 'b']), SchemaError);
    expect(driver.puts).to.have.length(3);
  });

  it('checks the data, and stores it as it was given', async () => {
    await queue.publish(Remind, { at: '2026-01-02' });
    expect(driver.puts.map(({ body }) => cloudEvents.decode(body).data)).to.deep.equal([{ at: '2026-01-02' }]);
    await rejection(queue.publish(Remind, { at: 5 } as unknown as { at: string }), SchemaError);
    expect(driver.puts).to.have.length(1);
  });

  it('checks the data as it will be received, once the codec has written it', async () => {
    const Dated = defineMessage('dated', z.object({ at: z.date() }));
    const Coerced = defineMessage('coerced', z.object({ at: z.coerce.date() }));
    const Bytes = defineMessage('bytes', z.instanceof(Buffer));
    const at = new Date('2026-01-02T03:04:05Z');
    const error = await rejection(queue.publish(Dated, { at }), SchemaError);
    expect(error.issues.map(({ path }) => path)).to.deep.equal(['at']);
    await rejection(queue.publishMany(Dated, [{ at }]), SchemaError);
    expect(driver.puts).to.deep.equal([]);
    await queue.publish(Coerced, { at });
    await queue.publish(Bytes, Buffer.from('a'));
    await new Queue(driver, 'mail', { codec: raw, type: 'bytes' }).publish(Bytes, Buffer.from('a'));
    await new Queue(driver, 'mail', { codec: json, type: 'coerced' }).publishMany(Coerced, [{ at }]);
    expect(driver.puts).to.have.length(4);
  });

  it('does not read what it has written where no schema checks it', async () => {
    const decode = (): never => expect.fail('read for nothing');
    await new Queue(driver, 'mail', { codec: { ...cloudEvents, decode } }).publish(SendMail, { to: 'a' });
    expect(driver.puts).to.have.length(1);
  });

  it('refuses what its codec cannot read again, where a schema is to check it', async () => {
    const cause = new Error('odd');
    const decode = (): never => {
      throw cause;
    };
    const blind = new Queue(driver, 'mail', { codec: { ...cloudEvents, decode } });
    const error = await rejection(blind.publish(Remind, { at: '2026-01-02' }), EncodeError);
    expect(error.message).to.equal('cannot encode a "remind" message: the codec cannot read what it has written');
    expect((error.cause as Error).cause).to.equal(cause);
    expect(driver.puts).to.deep.equal([]);
  });

  it('rejects with what a schema throws as it is: it says nothing of the data', async () => {
    const broken = new Error('no database');
    for (const validate of [
      (): never => {
        throw broken;
      },
      async (): Promise<never> => Promise.reject(broken),
    ]) {
      const Known = defineMessage('known', { '~standard': { version: 1, vendor: 'by hand', validate } } as const);
      expect(await rejection(queue.publish(Known, 5), Error)).to.equal(broken);
      expect(await rejection(queue.publishMany(Known, [5, 6]), Error)).to.equal(broken);
    }
    expect(driver.puts).to.deep.equal([]);
  });

  it('stores nothing that the codec cannot write', async () => {
    await rejection(queue.publish(defineMessage('big'), 5n), EncodeError);
    expect(driver.puts).to.deep.equal([]);
  });

  it('writes with the codec that the queue was given', async () => {
    const codec: Codec = {
      encode: ({ data }) => Buffer.from(String(data)),
      decode: (body) => ({ ...cloudEvents.decode(body) }),
    };
    await new Queue(driver, 'mail', { codec }).publish(defineMessage<string>('bare'), 'just this');
    expect(driver.puts[0]?.body.toString()).to.equal('just this');
  });
});

describe('Queue.publishMany', () => {
  it('stores all in one go and returns the ids in order', async () => {
    const driver = new RecordingDriver();
    const queue = new Queue(driver, 'mail');
    const ids = await queue.publishMany(SendMail, [{ to: 'a' }, { to: 'b' }, { to: 'c' }], { delay: '2s' });
    expect(ids).to.deep.equal(['1', '2', '3']);
    expect(driver.calls).to.deep.equal([['put', ['mail', 'mail', 'mail'], undefined]]);
    expect(driver.puts.map(({ body, options }) => [cloudEvents.decode(body).data, options.delayMs])).to.deep.equal([
      [{ to: 'a' }, 2000],
      [{ to: 'b' }, 2000],
      [{ to: 'c' }, 2000],
    ]);
  });

  it('does not ask the engine where there is nothing to store', async () => {
    const driver = new RecordingDriver();
    expect(await new Queue(driver, 'mail').publishMany(SendMail, [])).to.deep.equal([]);
    expect(driver.calls).to.deep.equal([]);
  });

  it('takes a list and nothing else', async () => {
    const queue = new Queue(new RecordingDriver(), 'mail');
    const data = { to: 'a' } as unknown as { to: string }[];
    expect((await rejection(queue.publishMany(SendMail, data), InvalidOptionError)).message).to.equal(
      'the data of publishMany must be an array, got an object',
    );
  });

  it('stores none where one does not fit the schema', async () => {
    const driver = new RecordingDriver();
    const data = [{ at: '2026-01-02' }, { at: 5 } as unknown as { at: string }];
    await rejection(new Queue(driver, 'mail').publishMany(Remind, data), SchemaError);
    expect(driver.puts).to.deep.equal([]);
  });
});

describe('messageSubmitted', () => {
  it('is emitted for every message, once the engine has it', async () => {
    const driver = new RecordingDriver();
    const signals = new SignalDispatcher();
    const events: SignalEvents['messageSubmitted'][] = [];
    signals.connect('messageSubmitted', (event) => events.push(event));
    const queue = new Queue(driver, 'mail', { signals });
    await queue.publish(SendMail, { to: 'a' });
    await queue.publishMany(SendMail, [{ to: 'b' }, { to: 'c' }]);
    expect(events.map(({ queue: name, jobId, message }) => [name, jobId, message.data])).to.deep.equal([
      ['mail', '1', { to: 'a' }],
      ['mail', '2', { to: 'b' }],
      ['mail', '3', { to: 'c' }],
    ]);
    expect(events.map(({ message }) => message)).to.deep.equal(driver.puts.map(({ body }) => cloudEvents.decode(body)));
  });

  it('says whether the message is there only once a transaction commits', async () => {
    const signals = new SignalDispatcher();
    const told: boolean[] = [];
    signals.connect('messageSubmitted', ({ inTransaction }) => told.push(inTransaction));
    const queue = new Queue(new RecordingDriver(), 'mail', { signals });
    await queue.publish(SendMail, { to: 'a' });
    await queue.publish(SendMail, { to: 'b' }, { transaction: {} });
    await queue.publishMany(SendMail, [{ to: 'c' }], { transaction: {} });
    expect(told).to.deep.equal([false, true, true]);
  });

  it('is not emitted for what the engine refuses, and the publisher gets the error as it is', async () => {
    const driver = new RecordingDriver();
    const signals = new SignalDispatcher();
    signals.connect('messageSubmitted', () => expect.fail('told of a message that is not there'));
    const queue = new Queue(driver, 'mail', { signals });
    const full = new Error('full');
    driver.put = () => Promise.reject(full);
    expect(await rejection(queue.publish(SendMail, { to: 'a' }), Error)).to.equal(full);
    expect(await rejection(queue.publishMany(SendMail, [{ to: 'a' }]), Error)).to.equal(full);
  });

  it('is emitted for the part that is stored when an engine could store a part only', async () => {
    const driver = new RecordingDriver();
    const signals = new SignalDispatcher();
    const told: [jobId: string, data: unknown][] = [];
    signals.connect('messageSubmitted', ({ jobId, message }) => told.push([jobId, message.data]));
    const queue = new Queue(driver, 'mail', { signals });
    const partial = new EngineError('too large', { outcome: 'partial', storedIds: ['7', undefined, '9'] });
    driver.put = () => Promise.reject(partial);
    expect(await rejection(queue.publishMany(defineMessage('a'), [1, 2, 3]), EngineError)).to.equal(partial);
    expect(told).to.deep.equal([
      ['7', 1],
      ['9', 3],
    ]);
  });

  it('cannot fail the publishing', async () => {
    const signals = new SignalDispatcher();
    signals.connect('messageSubmitted', () => {
      throw new Error('an observer that fails');
    });
    expect(await new Queue(new RecordingDriver(), 'mail', { signals }).publish(SendMail, { to: 'a' })).to.equal('1');
  });
});
