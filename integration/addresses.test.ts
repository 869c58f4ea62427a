import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { expect } from 'chai';
import { type Client, ConnectionLostError, InvalidArgumentError } from '../src/client/index.js';
import { Recorder, SOON } from './support/events.js';
import { type Fixture, onSharedServer } from './support/fixture.js';
import { freePort } from './support/network.js';
import { findOnPath } from './support/process-server.js';
import { TcpProxy } from './support/proxy.js';
import { rejects } from './support/rejects.js';
import { completes, until } from './support/until.js';

const pem = (name: string) => readFileSync(new URL(`fixtures/tls/${name}`, import.meta.url));
const ca = pem('ca.pem');
const servers: Server[] = [];
const sockets = new Set<Socket>();

describe('a client with an address', () => {
  const fixture = onSharedServer();

  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  });

  describe('of TLS', () => {
    it('talks to a terminator whose certificate its CA has signed', async () => {
      const port = await terminator(fixture);
      await works(fixture, await fixture.connect({ url: `beanstalkds://localhost:${port}`, tls: { ca } }));
    });

    it('has an address instead of a name verified too', async () => {
      const port = await terminator(fixture);
      await works(fixture, await fixture.connect({ url: `beanstalkds://127.0.0.1:${port}`, tls: { ca } }));
    });

    it('takes the options with host and port as well', async () => {
      const port = await terminator(fixture);
      await works(fixture, await fixture.connect({ url: undefined, host: 'localhost', port, tls: { ca } }));
    });

    it('refuses a certificate of another CA, and says why', async () => {
      const port = await terminator(fixture);
      for (const tls of [{ ca: pem('other-ca.pem') }, {}]) {
        const url = `beanstalkds://localhost:${port}`;
        const error = await rejects(fixture.connect({ url, tls }), ConnectionLostError);
        expect(error).to.include({ code: 'CONNECTION_LOST', sent: false });
        expect(error.message)
          .to.contain(url)
          .and.match(/certificate/);
      }
    });

    it('refuses a certificate of another name, and says why', async () => {
      const port = await terminator(fixture);
      const tls = { ca, servername: 'elsewhere.test' };
      const connecting = fixture.connect({ url: `beanstalkds://localhost:${port}`, tls });
      const error = await rejects(connecting, ConnectionLostError);
      expect(error.message)
        .to.contain('elsewhere.test')
        .and.match(/does not match/);
    });

    it('asks for the name that it was given', async () => {
      const names: unknown[] = [];
      const port = await terminator(fixture, {
        SNICallback: (name, callback) => {
          names.push(name);
          callback(null);
        },
      });
      const tls = { ca, servername: 'beanstalkd.test' };
      await works(fixture, await fixture.connect({ url: `beanstalkds://127.0.0.1:${port}`, tls }));
      expect(names).to.deep.equal(['beanstalkd.test']);
    });

    it('shows its certificate where the terminator asks for one', async () => {
      const port = await terminator(fixture, { ca, requestCert: true, rejectUnauthorized: true });
      const url = `beanstalkds://localhost:${port}`;
      const tls = { ca, cert: pem('client.pem'), key: pem('client.key') };
      await works(fixture, await fixture.connect({ url, tls }));
      // TLS 1.3 refuses only after the client's side of the handshake is done: then the first command is lost.
      const refused = fixture.connect({ url, tls: { ca }, reconnect: false }).then((client) => client.stats());
      const error = await rejects(refused, ConnectionLostError);
      expect(error.message).to.match(/certificate|ECONNRESET|EPIPE|closed/);
    });

    it('comes back over TLS', async () => {
      const port = await terminator(fixture);
      const tube = fixture.tube();
      const client = await fixture.connectTo(tube, { url: `beanstalkds://localhost:${port}`, tls: { ca }, ...SOON });
      const events = new Recorder(client);
      for (const socket of sockets) socket.destroy();
      await events.sees('connect');
      expect(await client.listTubesWatched()).to.deep.equal([tube]);
      await works(fixture, client);
    });

    it('cannot speak TLS to a server that does not', async () => {
      const { port } = fixture.server;
      const connecting = fixture.connect({ url: `beanstalkds://127.0.0.1:${port}`, connectTimeoutMs: 1000 });
      const outcome = await connecting.catch((error: Error) => error);
      expect(outcome).to.have.property('code').that.is.oneOf(['CONNECTION_LOST', 'CONNECT_TIMEOUT']);
    });
  });

  describe('of a Unix socket', () => {
    let directory: string;

    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'haricot-socket-'));
    });

    afterEach(() => {
      rmSync(directory, { recursive: true, force: true });
    });

    it('talks to a server behind one', async () => {
      const path = join(directory, 'beanstalkd.sock');
      const server = createServer((socket) => passOn(socket, fixture));
      servers.push(server.listen(path));
      await once(server, 'listening');
      await works(fixture, await fixture.connect({ url: `beanstalkd+unix://${path}` }));
    });

    it('is told which one is not there', async () => {
      const url = `beanstalkd+unix://${join(directory, 'nothing.sock')}`;
      const error = await rejects(fixture.connect({ url }), ConnectionLostError);
      expect(error.message).to.contain(url).and.contain('ENOENT');
    });

    it('is told that a path is too long for a server', async () => {
      const url = `beanstalkd+unix:///${'x'.repeat(107)}`;
      const error = await rejects(fixture.connect({ url }), InvalidArgumentError);
      expect(error.message).to.contain('at most 107 bytes, got 108');
    });

    const program = findOnPath();
    // The other one above holds wherever the server comes from.
    if (program !== undefined) {
      it('talks to a beanstalkd that listens on one, and comes back to it', async () => {
        const path = join(directory, 'beanstalkd.sock');
        const start = () => spawn(program, ['-l', `unix:${path}`], { stdio: 'ignore' });
        let child = start();
        try {
          const client = await untilConnected(fixture, `beanstalkd+unix://${path}`);
          await works(fixture, client);
          const events = new Recorder(client);
          child.kill('SIGKILL');
          await events.sees('disconnect');
          child = start();
          await events.sees('connect');
          await works(fixture, client);
        } finally {
          child.kill('SIGKILL');
        }
      });
    }
  });

  describe('of TCP', () => {
    const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));
    if (hasIpv6) {
      it('of version 6 writes it in brackets', async () => {
        const proxy = await TcpProxy.start(fixture.server, { host: '::1', port: 0 });
        try {
          expect(proxy.url).to.contain('[::1]');
          await works(fixture, await fixture.connect({ url: proxy.url }));
          await works(fixture, await fixture.connect({ url: undefined, host: '::1', port: proxy.port }));
          expect(proxy.connections).to.equal(2);
        } finally {
          await proxy.close();
        }
      });
    }

    it('of a name with several addresses finds the one where the server listens', async () => {
      const proxy = await fixture.proxy();
      await works(fixture, await fixture.connect({ url: `beanstalkd://localhost:${proxy.port}` }));
      await works(fixture, await fixture.connect({ url: `localhost:${proxy.port}` }));
      expect(proxy.connections).to.equal(2);
    });

    it('where nobody listens is told so for every address of the name', async () => {
      const port = await freePort();
      const error = await rejects(fixture.connect({ url: `localhost:${port}` }), ConnectionLostError);
      expect(error.message).to.contain(`127.0.0.1:${port}`).and.contain('ECONNREFUSED');
    });

    it('of a name that does not exist is told so', async () => {
      const error = await rejects(
        completes('the name is looked up', fixture.connect({ url: 'nowhere.invalid' })),
        ConnectionLostError,
      );
      expect(error.message)
        .to.contain('nowhere.invalid')
        .and.match(/ENOTFOUND|EAI_AGAIN/);
    });
  });
});

