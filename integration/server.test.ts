import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { ask } from './support/network.js';
import { type ServerOptions, sharedServer, startServer, stopAllServers, type TestServer } from './support/server.js';

describe('the test server', () => {
  let server: TestServer | undefined;

  async function start(options: ServerOptions = {}): Promise<TestServer> {
    server = await startServer({ control: true, ...options });
    return server;
  }

  afterEach(async () => {
    await server?.stop();
    server = undefined;
  });

  it('answers at its address', async () => {
    const { url, host, port } = await start();
    const [reply] = await ask(host, port, 'stats', /^OK \d+\r\n---\n(.+\n)+\r\n$/);
    expect(reply).to.match(/^version: "?1\./m);
    expect(url).to.equal(`beanstalkd://${host}:${port}`);
  });

  it('closes open connections when killed, and refuses new ones', async () => {
    const { host, port, kill } = await start();
    const socket = await open(host, port);
    const closed = once(socket, 'close');
    await kill();
    await closed;
    expect(await failure(ask(host, port, 'stats', /OK/))).to.contain('ECONNREFUSED');
  });

  it('comes up again on the same port after a kill, without the jobs it had', async () => {
    const { host, port, kill, restart } = await start();
    await put(host, port, 'gone');
    await kill();
    await restart();
    await ask(host, port, 'peek 1', /^NOT_FOUND\r\n/);
  });

  it('restarts while it runs', async () => {
    const { host, port, restart } = await start();
    await put(host, port, 'gone');
    await restart();
    await ask(host, port, 'peek 1', /^NOT_FOUND\r\n/);
  });

  it('restarts while connections to it stay open', async () => {
    const { host, port, restart } = await start();
    const socket = await open(host, port);
    const closed = once(socket, 'close');
    await restart();
    await closed;
    await ask(host, port, 'list-tube-used', /^USING default\r\n/);
  });

  it('keeps its jobs through a kill with a binlog', async () => {
    const { host, port, kill, restart } = await start({ binlog: true });
    await put(host, port, 'kept');
    await kill();
    await restart();
    await ask(host, port, 'peek 1', /^FOUND 1 4\r\nkept\r\n/);
  });

  it('starts every binlog empty', async () => {
    for (let round = 0; round < 2; round += 1) {
      const { host, port, stop } = await start({ binlog: true });
      await ask(host, port, 'peek 1', /^NOT_FOUND\r\n/);
      await put(host, port, 'mine');
      await stop();
    }
  });

  it('answers nothing while paused, and everything once resumed', async () => {
    const { host, port, pause, resume } = await start();
    const socket = await open(host, port);
    await pause();
    socket.write('list-tube-used\r\n');
    const answer = once(socket, 'data');
    expect(await Promise.race([answer, sleep(300, 'silence')])).to.equal('silence');
    await resume();
    expect(String(await answer)).to.equal('USING default\r\n');
    socket.destroy();
  });

  it('can be killed and stopped while paused', async () => {
    const { pause, kill, restart, stop } = await start();
    await pause();
    await kill();
    await restart();
    await pause();
    await stop();
  });

  it('takes no puts once it drains, until a restart', async () => {
    const { host, port, drain, restart } = await start();
    await drain();
    await ask(host, port, 'put 0 0 60 1\r\na', /^DRAINING\r\n/);
    await restart();
    await put(host, port, 'a');
  });

  it('passes flags on, also to a restarted server', async () => {
    const { host, port, restart } = await start({ flags: ['-z', '10'] });
    await ask(host, port, 'put 0 0 60 11\r\n12345678901', /^JOB_TOO_BIG\r\n/);
    await restart();
    await ask(host, port, 'put 0 0 60 11\r\n12345678901', /^JOB_TOO_BIG\r\n/);
  });

  it('says why a server does not start', async () => {
    expect(await failure(start({ flags: ['-@'] }))).to.match(/ended.*unknown flag: -@/);
  });

  it('stops more than once', async () => {
    const { host, port, stop } = await start();
    await Promise.all([stop(), stop()]);
    await stop();
    expect(await failure(ask(host, port, 'stats', /OK/))).to.contain('ECONNREFUSED');
  });

  it('has neighbours on ports of their own', async () => {
    const [one, other] = await Promise.all([startServer({ control: true }), startServer({ control: true })]);
    expect(one.port).to.not.equal(other.port);
    await put(one.host, one.port, 'here');
    await ask(other.host, other.port, 'peek 1', /^NOT_FOUND\r\n/);
    await Promise.all([one.stop(), other.stop()]);
  });

  it('is the same one whenever the shared one is asked for', async () => {
    const [one, again] = await Promise.all([sharedServer(), sharedServer()]);
    expect(one).to.equal(again);
    await ask(one.host, one.port, 'list-tube-used', /^USING default\r\n/);
  });

  it('is stopped with all others', async () => {
    const { host, port } = await start();
    await stopAllServers();
    expect(await failure(ask(host, port, 'stats', /OK/))).to.contain('ECONNREFUSED');
  });
});

async function open(host: string, port: number): Promise<Socket> {
  const socket = connect(port, host);
  // A killed server may reset the connection; these tests look at `close`, which follows.
  socket.on('error', () => {});
  socket.write('list-tube-used\r\n');
  await once(socket, 'data');
  return socket;
}

async function put(host: string, port: number, body: string): Promise<void> {
  await ask(host, port, `put 0 0 60 ${body.length}\r\n${body}`, /^INSERTED \d+\r\n/);
}

async function failure(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no failure',
    (error: Error) => error.message,
  );
}
