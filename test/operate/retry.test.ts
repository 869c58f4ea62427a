import { expect } from 'chai';
import { z } from 'zod';
import { openMemory } from '../../src/drivers/memory/driver.js';
import { cloudEvents } from '../../src/queue/cloudevents.js';
import type { Driver } from '../../src/queue/driver.js';
import { EncodeError, InvalidOptionError, SchemaError } from '../../src/queue/errors.js';
import { json } from '../../src/queue/json.js';
import { defineMessage } from '../../src/queue/message.js';
import { Queue } from '../../src/queue/queue.js';
import { buryAll, buryBody } from '../support/buried.js';
import { disguisedDriver } from '../support/disguised-driver.js';
import { rejection } from '../support/failures.js';

const Placed = defineMessage('order.placed', z.object({ id: z.number() }));

describe('Queue.retry', () => {
  let driver: Driver;
  let queue: Queue;

  beforeEach(() => {
    driver = openMemory('memory:', { prefix: '' });
    queue = new Queue(driver, 'orders');
  });

  afterEach(() => driver.close());

  async function idsIn(state: 'ready' | 'buried', of: Queue = queue): Promise<string[]> {
    return (await of.list({ state })).messages.map(({ jobId }) => jobId);
  }

  const MIXED = [
    ['order.placed', 'attempts'],
    ['other', 'invalid'],
    ['order.placed', 'invalid'],
    ['order.placed', 'attempts'],
  ] as const;

  it('makes those ready that are named, and the first ones', async () => {
    const ids = await buryAll(queue, MIXED);
    expect(await queue.retry({ ids: [ids[2] ?? '', '999'] })).to.equal(1);
    expect(await idsIn('ready')).to.deep.equal([ids[2]]);
    expect(await queue.retry({ limit: 2 })).to.equal(2);
    expect(await idsIn('buried')).to.deep.equal([ids[3]]);
    expect(await queue.retry({ ids: [] })).to.equal(0);
  });

  it('makes those of a type or reason ready, or so many of them, those buried first first', async () => {
    const ids = await buryAll(queue, MIXED);
    const broken = await buryBody(queue, 'no JSON');
    expect(await queue.retry({ type: 'order.placed', limit: 0 })).to.equal(0);
    expect(await queue.retry({ type: 'order.placed', limit: 1 })).to.equal(1);
    expect(await idsIn('ready')).to.deep.equal([ids[0]]);
    expect(await queue.retry({ type: Placed, reason: 'attempts' })).to.equal(1);
    expect(await idsIn('buried')).to.deep.equal([ids[1], ids[2], broken]);
    expect(await queue.retry({ reason: 'invalid' })).to.equal(2);
    expect(await idsIn('buried')).to.deep.equal([broken]);
  });

  it('retries each once, though they are buried again meanwhile', async () => {
    const retry: Driver['retry'] = async (name, selection) => {
      const retried = await driver.retry(name, selection);
      for (let n = 0; n < retried; n++) await (await queue.reserve({ timeout: 0 }))?.bury();
      return retried;
    };
    await buryAll(queue, MIXED);
    expect(await new Queue(disguisedDriver(driver, { retry }), 'orders').retry({ type: 'order.placed' })).to.equal(3);
  });

  it('reaches all of many, in bounded pages', async () => {
    await queue.publishMany(defineMessage('order.placed'), Array(1200).fill(0));
    const consumer = await driver.consume(['orders'], { concurrency: 1200 });
    const held = await consumer.reserve({ max: 1200 });
    await consumer.settle(held.map((message) => ({ kind: 'bury', message }) as const));
    await consumer.close();
    expect(await queue.retry({ type: 'order.placed' })).to.equal(1200);
    expect(await queue.stats()).to.include({ ready: 1200, buried: 0 });
  });

  it('refuses a selection that says nothing, or two things at once', async () => {
    const wrong: [selection: object, message: string][] = [
      [{}, 'the selection of retry must have ids, limit, type or reason, got none of them'],
      [{ ids: undefined }, 'the selection of retry must have ids, limit, type or reason, got none of them'],
      [{ ids: ['1'], limit: 1 }, 'the selection of retry must have ids or limit, got both'],
      [{ ids: ['1'], type: 'a' }, 'the selection of retry must have ids or type, got both'],
      [{ ids: ['1'], reason: 'a' }, 'the selection of retry must have ids or reason, got both'],
      [{ ids: '1' }, 'the job ids must be an array, got "1"'],
      [{ limit: -1 }, 'limit must be an integer of at least 0, got -1'],
      [{ limit: -1, type: 'a' }, 'limit must be an integer of at least 0, got -1'],
      [{ type: '' }, 'a message type must be a string that is not empty and without lone surrogates, got ""'],
    ];
    for (const data of [
      { data: 5 },
      { data: 5, ids: [] },
      { data: 5, ids: ['1', '2'] },
      { data: 5, ids: ['1'], limit: 1 },
      { data: 5, ids: ['1'], reason: 'a' },
    ]) {
      wrong.push([data, 'the selection of retry must have one id, and no limit or reason, where data is given']);
    }
    for (const [selection, message] of wrong) {
      expect((await rejection(queue.retry(selection), InvalidOptionError)).message).to.equal(message);
    }
  });

  describe('with data', () => {
    it('gives the one message other data: it keeps its id, time, headers and source', async () => {
      const [jobId = ''] = await buryAll(queue, [['order.placed', 'invalid']]);
      const before = queue.decode((await queue.failed()).messages[0] ?? expect.fail());
      expect(await queue.retry({ ids: [jobId], data: { id: 7 } })).to.equal(1);
      const after = await queue.take({ timeout: 0 });
      expect(after).to.deep.equal({ ...before, data: { id: 7 } });
      expect(after?.headers).to.deep.equal({ place: '0' });
    });

    it('checks it by the schema of the type that is given, or that the queue was given', async () => {
      const [jobId = ''] = await buryAll(queue, [['order.placed', 'invalid']]);
      const typed = new Queue(driver, 'orders', { type: Placed });
      await rejection(queue.retry({ ids: [jobId], type: Placed, data: { id: 'seven' } }), SchemaError);
      await rejection(typed.retry({ ids: [jobId], data: { id: 'seven' } }), SchemaError);
      await rejection(queue.retry({ ids: [jobId], data: 7n }), EncodeError);
      await rejection(queue.retry({ ids: [jobId], data: Promise.resolve(7) }), EncodeError);
      expect(await idsIn('buried')).to.deep.equal([jobId]);
      expect(await typed.retry({ ids: [jobId], data: { id: 7 } })).to.equal(1);
    });

    it('refuses another type than the message has', async () => {
      const [jobId = ''] = await buryAll(queue, [['other', 'invalid']]);
      const error = await rejection(queue.retry({ ids: [jobId], type: Placed, data: { id: 7 } }), InvalidOptionError);
      expect(error.message).to.equal(`the type of message "${jobId}" must be "other", got "order.placed"`);
      // The schema of the queue is that of another type.
      expect(await new Queue(driver, 'orders', { type: Placed }).retry({ ids: [jobId], data: 'any' })).to.equal(1);
    });

    it('makes a message of a body that cannot be read, where the type is known', async () => {
      const jobId = await buryBody(queue, 'no JSON');
      const error = await rejection(queue.retry({ ids: [jobId], data: { id: 7 } }), InvalidOptionError);
      expect(error.message).to.equal(
        `cannot edit message "${jobId}": its body cannot be read, so its type is unknown; name it in the option type`,
      );
      expect(await queue.retry({ ids: [jobId], data: { id: 7 }, type: Placed })).to.equal(1);
      expect(await queue.take({ timeout: 0 })).to.deep.include({ type: 'order.placed', data: { id: 7 }, headers: {} });
      const bare = new Queue(driver, 'bare', { codec: json, type: 'order.placed' });
      const other = await buryBody(bare, '{');
      expect(await bare.retry({ ids: [other], data: null })).to.equal(1);
      expect((await bare.take({ timeout: 0 }))?.data).to.equal(null);
    });

    it('changes nothing that is not buried, and finds nothing where there is nothing', async () => {
      const jobId = await queue.publish(defineMessage('order.placed'), 5);
      expect(await queue.retry({ ids: [jobId], data: 6 })).to.equal(0);
      expect(await queue.retry({ ids: ['999'], data: 6 })).to.equal(0);
      expect((await queue.take({ timeout: 0 }))?.data).to.equal(5);
    });

    it('may be no data at all', async () => {
      const [jobId = ''] = await buryAll(queue, [['order.placed', 'invalid']]);
      expect(await queue.retry({ ids: [jobId], data: undefined })).to.equal(1);
      const [stored] = (await queue.list({ state: 'ready' })).messages;
      expect(cloudEvents.decode(stored?.body ?? Buffer.alloc(0)).data).to.equal(undefined);
    });
  });
});
