import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { ClosedError, ConnectTimeoutError } from '../../src/client/errors.js';
import { loadGenericPool } from '../../src/client/generic-pool.js';
import { Pool, type PoolOptions } from '../../src/client/pool.js';
import { InvalidArgumentError } from '../../src/protocol/errors.js';
import { useFakeClock } from '../support/clock.js';
import { rejection, thrown } from '../support/failures.js';
import { FakeNetwork, sentNext } from '../support/fake-network.js';
import type { FakeSocket } from '../support/fake-socket.js';

describe('A pool', () => {
  let network: FakeNetwork;
  let pool: Pool;

  // Runs before the clock is restored.
  afterEach(async () => {
    const drained = pool.drain();
    await clock.tickAsync(5000);
    await drained;
    expect(clock.pending).to.equal(0);
    for (const socket of network.sockets) expect(socket.destroyed).to.equal(true);
  });

  // Loaded before the clock is faked.
  before(loadGenericPool);

  const clock = useFakeClock();

  beforeEach(() => {
    network = new FakeNetwork();
    network.answer = 'accept';
  });

  function open(options: PoolOptions = {}): Pool {
    pool = new Pool({ ...options, openSocket: network.openSocket });
    return pool;
  }

  function socket(number: number): FakeSocket {
    return network.sockets[number - 1] ?? expect.fail(`there is no connection ${number}`);
  }

  function counts(): object {
    const { size, available, pending, borrowed } = pool;
    return { size, available, pending, borrowed };
  }

  it('connects when somebody asks, and not before', async () => {
    open({ min: 2 });
    await clock.tickAsync(60_000);
    expect(network.sockets).to.have.length(0);
    expect(counts()).to.deep.equal({ size: 0, available: 0, pending: 0, borrowed: 0 });
    const client = await pool.acquire();
    expect(client.isOpen).to.equal(true);
    expect(network.sockets).to.have.length(2);
    expect(counts()).to.deep.equal({ size: 2, available: 1, pending: 0, borrowed: 1 });
  });

  it('lends a connection that was given back rather than open another one', async () => {
    open();
    for (let i = 0; i < 5; i++) await pool.release(await pool.acquire());
    expect(network.sockets).to.have.length(1);
    expect(counts()).to.deep.equal({ size: 1, available: 1, pending: 0, borrowed: 0 });
  });

  it('has no more connections than max: who comes then waits for the first that is given back', async () => {
    open({ max: 2 });
    const [first, second] = [await pool.acquire(), await pool.acquire()];
    const order: string[] = [];
    const third = pool.acquire().then((client) => {
      order.push('third');
      return client;
    });
    const fourth = pool.acquire().then((client) => {
      order.push('fourth');
      return client;
    });
    await nextTurn();
    expect(counts()).to.deep.equal({ size: 2, available: 0, pending: 2, borrowed: 2 });
    await pool.release(second);
    const client = await third;
    expect(order).to.deep.equal(['third']);
    await pool.release(first);
    await pool.release(await fourth);
    await pool.release(client);
    expect(network.sockets).to.have.length(2);
  });

  it('lends each borrower a client of its own', async () => {
    open();
    const first = await pool.acquire();
    await pool.release(first);
    const second = await pool.acquire();
    expect(second).to.not.equal(first);
    expect([first.isOpen, second.isOpen]).to.deep.equal([false, true]);
  });

  it('closes what nobody has borrowed for idleTimeoutMs', async () => {
    open({ idleTimeoutMs: 1000 });
    const clients = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
    await clock.tickAsync(5000);
    expect(pool.size).to.equal(3);
    for (const client of clients.slice(0, 2)) await pool.release(client);
    await clock.tickAsync(900);
    expect(pool.size).to.equal(3);
    await clock.tickAsync(700);
    expect(counts()).to.deep.equal({ size: 1, available: 0, pending: 0, borrowed: 1 });
    expect(network.sockets.filter(({ destroyed }) => destroyed)).to.have.length(2);
  });

  it('keeps min of them, the same ones for as long as it may be', async () => {
    open({ min: 2, idleTimeoutMs: 1000 });
    const clients = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
    for (const client of clients) await pool.release(client);
    await clock.tickAsync(60_000);
    expect(counts()).to.deep.equal({ size: 2, available: 2, pending: 0, borrowed: 0 });
    expect(network.sockets).to.have.length(3);
  });

  it('does not lend a connection that was lost while nobody had it', async () => {
    open({ max: 1 });
    await pool.release(await pool.acquire());
    await socket(1).fail(new Error('ECONNRESET'));
    const client = await pool.acquire();
    expect(client.isOpen).to.equal(true);
    const used = client.use('mail');
    expect(await sentNext(socket(2))).to.equal('use mail\r\n');
    socket(2).reply('USING mail\r\n');
    await used;
    expect(pool.size).to.equal(1);
  });

  it('says that clients are borrowed where none becomes free in time', async () => {
    open({ max: 2, acquireTimeoutMs: 1000 });
    const clients = [await pool.acquire(), await pool.acquire()];
    const late = rejection(pool.acquire(), ConnectTimeoutError);
    await clock.tickAsync(999);
    expect(pool.pending).to.equal(1);
    await clock.tickAsync(1);
    expect((await late).message).to.equal(
      'cannot lend a client within 1000 ms: 2 of 2 clients are borrowed; is one never released?',
    );
    expect(pool.pending).to.equal(0);
    for (const client of clients) await pool.release(client);
    await pool.release(await pool.acquire());
  });

  it('says that it cannot connect where the server does not even refuse', async () => {
    network.answer = undefined;
    open({ acquireTimeoutMs: 1000 });
    const late = rejection(pool.acquire(), ConnectTimeoutError);
    await clock.tickAsync(1000);
    expect((await late).message).to.equal('cannot lend a client within 1000 ms: there is no connection');
  });

  it('gives back what use has lent, with its result', async () => {
    open({ max: 1 });
    const result = await pool.use(async (client) => {
      expect(counts()).to.include({ borrowed: 1 });
      return client.isOpen;
    });
    expect(result).to.equal(true);
    expect(await pool.use(() => 'at once')).to.equal('at once');
    expect(counts()).to.deep.equal({ size: 1, available: 1, pending: 0, borrowed: 0 });
  });

  it('gives back what use has lent also where that fails, with its error', async () => {
    open({ max: 1 });
    const failure = new Error('at work');
    for (const work of [() => Promise.reject(failure), () => thrower(failure)]) {
      expect(await rejection(pool.use(work), Error)).to.equal(failure);
      expect(counts()).to.deep.equal({ size: 1, available: 1, pending: 0, borrowed: 0 });
    }
  });

  it('does not mind when the borrower gives it back itself, or closes it', async () => {
    open({ max: 1 });
    expect(await pool.use((client) => pool.release(client).then(() => 'done'))).to.equal('done');
    await pool.use((client) => client.destroy());
    expect(pool.size).to.equal(0);
    await pool.use((client) => expect(client.isOpen).to.equal(true));
    expect(network.sockets).to.have.length(2);
  });

  it('refuses a client that was given back already, or is not its', async () => {
    open();
    const client = await pool.acquire();
    await pool.release(client);
    const stranger = (await new FakeNetwork().connect()).client;
    for (const wrong of [client, stranger]) {
      expect((await rejection(pool.release(wrong), InvalidArgumentError)).message).to.equal(
        'cannot return the client: it is not borrowed from this pool, or was returned before',
      );
    }
    expect(stranger.isOpen).to.equal(true);
    stranger.destroy();
    expect(counts()).to.deep.equal({ size: 1, available: 1, pending: 0, borrowed: 0 });
  });

  it('counts one return for a client that is given back twice at once', async () => {
    open({ max: 1 });
    const client = await pool.acquire();
    const [first, second] = await Promise.allSettled([pool.release(client), pool.release(client)]);
    expect([first?.status, second?.status]).to.deep.equal(['fulfilled', 'rejected']);
    expect(counts()).to.deep.equal({ size: 1, available: 1, pending: 0, borrowed: 0 });
  });

  it('has clients that are of no use once they were given back, but do no harm', async () => {
    open({ max: 1 });
    const client = await pool.acquire();
    const tube = client.tube('mail');
    await pool.release(client);
    const next = await pool.acquire();
    const calls = [
      client.put('x'),
      client.reserve(),
      client.reserve({ signal: new AbortController().signal }),
      client.use('a'),
      client.watch('a'),
      client.delete(7),
      client.stats(),
      tube.put('x'),
    ];
    for (const call of calls) {
      expect((await rejection(call, ClosedError)).message).to.match(/the client was returned to its pool$/);
    }
    await client.quit();
    client.destroy();
    expect(next.isOpen).to.equal(true);
    expect(await sentNext(socket(1))).to.equal('');
  });

  it('tells the events of a connection to the borrower that has it', async () => {
    open({ max: 1 });
    const [told, first] = [[] as string[], await pool.acquire()];
    first.on('close', () => told.push('first'));
    await pool.release(first);
    const second = await pool.acquire();
    second.on('close', () => told.push('second'));
    await socket(1).fail(new Error('ECONNRESET'));
    expect(told).to.deep.equal(['second']);
    expect(second.isOpen).to.equal(false);
  });

  for (const [what, options, message] of [
    ['a max below 1', { max: 0 }, 'max must be an integer from 1 to 2147483647, got 0'],
    ['a broken max', { max: 1.5 }, 'max must be an integer from 1 to 2147483647, got 1.5'],
    ['a negative min', { min: -1 }, 'min must be an integer from 0 to 2147483647, got -1'],
    ['a min above max', { min: 3, max: 2 }, 'min must be at most max, got 3 and 2'],
    ['no time to acquire', { acquireTimeoutMs: 0 }, 'acquireTimeoutMs must be an integer from 1 to 2147483647, got 0'],
    ['no time to idle', { idleTimeoutMs: 0 }, 'idleTimeoutMs must be an integer from 1 to 2147483647, got 0'],
    [
      'an endless time to drain',
      { drainTimeoutMs: Number.POSITIVE_INFINITY },
      'drainTimeoutMs must be an integer from 0 to 2147483647, got Infinity',
    ],
    ['a port that is none', { port: 0 }, 'port must be an integer from 1 to 65535, got 0'],
    [
      'options that a client refuses',
      { replyTimeoutMs: -1 },
      'replyTimeoutMs must be an integer from 0 to 2147483647, got -1',
    ],
  ] as const) {
    it(`refuses ${what} at once`, () => {
      open();
      expect(thrown(() => new Pool(options), InvalidArgumentError).message).to.equal(message);
    });
  }

  it('refuses an address that is none at once', () => {
    open();
    expect(thrown(() => new Pool('http://queue'), InvalidArgumentError).message).to.match(/the scheme is "http"/);
    expect(new Pool('beanstalkds://queue', { max: 1 })).to.be.instanceOf(Pool);
  });
});

function thrower(error: Error): never {
  throw error;
}
