import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import createDebug from 'debug';
import sinon from 'sinon';
import { ConnectionLostError } from '../../src/client/errors.js';
import { ProtocolError } from '../../src/protocol/errors.js';
import { rejection } from '../support/failures.js';
import { connectFake } from '../support/fake-socket.js';
import { useScriptedServer } from '../support/scripted-server.js';

describe("An error that a callback of the user's throws while replies are read", () => {
  const server = useScriptedServer();

  afterEach(() => sinon.restore());

  /** The errors that were thrown outside of any call of the client. */
  async function uncaughtWhile(work: () => Promise<void>): Promise<unknown[]> {
    const listeners = process.listeners('uncaughtException');
    const uncaught: unknown[] = [];
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => uncaught.push(error));
    try {
      await work();
      await nextTurn();
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of listeners) process.on('uncaughtException', listener);
    }
    return uncaught;
  }

  it('of the output of debug, costs no reply', async () => {
    const enabledBefore = createDebug.disable();
    createDebug.enable('haricot:connection');
    const error = new Error('the log is full');
    sinon.replace(createDebug, 'log', () => {
      throw error;
    });
    const uncaught = await uncaughtWhile(async () => {
      const { client, socket } = await connectFake();
      const calls = [client.put('x'), client.reserve(), client.use('a')] as const;
      // Node defers the ticks after one that threw.
      while (!socket.sent.endsWith('use a\r\n')) await nextTurn();
      socket.reply('INSERTED 1\r\nRESERVED 1 1\r\nx\r\nUSING a\r\n');
      const [id, job, used] = await Promise.all(calls);
      expect([id, job?.text(), used]).to.deep.equal(['1', 'x', 'a']);
    });
    createDebug.disable();
    createDebug.enable(enabledBefore);
    expect(uncaught).to.include(error).and.have.length.at.least(6);
  });

  it('of a listener, changes nothing of what the calls are told', async () => {
    const errors = [new Error('of disconnect'), new Error('of close')];
    const uncaught = await uncaughtWhile(async () => {
      const { client, peer } = await server.connect();
      client.on('disconnect', () => {
        throw errors[0];
      });
      client.on('close', () => {
        throw errors[1];
      });
      const put = client.put('x');
      const faulty = rejection(client.use('a'), ProtocolError);
      const lost = rejection(client.use('b'), ConnectionLostError);
      await peer.takes('put 1024 0 60 1\r\nx\r\nuse a\r\nuse b\r\n');
      peer.sends('INSERTED 1\r\nHELLO\r\nUSING b\r\n');
      expect(await put).to.equal('1');
      await Promise.all([faulty, lost]);
      expect(client.isOpen).to.equal(false);
    });
    expect(uncaught).to.deep.equal(errors);
  });

  it('of JSON.parse or of code that awaits a call, is the own of that code', async () => {
    const { client, peer } = await server.connect();
    const reserving = client.reserve().then((job) => job?.json());
    const used = client.use('a');
    await peer.takes('reserve\r\nuse a\r\n');
    peer.sends('RESERVED 1 1\r\n{\r\nUSING a\r\n');
    await rejection(reserving, SyntaxError);
    expect(await used).to.equal('a');
  });
});
