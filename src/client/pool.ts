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
import { noop } from './operations.js';
import { CLIENT_OPTIONS, type ClientOptions, settingsOf } from './options.js';
import { Session, type SessionOptions } from './session.js';

/** How a {@link Pool} connects, and how many connections it keeps. */
export interface PoolOptions extends Omit<ClientOptions, 'reconnect' | 'signal'> {
  /** How many connections are kept open once the pool is in use. Default 0. */
  readonly min?: number | undefined;
  /** The largest number of connections. Default 10. */
  readonly max?: number | undefined;
  /** How long `acquire` may take, in milliseconds. Default 5000. */
  readonly acquireTimeoutMs?: number | undefined;
  /** How long a connection above `min` may stay idle before it is closed, in milliseconds. Default 30,000. */
  readonly idleTimeoutMs?: number | undefined;
  /** How long `drain` waits for borrowed clients before it destroys them, in milliseconds. Default 5000. */
  readonly drainTimeoutMs?: number | undefined;
}

export interface AcquireOptions {
  /** Cancels the wait: the call rejects with the signal's reason. Default: none. */
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

/** The longest time that a cancelled caller waits inside generic-pool, as a multiple of `acquireTimeoutMs`. */
const LONGEST_WAIT = 5;

/** A resource of generic-pool: a connection, or a placeholder for callers that no longer wait. */
type Pooled = Pick<Session, 'isOpen' | 'destroy'>;

const NOTHING: Pooled = { isOpen: true, destroy: noop };

/**
 * Shares connections, which are opened on demand (generic-pool counts them). Each borrower gets its own client, which
 * is unusable after its return. The connection is reset to the default tubes and lent again; it is destroyed instead
 * after a transport error, while it holds jobs, and while a reserve waits on it.
 *
 * @example
 * ```ts
 * await using pool = new Pool('beanstalkd://127.0.0.1:11300', { max: 5 });
 * await pool.use((client) => client.tube('emails').put('hello'));
 * ```
 */
export class Pool implements AsyncDisposable {
  readonly #loading: Promise<GenericPool<Pooled>>;
  /** Undefined until the package is loaded. */
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
  /** Each function rejects a waiting call of `acquire`. */
  readonly #waiters = new Set<(reason: unknown) => void>();
  readonly #draining = new AbortController();
  /** The delays while the server cannot be reached. */
  readonly #backoff = new Backoff({ initialDelayMs: 50, maxDelayMs: 1000 });
  /** How many attempts to connect have failed since the last success. */
  #failures = 0;
  #lastFailure: unknown;
  /** The earliest time of the next attempt, by `performance.now()`. */
  #nextTry = 0;
  /** How many callers no longer wait but are still queued in generic-pool. */
  #abandoned = 0;
  #drained: Promise<void> | undefined;
  #onLastReturn = noop;

  /**
   * Creates a pool. It opens no connection before the first `acquire`.
   * @param target an address, or options that contain one. Default: 127.0.0.1:11300
   * @throws InvalidArgumentError for an invalid address or option
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
      // Only a safeguard: the deadline of `acquire` is our own.
      acquireTimeoutMillis: Math.min(LONGEST_TIMER_MS, acquireTimeoutMs * LONGEST_WAIT),
      // The idle timeout of generic-pool that respects `min`.
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
    // Reported by `acquire`.
    this.#loading.catch(noop);
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
    // The calls of `acquire` that wait report these errors.
    pool.on('factoryCreateError', () => {});
    pool.on('factoryDestroyError', () => {});
    this.#pool = pool;
    return pool;
  }

  /** How many connections exist. */
  get size(): number {
    return this.#pool?.size ?? 0;
  }

  /** How many connections are not borrowed. */
  get available(): number {
    // After `drain`, generic-pool still counts the connections that it has closed.
    return this.#pool === undefined ? 0 : Math.min(this.#pool.available, this.#pool.size);
  }

  /** How many calls of `acquire` are waiting. */
  get pending(): number {
    return this.#waiters.size;
  }

  /** How many clients are borrowed. */
  get borrowed(): number {
    return this.#borrowed.size;
  }

  /**
   * Borrows a client, which must be released. Prefer {@link Pool.use}, which releases it.
   * @throws ConnectTimeoutError when no client became available within `acquireTimeoutMs`; its message says why
   * @throws ClosedError after `drain`; the signal's reason when it aborts
   */
  async acquire(options?: AcquireOptions): Promise<Client> {
    const signal = checkSignal(checkOptions('acquire', options, ACQUIRE_OPTIONS).signal);
    signal?.throwIfAborted();
    if (this.#draining.signal.aborted) throw new ClosedError('cannot lend a client: the pool is drained');
    const acquiring = this.#acquireSession(signal);
    const session = await (this.#settings.callerStacks ? withCallerStack(acquiring) : acquiring);
    this.#lent.add(session);
    if (this.#draining.signal.aborted) {
      // The pool was drained while a connection was being acquired.
      await this.#takeBack(session, false);
      throw this.#draining.signal.reason;
    }
    const client = new Client(session, this.#quitTimeoutMs);
    this.#borrowed.set(client, session);
    return client;
  }

  /**
   * Returns a client. Resolves when its connection is ready for the next borrower, or destroyed.
   * @throws InvalidArgumentError when the client is not borrowed from this pool, or was returned before
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

  /**
   * Borrows a client for the duration of `work` and returns it, whether `work` succeeds or fails.
   * @returns what `work` returns
   * @throws what `work` throws, or what {@link Pool.acquire} throws
   */
  async use<T>(work: (client: Client) => T | PromiseLike<T>, options?: AcquireOptions): Promise<T> {
    checkFunction('work', work ?? null);
    const client = await this.acquire(options);
    try {
      return await work(client);
    } finally {
      // The borrower may have returned it already.
      if (this.#borrowed.has(client)) await this.release(client);
    }
  }

  /**
   * Lends no further clients, waits up to `drainTimeoutMs` for the borrowed ones, and closes all connections. Borrowed
   * clients receive no further jobs: their reserves resolve with `null`.
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

  /** Resolves when nothing is lent, or after `drainTimeoutMs`. */
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
    // generic-pool would retry at once, and without end while a caller waits.
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
    let giveUp: (reason: unknown) => void = noop;
    const abandoned = new Promise<never>((_, reject) => {
      giveUp = reject;
    });
    this.#waiters.add(giveUp);
    const ignore = signal && onAbort(signal, () => giveUp(signal.reason));
    const deadline = new Deadline(this.#acquireTimeoutMs, () => giveUp(this.#explain()));
    const acquiring = this.#acquire(() => this.#waiters.has(giveUp));
    try {
      return await Promise.race([acquiring, abandoned]);
    } catch (error) {
      // generic-pool does not know this, and may still acquire a connection for the caller.
      this.#abandoned++;
      const over = (): void => void this.#abandoned--;
      acquiring.then((session) => this.#pool?.release(session), noop).then(over, over);
      throw error;
    } finally {
      this.#waiters.delete(giveUp);
      deadline.cancel();
      ignore?.();
    }
  }

  /** @param isAwaited returns whether the caller still waits */
  async #acquire(isAwaited: () => boolean): Promise<Session> {
    const pool = this.#pool ?? (await this.#loading);
    // Its timers must not keep the AsyncLocalStorage of a caller.
    runOutside(() => pool.start());
    for (;;) {
      const pooled = await pool.acquire();
      if (pooled instanceof Session) return pooled;
      await pool.destroy(pooled);
      if (!isAwaited()) throw new ClosedError('cannot lend the client: nobody waits for it any more');
    }
  }

  /** Describes why no client became available in time. */
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
