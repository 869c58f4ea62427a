import { expect } from 'chai';
import type { ConsumedQueue } from '../../../src/drivers/sql/base-consumer.js';
import { SqlConsumer } from '../../../src/drivers/sql/consumer.js';
import { Rounds } from '../../../src/drivers/sql/rounds.js';
import type { RowSettlement } from '../../../src/drivers/sql/store.js';
import { EngineError } from '../../../src/queue/errors.js';
import { FakeStore, row } from './fake-store.js';

const UNKNOWN = new EngineError('lost', { retryable: true, outcome: 'unknown' });

describe('Rounds of an SQL engine', () => {
  let store: FakeStore;
  let rounds: Rounds;
  let vain: SqlConsumer[];

  beforeEach(() => {
    store = new FakeStore();
    vain = [];
    rounds = new Rounds(store.asStore, (consumer) => vain.push(consumer));
  });

  function consume(queues: readonly ConsumedQueue[] = [{ id: 1, name: 'mail' }]): SqlConsumer {
    return new SqlConsumer(queues, 'fair', {
      requestClaim: (consumer) => rounds.request(consumer),
      settle: (settlement) => rounds.settle(settlement),
      ackIn: async () => true,
      tokenOf: async () => undefined,
      onClosed: () => {},
    });
  }

  const settlement = (kind: RowSettlement['kind'], id: string): RowSettlement => ({ kind, id, token: 1, queue: 1 });

  it('have what is called in one tick: an ack and the next reserve share a commit', async () => {
    const consumer = consume();
    const settling = rounds.settle(settlement('ack', '7'));
    const reserving = consumer.reserve({ max: 3 });
    const { round, answer } = await store.next();
    expect(round.settlements.map(({ id }) => id)).to.deep.equal(['7']);
    expect(round.claims).to.deep.equal([{ queues: [1], inTurn: true, limit: 3 }]);
    answer({ settled: [true], claimed: [[row('8'), row('9')]] });
    expect(await settling).to.equal(true);
    expect((await reserving).map(({ jobId }) => jobId)).to.deep.equal(['8', '9']);
    expect(vain).to.deep.equal([]);
  });

  it('follow one another: what is called meanwhile is in the next', async () => {
    const first = rounds.settle(settlement('ack', '1'));
    const one = await store.next();
    const others = ['2', '3'].map((id) => rounds.settle(settlement('ack', id)));
    one.answer({ settled: [true], claimed: [] });
    await first;
    const two = await store.next();
    expect(two.round.settlements.map(({ id }) => id)).to.deep.equal(['2', '3']);
    two.answer({ settled: [true, false], claimed: [] });
    expect(await Promise.all(others)).to.deep.equal([true, false]);
  });

  it('change a row once: what else is to become of it waits', async () => {
    const touching = rounds.settle(settlement('touch', '1'));
    const acking = rounds.settle(settlement('ack', '1'));
    const one = await store.next();
    expect(one.round.settlements.map(({ kind }) => kind)).to.deep.equal(['touch']);
    one.answer({ settled: [true], claimed: [] });
    const two = await store.next();
    expect(two.round.settlements.map(({ kind }) => kind)).to.deep.equal(['ack']);
    two.answer({ settled: [true], claimed: [] });
    expect(await Promise.all([touching, acking])).to.deep.equal([true, true]);
  });

  it('send an ack or a renewal of which nobody knows once more, and nothing else', async () => {
    const calls = (['ack', 'touch', 'release', 'bury'] as const).map((kind, index) =>
      rounds.settle(settlement(kind, String(index))).catch((error: unknown) => error),
    );
    (await store.next()).fail(UNKNOWN);
    const again = await store.next();
    expect(again.round.settlements.map(({ kind }) => kind)).to.deep.equal(['ack', 'touch']);
    again.fail(UNKNOWN);
    expect(await Promise.all(calls)).to.deep.equal([UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN]);
    expect(store.rounds).to.deep.equal([]);
  });

  it('give back what was claimed for one who has given up, uncounted', async () => {
    const consumer = consume();
    const controller = new AbortController();
    const reserving = consumer.reserve({ signal: controller.signal }).catch((error: unknown) => error);
    const { answer } = await store.next();
    controller.abort(new Error('enough'));
    answer({ settled: [], claimed: [[row('5')]] });
    expect(await reserving).to.equal(controller.signal.reason);
    const back = await store.next();
    expect(back.round).to.deep.equal({
      settlements: [{ kind: 'release', id: '5', token: 50, queue: 1, counted: false }],
      claims: [],
    });
    back.answer({ settled: [true], claimed: [] });
  });

  it('end with the consumer: it waits for its claim, and gives back what that has brought', async () => {
    const consumer = consume();
    const reserving = consumer.reserve();
    const { answer } = await store.next();
    const closing = consumer.close();
    expect(await reserving).to.deep.equal([]);
    answer({ settled: [], claimed: [[row('5')]] });
    const back = await store.next();
    expect(back.round.settlements.map(({ id, counted }) => [id, counted])).to.deep.equal([['5', false]]);
    back.answer({ settled: [true], claimed: [] });
    await closing;
  });

  it('ask the queue first that comes behind the one that gave last', async () => {
    const queues = ['a', 'b', 'c'].map((name, index) => ({ id: index + 1, name }));
    const consumer = consume(queues);
    const asked: (readonly number[] | undefined)[] = [];
    for (const queue of [1, 3, 2]) {
      const reserving = consumer.reserve();
      const { round, answer } = await store.next();
      asked.push(round.claims[0]?.queues);
      answer({ settled: [], claimed: [[row('5', queue)]] });
      expect((await reserving)[0]?.queue).to.equal(queues[queue - 1]?.name);
    }
    expect(asked).to.deep.equal([
      [1, 2, 3],
      [2, 3, 1],
      [1, 2, 3],
    ]);
  });

  it('tell of a consumer that has found nothing and waits; one that looks once is answered', async () => {
    const [waiting, looking] = [consume(), consume()];
    const found = looking.reserve({ timeoutMs: 0 });
    waiting.reserve().catch(() => {});
    const { answer } = await store.next();
    answer({ settled: [], claimed: [[], []] });
    expect(await found).to.deep.equal([]);
    expect(vain).to.deep.equal([waiting]);
    await waiting.close();
  });

  it('answer those who look once where fewer have come than were wanted', async () => {
    const consumer = consume();
    const looking = [consumer.reserve({ timeoutMs: 0 }), consumer.reserve({ timeoutMs: 0 })];
    (await store.next()).answer({ settled: [], claimed: [[row('5')]] });
    expect((await Promise.all(looking)).map(({ length }) => length)).to.deep.equal([1, 0]);
    expect(vain).to.deep.equal([]);
  });

  it('claim again at once where more wait than one claim serves', async () => {
    const consumer = consume();
    const reserving = Array.from({ length: 101 }, () => consumer.reserve());
    const first = await store.next();
    expect(first.round.claims[0]?.limit).to.equal(100);
    first.answer({ settled: [], claimed: [Array.from({ length: 100 }, (_, n) => row(String(n + 1)))] });
    const second = await store.next();
    expect(second.round.claims[0]?.limit).to.equal(1);
    second.answer({ settled: [], claimed: [[row('101')]] });
    expect((await Promise.all(reserving)).at(-1)?.[0]?.jobId).to.equal('101');
    expect(vain).to.deep.equal([]);
  });

  it('claim again for one that was woken while its claim was under way', async () => {
    const consumer = consume();
    const reserving = consumer.reserve({ timeoutMs: 0 });
    const { answer } = await store.next();
    rounds.request(consumer);
    answer({ settled: [], claimed: [[]] });
    (await store.next()).answer({ settled: [], claimed: [[row('6')]] });
    expect((await reserving)[0]?.jobId).to.equal('6');
    expect(vain).to.deep.equal([]);
  });

  it('reject the reserves of a claim that has failed, and keep what was settled', async () => {
    const consumer = consume();
    const settling = rounds.settle(settlement('ack', '1'));
    const reserving = consumer.reserve().catch((error: unknown) => error);
    (await store.next()).answer({ settled: [true], claimed: [UNKNOWN] });
    expect(await settling).to.equal(true);
    expect(await reserving).to.equal(UNKNOWN);
  });
});
