import { connect as connectSocket, type Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type Client, ConnectionLostError } from '../src/client/index.js';
import { Recorder, SOON } from './support/events.js';
import { onSharedServer } from './support/fixture.js';
import { ProcessWatch } from './support/process-watch.js';
import { seededRandom } from './support/random.js';
import { rejects } from './support/rejects.js';
import { SpySockets } from './support/spy-socket.js';
import { completes, settlesAtOnce, until, untilWaitedFor } from './support/until.js';

class Enough extends Error {}

describe('cancelling a reserve', () => {
  const fixture = onSharedServer();

  it('before the call rejects with the reason and sends nothing', async () => {
    const spy = new SpySockets();
    const client = await fixture.connect({ openSocket: spy.openSocket });
    const reason = new Enough();
    expect(await rejects(client.reserve({ signal: AbortSignal.abort(reason) }), Enough)).to.equal(reason);
    await client.listTubeUsed();
    expect(spy.sent).to.deep.equal(['use default\r\nlist-tube-used\r\n']);
  });

  it('in the tick of the call rejects with the reason, and no job is taken', async () => {
    const tube = fixture.tube();
    const client = await fixture.connectTo(tube);
    const id = await client.put('');
    const cancel = new AbortController();
    const reserve = rejects(client.reserve({ signal: cancel.signal }), Enough);
    cancel.abort(new Enough());
    await reserve;
    await becomesReady(client, id);
    expect((await client.reserve({ timeout: 0 }))?.id).to.equal(id);
  });

  it('while it waits rejects at once, and the client is usable in the same tick', async () => {
    const tube = fixture.tube();
    const [client, witness] = await Promise.all([fixture.connectTo(tube), fixture.connect()]);
    const cancel = new AbortController();
    const reserve = rejects(client.reserve({ signal: cancel.signal }), Enough);
    await untilWaitedFor(tube, witness);
    cancel.abort(new Enough());
    const next = Promise.all([client.put('x'), client.reserve({ timeout: 0 }), client.stats(), client.listTubeUsed()]);
    expect(await settlesAtOnce(reserve)).to.equal(true);
    await reserve;
    const [id, job, , used] = await completes('what comes next', next);
    expect([job?.id, used]).to.deep.equal([id, tube]);
    expect(await client.listTubesWatched()).to.deep.equal([tube]);
    expect((await witness.statsTube(tube))?.currentWaiting).to.equal(0);
  });

  it('just before its reply is read, in the same tick, leaves the job to others as it was', async () => {
    const tube = fixture.tube();
    const cancel = new AbortController();
    // Listens to the socket ahead of the client.
    const openSocket = (address: object): Socket => {
      const socket = connectSocket({ ...(address as { host: string; port: number }), noDelay: true });
      return socket.on('data', (chunk) => {
        if (String(chunk).includes('RESERVED')) cancel.abort(new Enough());
      });
    };
    const client = await fixture.connectTo(tube, { openSocket });
    const id = await client.put('x', { priority: 7 });
    await rejects(client.reserve({ signal: cancel.signal }), Enough);
    await becomesReady(client, id);
    expect(await client.statsJob(id)).to.include({ pri: 7, releases: 0, timeouts: 0 });
    const job = await completes('the job', client.reserve());
    await job?.delete();
  });

  it('just behind its reply, in the same tick, changes nothing: the job is there', async () => {
    const tube = fixture.tube();
    const sockets: Socket[] = [];
    const openSocket = (address: object): Socket => {
      const socket = connectSocket({ ...(address as { host: string; port: number }), noDelay: true });
      sockets.push(socket);
      return socket;
    };
    const client = await fixture.connectTo(tube, { openSocket });
    const id = await client.put('x');
    const cancel = new AbortController();
    sockets[0]?.on('data', () => cancel.abort(new Enough()));
    const job = await client.reserve({ signal: cancel.signal });
    expect([job?.id, cancel.signal.aborted]).to.deep.equal([id, true]);
    await job?.delete();
    expect(sockets).to.have.length(1);
  });

  it('leaves the jobs held that are held: they can be touched, released and deleted, also by their ids', async () => {
    const tube = fixture.tube();
    const [client, witness] = await Promise.all([fixture.connectTo(tube), fixture.connect()]);
    const ids = await Promise.all(Array.from({ length: 5 }, () => client.put('')));
    const jobs = await Promise.all(ids.map(() => client.reserve()));
    await cancelReserve(client, tube, witness);
    expect(await states(witness, ids)).to.deep.equal(Array(5).fill('reserved'));
    // Another connection by now, which holds nothing.
    await client.listTubeUsed();
    const calls = Promise.all([
      jobs[0]?.touch(),
      client.touch(ids[1] ?? ''),
      client.delete(ids[0] ?? ''),
      jobs[1]?.delete(),
      client.release(ids[2] ?? ''),
      client.bury(ids[3] ?? ''),
      jobs[4]?.release(),
    ]);
    await completes('the answers, now that every job is given up', calls);
    expect(await states(witness, ids)).to.deep.equal([undefined, undefined, 'ready', 'buried', 'ready']);
  });

  it('holds up what is said about held jobs while one stays held, until a job comes, which goes back', async () => {
    const tube = fixture.tube();
    const [client, witness] = await Promise.all([fixture.connectTo(tube), fixture.connectTo(tube)]);
    await client.put('');
    const job = await client.reserve();
    await cancelReserve(client, tube, witness);
    // What is called behind the cancellation goes down another connection, and is not held up.
    expect(await completes('the answer', client.listTubeUsed())).to.equal(tube);
    const touch = job?.touch();
    expect(await Promise.race([touch, sleep(100, 'silence')])).to.equal('silence');
    const id = await witness.put('', { priority: 7 });
    await completes('the touch', touch ?? Promise.resolve());
    await becomesReady(witness, id);
    expect(await witness.statsJob(id)).to.include({ pri: 7, timeouts: 0 });
    await completes('the deletion', job?.delete() ?? Promise.resolve());
  });

  it('holds it up no longer than until a second before the earliest TTR ends', async () => {
    const tube = fixture.tube();
    const [client, witness] = await Promise.all([fixture.connectTo(tube), fixture.connect()]);
    const id = await client.put('', { ttr: 3 });
    const job = await client.reserve();
    await cancelReserve(client, tube, witness);
    await completes('the touch', job?.touch() ?? Promise.resolve());
    expect(await witness.statsJob(id)).to.include({ state: 'reserved', timeouts: 0 });
    await job?.delete();
    expect(await witness.peek(id)).to.equal(null);
  });

  it('closes its connection with the last job that is held on it', async () => {
    const tube = fixture.tube();
    const [client, witness] = await Promise.all([fixture.connectTo(tube), fixture.connect()]);
    await client.put('');
    const job = await client.reserve();
    const proxy = await fixture.proxy();
    const other = await fixture.connectTo(tube, { url: proxy.url });
    const id = await other.put('');
    const held = await other.reserve();
    await cancelReserve(other, tube, witness);
    await other.listTubeUsed();
    expect(proxy.open).to.equal(2);
    await held?.delete();
    await until('one connection is left', async () => proxy.open === 1);
    expect(await witness.peek(id)).to.equal(null);
    await job?.delete();
  });

  it('leaves no connection behind, however often', async () => {
    const tube = fixture.tube();
    const proxy = await fixture.proxy();
    const [client, witness] = await Promise.all([fixture.connectTo(tube, { url: proxy.url }), fixture.connect()]);
    for (let round = 0; round < 50; round += 1) await cancelReserve(client, tube, witness);
    expect(await client.listTubesWatched()).to.deep.equal([tube]);
    await until('one connection is left', async () => proxy.open === 1);
    expect(proxy.connections).to.be.greaterThan(2);
  });

  it('rejects one of several that wait; the commands behind it are answered all the same', async () => {
    const tube = fixture.tube();
    const [client, witness] = await Promise.all([fixture.connectTo(tube), fixture.connect()]);
    const cancel = new AbortController();
    const reserve = rejects(client.reserve({ signal: cancel.signal }), Enough);
    const behind = Promise.all([client.put('behind'), client.listTubeUsed()]);
    await untilWaitedFor(tube, witness);
    cancel.abort(new Enough());
    await reserve;
    const [id, used] = await completes('what was behind it', behind);
    expect(used).to.equal(tube);
    expect((await witness.peek(id))?.text()).to.equal('behind');
  });

  it('while there is no connection takes it out of those that wait', async () => {
    const tube = fixture.tube();
    const [proxy, spy] = [await fixture.proxy(), new SpySockets()];
    const client = await fixture.connectTo(tube, { url: proxy.url, openSocket: spy.openSocket, ...SOON });
    const events = new Recorder(client);
    proxy.refuse();
    proxy.reset();
    await events.sees('disconnect');
    const cancel = new AbortController();
    const reserve = rejects(client.reserve({ signal: cancel.signal }), Enough);
    const put = client.put('');
    cancel.abort(new Enough());
    expect(await settlesAtOnce(reserve)).to.equal(true);
    proxy.accept();
    await put;
    expect(spy.sent.slice(1).join('')).not.to.contain('reserve');
  });

  it('when the connection is lost first rejects with CONNECTION_LOST, and aborting later does nothing', async () => {
    const tube = fixture.tube();
    const proxy = await fixture.proxy();
    const [client, witness] = await Promise.all([
      fixture.connectTo(tube, { url: proxy.url, ...SOON }),
      fixture.connect(),
    ]);
    const cancel = new AbortController();
    const reserve = rejects(client.reserve({ signal: cancel.signal }), ConnectionLostError);
    await untilWaitedFor(tube, witness);
    proxy.reset();
    await reserve;
    await client.listTubeUsed();
    cancel.abort(new Enough());
    expect(await client.listTubeUsed()).to.equal(tube);
    expect(proxy.connections).to.equal(2);
  });
});

