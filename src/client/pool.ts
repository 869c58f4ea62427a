import { setTimeout as sleep } from 'node:timers/promises';
import type { createPool, Pool as GenericPool, Options } from 'generic-pool';
import { InvalidArgumentError } from '../protocol/errors.js';
import { onAbort } from '../shared/abort.js';
import { runOutside } from '../shared/async-context.js';
import { Deadline, LONGEST_TIMER_MS } from '../shared/deadline.js';
import type { OptionNames } from '../shared/options.js';
import { type Address, addressOf } from './address.js';
import { checkFunction, checkInteger, checkOptions, checkSignal, targetOptions } from './arguments.js';
import { Backoff } from './backoff.js';
import { withCallerStack } from './caller-stack.js';
import { Client } from './client.js';
import { ClosedError, ConnectTimeoutError } from './errors.js';
import { loadedGenericPool, loadGenericPool } from './generic-pool.js';
import { nothing } from './operations.js';
import { CLIENT_OPTIONS, type ClientOptions, settingsOf } from './options.js';
import { Session, type SessionOptions } from './session.js';

/** How a {@link Pool} connects and how many clients it has. */
export interface PoolOptions extends Omit<ClientOptions, 'reconnect' | 'signal'> {
  /** So many connections are kept once the pool is in use. Default 0. */
  readonly min?: number | undefined;
  /** There are never more. Default 10. */
  readonly max?: number | undefined;
  /** How long `acquire` may take, in milliseconds. Default 5000. */
  readonly acquireTimeoutMs?: number | undefined;
  /** A connection above `min` that nobody borrowed for so long is closed, in milliseconds. Default 30,000. */
  readonly idleTimeoutMs?: number | undefined;
  /** How long `drain` waits for borrowed clients, in milliseconds; then they are destroyed. Default 5000. */
  readonly drainTimeoutMs?: number | undefined;
}

export interface AcquireOptions {
  /** Gives up waiting: the call rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

const { signal: _signal, reconnect: _reconnect, ...CONNECTION_OPTIONS } = CLIENT_OPTIONS;
const POOL_OPTIONS: OptionNames<PoolOptions> = {
  ...CONNECTION_OPTIONS,
  min: true,
  max: true,
  acquireTimeoutMs: true,
  idleTimeoutMs: true,
  drainTimeoutMs: true,
};
const ACQUIRE_OPTIONS: OptionNames<AcquireOptions> = { signal: true };

/** A caller who has given up waits in generic-pool for so many times `acquireTimeoutMs` at most. */
const LONGEST_WAIT = 5;

/** What generic-pool keeps: a connection, or nothing at all, for callers that have given up already. */
type Pooled = Pick<Session, 'isOpen' | 'destroy'>;

const NOTHING: Pooled = { isOpen: true, destroy: nothing };

/**
 * Connections to share, made when they are needed (generic-pool does the counting). Each borrower gets a client of its own,
 * which is of no use after its return; the connection behind it goes on with tubes as at first, or is destroyed: after
 * a transport error, while it holds jobs, and while a reserve waits on it.
 */
export class Pool implements AsyncDisposable {
  readonly #loading: Promise<GenericPool<Pooled>>;
  /** Undefined while the package is loaded. */
  #pool: GenericPool<Pooled> | undefined;
  readonly #max: number;
  readonly #address: Address;
  readonly #settings: SessionOptions;
  readonly #quitTimeoutMs: number | undefined;
  readonly #acquireTimeoutMs: number;
  readonly #drainTimeoutMs: number;
  readonly #borrowed = new Map<Client, Session>();
  /** Connections of clients that are borrowed, or whose tubes are being reset. */
  readonly #lent = new Set<Session>();
  /** What makes each waiting caller of `acquire` give up. */
  readonly #waiters = new Set<(reason: unknown) => void>();
  readonly #draining = new AbortController();
  /** While the server cannot be reached. */
  readonly #backoff = new Backoff({ initialDelayMs: 50, maxDelayMs: 1000 });
  /** Connections that could not be made, since the last one that could. */
  #failures = 0;
  #lastFailure: unknown;
  /** Not before this time, by `performance.now()`. */
  #nextTry = 0;
  /** Callers that have given up, but still wait in generic-pool. */
  #abandoned = 0;
  #drained: Promise<void> | undefined;
  #onLastReturn = nothing;

