import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import sinon from 'sinon';
import type { Client } from '../../src/client/client.js';
import { ClosedError, ConnectionLostError, ConnectTimeoutError } from '../../src/client/errors.js';
import { rejection } from '../support/failures.js';
import { useReconnectingClient } from '../support/reconnecting-client.js';

const LOST = 'ECONNRESET (beanstalkd://127.0.0.1:11300)';
const REFUSED = 'cannot connect to beanstalkd://127.0.0.1:11300: ECONNREFUSED';

describe('A client that reconnects', () => {
  const { clock, connect, lose, park } = useReconnectingClient();

  it('tells of the loss, of each try and of the connection, in this order', async () => {
    const { client, network, events } = await connect();
    await lose();
    await clock.tickAsync(100);
    await network.refuse();
    await clock.tickAsync(200);
    await network.restore();
    expect(events).to.deep.equal([`disconnect ${LOST}`, 'reconnecting 1, 100 ms', 'reconnecting 2, 200 ms', 'connect']);
    expect(client.isOpen).to.equal(true);
  });

  it('waits twice as long from try to try, up to 10 s, and tries for ever', async () => {
    const { network, events } = await connect();
    await lose();
    for (const delay of [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]) {
      expect(events.at(-1)).to.match(new RegExp(`^reconnecting \\d+, ${delay} ms$`));
      const before = network.sockets.length;
      await clock.tickAsync(delay - 1);
      expect(network.sockets).to.have.length(before);
      await clock.tickAsync(1);
      await network.refuse();
    }
    expect(events.filter((event) => event.startsWith('disconnect'))).to.have.length(1);
  });

  it('backs off from a server that accepts and closes at once', async () => {
    const { network, events } = await connect();
    await lose();
    for (const delay of [100, 200, 400, 800]) {
      await clock.tickAsync(delay);
      (await network.accept()).hangUp();
      await nextTurn();
      await nextTurn();
    }
    expect(network.sockets).to.have.length(5);
    expect(events.at(-1)).to.equal('reconnecting 5, 1600 ms');
    expect(events).to.not.include('connect');
  });

  it('begins with the shortest delay again once a connection has answered', async () => {
    const { network, events } = await connect();
    for (let round = 0; round < 3; round++) {
      await lose();
      expect(events.at(-1)).to.equal('reconnecting 1, 100 ms');
      await clock.tickAsync(100);
      await network.refuse();
      await clock.tickAsync(200);
      await network.restore();
      expect(events.at(-1)).to.equal('connect');
    }
  });

  it('gives a server up that accepts and does not answer, after connectTimeoutMs', async () => {
    const { client, network, events } = await connect({
      connectTimeoutMs: 1000,
      replyTimeoutMs: 0,
      maxWaitingMs: 1500,
    });
    const waiting = rejection(client.put('x'), ConnectionLostError);
    await nextTurn();
    await lose();
    await waiting;
    await clock.tickAsync(100);
    const late = rejection(client.put('y'), ConnectionLostError);
    const socket = await network.accept();
    await clock.tickAsync(999);
    expect(socket.destroyed).to.equal(false);
    await clock.tickAsync(1);
    expect(socket.destroyed).to.equal(true);
    expect(events.at(-1)).to.equal('reconnecting 2, 200 ms');
    await clock.tickAsync(500);
    const { cause, sent } = await late;
    expect(sent).to.equal(false);
    expect(cause).to.be.instanceOf(ConnectTimeoutError);
    expect((cause as Error).message).to.equal(
      'cannot connect to beanstalkd://127.0.0.1:11300: it does not answer within 1000 ms',
    );
  });

  it('closes after maxAttempts, and rejects what waits and what comes later with the reason', async () => {
    const { client, network, events } = await connect({ reconnect: { maxAttempts: 2 } });
    await lose();
    const waiting = rejection(client.delete(7), ConnectionLostError);
    for (const delay of [100, 200]) {
      await clock.tickAsync(delay);
      await network.refuse();
    }
    expect(await waiting).to.include({ sent: false, jobId: '7', message: `cannot delete 7: ${REFUSED}` });
    expect(client.isOpen).to.equal(false);
    expect(events.slice(-2)).to.deep.equal(['reconnecting 2, 200 ms', `close ${REFUSED}`]);
    expect((await rejection(client.put('x'), ConnectionLostError)).message).to.equal(`cannot put: ${REFUSED}`);
    expect(clock.pending).to.equal(0);
    expect(network.sockets).to.have.length(3);
  });

  it('has all its attempts again after each connection that answered', async () => {
    const { client, network, events } = await connect({ reconnect: { maxAttempts: 1 } });
    for (let round = 0; round < 3; round++) {
      await lose();
      await clock.tickAsync(100);
      await network.restore();
    }
    // Also when the previous connection was abandoned with a cancelled reserve.
    await park();
    const put = client.put('x');
    await network.refuse();
    await nextTurn();
    expect(events.at(-1)).to.equal('reconnecting 1, 100 ms');
    await clock.tickAsync(100);
    (await network.restore()).reply('INSERTED 1\r\n');
    expect(await put).to.equal('1');
  });

  it('closes at once where it may not reconnect', async () => {
    const { network, events } = await connect({ reconnect: false });
    await lose();
    expect(events).to.deep.equal([`disconnect ${LOST}`, `close ${LOST}`]);
    expect(network.sockets).to.have.length(1);
  });

  describe('and whose listener', () => {
    for (const [what, close] of [
      ['quits', (c: Client) => void c.quit()],
      ['destroys it', (c: Client) => c.destroy()],
    ] as const) {
      it(`${what} at the loss: nothing more comes but the end`, async () => {
        const { client, network, events } = await connect();
        client.once('disconnect', () => close(client));
        const waiting = rejection(client.put('x'), ConnectionLostError);
        await lose();
        await waiting;
        await clock.tickAsync(60_000);
        expect(events[0]).to.equal(`disconnect ${LOST}`);
        expect(events[1]).to.match(/^close the client was closed by (quit|destroy)\(\)$/);
        expect(events).to.have.length(2);
        expect(network.sockets).to.have.length(1);
      });

      it(`${what} between two tries: nothing more comes but the end`, async () => {
        const { client, network, events } = await connect();
        client.once('reconnecting', () => close(client));
        await lose();
        const late = rejection(client.put('x'), ClosedError);
        await clock.tickAsync(60_000);
        await late;
        expect(events.map((event) => event.split(' ')[0])).to.deep.equal(['disconnect', 'reconnecting', 'close']);
        expect(network.sockets).to.have.length(1);
      });

      it(`${what} when it is back: what waited ends with it`, async () => {
        const { client, network, events } = await connect();
        client.once('connect', () => close(client));
        await lose();
        await clock.tickAsync(100);
        const socket = await network.restore();
        socket.hangUp();
        await nextTurn();
        await clock.tickAsync(60_000);
        expect(events.map((event) => event.split(' ')[0])).to.deep.equal([
          'disconnect',
          'reconnecting',
          'connect',
          'close',
        ]);
        expect(network.sockets).to.have.length(2);
      });
    }

    it('closes it at a failed try that no loss preceded: no other try is told of', async () => {
      const { client, socket, network, events } = await connect();
      await park();
      socket.hangUp();
      await nextTurn();
      client.once('disconnect', () => client.destroy());
      const put = rejection(client.put('x'), ClosedError);
      await network.refuse();
      await put;
      expect(events).to.deep.equal([`disconnect ${REFUSED}`, 'close the client was closed by destroy()']);
    });
  });

  it('comes back though a listener throws, whose error is uncaught as ever', async () => {
    const { client, socket, network } = await connect();
    client.once('disconnect', () => {
      throw new Error('thrown at disconnect');
    });
    const nextTick = sinon.stub(process, 'nextTick');
    socket.emit('error', new Error('ECONNRESET'));
    nextTick.restore();
    const uncaught = nextTick.args.flatMap(([callback, ...args]) => {
      try {
        callback(...args);
        return [];
      } catch (error) {
        return [String(error)];
      }
    });
    expect(uncaught).to.deep.equal(['Error: thrown at disconnect']);
    await clock.tickAsync(100);
    const next = await network.restore();
    const put = client.put('x');
    next.reply('INSERTED 1\r\n');
    expect(await put).to.equal('1');
    expect(network.sockets).to.have.length(2);
  });
});
