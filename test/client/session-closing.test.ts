import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import sinon from 'sinon';
import type { Client } from '../../src/client/client.js';
import { ClosedError } from '../../src/client/errors.js';
import type { ClientOptions } from '../../src/client/options.js';
import { useFakeClock } from '../support/clock.js';
import { rejection } from '../support/failures.js';
import { eventsOf, FakeNetwork } from '../support/fake-network.js';
import type { FakeSocket } from '../support/fake-socket.js';

describe('Closing a client', () => {
  let network: FakeNetwork;
  let client: Client;
  let socket: FakeSocket;
  let events: string[];

  // Before the clock is taken away.
  afterEach(() => {
    client.destroy();
    expect(clock.pending).to.equal(0);
    sinon.restore();
  });

  const clock = useFakeClock();

  beforeEach(() => {
    sinon.stub(Math, 'random').returns(1);
    network = new FakeNetwork();
  });

  async function connect(options: ClientOptions = {}): Promise<void> {
    ({ client, socket } = await network.connect({ reconnect: true, ...options }));
    events = eventsOf(client);
  }

  function lose(): Promise<void> {
    return socket.fail(new Error('ECONNRESET'));
  }

  /** Gives the connection up with a reserve that is cancelled; it waits for its server's end. */
  async function park(): Promise<void> {
    const cancelling = new AbortController();
    const reserved = rejection(client.reserve({ signal: cancelling.signal }), Error);
    await nextTurn();
    cancelling.abort();
    await reserved;
  }

  const close = {
    quit: (): Promise<unknown> => client.quit(),
    destroy: async (): Promise<unknown> => client.destroy(),
  };

  for (const how of ['quit', 'destroy'] as const) {
    const REASON = `the client was closed by ${how}()`;

    it(`by ${how} while it waits for the next try ends that wait`, async () => {
      await connect();
      await lose();
      const waiting = rejection(client.delete(7), ClosedError);
      await close[how]();
      expect(await waiting).to.include({ command: 'delete', jobId: '7', message: `delete 7: ${REASON}` });
      expect(events.at(-1)).to.equal(`close ${REASON}`);
      expect(clock.pending).to.equal(0);
      await clock.tickAsync(60_000);
      expect(network.sockets).to.have.length(1);
    });

    it(`by ${how} while it connects gives that up`, async () => {
      await connect();
      await lose();
      await clock.tickAsync(100);
      const connecting = await network.next();
      const waiting = rejection(client.put('x'), ClosedError);
      await close[how]();
      await waiting;
      expect(connecting.destroyed).to.equal(true);
      expect(events.at(-1)).to.equal(`close ${REASON}`);
      await clock.tickAsync(60_000);
      expect(network.sockets).to.have.length(2);
    });

    it(`by ${how} while its tubes are restored gives that up`, async () => {
      await connect();
      await lose();
      await clock.tickAsync(100);
      socket = await network.accept();
      await nextTurn();
      const waiting = rejection(client.put('x'), ClosedError);
      await close[how]();
      await waiting;
      expect(socket.destroyed).to.equal(true);
      expect(events.at(-1)).to.equal(`close ${REASON}`);
      await clock.tickAsync(60_000);
      expect(network.sockets).to.have.length(2);
      expect(events.filter((event) => event.startsWith('close'))).to.have.length(1);
    });

    it(`by ${how} in the very turn in which it is restored leaves no connection`, async () => {
      for (let depth = 0; depth < 12; depth++) {
        const { client: other, socket: first } = await network.connect({ reconnect: { initialDelayMs: 0 } });
        await first.fail(new Error('ECONNRESET'));
        await clock.tickAsync(0);
        const second = await network.accept();
        await nextTurn();
        const ended = new Promise<void>((resolve) => {
          second.once('data', async () => {
            // So many continuations after the answer.
            for (let i = 0; i < depth; i++) await undefined;
            if (how === 'quit') void other.quit();
            else other.destroy();
            resolve();
          });
        });
        second.reply('USING default\r\n');
        await ended;
        await nextTurn();
        expect(second.destroyed || (how === 'quit' && second.writableEnded), `after ${depth}`).to.equal(true);
        second.hangUp();
        await nextTurn();
        await nextTurn();
        expect(other.isOpen).to.equal(false);
        expect(clock.pending, `after ${depth}`).to.equal(0);
      }
      await connect();
    });

    it(`by ${how} while nothing is connected after a cancelled reserve`, async () => {
      await connect();
      await park();
      const closed = close[how]();
      socket.reply('TIMED_OUT\r\n');
      socket.hangUp();
      await closed;
      expect(events).to.deep.equal([`close ${REASON}`]);
      expect(socket.destroyed).to.equal(true);
      expect((await rejection(client.put('x'), ClosedError)).message).to.equal(`put: ${REASON}`);
      expect(network.sockets).to.have.length(1);
    });
  }

  it('by quit waits for what a cancelled reserve left behind to be answered', async () => {
    await connect();
    const cancelling = new AbortController();
    const reserved = rejection(client.reserve({ signal: cancelling.signal }), Error);
    const deleted = client.delete(7);
    await nextTurn();
    cancelling.abort();
    await reserved;
    let closed = false;
    const quit = client.quit().then(() => {
      closed = true;
    });
    socket.reply('TIMED_OUT\r\n');
    await nextTurn();
    await nextTurn();
    expect(closed).to.equal(false);
    socket.reply('DELETED\r\n');
    socket.hangUp();
    await deleted;
    await quit;
  });

  it('by quit destroys after 5 s what the server leaves unanswered', async () => {
    await connect();
    const unanswered = rejection(client.put('x'), ClosedError);
    const quit = client.quit();
    await clock.tickAsync(4999);
    expect(socket.destroyed).to.equal(false);
    await clock.tickAsync(1);
    expect(socket.destroyed).to.equal(true);
    await unanswered;
    await quit;
    expect(events).to.deep.equal(['close the client was closed by quit()']);
  });

  it('by quit takes no longer than quitTimeoutMs', async () => {
    await connect({ quitTimeoutMs: 200 });
    const held = await park();
    expect(held).to.equal(undefined);
    const quit = client.quit();
    await clock.tickAsync(200);
    await quit;
    expect(socket.destroyed).to.equal(true);
  });

  it('by destroy ends at once what quit waits for', async () => {
    await connect();
    const unanswered = rejection(client.put('x'), ClosedError);
    const quit = client.quit();
    await nextTurn();
    client.destroy();
    await unanswered;
    await quit;
    expect(events).to.have.length(1);
  });

  it('does not come back when the connection is lost while it quits', async () => {
    await connect();
    const unanswered = rejection(client.put('x'), Error);
    const quit = client.quit();
    await nextTurn();
    await lose();
    expect(await unanswered).to.include({ code: 'CONNECTION_LOST', sent: true });
    await quit;
    await clock.tickAsync(60_000);
    expect(network.sockets).to.have.length(1);
    expect(events).to.deep.equal(['close the client was closed by quit()']);
  });
});
