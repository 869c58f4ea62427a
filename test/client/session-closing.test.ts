import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Client } from '../../src/client/client.js';
import { ClosedError } from '../../src/client/errors.js';
import { rejection } from '../support/failures.js';
import { useReconnectingClient } from '../support/reconnecting-client.js';

describe('Closing a client', () => {
  const { clock, connect, lose, park } = useReconnectingClient();

  const close = {
    quit: (client: Client): Promise<unknown> => client.quit(),
    destroy: async (client: Client): Promise<unknown> => client.destroy(),
  };

  for (const how of ['quit', 'destroy'] as const) {
    const REASON = `the client was closed by ${how}()`;

    it(`by ${how} ends the pause before the next attempt`, async () => {
      const { client, network, events } = await connect();
      await lose();
      const waiting = rejection(client.delete(7), ClosedError);
      await close[how](client);
      expect(await waiting).to.include({ command: 'delete', jobId: '7', message: `cannot delete 7: ${REASON}` });
      expect(events.at(-1)).to.equal(`close ${REASON}`);
      expect(clock.pending).to.equal(0);
      await clock.tickAsync(60_000);
      expect(network.sockets).to.have.length(1);
    });

    it(`by ${how} aborts an attempt to connect`, async () => {
      const { client, network, events } = await connect();
      await lose();
      await clock.tickAsync(100);
      const connecting = await network.next();
      const waiting = rejection(client.put('x'), ClosedError);
      await close[how](client);
      await waiting;
      expect(connecting.destroyed).to.equal(true);
      expect(events.at(-1)).to.equal(`close ${REASON}`);
      await clock.tickAsync(60_000);
      expect(network.sockets).to.have.length(2);
    });

    it(`by ${how} aborts the restoring of its tubes`, async () => {
      const { client, network, events } = await connect();
      await lose();
      await clock.tickAsync(100);
      const socket = await network.accept();
      await nextTurn();
      const waiting = rejection(client.put('x'), ClosedError);
      await close[how](client);
      await waiting;
      expect(socket.destroyed).to.equal(true);
      expect(events.at(-1)).to.equal(`close ${REASON}`);
      await clock.tickAsync(60_000);
      expect(network.sockets).to.have.length(2);
      expect(events.filter((event) => event.startsWith('close'))).to.have.length(1);
    });

    it(`by ${how} in the tick in which it is restored leaves no connection`, async () => {
      const { network } = await connect();
      const timers = clock.pending;
      for (let depth = 0; depth < 12; depth++) {
        const { client: other, socket: first } = await network.connect({ reconnect: { initialDelayMs: 0 } });
        await first.fail(new Error('ECONNRESET'));
        await clock.tickAsync(0);
        const second = await network.accept();
        await nextTurn();
        const ended = new Promise<void>((resolve) => {
          second.once('data', async () => {
            // The number of continuations after the answer.
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
        for (let turns = 0; turns < 10; turns++) await nextTurn();
        expect(other.isOpen).to.equal(false);
        expect(clock.pending, `after ${depth}`).to.equal(timers);
      }
    });

    it(`by ${how} while nothing is connected after a cancelled reserve`, async () => {
      const { client, socket, network, events } = await connect();
      await park();
      const closed = close[how](client);
      socket.reply('TIMED_OUT\r\n');
      socket.hangUp();
      await closed;
      expect(events).to.deep.equal([`close ${REASON}`]);
      expect(socket.destroyed).to.equal(true);
      expect((await rejection(client.put('x'), ClosedError)).message).to.equal(`cannot put: ${REASON}`);
      expect(network.sockets).to.have.length(1);
    });
  }

  it('by quit waits for the replies on an abandoned connection', async () => {
    const { client, socket } = await connect();
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

  it('by quit destroys the connection after 5 s without a reply', async () => {
    const { client, socket, events } = await connect();
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
    const { client, socket } = await connect({ quitTimeoutMs: 200 });
    await park();
    const quit = client.quit();
    await clock.tickAsync(200);
    await quit;
    expect(socket.destroyed).to.equal(true);
  });

  it('by destroy ends a quit at once', async () => {
    const { client, events } = await connect();
    const unanswered = rejection(client.put('x'), ClosedError);
    const quit = client.quit();
    await nextTurn();
    client.destroy();
    await unanswered;
    await quit;
    expect(events).to.have.length(1);
  });

  it('does not reconnect when the connection is lost during quit', async () => {
    const { client, network, events } = await connect();
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
