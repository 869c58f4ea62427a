import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { Client, type ClientEvents } from '../../src/client/index.js';
import type { ClientOptions } from '../../src/client/options.js';
import { afterTest } from './after-test.js';
import { FakeSocket } from './fake-socket.js';

/** Sockets without a network: the test decides how each attempt to connect ends. */
export class FakeNetwork {
  /** All that were asked for. */
  readonly sockets: FakeSocket[] = [];
  /** What happens to an attempt at once; nothing, where the test decides. */
  answer: 'accept' | 'refuse' | undefined;
  #taken = 0;
  #wake: () => void = () => {};

  readonly openSocket: NonNullable<ClientOptions['openSocket']> = () => {
    const socket = new FakeSocket();
    this.sockets.push(socket);
    const { answer } = this;
    if (answer === 'accept') process.nextTick(() => socket.accept());
    if (answer === 'refuse') socket.destroy(new Error('ECONNREFUSED'));
    this.#wake();
    return socket.asSocket;
  };

  /** The next socket that is asked for, which is still connecting. */
  async next(): Promise<FakeSocket> {
    while (this.sockets.length === this.#taken) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.sockets[this.#taken++] as FakeSocket;
  }

  /** Lets the next attempt succeed. */
  async accept(): Promise<FakeSocket> {
    const socket = await this.next();
    socket.emit('connect');
    return socket;
  }

  /** Lets the next attempt fail. */
  async refuse(): Promise<void> {
    await (await this.next()).fail(new Error('ECONNREFUSED'));
  }

  /** Lets the next attempt succeed and answers what restores the tubes, which must be just `expected`. */
  async restore(expected = 'use default\r\n'): Promise<FakeSocket> {
    const socket = await this.accept();
    await nextTurn();
    expect(socket.sent).to.equal(expected);
    socket.reply(answersTo(expected));
    await nextTurn();
    return socket;
  }

  /** A client with its first socket; it comes back at once unless `options` say otherwise. */
  async connect(options: ClientOptions = {}): Promise<{ client: Client; socket: FakeSocket }> {
    const connecting = Client.connect({
      reconnect: { initialDelayMs: 0 },
      livenessMs: 0,
      ...options,
      openSocket: this.openSocket,
    });
    const socket = await this.next();
    socket.accept();
    const client = await connecting;
    afterTest(() => client.destroy());
    return { client, socket };
  }
}

/** What a server says to commands about tubes. */
export function answersTo(commands: string): string {
  return commands
    .split('\r\n')
    .map((line) => line.split(' '))
    .map(([command, tube]) => (command === 'use' ? `USING ${tube}\r\n` : command ? 'WATCHING 1\r\n' : ''))
    .join('');
}

/** What `socket` is given from now on. */
export async function sentNext(socket: FakeSocket, action: () => unknown = () => {}): Promise<string> {
  const before = socket.sent.length;
  action();
  await nextTurn();
  return socket.sent.slice(before);
}

/** What a client emits from now on, in words. */
export function eventsOf(client: Client): string[] {
  const events: string[] = [];
  const note =
    (name: keyof ClientEvents) =>
    (detail?: Error | ClientEvents['reconnecting'][0]): void => {
      const what =
        detail === undefined ? '' : 'attempt' in detail ? `${detail.attempt}, ${detail.delayMs} ms` : detail.message;
      events.push(`${name} ${what}`.trim());
    };
  for (const name of ['connect', 'disconnect', 'reconnecting', 'close'] as const) client.on(name, note(name));
  return events;
}
