import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { ClosedError, ConnectionLostError } from '../src/client/index.js';
import { Recorder, SOON } from './support/events.js';
import { onOwnServer, onSharedServer } from './support/fixture.js';
import { rejects } from './support/rejects.js';
import { SpySockets } from './support/spy-socket.js';
import { completes, until } from './support/until.js';

describe('after its connection was lost, a client', () => {
  const fixture = onSharedServer();

  it('uses and watches what it did, before any command: it watches first, and ignores then', async () => {
    const [used, one, other] = [fixture.tube(), fixture.tube(), fixture.tube()];
    const [proxy, spy] = [await fixture.proxy(), new SpySockets()];
    const client = await fixture.connect({ url: proxy.url, openSocket: spy.openSocket, ...SOON });
    await Promise.all([client.use(used), client.watch(one), client.watch(other), client.ignore('default')]);
    const events = new Recorder(client);
    proxy.reset();
    await events.sees('disconnect');
    const id = await client.put('x');
    expect(spy.sent).to.have.length(2);
    expect(spy.sent[1]).to.equal(
      `watch ${one}\r\nwatch ${other}\r\nignore default\r\nuse ${used}\r\nput 1024 0 60 1\r\nx\r\n`,
    );
    expect(await client.listTubeUsed()).to.equal(used);
    expect(await client.listTubesWatched()).to.have.members([one, other]);
    expect((await client.statsJob(id))?.tube).to.equal(used);
  });

  it('restores only what the server had confirmed', async () => {
    const [used, wanted] = [fixture.tube(), fixture.tube()];
    const proxy = await fixture.proxy();
    const client = await fixture.connectTo(used, { url: proxy.url, ...SOON });
    proxy.stall('toServer');
    const lost = [client.use(wanted), client.watch(wanted), client.put('')];
    const errors = Promise.all(lost.map((call) => rejects(call, ConnectionLostError)));
    proxy.reset();
    proxy.resume();
    expect((await errors).map(({ sent }) => sent)).to.deep.equal([true, true, true]);
    expect(await client.listTubeUsed()).to.equal(used);
    expect(await client.listTubesWatched()).to.deep.equal([used]);
    const id = await client.put('');
    expect((await client.statsJob(id))?.tube).to.equal(used);
  });

  it('repeats nothing that was in flight', async () => {
    const tube = fixture.tube();
    const [proxy, spy] = [await fixture.proxy(), new SpySockets()];
    const client = await fixture.connectTo(tube, { url: proxy.url, openSocket: spy.openSocket, ...SOON });
    proxy.stall('toServer');
    const calls = [client.put('a'), client.put('b'), client.reserve(), client.stats()];
    const errors = Promise.all(calls.map((call) => rejects(call, ConnectionLostError)));
    await until('they are sent', async () => spy.sent[0]?.includes('stats') === true);
    proxy.reset();
    for (const error of await errors) expect(error).to.include({ code: 'CONNECTION_LOST', sent: true });
    proxy.resume();
    expect((await client.statsTube(tube))?.totalJobs).to.equal(0);
    expect(spy.sent.slice(1).join('')).not.to.match(/put|reserve|stats\r/);
  });

  it('does so again and again', async () => {
    const tube = fixture.tube();
    const proxy = await fixture.proxy();
    const client = await fixture.connectTo(tube, { url: proxy.url, ...SOON });
    for (let round = 0; round < 10; round += 1) {
      proxy.reset();
      await until('it is back', async () => {
        const used = await client.listTubeUsed().catch(() => undefined);
        return used === tube && proxy.connections === round + 2;
      });
    }
    expect(await client.listTubesWatched()).to.deep.equal([tube]);
  });
});