  /**
   * @param target an address, or options that name one
   * @throws InvalidArgumentError
   */
  constructor(target: string | PoolOptions = {}, options: PoolOptions = {}) {
    const all = targetOptions('Pool', target, options, POOL_OPTIONS);
    const { min = 0, max = 10, acquireTimeoutMs = 5000, idleTimeoutMs = 30_000, drainTimeoutMs = 5000, ...rest } = all;
    check('max', max, 1);
    check('min', min, 0);
    if (min > max) throw new InvalidArgumentError(`min must be at most max, got ${min} and ${max}`);
    this.#address = addressOf(rest);
    this.#settings = settingsOf({ ...rest, reconnect: false });
    this.#quitTimeoutMs = rest.quitTimeoutMs;
    this.#acquireTimeoutMs = check('acquireTimeoutMs', acquireTimeoutMs, 1);
    this.#drainTimeoutMs = check('drainTimeoutMs', drainTimeoutMs, 0);
    this.#max = max;
    const settings: Options = {
      min,
      max,
      // A lost caller does not wait for ever; how long one waits is told by a deadline of ours.
      acquireTimeoutMillis: Math.min(LONGEST_TIMER_MS, acquireTimeoutMs * LONGEST_WAIT),
      // The other timeout of generic-pool, for which `min` counts.
      softIdleTimeoutMillis: check('idleTimeoutMs', idleTimeoutMs, 1),
      idleTimeoutMillis: Number.POSITIVE_INFINITY,
      evictionRunIntervalMillis: Math.max(10, idleTimeoutMs / 2),
      numTestsPerEvictionRun: max,
      testOnBorrow: true,
      autostart: false,
    };
    const loaded = loadedGenericPool();
    this.#loading = loaded
      ? Promise.resolve(this.#make(loaded, settings))
      : loadGenericPool().then((create) => this.#make(create, settings));
    // Told to whoever acquires.
    this.#loading.catch(nothing);
  }

  #make(create: typeof createPool, settings: Options): GenericPool<Pooled> {
    const pool = create(
      {
        create: () => runOutside(() => this.#create()),
        destroy: async (session) => session.destroy(),
        validate: async (session) => session.isOpen,
      },
      settings,
    );
    // Told to those who wait; an event without a listener would be lost.
    pool.on('factoryCreateError', () => {});
    pool.on('factoryDestroyError', () => {});
    this.#pool = pool;
    return pool;
  }

  /** Connections that exist. */
  get size(): number {
    return this.#pool?.size ?? 0;
  }

  /** Connections that nobody has borrowed. */
  get available(): number {
    // Once it is drained generic-pool still counts those it has closed.
    return this.#pool === undefined ? 0 : Math.min(this.#pool.available, this.#pool.size);
  }

  /** Callers of `acquire` that wait. */
  get pending(): number {
    return this.#waiters.size;
  }

  /** Clients that are borrowed. */
  get borrowed(): number {
    return this.#borrowed.size;
  }

  /**
   * Borrows a client: it must be released. Prefer `use`, which does so by itself.
   * @throws ConnectTimeoutError that tells why none was to be had; ClosedError once the pool drains; the signal's reason
   */
  async acquire(options?: AcquireOptions): Promise<Client> {
    const signal = checkSignal(checkOptions('acquire', options, ACQUIRE_OPTIONS).signal);
    signal?.throwIfAborted();
    if (this.#draining.signal.aborted) throw new ClosedError('cannot lend a client: the pool is drained');
    const acquiring = this.#acquireSession(signal);
    const session = await (this.#settings.callerStacks ? withCallerStack(acquiring) : acquiring);
    this.#lent.add(session);
    if (this.#draining.signal.aborted) {
      // Drained in the moment in which a connection was found.
      await this.#takeBack(session, false);
      throw this.#draining.signal.reason;
    }
    const client = new Client(session, this.#quitTimeoutMs);
    this.#borrowed.set(client, session);
    return client;
  }

  /**
   * Gives a client back. Resolves when its connection is ready for the next borrower, or destroyed.
   * @throws InvalidArgumentError when it is not borrowed from this pool, or was given back before
   */
  async release(client: Client): Promise<void> {
    const session = this.#borrowed.get(client);
    if (session === undefined) {
      throw new InvalidArgumentError(
        'cannot return the client: it is not borrowed from this pool, or was returned before',
      );
    }
    this.#borrowed.delete(client);
    client.detach();
    await this.#takeBack(session, await isReusable(session));
  }

  /** Lends a client to `work` and takes it back, whatever happens. */
  async use<T>(work: (client: Client) => T | PromiseLike<T>, options?: AcquireOptions): Promise<T> {
    checkFunction('work', work ?? null);
    const client = await this.acquire(options);
    try {
      return await work(client);
    } finally {
      // The borrower may have given it back itself.
      if (this.#borrowed.has(client)) await this.release(client);
    }
  }

  /**
   * Lends no more, waits for what is borrowed as long as `drainTimeoutMs` allows, and closes every connection. Meanwhile
   * borrowed clients are given no further jobs: their reserves are answered `null`.
   */
  drain(): Promise<void> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }

  async #drain(): Promise<void> {
    const reason = new ClosedError('cannot lend a client: the pool is drained');
    this.#draining.abort(reason);
    for (const giveUp of this.#waiters) giveUp(reason);
    for (const client of this.#borrowed.keys()) client.stopReserving();
    await this.#untilReturned();
    for (const session of this.#lent) session.destroy();
    await Promise.all([...this.#borrowed.keys()].map((client) => this.release(client)));
    const pool = this.#pool ?? (await this.#loading);
    await pool.drain();
    await pool.clear();
  }

  async #takeBack(session: Session, reusable: boolean): Promise<void> {
    const pool = this.#pool ?? (await this.#loading);
    if (reusable) await pool.release(session);
    else await pool.destroy(session);
    this.#lent.delete(session);
    if (this.#lent.size === 0) this.#onLastReturn();
  }

  /** Until nothing is lent, or `drainTimeoutMs` have passed. */
  async #untilReturned(): Promise<void> {
    if (this.#lent.size === 0) return;
    await new Promise<void>((resolve) => {
      const deadline = new Deadline(this.#drainTimeoutMs, resolve);
      this.#onLastReturn = () => {
        deadline.cancel();
        resolve();
      };
    });
  }

  async #create(): Promise<Pooled> {
    const { signal } = this.#draining;
    if (signal.aborted) return { ...NOTHING };
    // generic-pool would try again at once, and for ever, as long as somebody waits.
    const pauseMs = this.#nextTry - performance.now();
    if (pauseMs > 0) await sleep(pauseMs, undefined, { signal });
    if (this.#abandoned > 0 && this.#waiters.size === 0) return { ...NOTHING };
    try {
      const session = await Session.open(this.#address, { ...this.#settings, signal });
      this.#failures = 0;
      this.#nextTry = 0;
      this.#lastFailure = undefined;
      return session;
    } catch (error) {
      this.#failures++;
      this.#nextTry = performance.now() + this.#backoff.delayMs(this.#failures);
      this.#lastFailure = error;
      throw error;
    }
  }

  async #acquireSession(signal: AbortSignal | undefined): Promise<Session> {
    let giveUp: (reason: unknown) => void = nothing;
    const givenUp = new Promise<never>((_, reject) => {
      giveUp = reject;
    });
    this.#waiters.add(giveUp);
    const ignore = signal && onAbort(signal, () => giveUp(signal.reason));
    const deadline = new Deadline(this.#acquireTimeoutMs, () => giveUp(this.#explain()));
    const acquiring = this.#acquire(() => this.#waiters.has(giveUp));
    try {
      return await Promise.race([acquiring, givenUp]);
    } catch (error) {
      // generic-pool does not know, and finds one all the same, or none in time.
      this.#abandoned++;
      const over = (): void => void this.#abandoned--;
      acquiring.then((session) => this.#pool?.release(session), nothing).then(over, over);
      throw error;
    } finally {
      this.#waiters.delete(giveUp);
      deadline.cancel();
      ignore?.();
    }
  }

  /** @param isAwaited whether the caller still waits */
  async #acquire(isAwaited: () => boolean): Promise<Session> {
    const pool = this.#pool ?? (await this.#loading);
    // Its timers belong to nobody's request.
    runOutside(() => pool.start());
    for (;;) {
      const pooled = await pool.acquire();
      if (pooled instanceof Session) return pooled;
      await pool.destroy(pooled);
      if (!isAwaited()) throw new ClosedError('cannot lend the client: nobody waits for it any more');
    }
  }

  /** Why there was no client within the time. */
  #explain(): ConnectTimeoutError {
    const within = `within ${this.#acquireTimeoutMs} ms`;
    const failure = this.#lastFailure;
    if (failure instanceof Error) {
      return new ConnectTimeoutError(`cannot lend a client ${within}: ${failure.message}`, { cause: failure });
    }
    if (this.#borrowed.size < this.#max)
      return new ConnectTimeoutError(`cannot lend a client ${within}: there is no connection`);
    const lent = `${this.#borrowed.size} of ${this.#max} clients are borrowed`;
    return new ConnectTimeoutError(`cannot lend a client ${within}: ${lent}; is one never released?`);
  }
}

async function isReusable(session: Session): Promise<boolean> {
  try {
    await session.reset();
    return session.isIdle;
  } catch {
    return false;
  }
}

function check(name: string, value: number, least: number): number {
  return checkInteger(name, value, least, LONGEST_TIMER_MS);
}
