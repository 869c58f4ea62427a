import { expect } from 'chai';
import type { Client } from '../src/client/client.js';
import { Tubes } from '../src/drivers/beanstalkd/tubes.js';
import type { Driver, MessagePage, PutOptions, StoredMessage } from '../src/queue/driver.js';
import { toFailure } from '../src/queue/failure.js';
import { countsOf } from '../test/support/counts.js';
import { consume, type Held, type OneByOne, putOne, statsOf } from '../test/support/one-message.js';
import { onOwnQueues, onSharedQueues, type Queues } from './support/queues.js';

const OPTIONS: PutOptions = { priority: 7, delayMs: 0, ttrMs: 60_000 };

const failureOf = (reason: string, attempt = 1) => toFailure(new Error(`no ${reason}`), { reason, attempt });

/** A queue with what tests of failed messages do to it. */
class FailedMessages {
  readonly driver: Driver;
  readonly queue: string;
  readonly #consumer: OneByOne;

  private constructor(driver: Driver, queue: string, consumer: OneByOne) {
    this.driver = driver;
    this.queue = queue;
    this.#consumer = consumer;
  }

  static async open(queues: Queues, queue = queues.name()): Promise<FailedMessages> {
    const driver = queues.open();
    return new FailedMessages(driver, queue, await consume(driver, [queue]));
  }

  async next(): Promise<Held> {
    const held = await this.#consumer.reserve({ timeoutMs: 0 });
    if (held === null) throw new Error('no message');
    return held;
  }

  /** Puts a message that is buried at once. @returns its id */
  async bury(body = 'a', reason = 'attempts'): Promise<string> {
    await putOne(this.driver, this.queue, Buffer.from(body), OPTIONS);
    const held = await this.next();
    const { failureError } = await held.bury({ failure: failureOf(reason) });
    if (failureError !== undefined) throw failureError;
    return held.jobId;
  }

  list(limit = 100, after?: string): Promise<MessagePage> {
    return this.driver.list(this.queue, { state: 'buried', limit, after });
  }

  async all(limit: number): Promise<StoredMessage[]> {
    const messages: StoredMessage[] = [];
    for (let after: string | undefined, isEnd = false; !isEnd; ) {
      const page = await this.list(limit, after);
      expect(page.messages.length).to.be.at.most(limit);
      messages.push(...page.messages);
      after = page.next;
      isEnd = after === undefined;
    }
    return messages;
  }
}

const idsOf = (messages: readonly StoredMessage[]): string[] => messages.map(({ jobId }) => jobId);

