import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect } from 'chai';
import type { Address } from '../../src/client/address.js';
import { Client } from '../../src/client/client.js';
import { Job, StoredJob } from '../../src/client/job.js';
import type { ClientOptions } from '../../src/client/options.js';
import { InvalidArgumentError, JobTooBigError, ProtocolError } from '../../src/protocol/errors.js';
import { rejection } from '../support/failures.js';
import { FakeSocket } from '../support/fake-socket.js';
import { type Peer, useScriptedServer } from '../support/scripted-server.js';
import { JOB_1_12, STATS_1_12, TUBE_1_12 } from '../support/stats-output.js';

const U64 = '18446744073709551615';

function ok(data: string): string {
  return `OK ${Buffer.byteLength(data)}\r\n${data}\r\n`;
}

/** A job as plain data, with the name of its class. */
function plain(value: unknown): unknown {
  return value instanceof StoredJob ? { class: value.constructor.name, id: value.id, body: value.text() } : value;
}

type Exchange = [
  call: string,
  call: (client: Client) => Promise<unknown>,
  sent: string,
  reply: string,
  result: unknown,
];

const EXCHANGES: Exchange[] = [
  ['put', (c) => c.put('hello'), 'put 1024 0 60 5\r\nhello\r\n', 'INSERTED 1\r\n', '1'],
  ['put of the largest id', (c) => c.put('a'), 'put 1024 0 60 1\r\na\r\n', `INSERTED ${U64}\r\n`, U64],
  [
    'put of bytes',
    (c) => c.put(Buffer.from('\r\n\0\xff', 'latin1')),
    'put 1024 0 60 4\r\n\r\n\0\xff\r\n',
    'INSERTED 2\r\n',
    '2',
  ],
  [
    'put of UTF-8',
    (c) => c.put('é€😀'),
    `put 1024 0 60 9\r\n${Buffer.from('é€😀').toString('latin1')}\r\n`,
    'INSERTED 3\r\n',
    '3',
  ],
  ['put of half a character', (c) => c.put('\ud800'), 'put 1024 0 60 3\r\n\xef\xbf\xbd\r\n', 'INSERTED 3\r\n', '3'],
  ['put of nothing', (c) => c.put(''), 'put 1024 0 60 0\r\n\r\n', 'INSERTED 4\r\n', '4'],
  [
    'put with options',
    (c) => c.put(new Uint8Array([120]), { priority: 0, delay: 1, ttr: 2 }),
    'put 0 1 2 1\r\nx\r\n',
    'INSERTED 5\r\n',
    '5',
  ],
  ['use', (c) => c.use('mail'), 'use mail\r\n', 'USING mail\r\n', 'mail'],
  ['reserve', (c) => c.reserve(), 'reserve\r\n', 'RESERVED 6 2\r\nhi\r\n', { class: 'Job', id: '6', body: 'hi' }],
  [
    'reserve of an empty body',
    (c) => c.reserve({}),
    'reserve\r\n',
    'RESERVED 0 0\r\n\r\n',
    { class: 'Job', id: '0', body: '' },
  ],
  ['reserve that finds nothing', (c) => c.reserve({ timeout: 0 }), 'reserve-with-timeout 0\r\n', 'TIMED_OUT\r\n', null],
  [
    'reserve with a timeout',
    (c) => c.reserve({ timeout: 2147483647 }),
    'reserve-with-timeout 2147483647\r\n',
    'RESERVED 6 1\r\nx\r\n',
    { class: 'Job', id: '6', body: 'x' },
  ],
  [
    'reserveJob',
    (c) => c.reserveJob(6),
    'reserve-job 6\r\n',
    'RESERVED 6 1\r\nx\r\n',
    { class: 'Job', id: '6', body: 'x' },
  ],
  ['watch', (c) => c.watch('mail'), 'watch mail\r\n', 'WATCHING 2\r\n', 2],
  ['ignore', (c) => c.ignore('default'), 'ignore default\r\n', 'WATCHING 1\r\n', 1],
  ['delete', (c) => c.delete(7n), 'delete 7\r\n', 'DELETED\r\n', undefined],
  ['release', (c) => c.release('7'), 'release 7 1024 0\r\n', 'RELEASED\r\n', undefined],
  [
    'release with options',
    (c) => c.release(7, { priority: 1, delay: 2 }),
    'release 7 1 2\r\n',
    'RELEASED\r\n',
    undefined,
  ],
  ['bury', (c) => c.bury(7), 'bury 7 1024\r\n', 'BURIED\r\n', undefined],
  ['bury with a priority', (c) => c.bury(7, { priority: 3 }), 'bury 7 3\r\n', 'BURIED\r\n', undefined],
  ['touch', (c) => c.touch(U64), `touch ${U64}\r\n`, 'TOUCHED\r\n', undefined],
  ['kickJob', (c) => c.kickJob(7), 'kick-job 7\r\n', 'KICKED\r\n', undefined],
  ['peek', (c) => c.peek(8), 'peek 8\r\n', 'FOUND 8 2\r\nhi\r\n', { class: 'StoredJob', id: '8', body: 'hi' }],
  ['peek of nothing', (c) => c.peek(8), 'peek 8\r\n', 'NOT_FOUND\r\n', null],
  ['peekReady', (c) => c.peekReady(), 'peek-ready\r\n', 'FOUND 8 0\r\n\r\n', { class: 'StoredJob', id: '8', body: '' }],
  ['peekReady of nothing', (c) => c.peekReady(), 'peek-ready\r\n', 'NOT_FOUND\r\n', null],
  ['peekDelayed', (c) => c.peekDelayed(), 'peek-delayed\r\n', 'NOT_FOUND\r\n', null],
  ['peekBuried', (c) => c.peekBuried(), 'peek-buried\r\n', 'NOT_FOUND\r\n', null],
  ['kick', (c) => c.kick(4294967295), 'kick 4294967295\r\n', 'KICKED 12\r\n', 12],
  ['statsTube', (c) => c.statsTube('mail'), 'stats-tube mail\r\n', ok('name: 1\npause: 3\n'), { name: '1', pause: 3 }],
  ['statsTube of nothing', (c) => c.statsTube('mail'), 'stats-tube mail\r\n', 'NOT_FOUND\r\n', null],
  ['statsJob', (c) => c.statsJob(7), 'stats-job 7\r\n', ok('id: 7\ntime-left: -1\n'), { id: '7', timeLeft: -1 }],
  ['statsJob of nothing', (c) => c.statsJob(7), 'stats-job 7\r\n', 'NOT_FOUND\r\n', null],
  ['listTubes', (c) => c.listTubes(), 'list-tubes\r\n', ok('---\n- default\n- null\n'), ['default', 'null']],
  ['listTubeUsed', (c) => c.listTubeUsed(), 'list-tube-used\r\n', 'USING 007\r\n', '007'],
  ['listTubesWatched', (c) => c.listTubesWatched(), 'list-tubes-watched\r\n', ok('---\n- 1e3\n'), ['1e3']],
  ['pauseTube', (c) => c.pauseTube('mail', 0), 'pause-tube mail 0\r\n', 'PAUSED\r\n', undefined],
];

