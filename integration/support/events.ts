import { type Client, type ClientEvents, ConnectionLostError } from '../../src/client/index.js';
import { until } from './until.js';

const NAMES: readonly (keyof ClientEvents)[] = ['connect', 'disconnect', 'reconnecting', 'close'];

/** Comes back almost at once. */
export const SOON = { reconnect: { initialDelayMs: 1, maxDelayMs: 20 } };

/** What a client emits from now on, in order. */
export class Recorder {
  readonly events: { readonly name: keyof ClientEvents; readonly detail: unknown }[] = [];

  constructor(client: Client) {
    for (const name of NAMES) client.on(name, (detail?: unknown) => this.events.push({ name, detail }));
  }

  get names(): (keyof ClientEvents)[] {
    return this.events.map(({ name }) => name);
  }

  of(name: keyof ClientEvents): unknown[] {
    return this.events.filter((event) => event.name === name).map(({ detail }) => detail);
  }

  /** Until the event has come so many times. */
  async sees(name: keyof ClientEvents, times = 1): Promise<void> {
    await until(`${name} has come ${times} times`, async () => this.of(name).length >= times);
  }
}

/** Undefined for a call that was lost with its connection; any other failure is thrown. */
export async function unlessLost<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof ConnectionLostError) return undefined;
    throw error;
  }
}
