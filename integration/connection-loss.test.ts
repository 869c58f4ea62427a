import { connect as connectSocket, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { Address } from '../src/client/address.js';
import {
  BadFormatError,
  type BeanstalkdError,
  Client,
  ClosedError,
  ConnectionLostError,
  ExpectedCrlfError,
  NotFoundError,
  PendingLimitError,
  ProtocolError,
  UnknownCommandError,
} from '../src/client/index.js';
import { onOwnServer, onSharedServer } from './support/fixture.js';
import { rejects } from './support/rejects.js';
import { completes, until, untilWaitedFor } from './support/until.js';

/** Not to come back: what becomes of one connection. */
const ONCE = { reconnect: false };

describe('killing the server', () => {
  const fixture = onOwnServer();

  it('rejects everything that is pending with CONNECTION_LOST', async () => {
    const { server } = fixture;
    const consumers = await Promise.all(Array.from({ length: 5 }, () => fixture.connect(ONCE)));
    const producer = await fixture.connect(ONCE);
    const reserves = consumers.flatMap((client) => [client.reserve(), client.listTubeUsed()]);
    await until('all consumers wait', async () => (await producer.stats()).currentWaiting === 5);
    // Stopped, so that it cannot answer the puts before it dies.
    await server.pause();
    const puts = Array.from({ length: 100 }, () => producer.put('x'.repeat(1000)));
    const lost = Promise.all([...reserves, ...puts].map((call) => rejects(call, ConnectionLostError)));
    await server.kill();
    const errors = await completes('all rejections', lost);
    expect(errors).to.have.length(110);
    expect(errors.map(({ code }) => code)).to.deep.equal(Array(110).fill('CONNECTION_LOST'));
    expect(errors.map(({ sent }) => sent)).to.deep.equal(Array(110).fill(true));
    expect(errors.slice(0, 2).map(({ command }) => command)).to.deep.equal(['reserve', 'list-tube-used']);
    expect([...consumers, producer].filter((client) => client.isOpen)).to.deep.equal([]);
  });

  it('tells which of the lost commands had not been handed to the socket', async () => {
    const { server } = fixture;
    const client = await fixture.connect();
    await server.pause();
    const body = Buffer.alloc(60_000);
    const first = Array.from({ length: 500 }, () => rejects(client.put(body), ConnectionLostError));
    await sleep(10);
    // 30 MB are more than the systems on both sides take from a connection that nobody reads.
    const second = Array.from({ length: 10 }, () => rejects(client.put(body), ConnectionLostError));
    await server.kill();
    expect((await Promise.all(first)).every(({ sent }) => sent)).to.equal(true);
    expect((await Promise.all(second)).some(({ sent }) => sent)).to.equal(false);
  });

  it('makes every later call reject with CONNECTION_LOST, as not sent', async () => {
    const client = await fixture.connect(ONCE);
    await fixture.server.kill();
    await until('the client has noticed', async () => !client.isOpen);
    const error = await rejects(client.put(''), ConnectionLostError);
    expect(error).to.include({ code: 'CONNECTION_LOST', command: 'put', sent: false });
    await client.quit();
  });

  it('makes the methods of a job that was held reject with CONNECTION_LOST, also after a restart', async () => {
    const client = await fixture.connect();
    await client.put('');
    const job = await client.reserve();
    await fixture.server.restart();
    await (await fixture.connect()).put('a new job with the same id');
    await rejects(job?.delete() ?? Promise.resolve(), ConnectionLostError);
    expect(await (await fixture.connect()).peek(job?.id ?? 0)).to.not.equal(null);
  });

  it('makes connecting reject with CONNECTION_LOST until the server is there again', async () => {
    await fixture.server.kill();
    const error = await rejects(Client.connect(fixture.server.url), ConnectionLostError);
    expect(error).to.include({ code: 'CONNECTION_LOST', sent: false });
    expect(error.message).to.contain(`${fixture.server.port}`).and.contain('ECONNREFUSED');
    await fixture.server.restart();
    expect(await (await fixture.connect()).listTubeUsed()).to.equal('default');
  });
});

describe('a server that stops for a while', () => {
  const fixture = onOwnServer();

  it('gives every answer once it goes on', async () => {
    const client = await fixture.connect();
    await fixture.server.pause();
    const answers = Promise.all([client.put('a'), client.put('b'), client.reserve(), client.listTubeUsed()]);
    expect(await Promise.race([answers, sleep(200, 'silence')])).to.equal('silence');
    await fixture.server.resume();
    const [one, other, job, used] = await completes('the answers', answers);
    expect([one, other, job?.text(), used]).to.deep.equal(['1', '2', 'a', 'default']);
  });

  it('is given a bounded number of bytes: 64 MiB of 5,000 puts of 60 KB, the others are refused unsent', async () => {
    const tube = fixture.tube();
    const client = await fixture.connectTo(tube);
    await fixture.server.pause();
    const before = process.memoryUsage().arrayBuffers;
    const body = Buffer.alloc(60_000, 'x');
    const puts = Promise.allSettled(Array.from({ length: 5000 }, () => client.put(body)));
    await sleep(50);
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(100 * 1024 * 1024);
    const settling = rejects(client.delete('18446744073709551615'), NotFoundError);
    await fixture.server.resume();
    await settling;
    const outcomes = await puts;
    const stored = outcomes.filter(({ status }) => status === 'fulfilled').length;
    expect(stored).to.be.within(1000, 1118);
    const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    expect(refused.filter((error) => !(error instanceof PendingLimitError))).to.deep.equal([]);
    expect((await client.statsTube(tube))?.currentJobsReady).to.equal(stored);
  });
});

describe('a stream that is out of step', () => {
  const fixture = onSharedServer();

  it('goes on in the middle of a line after a body that is one byte too long: one command is lost', async () => {
    const raw = await fixture.connectRaw();
    await raw.exchanges('put 0 0 60 5\r\nhello1\r\n', 'EXPECTED_CRLF\r\n');
    await raw.exchanges('list-tube-used\r\n', 'UNKNOWN_COMMAND\r\n');
    await raw.exchanges('list-tube-used\r\n', 'USING default\r\n');
  });

  it('is answered once too often after a body that is longer still', async () => {
    const raw = await fixture.connectRaw();
    await raw.exchanges('put 0 0 60 5\r\nhello123\r\nlist-tube-used\r\n', 'EXPECTED_CRLF\r\nUNKNOWN_COMMAND\r\n');
    await raw.receives('USING default\r\n');
  });

  it('has the next command for a part of the body after a body that is too short', async () => {
    const tube = fixture.tube();
    const [raw, client] = [await fixture.connectRaw(), await fixture.connectTo(tube)];
    await raw.exchanges(`use ${tube}\r\n`, `USING ${tube}\r\n`);
    raw.send('put 0 0 60 10\r\nhello\r\n');
    await client.stats();
    expect(raw.unread).to.equal('');
    raw.send('bye\r\n');
    await raw.matches(/^INSERTED \d+\r\n/);
    expect((await client.peekReady())?.text()).to.equal('hello\r\nbye');
  });

  it('has the body for commands after a put line that the server cannot read', async () => {
    const tube = fixture.tube();
    const raw = await fixture.connectRaw();
    const sent = `put 0 0 60 zz\r\nuse ${tube}\r\nlist-tube-used\r\n`;
    await raw.exchanges(sent, `BAD_FORMAT\r\nUSING ${tube}\r\nUSING ${tube}\r\n`);
  });

  for (const [what, from, to, errorClass] of [
    ['EXPECTED_CRLF', ' 60 5\r\n', ' 60 4\r\n', ExpectedCrlfError],
    ['BAD_FORMAT', ' 60 5\r\n', ' 60 x\r\n', BadFormatError],
    ['UNKNOWN_COMMAND', 'put ', 'pxt ', UnknownCommandError],
  ] as const) {
    it(`is not used any further by the client: ${what} to a put closes it, and what is behind the put is lost`, async () => {
      const client = await fixture.connect({ ...ONCE, openSocket: tampering(from, to) });
      const tube = fixture.tube();
      const [first, error, ...behind] = await Promise.all([
        client.use(tube),
        rejects<BeanstalkdError>(client.put('hello'), errorClass),
        rejects(client.listTubeUsed(), ConnectionLostError),
        rejects(client.put('more'), ConnectionLostError),
      ]);
      expect(first).to.equal(tube);
      expect(error).to.include({ code: what, command: 'put' });
      expect(behind.map(({ cause }) => cause)).to.deep.equal([error, error]);
      expect(client.isOpen).to.equal(false);
    });
  }

  it('is noticed by the client where a reply does not fit its command: PROTOCOL, and the connection is closed', async () => {
    const client = await fixture.connect({
      ...ONCE,
      openSocket: tampering('list-tube-used\r\n', 'list-tubes\r\n'),
    });
    const [error, lost] = await Promise.all([
      rejects(client.listTubeUsed(), ProtocolError),
      rejects(client.listTubesWatched(), ConnectionLostError),
    ]);
    expect(error).to.include({ code: 'PROTOCOL', command: 'list-tube-used' });
    expect(lost.sent).to.equal(true);
    expect(client.isOpen).to.equal(false);
  });

  it('is not what a refused one-line command leaves: the client goes on', async () => {
    const client = await fixture.connect({ openSocket: tampering('peek 1\r\n', 'peek x\r\n') });
    const [error, used] = await Promise.all([rejects(client.peek(1), BadFormatError), client.listTubeUsed()]);
    expect(error).to.include({ code: 'BAD_FORMAT', command: 'peek', jobId: '1' });
    expect(used).to.equal('default');
    expect(client.isOpen).to.equal(true);
  });
});

describe('closing a connection', () => {
  const fixture = onSharedServer();

  it('by quit answers a reserve that waits with null, and what was called behind it as ever', async () => {
    const tube = fixture.tube();
    const [client, witness] = await Promise.all([fixture.connectTo(tube), fixture.connect()]);
    const calls = Promise.all([client.reserve(), client.listTubeUsed(), client.reserve({ timeout: 600 })]);
    await untilWaitedFor(tube, witness);
    await completes('the end of quit', client.quit());
    expect(await calls).to.deep.equal([null, tube, null]);
  });

  it('by quit gives back the job that a reserve gets in its last moment', async () => {
    const tube = fixture.tube();
    const [client, producer] = await Promise.all([fixture.connectTo(tube), fixture.connectTo(tube)]);
    const id = await producer.put('');
    const reserve = client.reserve();
    await client.quit();
    expect(await reserve).to.equal(null);
    await until('the job is ready', async () => (await producer.statsJob(id))?.state === 'ready');
  });

  it('by destroy rejects everything pending with CLOSED, at once', async () => {
    const client = await fixture.connectTo(fixture.tube());
    const lost = Promise.all([rejects(client.reserve(), ClosedError), rejects(client.stats(), ClosedError)]);
    client.destroy();
    expect((await lost).map(({ command }) => command)).to.deep.equal(['reserve', 'stats']);
    expect(client.isOpen).to.equal(false);
  });

  for (const [how, close] of [
    ['quit', (client: Client) => client.quit({ waitForJobs: false })],
    ['destroy', async (client: Client) => client.destroy()],
  ] as const) {
    it(`by ${how} makes its jobs ready as they were: they count one reserve, no release and no timeout`, async () => {
      const tube = fixture.tube();
      const [holder, other] = await Promise.all([fixture.connectTo(tube), fixture.connectTo(tube)]);
      const id = await holder.put('', { priority: 7 });
      await holder.reserve();
      await close(holder);
      await until('the job is ready', async () => (await other.statsJob(id))?.state === 'ready');
      expect(await other.statsJob(id)).to.include({ pri: 7, reserves: 1, releases: 0, timeouts: 0 });
    });

    it(`by ${how} gives its jobs to those who wait`, async () => {
      const tube = fixture.tube();
      const [holder, other] = await Promise.all([fixture.connectTo(tube), fixture.connectTo(tube)]);
      const id = await holder.put('');
      await holder.reserve();
      const waiting = other.reserve();
      await close(holder);
      expect((await completes('the job', waiting))?.id).to.equal(id);
    });
  }

  it('in the middle of a body leaves no job', async () => {
    const tube = fixture.tube();
    const [raw, witness] = [await fixture.connectRaw(), await fixture.connect()];
    await raw.exchanges(`use ${tube}\r\n`, `USING ${tube}\r\n`);
    raw.send('put 0 0 60 10\r\nhello');
    raw.endSending();
    expect(await raw.ends()).to.equal('end of file');
    expect(await witness.statsTube(tube)).to.equal(null);
  });

  it('on the sending side first executes and answers all that was sent', async () => {
    const tube = fixture.tube();
    const raw = await fixture.connectRaw();
    raw.send(`use ${tube}\r\nput 0 0 60 1\r\na\r\npeek-ready\r\n`);
    raw.endSending();
    await raw.receives(`USING ${tube}\r\n`);
    const [, id] = await raw.matches(/^INSERTED (\d+)\r\n/);
    await raw.receives(`FOUND ${id} 1\r\na\r\n`);
    expect(await raw.ends()).to.equal('end of file');
  });
});

/** A socket that sends something else for the first occurrence of `from`: an accident that the client cannot have. */
function tampering(from: string, to: string): (address: Address) => Socket {
  return (address) => {
    const socket = connectSocket({ ...address, noDelay: true });
    const write = socket.write.bind(socket);
    const tampered = (chunk: Uint8Array): boolean => {
      return write(Buffer.from(Buffer.from(chunk).toString('latin1').replace(from, to), 'latin1'));
    };
    socket.write = tampered as typeof socket.write;
    return socket;
  };
}