/** Everything goes both ways, also what does not fit into one packet. */
async function works(fixture: Fixture, client: Client): Promise<void> {
  const tube = fixture.tube();
  const body = Buffer.alloc(60_000, 'Hülsenfrüchte');
  await Promise.all([client.use(tube), client.watch(tube)]);
  const id = await client.put(body);
  const job = await client.reserve({ timeout: 60 });
  expect([job?.id, job?.body.equals(body)]).to.deep.equal([id, true]);
  await job?.delete();
}

/** A TLS terminator in front of the server; answers its port. */
async function terminator(fixture: Fixture, options: TlsOptions = {}): Promise<number> {
  const server = createTlsServer({ cert: pem('server.pem'), key: pem('server.key'), ...options });
  server.on('secureConnection', (socket) => passOn(socket, fixture));
  server.on('tlsClientError', () => {});
  servers.push(server.listen(0));
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function passOn(socket: Socket, fixture: Fixture): void {
  const { host, port } = fixture.server;
  const server = connect({ host, port, noDelay: true });
  for (const [one, other] of [
    [socket, server],
    [server, socket],
  ] as const) {
    sockets.add(one);
    one.pipe(other);
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
}

async function untilConnected(fixture: Fixture, url: string): Promise<Client> {
  let client: Client | undefined;
  await until(`${url} answers`, async () => {
    client = await fixture.connect({ url, ...SOON }).catch(() => undefined);
    return client !== undefined;
  });
  if (client === undefined) throw new Error(`no connection to ${url}`);
  return client;
}
