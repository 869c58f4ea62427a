import { expect } from 'chai';
import { openMemory } from '../../src/drivers/memory/driver.js';
import type { Driver, ListOptions } from '../../src/queue/driver.js';
import { InvalidOptionError } from '../../src/queue/errors.js';
import { defineMessage } from '../../src/queue/message.js';
import { Queue } from '../../src/queue/queue.js';
import { buryAll, buryBody } from '../support/buried.js';
import { disguisedDriver } from '../support/disguised-driver.js';
import { rejection } from '../support/failures.js';

const Placed = defineMessage('order.placed');

describe('Queue.failed', () => {
  let memory: Driver;
  let queue: Queue;
  /** What the engine was asked to list. */
  let listed: ListOptions[];
  /** Called before the engine lists. */
  let beforeList: () => Promise<unknown>;

  beforeEach(() => {
    memory = openMemory('memory:', { prefix: '' });
    listed = [];
    beforeList = async () => {};
    const list: Driver['list'] = async (name, options) => {
      await beforeList();
      listed.push(options);
      return memory.list(name, options);
    };
    queue = new Queue(disguisedDriver(memory, { list }), 'orders');
  });

  afterEach(() => memory.close());

  async function idsOf(options: Parameters<Queue['failed']>[0]): Promise<string[]> {
    return (await queue.failed(options)).messages.map(({ jobId }) => jobId);
  }

  it('shows the buried messages with why they failed, the one buried first at the beginning', async () => {
    const ids = await buryAll(queue, [
      ['b', 'attempts'],
      ['a', 'invalid'],
    ]);
    const { messages, next } = await queue.failed();
    expect(messages.map(({ jobId, failure }) => [jobId, failure?.reason, failure?.message])).to.deep.equal([
      [ids[0], 'attempts', 'no. 0'],
      [ids[1], 'invalid', 'no. 1'],
    ]);
    expect(next).to.equal(undefined);
  });

  it('shows those of a type, of a reason, and of both', async () => {
    const ids = await buryAll(queue, [
      ['order.placed', 'attempts'],
      ['order.placed', 'invalid'],
      ['other', 'invalid'],
    ]);
    expect(await idsOf({ type: 'order.placed' })).to.deep.equal(ids.slice(0, 2));
    expect(await idsOf({ type: Placed })).to.deep.equal(ids.slice(0, 2));
    expect(await idsOf({ reason: 'invalid' })).to.deep.equal(ids.slice(1));
    expect(await idsOf({ type: Placed, reason: 'invalid' })).to.deep.equal([ids[1]]);
    expect(await idsOf({ type: 'nothing.published' })).to.deep.equal([]);
  });

  it('is not disturbed by a body that cannot be read, which has no type', async () => {
    const broken = await buryBody(queue, 'no JSON');
    const [placed] = await buryAll(queue, [['order.placed', 'invalid']]);
    expect(await idsOf({})).to.deep.equal([broken, placed]);
    expect(await idsOf({ type: Placed })).to.deep.equal([placed]);
    expect(await idsOf({ reason: 'undecodable' })).to.deep.equal([broken]);
  });

  it('shows page after page, each message once, whatever the limit', async () => {
    const types = Array.from({ length: 11 }, (_, index) => (index % 3 === 0 ? 'other' : 'order.placed'));
    const all = await buryAll(
      queue,
      types.map((type) => [type, 'attempts']),
    );
    const placed = all.filter((_, index) => types[index] === 'order.placed');
    for (const [options, expected] of [
      [{}, all],
      [{ type: Placed }, placed],
    ] as const) {
      for (let limit = 1; limit <= 12; limit++) {
        const seen: string[] = [];
        let after: string | undefined;
        do {
          const page = await queue.failed({ ...options, limit, after });
          expect(page.messages.length).to.be.at.most(limit);
          seen.push(...page.messages.map(({ jobId }) => jobId));
          after = page.next;
        } while (after !== undefined);
        expect(seen, `limit ${limit}`).to.deep.equal(expected);
      }
    }
  });

  it('goes on with what matches, though messages are removed while it looks', async () => {
    const ids = await buryAll(
      queue,
      Array.from({ length: 6 }, () => ['order.placed', 'attempts'] as const),
    );
    let calls = 0;
    beforeList = async () => {
      // Between the look at all and the page that is to end behind the second.
      if (++calls === 2) await queue.delete(ids[0] ?? '');
    };
    const { messages, next } = await queue.failed({ type: Placed, limit: 2 });
    expect(messages.map(({ jobId }) => jobId)).to.deep.equal(ids.slice(1, 3));
    expect(await idsOf({ type: Placed, after: next })).to.deep.equal(ids.slice(3));
  });

  it('looks through many in pages, so that memory is bounded', async () => {
    await queue.publishMany(Placed, Array(1200).fill(0));
    const consumer = await memory.consume(['orders'], { concurrency: 1200 });
    const held = await consumer.reserve({ max: 1200 });
    expect(held).to.have.length(1200);
    await consumer.settle(held.map((message) => ({ kind: 'bury', message }) as const));
    await buryAll(queue, [['other', 'invalid']]);
    listed.length = 0;
    expect(await idsOf({ type: 'other' })).to.have.length(1);
    expect(listed.map(({ limit }) => limit)).to.deep.equal([500, 500, 500]);
    await consumer.close();
  });

  it('refuses what is invalid', async () => {
    const wrong: [Parameters<Queue['failed']>[0], string][] = [
      [{ limit: 1.5 }, 'limit must be an integer of at least 1, got 1.5'],
      [{ type: '' }, 'a message type must be a string that is not empty and without lone surrogates, got ""'],
      [
        { type: {} as never },
        'a message type must be a string that is not empty and without lone surrogates, got undefined',
      ],
      [{ reason: 5 as never }, 'reason must be a string that is not empty, got 5'],
      [{ after: 5 as never }, 'after must be a string that is not empty, got 5'],
    ];
    for (const [options, message] of wrong) {
      expect((await rejection(queue.failed(options), InvalidOptionError)).message).to.equal(message);
    }
    expect(listed).to.deep.equal([]);
  });
});
