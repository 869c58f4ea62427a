import { expect } from 'chai';
import { openMemory } from '../../../src/drivers/memory/driver.js';
import type { Consumer, Driver } from '../../../src/queue/driver.js';
import { InvalidOptionError, LeaseLostError } from '../../../src/queue/errors.js';
import { rejection } from '../../support/failures.js';
import { bodies, counts, failure, hold, PLAIN, put, reserve, settle } from './messages.js';

/** Puts these bodies and buries them. @returns their ids */
async function bury(driver: Driver, consumer: Consumer, ...contents: string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const body of contents) {
    const held = await hold(driver, consumer, body);
    await settle(consumer, 'bury', held);
    ids.push(held.jobId);
  }
  return ids;
}

describe('The memory driver, looked into and operated,', () => {
  let driver: Driver;
  let consumer: Consumer;

  beforeEach(async () => {
    driver = openMemory('memory:', { prefix: '' });
    consumer = await driver.consume(['mail']);
  });
  afterEach(() => driver.close());

  it('begins the attempts of a message anew when it is retried, without its failure', async () => {
    const held = await hold(driver, consumer, 'a');
    await settle(consumer, 'release', held);
    const again = await reserve(consumer);
    expect(again.attempt).to.equal(2);
    await settle(consumer, 'bury', again, { failure: failure('unfit') });
    expect(await driver.retry('mail', { limit: 1 })).to.equal(1);
    expect(await driver.find('mail', again.jobId)).to.include({ state: 'ready', attempts: 0, failure: undefined });
    expect((await reserve(consumer)).attempt).to.equal(1);
  });

  it('shows buried messages in the order of their burial, and retries the first buried first', async () => {
    await bury(driver, consumer, 'c', 'a', 'b');
    expect(await bodies(driver, { state: 'buried', limit: 2 })).to.deep.equal(['c', 'a']);
    await driver.retry('mail', { limit: 1 });
    expect(await bodies(driver, { state: 'buried', limit: 2 })).to.deep.equal(['a', 'b']);
  });

  it('retries messages by id, each once, among the ready ones at the place it had, and none that is not buried', async () => {
    const ids = await bury(driver, consumer, 'a', 'b', 'c');
    const later = await put(driver, 'later');
    const [, b = '', c = ''] = ids;
    expect(await driver.retry('mail', { ids: [c, later, b, c, '99'] })).to.equal(2);
    expect(await bodies(driver, { state: 'ready' })).to.deep.equal(['b', 'c', 'later']);
    expect(await bodies(driver, { state: 'buried' })).to.deep.equal(['a']);
  });

  it('changes the body of the message that is retried with one, and of no other', async () => {
    const [id = ''] = await bury(driver, consumer, 'a');
    const body = Buffer.from('mended');
    await driver.retry('mail', { ids: [id], body });
    body.fill(0);
    const held = await reserve(consumer);
    expect([held.jobId, held.body.toString()]).to.deep.equal([id, 'mended']);
    expect(await driver.retry('mail', { ids: [id], body: Buffer.from('lost') })).to.equal(0);
    expect((await driver.find('mail', id))?.body.toString()).to.equal('mended');
  });

  it('promotes delayed messages by id, or the next due, and none that is buried', async () => {
    const [buried = ''] = await bury(driver, consumer, 'buried');
    const c = await put(driver, 'c', { delayMs: 60_000 });
    await put(driver, 'b', { delayMs: 50_000 });
    await put(driver, 'a', { delayMs: 40_000 });
    expect(await driver.promote('mail', { limit: 1 })).to.equal(1);
    expect(await bodies(driver, { state: 'ready' })).to.deep.equal(['a']);
    expect(await driver.promote('mail', { ids: [c, buried] })).to.equal(1);
    expect(await bodies(driver, { state: 'delayed' })).to.deep.equal(['b']);
    expect(await driver.retry('mail', { ids: [c] })).to.equal(0);
  });

  it('shows the messages of each state in pages, whatever comes and goes between them', async () => {
    const all = async (state: 'ready' | 'delayed' | 'reserved' | 'buried'): Promise<string[]> => {
      const found: string[] = [];
      for (let after: string | undefined, pages = 0; pages < 10; pages++) {
        const page = await driver.list('mail', { state, limit: 2, after });
        found.push(...page.messages.map(({ body }) => body.toString()));
        if (page.next === undefined) return found;
        after = page.next;
      }
      return expect.fail('there is always a next page');
    };
    await bury(driver, consumer, '1', '2', '3', '4', '5');
    for (const body of '123') await hold(driver, consumer, body);
    for (const [body, priority] of [...'54321'].entries()) await put(driver, priority, { priority: 5 - body });
    for (const delay of '312') await put(driver, delay, { delayMs: 60_000 + Number(delay) });
    expect(await all('buried')).to.deep.equal(['1', '2', '3', '4', '5']);
    expect(await all('reserved')).to.deep.equal(['1', '2', '3']);
    expect(await all('ready')).to.deep.equal(['1', '2', '3', '4', '5']);
    expect(await all('delayed')).to.deep.equal(['1', '2', '3']);

    const page = await driver.list('mail', { state: 'ready', limit: 2 });
    await driver.delete('mail', [page.messages[0]?.jobId ?? '', page.messages[1]?.jobId ?? '']);
    await put(driver, '0', { priority: 0 });
    expect(await bodies(driver, { state: 'ready', after: page.next })).to.deep.equal(['3', '4', '5']);
  });

  it('refuses a cursor that it never gave', async () => {
    await put(driver, 'a');
    for (const after of ['', 'x', '1', '1:', '1:2:3', '-1:2', 'NaN:1']) {
      const listing = driver.list('mail', { state: 'ready', limit: 1, after });
      expect((await rejection(listing, InvalidOptionError)).message).to.equal(
        `after must be the next of an earlier page, got ${JSON.stringify(after)}`,
      );
    }
  });

  it('tells all it knows of a message, whatever its state', async () => {
    const start = Date.now();
    const id = await put(driver, 'a', { delayMs: 60_000 });
    const delayed = await driver.find('mail', id);
    expect(delayed).to.deep.include({ jobId: id, queue: 'mail', state: 'delayed', body: Buffer.from('a') });
    expect(delayed).to.include({ priority: 1024, ttrMs: 60_000, attempts: 0, failure: undefined });
    expect(Number(delayed?.createdAt)).to.be.within(start, Date.now());
    expect(Number(delayed?.dueAt)).to.be.within(start + 60_000, Date.now() + 60_001);
    await driver.promote('mail', { ids: [id] });
    expect(await driver.find('mail', id)).to.include({ state: 'ready', dueAt: undefined });
    await reserve(consumer);
    const reserved = await driver.find('mail', id);
    expect(reserved).to.include({ state: 'reserved', attempts: 1 });
    expect(Number(reserved?.dueAt)).to.be.within(start + 60_000, Date.now() + 60_001);
    expect([await driver.find('mail', '99'), await driver.find('none', id)]).to.deep.equal([null, null]);
  });

  it('refuses ids that it can never have given, and changes nothing', async () => {
    const id = await put(driver, 'a', { delayMs: 60_000 });
    for (const call of [
      () => driver.find('mail', 'a'),
      () => driver.retry('mail', { ids: ['0'] }),
      () => driver.promote('mail', { ids: [id, '-1'] }),
      () => driver.delete('mail', [id, '01']),
      () => driver.move?.('mail', 'other', [id, '1.5']) ?? Promise.resolve(),
    ]) {
      expect((await rejection(call(), InvalidOptionError)).message).to.match(/^a job id must be a decimal number/);
    }
    expect(await counts(driver)).to.include({ delayed: 1 });
  });

  it('tells the holder of a message that is deleted, and counts those that there were', async () => {
    const held = await hold(driver, consumer, 'a');
    const id = await put(driver, 'b');
    expect(await driver.delete('mail', [held.jobId, id, id, '99'])).to.equal(2);
    expect(held.lost.reason).to.be.instanceOf(LeaseLostError);
    expect(held.lost.reason.message).to.match(/it is no longer held: it was deleted$/);
    await rejection(settle(consumer, 'ack', held), LeaseLostError);
    expect(await driver.queues()).to.deep.equal([]);
  });

  it('removes the messages of the states that are named', async () => {
    await bury(driver, consumer, 'a', 'b');
    await hold(driver, consumer, 'c');
    for (let n = 0; n < 20; n++) await put(driver, 'd', { priority: n % 7 });
    await put(driver, 'e', { delayMs: 60_000 });
    expect(await driver.flush('mail', ['ready', 'buried', 'ready'])).to.equal(22);
    expect(await counts(driver)).to.deep.equal({ ready: 0, delayed: 1, reserved: 1, buried: 0 });
    expect(await driver.flush('none', ['ready'])).to.equal(0);
  });

  it('moves messages to another queue as new ones, delayed ones for the rest of their delay', async () => {
    const held = await hold(driver, consumer, 'held');
    const [buried = ''] = await bury(driver, consumer, 'buried');
    const delayed = await put(driver, 'delayed', { delayMs: 60_000, priority: 7 });
    const plain = await put(driver, 'ready');
    const before = await driver.find('mail', delayed);
    const ids = [buried, delayed, held.jobId, plain, plain, '99'];
    expect(await driver.move?.('mail', 'other', ids)).to.equal(3);
    expect(await counts(driver)).to.deep.equal({ ready: 0, delayed: 0, reserved: 1, buried: 0 });
    expect(await bodies(driver, {}, 'other')).to.deep.equal(['buried', 'ready']);
    const [moved] = (await driver.list('other', { state: 'delayed', limit: 9 })).messages;
    expect(moved).to.include({ queue: 'other', priority: 7, attempts: 0 });
    expect(Math.abs(Number(moved?.dueAt) - Number(before?.dueAt))).to.be.at.most(1);
    expect(moved?.jobId).not.to.equal(delayed);
    expect(await reserve(await driver.consume(['other']))).to.include({ attempt: 1, queue: 'other' });
  });

  it('shows delayed messages that are due in the same moment in order of publication', async () => {
    const body = Buffer.from('a');
    const items = Array.from({ length: 20 }, () => ({ queue: 'mail', body, options: { ...PLAIN, delayMs: 60_000 } }));
    const { stored } = await driver.put(items);
    const { messages } = await driver.list('mail', { state: 'delayed', limit: 20 });
    expect(messages.map(({ jobId }) => jobId)).to.deep.equal(stored.map(({ jobId }) => jobId));
  });
});
