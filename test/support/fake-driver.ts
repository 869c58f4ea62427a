import type {
  Capabilities,
  ConsumeOptions,
  Consumer,
  Driver,
  PutItem,
  PutOptions,
  QueueStats,
  Reservation,
  ReserveOptions,
  StoredMessage,
} from '../../src/queue/driver.js';
import { LeaseLostError } from '../../src/queue/errors.js';

/** What a reservation is made of; the rest is filled in. */
export type ReservationParts = Partial<
  Pick<Reservation, 'id' | 'queue' | 'attempt' | 'ttrMs'> & {
    readonly body: Uint8Array;
    /** The attempt is unknown until it is asked for. */
    readonly untracked: boolean;
  }
>;

type Settlement =
  | readonly ['ack']
  | readonly ['release', Parameters<Reservation['release']>[0]]
  | readonly ['bury', Parameters<Reservation['bury']>[0]];

let lastId = 0;

/** A reservation whose fate the test dictates. */
export class FakeReservation implements Reservation {
  readonly id: string;
  readonly queue: string;
  readonly body: Buffer;
  ttrMs: number;
  leaseEndsAt: number;
  readonly #attempt: number;
  #isTracked: boolean;
  readonly #log: (entry: string) => void;
  readonly #lost = new AbortController();
  #held = true;
  touches = 0;
  /** How its holder has settled it, once the engine has taken that. */
  settlement: Settlement | undefined;
  /** The engine's answer to every command; a test may let it wait or fail. */
  answer: () => Promise<void> = async () => {};

  constructor(parts: ReservationParts, log: (entry: string) => void) {
    this.id = parts.id ?? String(++lastId);
    this.queue = parts.queue ?? 'mail';
    this.body = Buffer.from(parts.body ?? '');
    this.#attempt = parts.attempt ?? 1;
    this.#isTracked = parts.untracked !== true;
    this.ttrMs = parts.ttrMs ?? 60_000;
    this.leaseEndsAt = performance.now() + this.ttrMs;
    this.#log = log;
  }

  get attempt(): number | undefined {
    return this.#isTracked ? this.#attempt : undefined;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async track(): Promise<void> {
    this.#log(`track ${this.id}`);
    await this.#answered();
    this.#isTracked = true;
  }

  ack(): Promise<void> {
    return this.#settle(['ack']);
  }

  release(options?: Parameters<Reservation['release']>[0]): Promise<void> {
    return this.#settle(['release', options]);
  }

  bury(options?: Parameters<Reservation['bury']>[0]): Promise<void> {
    return this.#settle(['bury', options]);
  }

  async touch(): Promise<void> {
    this.#log(`touch ${this.id}`);
    this.touches++;
    const sentAt = performance.now();
    await this.#answered();
    this.leaseEndsAt = sentAt + this.ttrMs;
  }

  /** The lease ends. Its holder is told with the next command, or at once. */
  loseLease({ tell = true }: { readonly tell?: boolean } = {}): void {
    this.#held = false;
    if (tell) this.#lost.abort(this.#lostError());
  }

  async #settle(settlement: Settlement): Promise<void> {
    this.#log(`${settlement[0]} ${this.id}`);
    await this.#answered();
    this.#held = false;
    this.settlement = settlement;
  }

  async #answered(): Promise<void> {
    await this.answer();
    if (this.#held) return;
    this.#lost.abort(this.#lostError());
    throw this.#lostError();
  }

  #lostError(): LeaseLostError {
    return new LeaseLostError(`message ${this.id} is no longer held`);
  }
}

interface Waiting {
  readonly resolve: (reservation: FakeReservation | null) => void;
  readonly reject: (error: unknown) => void;
}

