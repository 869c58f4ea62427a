import { expect } from 'chai';
import type { Client } from '../../src/client/client.js';
import { ClosedError, ConnectionLostError } from '../../src/client/errors.js';
import { type BeanstalkdError, ProtocolError } from '../../src/protocol/errors.js';
import { rejection } from '../support/failures.js';
import { connectFake, type FakeSocket } from '../support/fake-socket.js';

describe("a client's close event", () => {
  let client: Client;
  let socket: FakeSocket;
  let reasons: BeanstalkdError[];

  beforeEach(async () => {
    ({ client, socket } = await connectFake());
    reasons = [];
    client.on('close', (reason) => {
      expect(client.isOpen).to.equal(false);
      reasons.push(reason);
    });
  });

  /** The reason of the single close event, after everything else that may close the connection has happened as well. */
  async function onlyReason(): Promise<BeanstalkdError> {
    await client.quit();
    client.destroy();
    expect(reasons).to.have.length(1);
    return reasons[0] as BeanstalkdError;
  }

  it('comes with CONNECTION_LOST when the connection is lost, though nobody waits', async () => {
    const cause = new Error('ECONNRESET');
    await socket.fail(cause);
    expect(await onlyReason()).to.be.instanceOf(ConnectionLostError);
    expect(reasons[0]?.cause).to.equal(cause);
  });

  it('comes with CONNECTION_LOST and the fault when the server breaks the protocol', async () => {
    const faulty = rejection(client.use('a'), ProtocolError);
    socket.reply('HELLO\r\n');
    const fault = await faulty;
    expect(await onlyReason()).to.be.instanceOf(ConnectionLostError);
    expect(reasons[0]?.cause).to.equal(fault.cause);
  });

  it('comes with CLOSED after quit, once the server has closed and not before', async () => {
    const used = client.use('a');
    const quit = client.quit();
    socket.reply('USING a\r\n');
    await used;
    expect(reasons).to.deep.equal([]);
    socket.hangUp();
    await quit;
    expect(await onlyReason())
      .to.be.instanceOf(ClosedError)
      .with.property('message', 'the client was closed by quit()');
  });

  it('comes with CLOSED at destroy', async () => {
    client.destroy();
    expect(await onlyReason())
      .to.be.instanceOf(ClosedError)
      .with.property('message', 'the client was closed by destroy()');
  });
});