describe('Client', () => {
  describe('on a connection', () => {
    const server = useScriptedServer();
    let client: Client;
    let peer: Peer;

    beforeEach(async () => {
      ({ client, peer } = await server.connect());
    });

    for (const [what, call, sent, reply, result] of EXCHANGES) {
      it(`sends the bytes of ${what} and decodes the reply`, async () => {
        const done = call(client);
        await peer.takes(sent);
        expect(peer.unread).to.equal('');
        peer.sends(reply);
        expect(plain(await done)).to.deep.equal(result);
      });
    }

    it('decodes the stats of a server, a tube and a job', async () => {
      const all = Promise.all([client.stats(), client.statsTube('mail'), client.statsJob(U64)]);
      await peer.takes(`stats\r\nstats-tube mail\r\nstats-job ${U64}\r\n`);
      peer.sends(ok(STATS_1_12) + ok(TUBE_1_12) + ok(JOB_1_12));
      const [stats, tube, job] = await all;
      expect(stats).to.include({ version: '1.12', maxJobSize: 65535, os: '#1 SMP PREEMPT_DYNAMIC @0' });
      expect(tube).to.include({ name: 'mail', currentWaiting: 9 });
      expect(job).to.include({ id: U64, timeLeft: -3 });
    });

    it('gives jobs whose methods go down its connection', async () => {
      const reserved = client.reserveJob(5);
      peer.sends('RESERVED 5 1\r\nx\r\n');
      const job = await reserved;
      expect(job).to.be.instanceOf(Job);
      void job.delete().catch(() => {});
      await peer.takes('reserve-job 5\r\ndelete 5\r\n');
    });

    it('says of a job that is being uploaded that it cannot be peeked at, and goes on', async () => {
      const peeked = rejection(client.peek(3), ProtocolError);
      const used = client.listTubeUsed();
      peer.sends('FOUND 3 5\r\nhe\0\0\0\0\0USING default\r\n');
      expect(await peeked).to.include({
        command: 'peek',
        jobId: '3',
        message: 'cannot peek 3: the job is still being uploaded by another connection',
      });
      expect(await used).to.equal('default');
      expect(client.isOpen).to.equal(true);
    });

    it('refuses a body above the max-job-size once stats has told it, without sending it', async () => {
      const before = client.put('x'.repeat(11));
      peer.sends('JOB_TOO_BIG\r\n');
      expect(await rejection(before, JobTooBigError)).to.include({ code: 'JOB_TOO_BIG' });
      const stats = client.stats();
      peer.sends(ok('max-job-size: 10\n'));
      await stats;
      const error = await rejection(client.put(`${'x'.repeat(9)}é`), JobTooBigError);
      expect(error).to.include({ code: 'JOB_TOO_BIG', command: 'put' });
      expect(error.message).to.equal(
        "cannot put: a body must have at most 10 bytes (the server's max-job-size), got 11",
      );
      const put = client.put('x'.repeat(10));
      await peer.takes('put 1024 0 60 11\r\nxxxxxxxxxxx\r\nstats\r\nput 1024 0 60 10\r\nxxxxxxxxxx\r\n');
      peer.sends('INSERTED 1\r\n');
      expect(await put).to.equal('1');
    });

    it('keeps what it knew of max-job-size when stats does not tell', async () => {
      const stats = Promise.all([client.stats(), client.stats(), client.stats()]);
      peer.sends(ok('max-job-size: 1\n') + ok('pid: 1\n') + ok('max-job-size: many\n'));
      await stats;
      await rejection(client.put('xx'), JobTooBigError);
    });

    it('quits when it is disposed of', async () => {
      const disposed = client[Symbol.asyncDispose]();
      expect(client.isOpen).to.equal(false);
      await peer.takes('quit\r\n');
      peer.ends();
      await disposed;
    });
  });

  describe('connect', () => {
    it('takes an address as text, with options, or options alone', async () => {
      const answering = createServer((peer) => peer.on('data', () => peer.write('USING default\r\n')));
      answering.listen(0, '127.0.0.1');
      await once(answering, 'listening');
      const { port } = answering.address() as AddressInfo;
      const address = `127.0.0.1:${port}`;
      for (const client of [
        await Client.connect(`beanstalkd://${address}`),
        await Client.connect(address, { connectTimeoutMs: 60_000 }),
        await Client.connect({ url: address }),
        await Client.connect({ host: '127.0.0.1', port }),
      ]) {
        expect(client.isOpen).to.equal(true);
        client.destroy();
      }
      answering.close();
    });

    async function addressOf(target: string | ClientOptions | undefined): Promise<Address | undefined> {
      let asked: Address | undefined;
      const openSocket = (address: Address): ReturnType<NonNullable<ClientOptions['openSocket']>> => {
        asked = address;
        const socket = new FakeSocket();
        process.nextTick(() => socket.accept());
        return socket.asSocket;
      };
      const client = await Client.connect(target, { openSocket });
      client.destroy();
      return asked;
    }

    it('goes to 127.0.0.1:11300 where nothing else is said', async () => {
      expect(await addressOf(undefined)).to.deep.equal({ host: '127.0.0.1', port: 11300 });
      expect(await addressOf({ port: 5 })).to.deep.equal({ host: '127.0.0.1', port: 5 });
      expect(await addressOf({ host: 'queue', url: undefined })).to.deep.equal({ host: 'queue', port: 11300 });
      expect(await addressOf('[::1]:7')).to.deep.equal({ host: '::1', port: 7 });
    });

    it('refuses an address that is none', async () => {
      const wrong = [
        { url: 'a', host: 'b' },
        { url: 'a', port: 1 },
        { port: 0 },
        { port: 1.5 },
        { url: 'http://a' },
        '',
      ];
      for (const target of wrong) await rejection(Client.connect(target), InvalidArgumentError);
      expect((await rejection(Client.connect({ port: 65536 }), InvalidArgumentError)).message).to.equal(
        'port must be an integer from 1 to 65535, got 65536',
      );
    });
  });
});
