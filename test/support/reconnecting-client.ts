import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import sinon from 'sinon';
import type { Client } from '../../src/client/client.js';
import type { ClientOptions } from '../../src/client/options.js';
import { useFakeClock } from './clock.js';
import { rejection } from './failures.js';
import { eventsOf, FakeNetwork } from './fake-network.js';
import type { FakeSocket } from './fake-socket.js';

/** A client that reconnects after the longest delays of its jitter. */
export interface ReconnectingClient {
  readonly network: FakeNetwork;
  readonly client: Client;
  /** Its first one. */
  readonly socket: FakeSocket;
  /** What it has emitted, in words. */
  readonly events: string[];
}

/** Such a client, on a network and in a time of the test's own. It must leave no timer behind. */
export function useReconnectingClient() {
  let network: FakeNetwork;
  let client: Client | undefined;

  // Before the clock is taken away.
  afterEach(async () => {
    client?.destroy();
    client = undefined;
    await nextTurn();
    expect(clock.pending).to.equal(0);
    sinon.restore();
  });

  const clock = useFakeClock();

  beforeEach(() => {
    sinon.stub(Math, 'random').returns(1);
    network = new FakeNetwork();
  });

  return {
    clock,

    async connect(options: ClientOptions = {}): Promise<ReconnectingClient> {
      const connected = await network.connect({ reconnect: true, ...options });
      client = connected.client;
      return { network, ...connected, events: eventsOf(client) };
    },

    /** Ends the connection that there is. */
    async lose(): Promise<void> {
      await network.sockets.at(-1)?.fail(new Error('ECONNRESET'));
    },

    /** Gives the connection up with a reserve that is cancelled; it waits for its server's end. */
    async park(): Promise<void> {
      const cancelling = new AbortController();
      const reserved = rejection(client?.reserve({ signal: cancelling.signal }) ?? expect.fail('not connected'), Error);
      await nextTurn();
      cancelling.abort();
      await reserved;
    },
  };
}
