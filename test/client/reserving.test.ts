import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Client } from '../../src/client/client.js';
import { ClosedError, DeadlineSoonError, ReplyTimeoutError } from '../../src/client/errors.js';
import type { ClientOptions } from '../../src/client/options.js';
import { livenessOf } from '../../src/client/reply-deadline.js';
import { useFakeClock } from '../support/clock.js';
import { rejection } from '../support/failures.js';
import { connectFake, type FakeSocket } from '../support/fake-socket.js';

describe('livenessOf', () => {
  for (const [livenessMs, replyTimeoutMs, seconds, answerMs] of [
    [60_000, 30_000, 30, 30_000],
    [60_000, 5000, 55, 5000],
    [60_000, 0, 30, 30_000],
    [2000, 30_000, 1, 1000],
    [500, 30_000, 1, 250],
    [0, 30_000, Number.POSITIVE_INFINITY, 30_000],
    [0, 0, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  ] as const) {
    it(`makes of ${livenessMs} ms and ${replyTimeoutMs} ms for replies ${seconds} s and ${answerMs} ms`, () => {
      expect(livenessOf(livenessMs, replyTimeoutMs)).to.deep.equal({ seconds, answerMs });
    });
  }
});

describe('A reserve that waits', () => {
  const clock = useFakeClock();
  let client: Client;
  let socket: FakeSocket;

  async function connect(options: ClientOptions): Promise<void> {
    ({ client, socket } = await connectFake({ replyTimeoutMs: 1000, ...options }));
  }

  afterEach(() => client.destroy());

  /** Returns what is sent within the time. The server answers `reply`. */
  async function passing(ms: number, reply = ''): Promise<string> {
    const before = socket.sent.length;
    await clock.tickAsync(ms);
    if (reply !== '') socket.reply(reply);
    await nextTurn();
    await nextTurn();
    return socket.sent.slice(before);
  }

  it('without a timeout is sent as several, so that the server must answer', async () => {
    await connect({ livenessMs: 10_000 });
    const reserved = client.reserve();
    expect(await passing(0)).to.equal('reserve-with-timeout 9\r\n');
    expect(await passing(9000, 'TIMED_OUT\r\n')).to.equal('reserve-with-timeout 9\r\n');
    expect(await passing(9000, 'TIMED_OUT\r\n')).to.equal('reserve-with-timeout 9\r\n');
    await passing(10, 'RESERVED 1 1\r\nx\r\n');
    expect((await reserved)?.id).to.equal('1');
  });

  it('notices within livenessMs that the server is gone without a word', async () => {
    await connect({ livenessMs: 10_000 });
    const lost = rejection(client.reserve(), ReplyTimeoutError);
    await passing(9000, 'TIMED_OUT\r\n');
    await clock.tickAsync(9990);
    expect(socket.destroyed).to.equal(false);
    await clock.tickAsync(20);
    await nextTurn();
    expect(await lost).to.include({ code: 'REPLY_TIMEOUT' });
  });

  it('with a timeout is sent in parts that make up the whole', async () => {
    await connect({ livenessMs: 10_000 });
    const reserved = client.reserve({ timeout: 20 });
    expect(await passing(9000, 'TIMED_OUT\r\n')).to.equal('reserve-with-timeout 9\r\nreserve-with-timeout 9\r\n');
    expect(await passing(9000, 'TIMED_OUT\r\n')).to.equal('reserve-with-timeout 2\r\n');
    await passing(2000, 'TIMED_OUT\r\n');
    expect(await reserved).to.equal(null);
  });

  it('is sent as it is with livenessMs 0', async () => {
    await connect({ livenessMs: 0 });
    const reserved = [client.reserve(), client.reserve({ timeout: 3600 })];
    expect(await passing(0)).to.equal('reserve\r\nreserve-with-timeout 3600\r\n');
    await passing(0, 'TIMED_OUT\r\nRESERVED 1 1\r\nx\r\n');
    expect((await Promise.all(reserved)).map((job) => job?.id)).to.deep.equal([undefined, '1']);
  });

  it('takes the word of a server that ends it before its time', async () => {
    await connect({ livenessMs: 10_000 });
    const reserved = client.reserve();
    await passing(100, 'TIMED_OUT\r\n');
    expect(await reserved).to.equal(null);
    expect(socket.sent).to.equal('reserve-with-timeout 9\r\n');
  });

  it('rejects when the client is closed while it waits', async () => {
    await connect({ livenessMs: 10_000 });
    const reserved = rejection(client.reserve(), ClosedError);
    await passing(9000, 'TIMED_OUT\r\n');
    client.destroy();
    await reserved;
  });

  describe('and is answered DEADLINE_SOON', () => {
    beforeEach(() => connect({ livenessMs: 10_000 }));

    const SOON = 'DEADLINE_SOON\r\n';

    async function warned(): Promise<void> {
      const soon = rejection(client.reserve(), DeadlineSoonError);
      await passing(0, SOON);
      await soon;
    }

    it('tells so at once, and to one that is called right after only 200 ms later', async () => {
      await warned();
      let isTold = false;
      const second = rejection(client.reserve({ timeout: 1 }), DeadlineSoonError).then(() => {
        isTold = true;
      });
      await passing(0, SOON);
      for (let i = 0; i < 3; i++) {
        expect(await passing(50, SOON)).to.equal('reserve-with-timeout 1\r\n');
        expect(isTold).to.equal(false);
      }
      await passing(50, SOON);
      await second;
      expect(isTold).to.equal(true);
    });

    it('gives a job at the next look, which is 50 ms away at most', async () => {
      await warned();
      const second = client.reserve();
      await passing(0, SOON);
      await passing(50, 'RESERVED 1 1\r\nx\r\n');
      expect((await second)?.id).to.equal('1');
    });

    it('tells one that does not wait at once each time', async () => {
      await warned();
      const second = rejection(client.reserve({ timeout: 0 }), DeadlineSoonError);
      await passing(0, SOON);
      await second;
    });

    it('can be given up in between', async () => {
      await warned();
      const cancelling = new AbortController();
      const second = client.reserve({ signal: cancelling.signal });
      await passing(0, SOON);
      const reason = new Error('no longer wanted');
      cancelling.abort(reason);
      expect(await rejection(second, Error)).to.equal(reason);
      expect(socket.destroyed).to.equal(false);
    });

    it('is over with null when the client quits in between', async () => {
      await warned();
      const second = client.reserve();
      await passing(0, SOON);
      const quit = client.quit();
      expect(await second).to.equal(null);
      socket.hangUp();
      await quit;
    });
  });
});
