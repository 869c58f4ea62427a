import { createDebug } from '../../debug.js';
import { runOutside } from '../../shared/async-context.js';
import type { Database, Listener } from './database.js';
import { quoteName } from './schema.js';
import type { Statements } from './statements.js';

const debug = createDebug('haricot:postgres');

/** How long others are told of messages in a queue after one of our consumers has begun to wait. */
const WAIT_MS = 11 * 60_000;

/** One notification of a queue in so long: each takes a lock of the whole server. */
const NOTIFY_EVERY_MS = 5;

const RECONNECT_MS = 1000;

/**
 * Hears of messages that other processes put, on a connection of its own, and tells them of ours. Nobody is told where nobody
 * waits: those who do say so in the table of queues.
 */
export class Notifications {
  readonly #database: Database;
  readonly #statements: Statements;
  readonly #channel: string;
  /** Is called when there may be something in a queue, or in any. */
  onNotification: (queue: number | 'any') => void = () => {};
  #listener: Promise<Listener> | undefined;
  #reconnecting: NodeJS.Timeout | undefined;
  /** Until when others tell us, by `performance.now()`, by queue. */
  readonly #listeningUntil = new Map<number, number>();
  #toNotify = new Set<number>();
  #notifying: NodeJS.Timeout | undefined;
  readonly #sending = new Set<Promise<unknown>>();
  #isClosed = false;

  constructor(database: Database, statements: Statements, channel: string) {
    this.#database = database;
    this.#statements = statements;
    this.#channel = channel;
  }

  /** @returns whether we were not told before, so that something may have been missed @throws EngineError */
  async listen(queues: readonly number[]): Promise<boolean> {
    const now = performance.now();
    const isNew = this.#listener === undefined;
    if (!isNew && queues.every((queue) => (this.#listeningUntil.get(queue) ?? 0) > now + WAIT_MS / 2)) return false;
    await this.#connect();
    await this.#database.run(this.#statements.listen, [queues, WAIT_MS], 'cannot wait for messages');
    for (const queue of queues) this.#listeningUntil.set(queue, now + WAIT_MS);
    return true;
  }

  /** Soon, and together with what else changes until then. */
  notify(queues: readonly number[]): void {
    for (const queue of queues) this.#toNotify.add(queue);
    if (this.#toNotify.size === 0 || this.#isClosed) return;
    this.#notifying ??= runOutside(() => setTimeout(this.#send, NOTIFY_EVERY_MS));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#reconnecting);
    if (this.#notifying !== undefined) {
      clearTimeout(this.#notifying);
      this.#send();
    }
    await Promise.all(this.#sending);
    const listener = await this.#listener?.catch(() => undefined);
    await listener?.end().catch(() => {});
  }

  readonly #send = (): void => {
    this.#notifying = undefined;
    const queues = [...this.#toNotify];
    this.#toNotify.clear();
    const sending = this.#database
      .run(this.#statements.notify, [this.#channel, queues], 'cannot notify')
      // Those who wait look by themselves, a little later.
      .catch((error: unknown) => debug('%o', error))
      .finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  };

  #connect(): Promise<Listener> {
    this.#listener ??= this.#listen().catch((error: unknown) => {
      this.#listener = undefined;
      throw error;
    });
    return this.#listener;
  }

  async #listen(): Promise<Listener> {
    const listener = await runOutside(() => this.#database.listen());
    const { client } = listener;
    let isOver = false;
    const onEnd = (): void => {
      if (isOver) return;
      isOver = true;
      // A pool of the application would count it for ever.
      listener.end().catch(() => {});
      this.#onLost();
    };
    client.on('error', onEnd);
    client.on('end', onEnd);
    client.on('notification', ({ payload = '' }) => this.onNotification(Number(payload)));
    try {
      await client.query({ text: `LISTEN ${quoteName(this.#channel)}` });
    } catch (error) {
      onEnd();
      throw error;
    }
    return listener;
  }

  /** What was told meanwhile was not heard. */
  #onLost(): void {
    if (this.#isClosed) return;
    this.#listener = undefined;
    this.#listeningUntil.clear();
    clearTimeout(this.#reconnecting);
    this.#reconnecting = runOutside(() =>
      setTimeout(() => {
        // Whoever waits looks, which connects again.
        this.onNotification('any');
      }, RECONNECT_MS).unref(),
    );
  }
}
