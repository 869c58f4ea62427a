import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import sinon from 'sinon';
import type { Client } from '../../src/client/client.js';
import { ClosedError } from '../../src/client/errors.js';
import { loadGenericPool } from '../../src/client/generic-pool.js';
import { Pool, type PoolOptions } from '../../src/client/pool.js';
import { useFakeClock } from '../support/clock.js';
import { rejection } from '../support/failures.js';
import { FakeNetwork } from '../support/fake-network.js';

describe('Draining a pool', () => {
  let network: FakeNetwork;
  let pool: Pool;

  // Runs before the clock is restored.
  afterEach(() => {
    for (const socket of network.sockets) expect(socket.destroyed).to.equal(true);
    expect(clock.pending).to.equal(0);
    sinon.restore();
  });

  // Loaded before the clock is faked.
  before(loadGenericPool);

  const clock = useFakeClock();

  beforeEach(() => {
    network = new FakeNetwork();
    network.answer = 'accept';
  });

  function open(options: PoolOptions = {}): void {
    pool = new Pool({ ...options, openSocket: network.openSocket });
  }

  /** Whether a promise has settled. */
  function progress(promise: Promise<unknown>): { done: boolean } {
    const state = { done: false };
    const settle = (): void => {
      state.done = true;
    };
    promise.then(settle, settle);
    return state;
  }

  it('closes its connections, and takes no time where none is borrowed', async () => {
    open({ min: 2 });
    await pool.release(await pool.acquire());
    await pool.drain();
    expect(network.sockets).to.have.length(2);
    expect(pool).to.include({ size: 0, available: 0, pending: 0, borrowed: 0 });
  });

  it('can be done before anything was asked for, and again', async () => {
    open();
    await Promise.all([pool.drain(), pool.drain()]);
    await pool.drain();
    expect(network.sockets).to.have.length(0);
  });

  it('is what disposing of it does', async () => {
    open();
    await pool.release(await pool.acquire());
    await pool[Symbol.asyncDispose]();
    expect((await rejection(pool.acquire(), ClosedError)).message).to.equal(
      'cannot lend a client: the pool is drained',
    );
  });

  it('refuses whoever comes from then on', async () => {
    open();
    const drained = pool.drain();
    const work = sinon.spy();
    for (const call of [pool.acquire(), pool.use(work)]) {
      expect((await rejection(call, ClosedError)).message).to.equal('cannot lend a client: the pool is drained');
    }
    expect(work.called).to.equal(false);
    await drained;
  });

  it('waits for what is borrowed', async () => {
    open();
    const clients = [await pool.acquire(), await pool.acquire()] as const;
    const drained = pool.drain();
    const state = progress(drained);
    const used = clients[0].use('mail');
    network.sockets[0]?.reply('USING mail\r\n');
    expect(await used).to.equal('mail');
    clients[0].destroy();
    await pool.release(clients[0]);
    await clock.tickAsync(4000);
    expect(state.done).to.equal(false);
    await pool.release(clients[1]);
    await drained;
  });

  it('waits no longer than drainTimeoutMs, and destroys what is not back by then', async () => {
    open({ drainTimeoutMs: 1000 });
    const client = await pool.acquire();
    const drained = pool.drain();
    const state = progress(drained);
    const lost = rejection(client.put('x'), ClosedError);
    await clock.tickAsync(999);
    expect(state.done).to.equal(false);
    expect(client.isOpen).to.equal(true);
    await clock.tickAsync(1);
    await drained;
    await lost;
    expect(client.isOpen).to.equal(false);
    expect(pool).to.include({ size: 0, borrowed: 0 });
    await rejection(pool.release(client), Error);
  });

  it('waits no longer for a server that does not answer what a returned client sends', async () => {
    open({ drainTimeoutMs: 1000 });
    const client = await pool.acquire();
    const used = client.use('mail');
    network.sockets[0]?.reply('USING mail\r\n');
    await used;
    const released = pool.release(client);
    await nextTurn();
    const drained = pool.drain();
    const state = progress(drained);
    await clock.tickAsync(999);
    expect(state.done).to.equal(false);
    await clock.tickAsync(1);
    await Promise.all([drained, released]);
  });

  it('lets those who wait go at once', async () => {
    open({ max: 1, drainTimeoutMs: 1000 });
    const client = await pool.acquire();
    const waiting = Array.from({ length: 3 }, () => rejection(pool.acquire(), ClosedError));
    await nextTurn();
    const drained = pool.drain();
    for (const error of await Promise.all(waiting))
      expect(error.message).to.equal('cannot lend a client: the pool is drained');
    expect(pool.pending).to.equal(0);
    await pool.release(client);
    await drained;
    expect(network.sockets).to.have.length(1);
  });

  it('lets those who wait go also where one client leaks', async () => {
    open({ max: 1, drainTimeoutMs: 1000 });
    await pool.acquire();
    const waiting = rejection(pool.acquire(), ClosedError);
    const drained = pool.drain();
    await waiting;
    await clock.tickAsync(1000);
    await drained;
    expect(network.sockets).to.have.length(1);
  });

  for (const [what, answer, ms] of [
    ['connects', undefined, 0],
    ['waits for the next try', 'refuse', 60],
  ] as const) {
    it(`gives up at once while it ${what}, and keeps nothing alive`, async () => {
      sinon.stub(Math, 'random').returns(1);
      network.answer = answer;
      open();
      const waiting = Array.from({ length: 3 }, () => rejection(pool.acquire(), ClosedError));
      await clock.tickAsync(ms);
      await pool.drain();
      await Promise.all(waiting);
      const before = network.sockets.length;
      expect(clock.pending).to.equal(0);
      await clock.tickAsync(60_000);
      expect(network.sockets).to.have.length(before);
    });
  }

  it('lends nothing at whatever moment it begins, and ends all the same', async () => {
    for (let depth = 0; depth < 40; depth++) {
      open({ max: 1, drainTimeoutMs: 1000 });
      if (depth % 2) await pool.release(await pool.acquire());
      const acquiring = pool.acquire().then(
        (client): Client => client,
        (error: unknown) => expect(error).to.be.instanceOf(ClosedError),
      );
      for (let i = 0; i < depth / 2; i++) await undefined;
      const drained = pool.drain();
      const client = await acquiring;
      if ('isOpen' in client) {
        expect(client.isOpen).to.equal(true);
        await pool.release(client as Client);
      }
      await drained;
      expect(clock.pending, `after ${depth}`).to.equal(0);
    }
  });
});