/** An engine without storage: the test delivers reservations, fails reserves, and reads what was asked of it. */
export class FakeDriver implements Driver {
  capabilities: Capabilities = { peekMany: true, failures: 'buried', shared: true };
  /** Every reserve, settlement and touch, in order. */
  readonly log: string[] = [];
  /** Every other call with its arguments, in order. */
  readonly calls: [method: string, ...args: unknown[]][] = [];
  readonly puts: { readonly queue: string; readonly body: Buffer; readonly options: PutOptions }[] = [];
  /** What the next put rejects with. */
  putError: Error | undefined;
  /** What `consume` rejects with. */
  consumeError: Error | undefined;
  /** Whether a waiting reserve heeds its signal: an engine that hangs does not. */
  heedsAbort = true;
  readonly #scripted: (FakeReservation | Error)[] = [];
  readonly #waiting: Waiting[] = [];
  #arrival: (() => void) | undefined;

  /** How many reserves wait for a message. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Resolves when so many reserves wait. */
  async untilWaiting(count: number): Promise<void> {
    while (this.#waiting.length < count) {
      await new Promise<void>((resolve) => {
        this.#arrival = resolve;
      });
    }
  }

  /** Hands a message to the reserve that waits longest, or to the next one. */
  deliver(parts: ReservationParts): FakeReservation {
    const reservation = new FakeReservation(parts, (entry) => this.log.push(entry));
    const waiting = this.#waiting.shift();
    if (waiting) waiting.resolve(reservation);
    else this.#scripted.push(reservation);
    return reservation;
  }

  /** Fails every reserve that waits, or else the next one. */
  failReserve(error: Error): void {
    const waiting = this.#waiting.splice(0);
    for (const { reject } of waiting) reject(error);
    if (waiting.length === 0) this.#scripted.push(error);
  }

  async consume(queues: readonly string[], slots: number, options?: ConsumeOptions): Promise<Consumer> {
    this.calls.push(['consume', queues, slots, options]);
    if (this.consumeError) throw this.consumeError;
    return {
      reserve: (options) => this.#reserve(options),
      close: async () => {
        this.calls.push(['closeConsumer']);
        for (const { resolve } of this.#waiting.splice(0)) resolve(null);
      },
    };
  }

  #reserve({ timeoutMs, signal }: ReserveOptions = {}): Promise<Reservation | null> {
    this.log.push(timeoutMs === undefined ? 'reserve' : `reserve ${timeoutMs}`);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const next = this.#scripted.shift();
    if (next instanceof Error) return Promise.reject(next);
    if (next) return Promise.resolve(next);
    if (timeoutMs === 0) return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      const waiting = { resolve, reject };
      this.#waiting.push(waiting);
      this.#arrival?.();
      const giveUp = (): void => {
        const position = this.#waiting.indexOf(waiting);
        if (!this.heedsAbort || position < 0) return;
        this.#waiting.splice(position, 1);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  async put(queue: string, body: Uint8Array, options: PutOptions): Promise<string> {
    if (this.putError) throw this.putError;
    return String(this.puts.push({ queue, body: Buffer.from(body), options }));
  }

  putMany(queue: string, items: readonly PutItem[]): Promise<string[]> {
    this.calls.push(['putMany', queue, items.length]);
    return Promise.all(items.map(({ body, options }) => this.put(queue, body, options)));
  }

  async setUp(...args: unknown[]): Promise<void> {
    this.calls.push(['setUp', ...args]);
  }

  async peek(...args: unknown[]): Promise<StoredMessage[]> {
    this.calls.push(['peek', ...args]);
    return [{ id: '1', state: 'ready', body: Buffer.from('peeked') }];
  }

  async kick(...args: unknown[]): Promise<number> {
    this.calls.push(['kick', ...args]);
    return 2;
  }

  async delete(...args: unknown[]): Promise<boolean> {
    this.calls.push(['delete', ...args]);
    return true;
  }

  async stats(...args: unknown[]): Promise<QueueStats | null> {
    this.calls.push(['stats', ...args]);
    return { ready: 1, delayed: 2, reserved: 3, buried: 4, pausedUntil: null };
  }

  async queues(): Promise<string[]> {
    return ['mail'];
  }

  async pause(...args: unknown[]): Promise<void> {
    this.calls.push(['pause', ...args]);
  }

  async flush(...args: unknown[]): Promise<number> {
    this.calls.push(['flush', ...args]);
    return 5;
  }

  async close(): Promise<void> {
    this.calls.push(['close']);
  }
}
