import { mkdtemp, rm } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import net, { createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls, { TLSSocket } from 'node:tls';
import { expect } from 'chai';
import sinon from 'sinon';
import { Client } from '../../src/client/client.js';
import { ConnectionLostError } from '../../src/client/errors.js';
import { openSocket } from '../../src/client/socket.js';
import { InvalidArgumentError } from '../../src/protocol/errors.js';
import { preview } from '../../src/shared/text.js';
import { rejection } from '../support/failures.js';
import { FakeSocket } from '../support/fake-socket.js';
import { useScriptedServer } from '../support/scripted-server.js';

const { signal } = new AbortController();

describe('A socket', () => {
  afterEach(() => {
    sinon.restore();
    syncBuiltinESMExports();
  });

  /** The arguments of the calls to Node that connect. */
  function asked(to: typeof net | typeof tls, socket: Socket): sinon.SinonStub {
    const connect = sinon.stub(to as unknown as { connect: () => Socket }, 'connect').returns(socket);
    syncBuiltinESMExports();
    return connect;
  }

  it('goes to a host and a port, without delay and with keepalive: a peer that vanished is noticed', async () => {
    const socket = new Socket();
    const connect = asked(net, socket);
    const noDelay = sinon.spy(socket, 'setNoDelay');
    const keepAlive = sinon.spy(socket, 'setKeepAlive');
    const connecting = openSocket({ host: 'queue', port: 5 }, signal);
    socket.emit('connect');
    const { readBuffer, ...open } = await connecting;
    expect(open.socket).to.equal(socket);
    expect(connect.args).to.deep.equal([[{ host: 'queue', port: 5, onread: readBuffer.onread }]]);
    expect(noDelay.args).to.deep.equal([[true]]);
    expect(keepAlive.args).to.deep.equal([[true, 10_000]]);
  });

  it('goes to the path of a Unix socket', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'haricot-'));
    const path = join(folder, 's');
    const server = createServer((peer) =>
      peer.on('data', (line) => peer.write(`USING ${/use (\w+)/.exec(`${line}`)?.[1]}\r\n`)),
    );
    try {
      await new Promise<void>((resolve) => server.listen(path, resolve));
      const client = await Client.connect(`beanstalkd+unix://${path}`, { reconnect: false });
      expect(await client.use('mail')).to.equal('mail');
      client.destroy();
    } finally {
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true });
    }
  });

  it('names the Unix socket that nobody listens on', async () => {
    const error = await rejection(Client.connect('beanstalkd+unix:///nowhere/s'), ConnectionLostError);
    expect(error.message).to.equal('cannot connect to beanstalkd+unix:///nowhere/s: connect ENOENT /nowhere/s');
  });

  const WITH_TLS: [what: string, address: { host: string; port: number; tls: object }, expected: object][] = [
    ['verifies the name of the host', { host: 'queue', port: 5, tls: {} }, { servername: 'queue' }],
    ['has no name to ask an address for', { host: '127.0.0.1', port: 5, tls: {} }, { servername: '' }],
    [
      'passes on what the caller has for TLS, but always verifies',
      {
        host: '::1',
        port: 5,
        tls: { ca: 'CA', cert: 'CERT', key: 'KEY', servername: 'other', rejectUnauthorized: false },
      },
      { ca: 'CA', cert: 'CERT', key: 'KEY', servername: 'other' },
    ],
  ];

  for (const [what, address, expected] of WITH_TLS) {
    it(`with TLS ${what}`, async () => {
      const socket = new TLSSocket(new Socket());
      const connect = asked(tls, socket);
      const connecting = openSocket(address, signal);
      let connected = false;
      void connecting.then(() => {
        connected = true;
      });
      socket.emit('connect');
      await new Promise(setImmediate);
      expect(connected).to.equal(false);
      socket.emit('secureConnect');
      const { readBuffer, ...open } = await connecting;
      expect(open.socket).to.equal(socket);
      const { host, port } = address;
      const { onread } = readBuffer;
      expect(connect.args).to.deep.equal([[{ host, port, onread, ...expected, rejectUnauthorized: true }]]);
    });
  }

  it('is lost where it closes before it has connected', async () => {
    const socket = new FakeSocket();
    const connecting = rejection(
      openSocket({ host: 'queue', port: 5 }, signal, () => socket.asSocket),
      ConnectionLostError,
    );
    socket.destroy();
    expect((await connecting).message).to.equal('cannot connect to beanstalkd://queue:5: the connection was closed');
  });

  it('is given up with the reason of the signal', async () => {
    const reason = new Error('no longer wanted');
    const cancelling = new AbortController();
    const socket = new FakeSocket();
    const connecting = rejection(
      Client.connect({ signal: cancelling.signal, openSocket: () => socket.asSocket }),
      Error,
    );
    cancelling.abort(reason);
    expect(await connecting).to.equal(reason);
    expect(socket.destroyed).to.equal(true);
    let opened = 0;
    const openNone = () => {
      opened++;
      return socket.asSocket;
    };
    expect(await rejection(Client.connect({ signal: cancelling.signal, openSocket: openNone }), Error)).to.equal(
      reason,
    );
    expect(opened).to.equal(0);
  });

  it('is of no interest to the signal once it has connected', async () => {
    const cancelling = new AbortController();
    const socket = new FakeSocket();
    const connecting = Client.connect({ signal: cancelling.signal, openSocket: () => socket.asSocket });
    socket.accept();
    const client = await connecting;
    cancelling.abort();
    expect(socket.destroyed).to.equal(false);
    client.destroy();
  });
});

describe('Client.connect', () => {
  const server = useScriptedServer();

  for (const [name, value] of [
    ['connectTimeoutMs', 1.5],
    ['connectTimeoutMs', Number.POSITIVE_INFINITY],
    ['replyTimeoutMs', -1],
    ['maxBodyBytes', Number.NaN],
    ['maxWaitingCommands', -1],
    ['maxWaitingBytes', 0.5],
    ['maxWaitingMs', 2 ** 31],
    ['quitTimeoutMs', '5' as unknown as number],
  ] as const) {
    it(`refuses ${value} for ${name}`, async () => {
      const error = await rejection(Client.connect({ port: server.port, [name]: value }), InvalidArgumentError);
      expect(error.message).to.match(new RegExp(`^${name} must be an integer from 0 to \\d+, got ${preview(value)}$`));
    });
  }
});
