import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { Client } from '../../src/client/client.js';
import { ConnectTimeoutError } from '../../src/client/errors.js';
import { Pool } from '../../src/client/pool.js';
import { ProtocolError } from '../../src/protocol/errors.js';
import { rejection } from '../support/failures.js';
import { collectGarbage } from '../support/garbage.js';
import { countListeners } from '../support/listeners.js';

describe('Connecting to what is no beanstalkd', () => {
  let server: Server;
  let answer: (peer: Socket) => void;

  beforeEach(async () => {
    server = createServer((peer) => {
      peer.on('error', () => {});
      answer(peer);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(() => server.close());

  const connect = (connectTimeoutMs = 60_000): Promise<Client> =>
    Client.connect({ port: (server.address() as AddressInfo).port, connectTimeoutMs });

  it('takes connectTimeoutMs where nothing is ever answered', async () => {
    let closed: Promise<unknown> = Promise.resolve();
    answer = (peer) => {
      peer.resume();
      closed = once(peer, 'close');
    };
    const error = await rejection(connect(50), ConnectTimeoutError);
    expect(error.message).to.match(
      /^cannot connect to beanstalkd:\/\/127\.0\.0\.1:\d+: it does not answer within 50 ms$/,
    );
    await closed;
  });

  for (const [what, greeting] of [
    ['an HTTP server', 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'],
    ['an SSH server, which speaks first', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['a Redis server', "-ERR unknown command 'use'\r\n"],
  ] as const) {
    it(`says so of ${what}`, async () => {
      answer = (peer) => {
        peer.resume();
        peer.write(greeting);
      };
      const error = await rejection(connect(), ProtocolError);
      expect(error.code).to.equal('PROTOCOL');
      expect(error.message).to.match(
        /^cannot connect to beanstalkd:\/\/127\.0\.0\.1:\d+: it does not speak the protocol of beanstalkd: /,
      );
    });
  }

  describe('and to one', () => {
    beforeEach(() => {
      answer = (peer) => peer.on('data', () => peer.write('USING default\r\n'));
    });

    it('leaves no warning and no listener on a signal that many wait with', async () => {
      const warnings: Error[] = [];
      const onWarning = (warning: Error): void => void warnings.push(warning);
      process.on('warning', onWarning);
      const { signal } = new AbortController();
      const listeners = countListeners(signal);
      const { port } = server.address() as AddressInfo;
      const pool = new Pool({ port, max: 30 });
      const clients = await Promise.all([
        ...Array.from({ length: 30 }, () => Client.connect({ port, signal })),
        ...Array.from({ length: 30 }, () => pool.acquire({ signal })),
      ]);
      for (const client of clients.slice(0, 30)) client.destroy();
      for (const client of clients.slice(30)) await pool.release(client);
      await pool.drain();
      await nextTurn();
      process.off('warning', onWarning);
      expect(warnings).to.deep.equal([]);
      expect(listeners.count).to.equal(0);
    });

    it('keeps no store of whoever makes it open again after an abort', async () => {
      answer = (peer) =>
        peer.on('data', (bytes) => {
          for (const [, tube] of String(bytes).matchAll(/^use (.*)\r\n/gm)) peer.write(`USING ${tube}\r\n`);
        });
      const storage = new AsyncLocalStorage<object>();
      const { port } = server.address() as AddressInfo;
      const client = await Client.connect({ port });
      const stores = await (async () => {
        const abort = new AbortController();
        const first = { request: 1 };
        const second = { request: 2 };
        await storage.run(first, async () => {
          const reserve = client.reserve({ signal: abort.signal });
          abort.abort(new Error('given up'));
          await rejection(reserve, Error);
        });
        await storage.run(second, () => client.use('mails'));
        return [new WeakRef(first), new WeakRef(second)];
      })();
      await collectGarbage();
      expect(stores.map((store) => store.deref())).to.deep.equal([undefined, undefined]);
      expect(client.isOpen).to.equal(true);
      client.destroy();
    });

    it('keeps nobody’s AsyncLocalStorage: listeners run outside of it', async () => {
      const storage = new AsyncLocalStorage<string>();
      const { port } = server.address() as AddressInfo;
      const stores: unknown[] = [];
      const pool = new Pool({ port });
      const [client, pooled] = await storage.run('a request', () =>
        Promise.all([Client.connect({ port, reconnect: false }), pool.acquire()]),
      );
      const closed = [client, pooled].map(
        (each) => new Promise<void>((resolve) => each.on('close', () => resolve(void stores.push(storage.getStore())))),
      );
      storage.run('another request', () => {
        client.destroy();
        pooled.destroy();
      });
      await Promise.all(closed);
      expect(stores).to.deep.equal([undefined, undefined]);
      await pool.release(pooled);
      await pool.drain();
    });
  });
});

describe('An event loop that is blocked', () => {
  // Long enough for what a busy machine does between two blocks.
  const LIMIT_MS = 700;
  const block = (): void => {
    const end = performance.now() + LIMIT_MS + 200;
    while (performance.now() < end);
  };

  it('makes nothing late that has come meanwhile: connecting, an answer, borrowing and quit', async () => {
    const server = createServer((peer) =>
      peer.on('data', (lines) => {
        for (const line of `${lines}`.split('\r\n')) {
          if (line.startsWith('use')) peer.write('USING default\r\n');
          if (line.startsWith('put')) peer.write('INSERTED 1\r\n');
          if (line === 'quit') peer.end();
        }
      }),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const limits = {
      port,
      connectTimeoutMs: LIMIT_MS,
      replyTimeoutMs: LIMIT_MS,
      quitTimeoutMs: LIMIT_MS,
      reconnect: false,
    } as const;
    const connecting = Client.connect(limits);
    block();
    const client = await connecting;
    const first = client.put('x');
    block();
    expect(await first).to.equal('1');
    const { reconnect: _, ...poolLimits } = limits;
    const pool = new Pool({ ...poolLimits, acquireTimeoutMs: LIMIT_MS });
    const used = pool.use((borrowed) => borrowed.put('x'));
    block();
    expect(await used).to.equal('1');
    const last = client.put('y');
    const quit = client.quit();
    block();
    expect(await last).to.equal('1');
    await quit;
    await pool.drain();
    server.close();
  });
});