describe('commands that are called while there is no connection', () => {
  const fixture = onSharedServer();

  /** A client whose proxy lets nobody in. */
  async function disconnected(options: object = {}) {
    const tube = fixture.tube();
    const proxy = await fixture.proxy();
    const client = await fixture.connectTo(tube, { url: proxy.url, ...SOON, ...options });
    const events = new Recorder(client);
    proxy.refuse();
    proxy.reset();
    await events.sees('disconnect');
    return { tube, proxy, client, events };
  }

  it('wait, and go out in the order of the calls', async () => {
    const { proxy, client } = await disconnected();
    const bodies = Array.from({ length: 50 }, (_, number) => `job ${number}`);
    const ids = Promise.all(bodies.map((body) => client.put(body)));
    const jobs = Promise.all(bodies.map(() => client.reserve({ timeout: 0 })));
    proxy.accept();
    expect((await jobs).map((job) => job?.text())).to.deep.equal(bodies);
    expect((await jobs).map((job) => job?.id)).to.deep.equal(await ids);
  });

  it('take their bodies with them: the buffer may be changed at once', async () => {
    const { proxy, client } = await disconnected();
    const body = Buffer.from('before');
    const put = client.put(body);
    body.write('behind');
    proxy.accept();
    await put;
    expect((await client.peekReady())?.text()).to.equal('before');
  });

  it('go where `use` sends them', async () => {
    const { tube, proxy, client } = await disconnected();
    const other = fixture.tube();
    const calls = Promise.all([client.put('1'), client.use(other), client.put('2'), client.tube(tube).put('3')]);
    proxy.accept();
    const [first, , second, third] = await calls;
    const tubes = await Promise.all([first, second, third].map(async (id) => (await client.statsJob(id))?.tube));
    expect(tubes).to.deep.equal([tube, other, tube]);
    expect(await client.listTubeUsed()).to.equal(other);
  });

  it('are not more than so many', async () => {
    const { proxy, client } = await disconnected({ maxWaitingCommands: 2 });
    const waiting = Promise.all([client.put('a'), client.put('b')]);
    const error = await rejects(client.put('c'), ConnectionLostError);
    expect(error).to.include({ code: 'CONNECTION_LOST', command: 'put', sent: false });
    expect(error.message).to.match(/^cannot put: 2 commands wait for the connection already/);
    proxy.accept();
    expect(await waiting).to.have.length(2);
    expect((await client.statsTube(await client.listTubeUsed()))?.totalJobs).to.equal(2);
  });

  it('have not more than so many bytes', async () => {
    const { proxy, client } = await disconnected({ maxWaitingBytes: 2000 });
    const waiting = client.put('a'.repeat(1500));
    const error = await rejects(client.put('b'.repeat(1500)), ConnectionLostError);
    expect(error).to.include({ code: 'CONNECTION_LOST', command: 'put', sent: false });
    expect(error.message).to.contain('2000 bytes');
    const small = client.put('c');
    proxy.accept();
    expect([await waiting, await small]).to.have.length(2);
  });

  it('wait no longer than so long, and tell why there is no connection', async () => {
    const { proxy, client, events } = await disconnected({ maxWaitingMs: 200 });
    const start = performance.now();
    const first = rejects(client.put('a'), ConnectionLostError);
    await sleep(100);
    const second = rejects(client.put('b'), ConnectionLostError);
    const error = await completes('the first rejection', first);
    expect(performance.now() - start).to.be.at.least(199);
    expect(error).to.include({ code: 'CONNECTION_LOST', command: 'put', sent: false });
    expect(error.message).to.match(/^cannot put: no connection within 200 ms: .*127\.0\.0\.1:\d+/);
    await completes('the second rejection', second);
    expect(performance.now() - start).to.be.at.least(299);
    expect(events.of('reconnecting').length).to.be.greaterThan(1);
    proxy.accept();
    const used = await client.listTubeUsed();
    expect((await client.statsTube(used))?.totalJobs).to.equal(0);
  });
});

