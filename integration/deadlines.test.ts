import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import {
  Client,
  ClosedError,
  ConnectionLostError,
  ConnectTimeoutError,
  ReplyTimeoutError,
} from '../src/client/index.js';
import { Recorder, SOON } from './support/events.js';
import { onOwnServer } from './support/fixture.js';
import { rejects } from './support/rejects.js';
import { completes, until } from './support/until.js';

class Enough extends Error {}

describe('a server that takes commands and does not answer', () => {
  const fixture = onOwnServer();
  const OPTIONS = { ...SOON, replyTimeoutMs: 1000, connectTimeoutMs: 1000, quitTimeoutMs: 200 };

  it('is noticed: REPLY_TIMEOUT for the oldest command, CONNECTION_LOST for those behind it', async () => {
    const client = await fixture.connect(OPTIONS);
    await fixture.server.pause();
    const start = performance.now();
    const first = rejects(client.put('a'), ReplyTimeoutError);
    const second = rejects(client.listTubeUsed(), ConnectionLostError);
    const error = await completes('the first rejection', first);
    expect(performance.now() - start).to.be.at.least(999);
    expect(error).to.include({ code: 'REPLY_TIMEOUT', command: 'put' });
    expect(error.message).to.contain(`${fixture.server.port}`).and.contain('1000 ms');
    expect(await second).to.include({ sent: true, command: 'list-tube-used' });
  });

  it('is tried again until it answers, and then the client goes on', async () => {
    const client = await fixture.connect(OPTIONS);
    await client.use('elsewhere');
    const events = new Recorder(client);
    await fixture.server.pause();
    await rejects(client.stats(), ReplyTimeoutError);
    // A connection is accepted all the same: it counts only when the server has answered on it.
    await events.sees('reconnecting', 2);
    const waiting = client.listTubeUsed();
    expect(events.of('connect')).to.have.length(0);
    await fixture.server.resume();
    expect(await completes('the answer', waiting)).to.equal('elsewhere');
    expect(events.of('connect')).to.have.length(1);
  });

  it('may take its own timeout and as long again for a reserve', async () => {
    const client = await fixture.connect(OPTIONS);
    await fixture.server.pause();
    const start = performance.now();
    const error = await completes('the rejection', rejects(client.reserve({ timeout: 1 }), ReplyTimeoutError));
    expect(performance.now() - start).to.be.at.least(1999);
    expect(error).to.include({ code: 'REPLY_TIMEOUT', command: 'reserve-with-timeout' });
  });

  it('is noticed within livenessMs by a reserve without a timeout, through a proxy that keeps the connection open', async () => {
    const proxy = await fixture.proxy();
    const client = await fixture.connect({ ...OPTIONS, url: proxy.url, livenessMs: 2000 });
    const lost = rejects(client.reserve(), ReplyTimeoutError);
    proxy.stall('toClient', 'toServer');
    expect(await lost).to.include({ code: 'REPLY_TIMEOUT', command: 'reserve' });
  });

  it('may take for ever for a reserve without a timeout', async () => {
    const client = await fixture.connect({ ...OPTIONS, replyTimeoutMs: 200 });
    const reserve = client.reserve();
    expect(await Promise.race([reserve, sleep(600, 'silence')])).to.equal('silence');
    await (await fixture.connect()).put('late');
    expect((await completes('the job', reserve))?.text()).to.equal('late');
  });

  it('may take for ever for everything where replyTimeoutMs is 0', async () => {
    const client = await fixture.connect({ ...OPTIONS, replyTimeoutMs: 0 });
    await fixture.server.pause();
    const used = client.listTubeUsed();
    expect(await Promise.race([used, sleep(500, 'silence')])).to.equal('silence');
    await fixture.server.resume();
    expect(await completes('the answer', used)).to.equal('default');
  });

  it('does not keep quit waiting', async () => {
    const client = await fixture.connect({ ...OPTIONS, replyTimeoutMs: 0 });
    await fixture.server.pause();
    const lost = rejects(client.put(''), ClosedError);
    const start = performance.now();
    await completes('the end of quit', client.quit());
    expect(performance.now() - start).to.be.at.least(199);
    await lost;
  });

  it('does not keep quit waiting either when nothing is out', async () => {
    const client = await fixture.connect(OPTIONS);
    await fixture.server.pause();
    await completes('the end of quit', client.quit());
    expect(client.isOpen).to.equal(false);
  });

  it('is not connected to: CONNECT_TIMEOUT within connectTimeoutMs', async () => {
    await fixture.server.pause();
    const error = await rejects(fixture.connect({ ...OPTIONS, reconnect: false }), ConnectTimeoutError);
    expect(error.message).to.match(/ does not answer within 1000 ms$/);
  });
});

describe('connecting', () => {
  let server: Server;
  const accepted: Socket[] = [];
  let closed = 0;

  // Takes connections and says nothing: a TLS handshake never ends.
  before(async () => {
    server = createServer((socket) => {
      accepted.push(socket.on('error', () => {}).on('close', () => (closed += 1)));
      socket.resume();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  after(() => {
    server.close();
  });

  const url = () => `beanstalkds://127.0.0.1:${(server.address() as AddressInfo).port}`;

  it('rejects with the reason of its signal, and closes the socket', async () => {
    const cancel = new AbortController();
    const connecting = rejects(Client.connect(url(), { signal: cancel.signal }), Enough);
    await until('it is connected', async () => accepted.length === 1);
    const reason = new Enough();
    cancel.abort(reason);
    expect(await completes('the rejection', connecting)).to.equal(reason);
    await until('the socket is closed', async () => closed === 1);
  });

  it('rejects at once when the signal was aborted before, and opens no socket', async () => {
    let opened = 0;
    const openSocket = () => {
      opened += 1;
      return new Socket();
    };
    await rejects(Client.connect(url(), { signal: AbortSignal.abort(new Enough()), openSocket }), Enough);
    expect(opened).to.equal(0);
  });

  it('rejects with the reason of its signal where the socket does not come up at all', async () => {
    const socket = new Socket();
    const connecting = Client.connect({ signal: AbortSignal.timeout(50), openSocket: () => socket });
    const error = await completes('the rejection', rejects(connecting, DOMException));
    expect(error.name).to.equal('TimeoutError');
    expect(socket.destroyed).to.equal(true);
  });

  it('takes no longer than connectTimeoutMs, the handshake included', async () => {
    const start = performance.now();
    const error = await completes(
      'the rejection',
      rejects(Client.connect(url(), { connectTimeoutMs: 150 }), ConnectTimeoutError),
    );
    expect(performance.now() - start).to.be.at.least(149);
    expect(error.code).to.equal('CONNECT_TIMEOUT');
    expect(error.message).to.contain(url()).and.contain('150 ms');
  });
});

describe('a process whose client is closed ends by itself', () => {
  const fixture = onOwnServer();

  for (const how of ['quit', 'cancel-and-quit', 'destroy-while-reconnecting', 'destroy-with-everything-pending']) {
    it(`after ${how.replaceAll('-', ' ')}`, async () => {
      const script = fileURLToPath(new URL('fixtures/ends-by-itself.ts', import.meta.url));
      const child = spawn(process.execPath, ['--import', 'tsx', script, how, fixture.server.url], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, NODE_OPTIONS: '' },
      });
      try {
        const exit = once(child, 'exit');
        // One that fails ends without a word.
        await completes('it is done', Promise.race([once(child.stdout, 'data'), exit]));
        expect(await completes('its end', exit)).to.deep.equal([0, null]);
      } finally {
        child.kill('SIGKILL');
      }
    });
  }
});