describe('The failed messages of a queue on beanstalkd', () => {
  const queues = onSharedQueues();
  let failed: FailedMessages;
  let driver: Driver;
  let queue: string;
  let witness: Client;

  beforeEach(async () => {
    failed = await FailedMessages.open(queues);
    ({ driver, queue } = failed);
    witness = await queues.fixture.connect();
  });

  afterEach(async () => {
    // With the records, which would stay on the server.
    const cleaning = queues.open();
    await cleaning.flush(queue, ['buried']);
    await cleaning.close();
  });

  async function records(): Promise<number> {
    return (await witness.statsTube(new Tubes('').journalOf(queue).records))?.currentJobsReady ?? 0;
  }

  /** Buried without our driver. */
  async function buryAsOthers(): Promise<string> {
    const other = await queues.fixture.connectTo(queue);
    await other.put('by others', { priority: 3 });
    const job = await other.reserve();
    await job?.bury({ priority: 3 });
    return job?.id ?? '';
  }

  it('are listed in the order of their burial, with all there is to know', async () => {
    const before = Date.now();
    const ids = [await failed.bury('a'), await failed.bury('b', 'invalid')];
    const { messages, next } = await failed.list();
    expect([idsOf(messages), next]).to.deep.equal([ids, undefined]);
    const [, second] = messages;
    expect(second).to.deep.include({ queue, state: 'buried', body: Buffer.from('b'), priority: 7, ttrMs: 60_000 });
    expect(second).to.include({ attempts: 1, dueAt: undefined });
    expect(second?.failure).to.include({ reason: 'invalid', message: 'no invalid' });
    expect(second?.createdAt?.getTime()).to.be.within(before - 1000, Date.now());
    expect(await driver.find(queue, ids[1] ?? '')).to.deep.include({ jobId: ids[1], failure: second?.failure });
  });

  it('are listed though no failure was given', async () => {
    for (const body of ['a', 'b']) await putOne(driver, queue, Buffer.from(body), OPTIONS);
    await (await failed.next()).bury();
    await (await failed.next()).bury();
    const { messages } = await failed.list();
    expect(messages.map(({ failure, body }) => [failure, body.toString()])).to.deep.equal([
      [undefined, 'a'],
      [undefined, 'b'],
    ]);
  });

  it('are listed by pages, each once, whatever is buried, retried and deleted meanwhile', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 10; n++) ids.push(await failed.bury(String(n)));
    expect(idsOf(await failed.all(3))).to.deep.equal(ids);
    expect(idsOf(await failed.all(5))).to.deep.equal(ids);
    const first = await failed.list(4);
    expect(idsOf(first.messages)).to.deep.equal(ids.slice(0, 4));
    const [one = '', other = ''] = ids.slice(5);
    expect([await driver.retry(queue, { ids: [one] }), await driver.delete(queue, [other])]).to.deep.equal([1, 1]);
    await (await failed.next()).ack();
    const late = await failed.bury('late');
    const rest = await failed.list(100, first.next);
    expect(idsOf(rest.messages)).to.deep.equal([ids[4], ...ids.slice(7), late]);
    expect(rest.next).to.equal(undefined);
  });

  it('are listed with the attempts since they were put or retried', async () => {
    const id = await failed.bury();
    await driver.retry(queue, { ids: [id] });
    expect(await driver.find(queue, id)).to.include({ state: 'ready', attempts: 0, failure: undefined });
    for (const attempt of [1, 2]) {
      const held = await failed.next();
      expect(held.attempt).to.equal(attempt);
      expect(await driver.find(queue, id)).to.include({ state: 'reserved', attempts: attempt });
      await held.release();
    }
    const held = await failed.next();
    await held.bury({ failure: failureOf('invalid', 3) });
    const { messages } = await failed.list();
    expect(messages.map(({ attempts, failure }) => [attempts, failure?.reason])).to.deep.equal([[3, 'invalid']]);
    expect(await driver.find(queue, id)).to.include({ state: 'buried', attempts: 3 });
  });

  it('that other programs have buried are shown one by one, the first without a failure', async () => {
    const foreign = await buryAsOthers();
    const ours = await failed.bury();
    await buryAsOthers();
    const { messages, next } = await failed.list(1);
    expect(messages[0]).to.deep.include({ jobId: foreign, priority: 3, failure: undefined, attempts: 1 });
    expect(idsOf((await failed.list(5, next)).messages)).to.deep.equal([ours]);
    expect(countsOf(await statsOf(driver, queue)).buried).to.equal(3);
    expect(await driver.find(queue, foreign)).to.include({ jobId: foreign, failure: undefined });
  });

  it('are retried by their ids, each with a fresh budget, and no other is touched', async () => {
    const [one, two, three] = [await failed.bury('1'), await failed.bury('2'), await failed.bury('3')];
    const delayed = await putOne(driver, queue, Buffer.from('later'), { ...OPTIONS, delayMs: 60_000 });
    const elsewhere = queues.name();
    expect(await driver.retry(elsewhere, { ids: [one] })).to.equal(0);
    expect(await driver.retry(queue, { ids: [one, three, three, delayed, '999999'] })).to.equal(2);
    expect(countsOf(await statsOf(driver, queue))).to.deep.equal({ ready: 2, delayed: 1, reserved: 0, buried: 1 });
    expect(idsOf((await failed.list()).messages)).to.deep.equal([two]);
    expect(await failed.next()).to.include({ jobId: one, attempt: 1 });
  });

  it('are retried all, also those of other programs, and nothing that is delayed', async () => {
    const ids = [await buryAsOthers(), await failed.bury('1'), await buryAsOthers(), await failed.bury('2')];
    ids.push(await buryAsOthers());
    await putOne(driver, queue, Buffer.from('later'), { ...OPTIONS, delayMs: 60_000 });
    expect(await driver.retry(queue, { limit: 2 })).to.equal(2);
    expect([
      (await driver.find(queue, ids[0] ?? ''))?.state,
      (await driver.find(queue, ids[1] ?? ''))?.state,
    ]).to.deep.equal(['ready', 'ready']);
    expect(await driver.retry(queue, { limit: Number.MAX_SAFE_INTEGER })).to.equal(3);
    expect(await driver.retry(queue, { limit: 10 })).to.equal(0);
    expect(countsOf(await statsOf(driver, queue))).to.deep.equal({ ready: 5, delayed: 1, reserved: 0, buried: 0 });
  });

  it('are retried once, though they fail again at once', async () => {
    const ids = new Set<string>();
    for (let n = 0; n < 50; n++) ids.add(await failed.bury(String(n)));
    let isRetrying = true;
    const failing = (async () => {
      const consumer = await consume(driver, [queue]);
      while (isRetrying) await (await consumer.reserve({ timeoutMs: 0 }))?.bury({ failure: failureOf('attempts') });
    })();
    expect(await driver.retry(queue, { limit: Number.MAX_SAFE_INTEGER })).to.equal(50);
    isRetrying = false;
    await failing;
    expect(new Set(idsOf(await failed.all(20))))
      .to.have.property('size')
      .that.is.at.most(50);
  });

  it('are edited: another message with the same priority takes the place of the one that was buried', async () => {
    const id = await failed.bury('wrong');
    expect((await failed.list()).messages).to.have.length(1);
    expect(await driver.retry(queue, { ids: [id], body: Buffer.from('right') })).to.equal(1);
    expect(await driver.find(queue, id)).to.equal(null);
    expect(await records()).to.equal(0);
    const [shown] = (await driver.list(queue, { state: 'ready', limit: 1 })).messages;
    expect(shown).to.deep.include({ body: Buffer.from('right'), priority: 7, ttrMs: 60_000, attempts: 0 });
    expect(await driver.retry(queue, { ids: [shown?.jobId ?? ''], body: Buffer.from('no') })).to.equal(0);
    expect(await failed.next()).to.include({ attempt: 1 });
  });

  it('leave no record when they are deleted after a look, or flushed', async () => {
    const ids = [await failed.bury(), await failed.bury(), await failed.bury()];
    expect(await records()).to.equal(3);
    await failed.list();
    expect(await driver.delete(queue, ids.slice(0, 2))).to.equal(2);
    expect(await records()).to.equal(1);
    expect(await driver.flush(queue, ['buried'])).to.equal(1);
    expect(await records()).to.equal(0);
  });

  it('leave no record when they are acknowledged after a retry', async () => {
    const id = await failed.bury();
    await driver.retry(queue, { ids: [id] });
    await (await failed.next()).ack();
    expect(await records()).to.equal(0);
  });
});

