import { expect } from 'chai';
import { openMemory } from '../../src/drivers/memory/driver.js';
import { resolveCapabilities } from '../../src/queue/capabilities.js';
import { cloudEvents } from '../../src/queue/cloudevents.js';
import type { Driver } from '../../src/queue/driver.js';
import { DecodeError, EngineError, InvalidOptionError, UnsupportedError } from '../../src/queue/errors.js';
import { json } from '../../src/queue/json.js';
import { defineMessage } from '../../src/queue/message.js';
import { Queue } from '../../src/queue/queue.js';
import { raw } from '../../src/queue/raw.js';
import { buryAll, buryBody } from '../support/buried.js';
import { disguisedDriver } from '../support/disguised-driver.js';
import { rejection } from '../support/failures.js';

const Placed = defineMessage('order.placed');

/** An engine that shows no more than the first message that is ready or delayed, as beanstalkd does. */
function showingTheFirst(driver: Driver, parts: Partial<Driver> = {}): Driver {
  const capabilities = { ...driver.capabilities, list: { ready: 'first', delayed: 'first' } } as const;
  return disguisedDriver(driver, { capabilities, ...parts });
}

function twice(driver: Driver): [Driver, Driver] {
  return [driver, driver];
}

describe('Queue.moveTo', () => {
  let here: Driver;
  let there: Driver;

  beforeEach(() => {
    here = openMemory('memory:', { prefix: '' });
    there = openMemory('memory:', { prefix: '' });
  });

  afterEach(async () => {
    await here.close();
    await there.close();
  });

  async function dataIn(queue: Queue, state: 'ready' | 'delayed' | 'buried' = 'ready'): Promise<unknown[]> {
    return (await queue.list({ state })).messages.map((message) => queue.decode(message).data);
  }

  for (const [where, driversOf, isAtomic] of [
    ['on the same engine, at once', (): [Driver, Driver] => [here, here], true],
    ['on the same engine where that cannot move', (): [Driver, Driver] => twice(disguisedDriver(here, {})), false],
    ['on another engine', (): [Driver, Driver] => [here, there], false],
  ] as const) {
    describe(where, () => {
      let source: Queue;
      let target: Queue;

      beforeEach(() => {
        const [from, to] = driversOf();
        source = new Queue(from, 'a');
        target = new Queue(to, 'b');
      });

      it('moves those that are named, whatever their state, and leaves out what is held or gone', async () => {
        const [buried = ''] = await buryAll(source, [['order.placed', 'invalid']]);
        const ready = await source.publish(Placed, 'ready');
        const delayed = await source.publish(Placed, 'delayed', { delay: '1h' });
        const other = await source.publish(Placed, 'other', { priority: 0 });
        const held = await source.reserve({ timeout: 0 });
        expect(held?.jobId).to.equal(other);
        const ids = [buried, ready, delayed, other, '999', ready];
        expect(await source.moveTo(target, { ids })).to.deep.equal({ moved: 3, duplicated: 0 });
        expect(await dataIn(target)).to.have.members([0, 'ready']);
        expect(await dataIn(target, 'delayed')).to.deep.equal(['delayed']);
        expect(await source.stats()).to.include({ ready: 0, delayed: 0, reserved: 1, buried: 0 });
        await held?.ack();
      });

      it('keeps priority, TTR, headers, id, time and the rest of a delay; attempts begin anew', async () => {
        const options = { priority: 7, ttr: '5m', headers: { tenant: 'a' }, id: 'order-7' };
        const ready = await source.publish(Placed, 5, options);
        await source.publish(Placed, 6, { delay: '1h' });
        const [before] = (await source.list({ state: 'delayed' })).messages;
        const reservation = await source.reserve({ timeout: 0 });
        await reservation?.release();
        const message = source.decode((await source.find(ready)) ?? expect.fail());
        expect(await source.moveTo(target, { state: 'ready' })).to.deep.equal({ moved: 1, duplicated: 0 });
        expect(await source.moveTo(target, { state: 'delayed' })).to.deep.equal({ moved: 1, duplicated: 0 });
        const [moved] = (await target.list({ state: 'ready' })).messages;
        expect(moved).to.include({ priority: 7, ttrMs: 300_000, attempts: 0, state: 'ready', failure: undefined });
        expect(target.decode(moved ?? expect.fail())).to.deep.equal(message);
        expect(message).to.deep.include({ id: 'order-7', headers: { tenant: 'a' } });
        const [delayed] = (await target.list({ state: 'delayed' })).messages;
        expect((delayed?.dueAt?.getTime() ?? 0) - (before?.dueAt?.getTime() ?? 0)).to.be.within(-1000, 1000);
      });

      it('moves the buried of a type or reason, or so many of them: they become ready', async () => {
        await buryAll(source, [
          ['order.placed', 'invalid'],
          ['other', 'invalid'],
          ['order.placed', 'attempts'],
          ['order.placed', 'invalid'],
        ]);
        expect(await source.moveTo(target, { state: 'buried', type: Placed, limit: 1 })).to.include({ moved: 1 });
        expect(await dataIn(target)).to.deep.equal([0]);
        expect(await source.moveTo(target, { state: 'buried', type: Placed, reason: 'invalid' })).to.include({
          moved: 1,
        });
        expect(await source.moveTo(target, { state: 'buried', limit: 0 })).to.include({ moved: 0 });
        expect(await dataIn(source, 'buried')).to.deep.equal([1, 2]);
        expect(await dataIn(target)).to.deep.equal([0, 3]);
      });

      it('moves all of many, page by page, and nothing of what arrives meanwhile', async () => {
        await source.publishMany(
          Placed,
          Array.from({ length: 1200 }, (_, index) => index),
        );
        const calls: string[] = [];
        const list: Driver['list'] = async (name, options) => {
          calls.push(`list ${options.limit}`);
          await source.publish(Placed, 'late', { priority: 5000 });
          return here.list(name, options);
        };
        const move: NonNullable<Driver['move']> = async (...args) => (await here.move?.(...args)) ?? 0;
        const watched = disguisedDriver(here, isAtomic ? { list, move } : { list });
        const from = new Queue(watched, 'a');
        const to = isAtomic ? new Queue(watched, 'b') : target;
        expect(await from.moveTo(to, { state: 'ready' })).to.deep.equal({ moved: 1200, duplicated: 0 });
        expect(calls).to.deep.equal(['list 500', 'list 500', 'list 200']);
        expect(await to.stats()).to.include({ ready: 1200 });
        expect(await source.stats()).to.include({ ready: 3 });
      });

      it('moves a body that cannot be read as it is', async () => {
        await buryBody(source, 'no JSON');
        expect(await source.moveTo(target, { state: 'buried' })).to.deep.equal({ moved: 1, duplicated: 0 });
        expect((await target.list({ state: 'ready' })).messages.map(({ body }) => body.toString())).to.deep.equal([
          'no JSON',
        ]);
      });
    });
  }

  it('uses what the engine can do where both queues are on it, in one call for those that are named', async () => {
    const calls: unknown[][] = [];
    const move: Driver['move'] = async (...args) => {
      calls.push(args);
      return 1;
    };
    const driver = disguisedDriver(here, { move });
    const [a, b] = [new Queue(driver, 'a'), new Queue(driver, 'b')];
    await a.moveTo(b, { ids: ['1', '2'] });
    expect(calls.splice(0)).to.deep.equal([['a', 'b', ['1', '2']]]);
    // Bodies mean something else there.
    await a.moveTo(new Queue(driver, 'b', { codec: json, type: 'a' }), { ids: ['1', '2'] });
    expect(calls).to.deep.equal([]);
  });

  describe('to a queue with another codec', () => {
    it('writes the message anew, with the same id and time', async () => {
      const source = new Queue(here, 'a', { codec: { ...cloudEvents } });
      const target = new Queue(here, 'b');
      const jobId = await source.publish(Placed, { id: 7 }, { headers: { tenant: 'a' } });
      const message = source.decode((await source.find(jobId)) ?? expect.fail());
      expect(await source.moveTo(target, { ids: [jobId] })).to.deep.equal({ moved: 1, duplicated: 0 });
      expect(await target.take({ timeout: 0 })).to.deep.equal(message);
    });

    it('gives bare data the type of its queue, and the id that it had there', async () => {
      const source = new Queue(here, 'a', { codec: json, type: 'order.placed' });
      const target = new Queue(there, 'b');
      const jobId = await source.publish(Placed, { id: 7 });
      await source.moveTo(target, { ids: [jobId] });
      expect(await target.take({ timeout: 0 })).to.deep.include({ id: jobId, type: 'order.placed', data: { id: 7 } });
    });

    it('moves nothing that cannot be written or read there, and says which', async () => {
      const bare = new Queue(there, 'b', { codec: json, type: 'order.placed' });
      const source = new Queue(here, 'a');
      const broken = await buryBody(source, 'no JSON');
      const other = await source.publish(defineMessage('other'), 5);
      const withHeaders = await source.publish(Placed, 5, { headers: { tenant: 'a' } });
      expect((await rejection(source.moveTo(bare, { ids: [broken] }), DecodeError)).jobId).to.equal(broken);
      expect((await rejection(source.moveTo(bare, { ids: [other] }), InvalidOptionError)).message).to.equal(
        'the type of a message in queue "b" must be "order.placed", got "other"',
      );
      expect((await rejection(source.moveTo(bare, { ids: [withHeaders] }), InvalidOptionError)).message).to.equal(
        'the headers of a message in queue "b" must be none, got some: its codec writes nothing but the data',
      );
      expect(await bare.stats()).to.equal(null);
      expect(await source.stats()).to.include({ ready: 2, buried: 1 });
    });

    it('does not take bare data for that of another type', async () => {
      const images = new Queue(here, 'a', { codec: raw, type: 'image' });
      await images.publish(defineMessage('image'), Buffer.from('png'));
      const files = new Queue(here, 'b', { codec: raw, type: 'file' });
      await rejection(images.moveTo(files, { state: 'ready' }), InvalidOptionError);
      expect(await images.moveTo(new Queue(here, 'b', { codec: raw, type: 'image' }), { state: 'ready' })).to.include({
        moved: 1,
      });
    });
  });

  it('stores what the engine does not know with the defaults of the target', async () => {
    const list: Driver['list'] = async (name, options) => {
      const { messages } = await here.list(name, options);
      return { messages: messages.map((message) => ({ ...message, priority: undefined, ttrMs: undefined })) };
    };
    const source = new Queue(disguisedDriver(here, { list }), 'a');
    await source.publish(Placed, 5);
    const target = new Queue(there, 'b', { defaults: { priority: 3, ttr: '9s' } });
    await source.moveTo(target, { state: 'ready' });
    expect((await target.list({ state: 'ready' })).messages[0]).to.include({ priority: 3, ttrMs: 9000 });
  });

  it('reports as duplicated what is taken here while it is stored there', async () => {
    const source = new Queue(here, 'a');
    const put: Driver['put'] = async (...args) => {
      const stored = await there.put(...args);
      await source.take({ timeout: 0 });
      return stored;
    };
    const target = new Queue(disguisedDriver(there, { put }), 'b');
    await source.publishMany(Placed, [1, 2, 3]);
    expect(await source.moveTo(target, { state: 'ready' })).to.deep.equal({ moved: 2, duplicated: 1 });
    expect(await target.stats()).to.include({ ready: 3 });
    expect(await source.stats()).to.include({ ready: 0 });
  });

  it('removes here what is stored there where the engine could store a part only, and rejects with its error', async () => {
    const source = new Queue(here, 'a');
    const partial = new EngineError('full', { outcome: 'partial', storedIds: ['7', undefined, '8'] });
    const target = new Queue(disguisedDriver(there, { put: () => Promise.reject(partial) }), 'b');
    await source.publishMany(Placed, [1, 2, 3]);
    expect(await rejection(source.moveTo(target, { state: 'ready' }), EngineError)).to.equal(partial);
    expect(await dataIn(source)).to.deep.equal([2]);
    const nothing = new EngineError('gone', { retryable: true });
    const down = new Queue(disguisedDriver(there, { put: () => Promise.reject(nothing) }), 'b');
    expect(await rejection(source.moveTo(down, { state: 'ready' }), EngineError)).to.equal(nothing);
    expect(await dataIn(source)).to.deep.equal([2]);
  });

  describe('from an engine that shows the first message only', () => {
    it('moves one after another, as many as there were', async () => {
      const source = new Queue(showingTheFirst(here), 'a');
      const target = new Queue(there, 'b');
      await source.publishMany(Placed, [1, 2, 3, 4, 5]);
      expect(await source.moveTo(target, { state: 'ready', limit: 2 })).to.deep.equal({ moved: 2, duplicated: 0 });
      expect(await source.moveTo(target, { state: 'ready' })).to.deep.equal({ moved: 3, duplicated: 0 });
      expect(await dataIn(target)).to.deep.equal([1, 2, 3, 4, 5]);
      expect(await source.moveTo(target, { state: 'delayed' })).to.deep.equal({ moved: 0, duplicated: 0 });
    });

    it('does not go on for ever where others publish meanwhile', async () => {
      const source = new Queue(showingTheFirst(here), 'a');
      const put: Driver['put'] = async (...args) => {
        await source.publish(Placed, 'late');
        return there.put(...args);
      };
      await source.publishMany(Placed, [1, 2]);
      const target = new Queue(disguisedDriver(there, { put }), 'b');
      expect(await source.moveTo(target, { state: 'ready' })).to.deep.equal({ moved: 2, duplicated: 0 });
    });

    it('stores once what was taken meanwhile and has come back', async () => {
      let taken = 0;
      const remove: Driver['delete'] = async (name, ids) => (taken++ === 0 ? 0 : here.delete(name, ids));
      const source = new Queue(showingTheFirst(here, { delete: remove }), 'a');
      const target = new Queue(there, 'b');
      await source.publishMany(Placed, [1, 2]);
      expect(await source.moveTo(target, { state: 'ready' })).to.deep.equal({ moved: 1, duplicated: 0 });
      expect(await dataIn(target)).to.deep.equal([1]);
      expect(await dataIn(source)).to.deep.equal([2]);
    });

    it('cannot look for those of a type or reason', async () => {
      const source = new Queue(showingTheFirst(here), 'a');
      const error = await rejection(
        source.moveTo(new Queue(there, 'b'), { state: 'ready', type: Placed }),
        UnsupportedError,
      );
      expect(error.message).to.equal(
        'cannot move the ready messages of a type or reason: memory shows the first only; move all of them, or name their ids',
      );
    });
  });

  it('refuses what is no queue, the same queue, and a selection that says nothing or two things at once', async () => {
    const source = new Queue(here, 'a');
    const target = new Queue(there, 'b');
    const wrong: [target: unknown, selection: object, message: string][] = [
      ['b', {}, 'the target of moveTo must be a Queue, got "b"'],
      [new Queue(here, 'a'), { ids: ['1'] }, 'the target of moveTo must be another queue, got "a" itself'],
      [target, {}, 'the selection of moveTo must have ids or a state, got none of them'],
      [target, { type: 'a' }, 'the selection of moveTo must have ids or a state, got none of them'],
      [target, { ids: ['1'], limit: 1 }, 'the selection of moveTo must have ids alone, got ids with something else'],
      [target, { state: 'reserved' }, 'state must be "ready", "delayed" or "buried", got "reserved"'],
      [target, { state: 'ready', limit: -1 }, 'limit must be an integer of at least 0, got -1'],
      [target, { ids: '1' }, 'the job ids must be an array, got "1"'],
      [target, { ids: [''] }, 'a job id must be a string that is not empty, got ""'],
    ];
    for (const [to, selection, message] of wrong) {
      const call = source.moveTo(to as Queue, selection as { ids: string[] });
      expect((await rejection(call, InvalidOptionError)).message).to.equal(message);
    }
  });

  it('knows all messages of an engine that counts by estimate', async () => {
    const capabilities = resolveCapabilities({ ...here.capabilities, counts: 'estimate' });
    const stats: Driver['stats'] = async (names) =>
      names.map(() => ({ ready: 0, delayed: 0, reserved: 0, buried: 0, pausedUntil: null }));
    const source = new Queue(disguisedDriver(here, { capabilities, stats }), 'a');
    await source.publishMany(Placed, [1, 2]);
    expect(await source.moveTo(new Queue(there, 'b'), { state: 'ready' })).to.deep.equal({ moved: 2, duplicated: 0 });
  });
});
