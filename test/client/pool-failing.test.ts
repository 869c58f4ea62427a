import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import sinon from 'sinon';
import type { Client } from '../../src/client/client.js';
import { ConnectTimeoutError } from '../../src/client/errors.js';
import { loadGenericPool } from '../../src/client/generic-pool.js';
import { Pool, type PoolOptions } from '../../src/client/pool.js';
import { useFakeClock } from '../support/clock.js';
import { rejection } from '../support/failures.js';
import { FakeNetwork } from '../support/fake-network.js';

const REFUSED = 'cannot connect to beanstalkd://127.0.0.1:11300: ECONNREFUSED';
const REASON = new Error('no longer wanted');

describe('A pool whose acquire', () => {
  let network: FakeNetwork;
  let pool: Pool;

  // Runs before the clock is restored.
  afterEach(async () => {
    await pool.drain();
    expect(clock.pending).to.equal(0);
    for (const socket of network.sockets) expect(socket.destroyed).to.equal(true);
    sinon.restore();
  });

  // Loaded before the clock is faked.
  before(loadGenericPool);

  const clock = useFakeClock();

  beforeEach(() => {
    // The longest delays of the jitter.
    sinon.stub(Math, 'random').returns(1);
    network = new FakeNetwork();
  });

  function open(options: PoolOptions = {}): void {
    pool = new Pool({ drainTimeoutMs: 0, ...options, openSocket: network.openSocket });
  }

  describe('finds no server', () => {
    it('tries again and again until its time is over, less and less often, and tells the cause', async () => {
      network.answer = 'refuse';
      open({ acquireTimeoutMs: 10_000 });
      const failed = rejection(pool.acquire(), ConnectTimeoutError);
      const tries: number[] = [];
      let before = 0;
      for (let second = 0; second < 10; second++) {
        for (let i = 0; i < 100; i++) await clock.tickAsync(10);
        tries.push(network.sockets.length - before);
        before = network.sockets.length;
      }
      const error = await failed;
      expect(error.message).to.equal(`cannot lend a client within 10000 ms: ${REFUSED}`);
      expect(error.cause).to.include({ code: 'CONNECTION_LOST', message: REFUSED });
      // At 0, 50, 150, 350 and 750 ms, then at least once per second.
      expect(tries[0]).to.equal(5);
      expect(Math.max(...tries.slice(1))).to.equal(1);
      expect(network.sockets.length).to.be.within(12, 15);
    });

    it('tries no more once nobody waits', async () => {
      network.answer = 'refuse';
      open({ acquireTimeoutMs: 1000 });
      const failed = rejection(pool.acquire(), ConnectTimeoutError);
      await clock.tickAsync(5000);
      await failed;
      const before = network.sockets.length;
      await clock.tickAsync(60_000);
      expect(network.sockets).to.have.length(before);
      expect(pool.size).to.equal(0);
    });

    it('tries at once for whoever comes when the last try is long over', async () => {
      network.answer = 'refuse';
      open({ acquireTimeoutMs: 5000 });
      const failed = rejection(pool.acquire(), ConnectTimeoutError);
      await clock.tickAsync(5000);
      await failed;
      await clock.tickAsync(3000);
      network.answer = 'accept';
      await pool.release(await pool.acquire());
    });

    it('does not try more often for more callers than it may have connections', async () => {
      network.answer = 'refuse';
      open({ max: 2, acquireTimeoutMs: 5000 });
      const failed = Array.from({ length: 100 }, () => rejection(pool.acquire(), ConnectTimeoutError));
      await clock.tickAsync(5000);
      await Promise.all(failed);
      expect(network.sockets.length).to.be.within(10, 2 * 10);
    });

    it('lends a connection as soon as the server is there, and begins with the shortest delay after that', async () => {
      network.answer = 'refuse';
      open();
      const acquiring = pool.acquire();
      await clock.tickAsync(400);
      network.answer = 'accept';
      await clock.tickAsync(400);
      const client = await acquiring;
      expect(client.isOpen).to.equal(true);
      client.destroy();
      await pool.release(client);
      network.answer = 'refuse';
      const before = network.sockets.length;
      const next = pool.acquire();
      await clock.tickAsync(51);
      expect(network.sockets).to.have.length(before + 2);
      network.answer = 'accept';
      await clock.tickAsync(1000);
      await pool.release(await next);
    });
  });

  describe('is given up by its signal', () => {
    it('rejects with the reason at once, and leaves the place to the next', async () => {
      network.answer = 'accept';
      open({ max: 1 });
      const client = await pool.acquire();
      const cancelling = new AbortController();
      const givenUp = rejection(pool.acquire({ signal: cancelling.signal }), Error);
      const next = pool.acquire();
      await nextTurn();
      expect(pool.pending).to.equal(2);
      cancelling.abort(REASON);
      expect(await givenUp).to.equal(REASON);
      expect(pool.pending).to.equal(1);
      await pool.release(client);
      await pool.release(await next);
      expect(pool).to.include({ size: 1, available: 1, pending: 0, borrowed: 0 });
    });

    it('does not lose the connection that comes for it later', async () => {
      open({ max: 1 });
      const cancelling = new AbortController();
      const givenUp = rejection(pool.acquire({ signal: cancelling.signal }), Error);
      const socket = await network.next();
      cancelling.abort(REASON);
      await givenUp;
      expect(pool).to.include({ size: 1, available: 0, pending: 0 });
      socket.accept();
      await nextTurn();
      expect(pool).to.include({ size: 1, available: 1, pending: 0, borrowed: 0 });
      await pool.release(await pool.acquire());
      expect(network.sockets).to.have.length(1);
    });

    it('leaves nothing behind at whatever moment that happens', async () => {
      network.answer = 'accept';
      open({ max: 1 });
      for (let depth = 0; depth < 40; depth++) {
        const cancelling = new AbortController();
        const acquiring = pool.acquire({ signal: cancelling.signal });
        for (let i = 0; i < depth; i++) await undefined;
        cancelling.abort(REASON);
        const client = await acquiring.catch((error: unknown): Client | undefined => {
          expect(error).to.equal(REASON);
          return undefined;
        });
        if (client) await pool.release(client);
        await nextTurn();
        expect(pool, `after ${depth}`).to.include({ size: 1, available: 1, pending: 0, borrowed: 0 });
      }
      expect(network.sockets).to.have.length(1);
    });

    it('asks for nothing where that was before', async () => {
      network.answer = 'accept';
      open();
      expect(await rejection(pool.acquire({ signal: AbortSignal.abort(REASON) }), Error)).to.equal(REASON);
      const work = sinon.spy();
      expect(await rejection(pool.use(work, { signal: AbortSignal.abort(REASON) }), Error)).to.equal(REASON);
      expect(work.called).to.equal(false);
      expect(network.sockets).to.have.length(0);
    });

    it('is lent and not given up once it has its client', async () => {
      network.answer = 'accept';
      open();
      const cancelling = new AbortController();
      const client = await pool.acquire({ signal: cancelling.signal });
      cancelling.abort(REASON);
      await nextTurn();
      expect(client.isOpen).to.equal(true);
      await pool.release(client);
      expect(pool.available).to.equal(1);
    });
  });
});