describe('100 failed messages on a beanstalkd with a log', () => {
  const queues = onOwnQueues({ binlog: true });

  it('are listed with their failures after a restart, and retried by id and all of a reason', async () => {
    const before = await FailedMessages.open(queues);
    const ids: string[] = [];
    for (let n = 0; n < 100; n++) ids.push(await before.bury(`body ${n}`, n % 4 === 0 ? 'invalid' : 'attempts'));
    await queues.close();
    await queues.fixture.server.restart();
    const after = await FailedMessages.open(queues, before.queue);
    const messages = await after.all(30);
    expect(idsOf(messages)).to.deep.equal(ids);
    messages.forEach(({ body, failure, attempts, priority }, n) => {
      expect([body.toString(), failure?.message, attempts, priority]).to.deep.equal([
        `body ${n}`,
        n % 4 === 0 ? 'no invalid' : 'no attempts',
        1,
        7,
      ]);
    });
    const invalid = idsOf(messages.filter(({ failure }) => failure?.reason === 'invalid'));
    expect(await after.driver.retry(after.queue, { ids: invalid })).to.equal(25);
    expect(await after.driver.retry(after.queue, { ids: [ids[1] ?? ''] })).to.equal(1);
    const came: string[] = [];
    for (let n = 0; n < 26; n++) {
      const held = await after.next();
      expect(held.attempt).to.equal(1);
      came.push(held.jobId);
      await held.ack();
    }
    expect(new Set(came)).to.deep.equal(new Set([...invalid, ids[1]]));
    expect(await after.driver.retry(after.queue, { limit: 1000 })).to.equal(74);
    expect(countsOf(await statsOf(after.driver, after.queue))).to.include({ ready: 74, buried: 0 });
    expect((await after.list()).messages).to.deep.equal([]);
  });
});

describe('A beanstalkd with a log that takes little', () => {
  const queues = onOwnQueues({ binlog: true, flags: ['-z', '6000'] });

  it('is given as much of a failure as its log takes: with more, all behind it would be lost at a restart', async () => {
    const failed = await FailedMessages.open(queues);
    await putOne(failed.driver, failed.queue, Buffer.from('a'), OPTIONS);
    const failure = toFailure(new Error('日'.repeat(4000), { cause: 'x'.repeat(4000) }), {
      reason: 'attempts',
      attempt: 1,
    });
    expect(await (await failed.next()).bury({ failure })).to.deep.equal({});
    const id = await failed.bury('behind');
    await queues.close();
    await queues.fixture.server.restart();
    const after = await FailedMessages.open(queues, failed.queue);
    const { messages } = await after.list();
    expect(messages[0]?.failure?.message).to.match(/^日+/);
    expect(messages[1]?.jobId).to.equal(id);
  });
});