describe('200 reserves that are cancelled at random while jobs arrive', () => {
  const fixture = onSharedServer();
  const CONSUMERS = 4;
  const CANCELLATIONS = 200;

  for (const seed of [1, 2, 3]) {
    it(`leave every job to be delivered exactly once, and none reserved (seed ${seed})`, async () => {
      using watch = new ProcessWatch();
      const tube = fixture.tube();
      const random = seededRandom(seed);
      const producer = await fixture.connectTo(tube);
      const delivered: string[] = [];
      let cancelled = 0;
      let running = true;

      const consume = async (client: Client): Promise<void> => {
        while (running) {
          const cancel = new AbortController();
          const reserve = client.reserve({ signal: cancel.signal });
          void pause(random).then(() => cancel.abort(new Enough()));
          try {
            const job = await reserve;
            delivered.push(job?.text() ?? '');
            await job?.delete();
          } catch (error) {
            if (!(error instanceof Enough)) throw error;
            cancelled += 1;
          }
        }
      };
      const consumers = await Promise.all(Array.from({ length: CONSUMERS }, () => fixture.connectTo(tube)));
      const consuming = consumers.map(consume);
      const put: string[] = [];
      while (cancelled < CANCELLATIONS || put.length < CANCELLATIONS) {
        put.push(`${put.length}`);
        await producer.put(`${put.length - 1}`, { priority: Math.floor(random() * 10) });
        await pause(random);
      }
      running = false;
      await Promise.all(consuming);

      await until('none is reserved', async () => (await producer.statsTube(tube))?.currentJobsReserved === 0);
      for (let job = await producer.reserve({ timeout: 0 }); job; job = await producer.reserve({ timeout: 0 })) {
        delivered.push(job.text());
        await job.delete();
      }
      expect(delivered).to.have.length(put.length);
      expect(delivered).to.have.members(put);
      expect(watch.complaints).to.deep.equal([]);
    });
  }
});

/** From the same turn of the loop to 3 ms. */
async function pause(random: () => number): Promise<void> {
  const ms = random() * 4 - 1;
  if (ms > 0) await sleep(ms);
  else if (ms > -0.5) await nextTurn();
}

async function cancelReserve(client: Client, tube: string, witness: Client): Promise<void> {
  const cancel = new AbortController();
  const reserve = rejects(client.reserve({ signal: cancel.signal }), Enough);
  await untilWaitedFor(tube, witness);
  cancel.abort(new Enough());
  await reserve;
}

async function becomesReady(client: Client, id: string): Promise<void> {
  await until(`job ${id} is ready`, async () => (await client.statsJob(id))?.state === 'ready');
}

async function states(witness: Client, ids: readonly string[]) {
  return (await Promise.all(ids.map((id) => witness.statsJob(id)))).map((stats) => stats?.state);
}