describe('the events of a client', () => {
  const fixture = onOwnServer();

  it('tell of the loss, of every try and of the return', async () => {
    const client = await fixture.connect(SOON);
    const events = new Recorder(client);
    await fixture.server.kill();
    await events.sees('reconnecting', 3);
    await fixture.server.restart();
    await events.sees('connect');
    const tries = events.of('reconnecting') as { attempt: number; delayMs: number }[];
    expect(events.names).to.deep.equal(['disconnect', ...tries.map(() => 'reconnecting'), 'connect']);
    expect(events.of('disconnect')[0]).to.be.instanceOf(ConnectionLostError);
    expect(tries.map(({ attempt }) => attempt)).to.deep.equal(tries.map((_, index) => index + 1));
    for (const { delayMs } of tries) expect(delayMs).to.be.within(0, 20);

    await client.quit();
    expect(events.names.at(-1)).to.equal('close');
    expect(events.of('close')).to.have.length(1);
    expect(events.of('close')[0]).to.be.instanceOf(ClosedError);
  });

  it('need no listener', async () => {
    const client = await fixture.connect({ reconnect: { initialDelayMs: 1, maxDelayMs: 1, maxAttempts: 5 } });
    await fixture.server.kill();
    await until('it has given up', async () => !client.isOpen);
  });

  it('end with close as soon as the connection is lost where it is not to come back', async () => {
    const client = await fixture.connect({ reconnect: false });
    const events = new Recorder(client);
    await fixture.server.kill();
    await events.sees('close');
    expect(events.names).to.deep.equal(['disconnect', 'close']);
    expect(events.of('close')).to.deep.equal(events.of('disconnect'));
    expect(client.isOpen).to.equal(false);
    await fixture.server.restart();
    const error = await rejects(client.stats(), ConnectionLostError);
    expect(error).to.include({ command: 'stats', sent: false });
  });

  it('end with close after so many tries in a row, and what waited is rejected', async () => {
    const client = await fixture.connect({ reconnect: { initialDelayMs: 1, maxDelayMs: 1, maxAttempts: 3 } });
    const events = new Recorder(client);
    await fixture.server.kill();
    await events.sees('disconnect');
    const waiting = [rejects(client.put(''), ConnectionLostError), rejects(client.reserve(), ConnectionLostError)];
    await events.sees('close');
    expect(events.names).to.deep.equal(['disconnect', ...Array(3).fill('reconnecting'), 'close']);
    expect((events.of('close')[0] as Error).message).to.contain('ECONNREFUSED');
    for (const error of await Promise.all(waiting)) expect(error).to.include({ sent: false });
    await rejects(client.stats(), ConnectionLostError);
  });

  it('count the tries anew after every return', async () => {
    const client = await fixture.connect({ reconnect: { initialDelayMs: 1, maxDelayMs: 1, maxAttempts: 2000 } });
    const events = new Recorder(client);
    for (const round of [1, 2, 3]) {
      await fixture.server.restart();
      await events.sees('connect', round);
    }
    const attempts = (events.of('reconnecting') as { attempt: number }[]).map(({ attempt }) => attempt);
    expect(attempts.filter((attempt) => attempt === 1)).to.have.length(3);
  });

  it('may be answered by closing: then there are no further tries', async () => {
    const client = await fixture.connect(SOON);
    const events = new Recorder(client);
    client.on('reconnecting', () => client.destroy());
    await fixture.server.kill();
    await events.sees('close');
    await sleep(100);
    expect(events.names).to.deep.equal(['disconnect', 'reconnecting', 'close']);
    expect(events.of('close')[0]).to.be.instanceOf(ClosedError);
  });

  it('let quit end the tries at once', async () => {
    const client = await fixture.connect({ reconnect: { initialDelayMs: 60_000, maxDelayMs: 60_000 } });
    const events = new Recorder(client);
    await fixture.server.kill();
    await events.sees('reconnecting');
    const waiting = rejects(client.stats(), ClosedError);
    await completes('the end of quit', client.quit());
    await waiting;
  });
});

describe('a job whose connection was lost', () => {
  const fixture = onOwnServer();

  it('is dead: its methods reject and send nothing, although another job has its id by now', async () => {
    const spy = new SpySockets();
    const client = await fixture.connect({ openSocket: spy.openSocket, ...SOON });
    const events = new Recorder(client);
    const id = await client.put('mine');
    const job = await client.reserve();
    // Without a binlog the ids begin at 1 again.
    await fixture.server.restart();
    await events.sees('connect');
    const stranger = await fixture.connect();
    expect(await stranger.put("a stranger's")).to.equal(id);
    for (const call of [job?.delete(), job?.touch(), job?.release(), job?.bury(), job?.stats()]) {
      const error = await rejects(call ?? Promise.resolve(), ConnectionLostError);
      expect(error).to.include({ code: 'CONNECTION_LOST', jobId: id, sent: false });
    }
    expect(await client.listTubeUsed()).to.equal('default');
    expect(spy.sent).to.have.length.greaterThan(1);
    expect(spy.sent.slice(1).join('')).not.to.match(/delete|touch|release|bury|stats-job/);
    expect((await stranger.peek(id))?.text()).to.equal("a stranger's");
  });
});
