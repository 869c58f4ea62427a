import { createDebug } from '../../debug.js';
import { runOutside } from '../../shared/async-context.js';
import { maskUrl } from '../../shared/text.js';
import { type PgClient, type PgModule, type PgPool, type PooledClient, type QueryResult, TYPES } from './client.js';
import { isLost, toEngineError } from './errors.js';
import type { Statement } from './statements.js';
import type { PostgresAddress } from './url.js';

const debug = createDebug('haricot:postgres');

const DEFAULT_CONNECT_TIMEOUT_MS = 5000;

/** Of a pool of `pg` that does not say how large it may be. */
const DEFAULT_MAX = 10;

/**
 * The planner's choices for our statements, on our own connections. Without them, a plan that was made while a table was empty
 * reads the whole table, and stays.
 */
const PLANNER = ['enable_seqscan', 'enable_bitmapscan', 'enable_hashjoin', 'enable_mergejoin', 'jit'];
const SET_PLANNER = [...PLANNER.map((name) => `SET ${name} = off`), 'SET plan_cache_mode = force_generic_plan'].join(
  '; ',
);
/** For statements of the user. */
const RESET_PLANNER = [...PLANNER, 'plan_cache_mode'].map((name) => `SET LOCAL ${name} TO DEFAULT`).join('; ');

/** A connection that somebody listens on. */
export interface Listener {
  readonly client: PgClient;
  end(): Promise<void>;
}

/** What a statement returned. */
export type Rows = QueryResult['rows'];

/** Apart, so that transactions of slots, which may take long, keep no lease from being renewed. */
interface Pools {
  readonly statements: PgPool;
  readonly transactions: PgPool;
}

/** The connections to a database: of a pool of ours, on the first host that can be written to, or of the user's pool. */
export class Database {
  readonly #pg: PgModule;
  readonly #address: PostgresAddress;
  /** The index of the host that is used. */
  #host = 0;
  #pools: Pools;
  readonly #isOwnPool: boolean;
  /** Transactions that wait for one of the connections for them, and how many of those are free. */
  readonly #waiting: (() => void)[] = [];
  #free: number;
  /** Connections that are known to be of use. */
  readonly #prepared = new WeakSet<PgClient>();

  constructor(pg: PgModule, address: PostgresAddress, pool?: PgPool) {
    this.#pg = pg;
    this.#address = address;
    this.#isOwnPool = pool === undefined;
    this.#pools = pool ? { statements: pool, transactions: pool } : this.#openPools();
    // Of a pool of the application one connection listens, and one settles and claims.
    this.#free = Math.max(1, pool ? (pool.options.max ?? DEFAULT_MAX) - 2 : address.poolSize);
  }

  /** Whether the server keeps plans for us. */
  get #hasPlans(): boolean {
    return this.#isOwnPool && this.#address.isPrepared;
  }

  /**
   * Runs one statement.
   * @param what it is for, for the error
   * @param isCommit whether it changes anything
   * @throws EngineError
   */
  async run(
    statement: Statement | string,
    values: readonly unknown[],
    what: string,
    isCommit = true,
  ): Promise<QueryResult> {
    return this.with((client) => this.query(client, statement, values), what, isCommit);
  }

  /** On a connection that nobody else uses meanwhile. @throws EngineError */
  async with<T>(work: (client: PgClient) => Promise<T>, what: string, isCommit = true): Promise<T> {
    const client = await this.#acquire('statements');
    let isBroken = false;
    try {
      return await work(client);
    } catch (error) {
      isBroken = isLost(error);
      throw toEngineError(error, what, isCommit);
    } finally {
      client.release(isBroken);
    }
  }

  query(client: PgClient, statement: Statement | string, values: readonly unknown[]): Promise<QueryResult> {
    const { text, name } = typeof statement === 'string' ? { text: statement, name: undefined } : statement;
    return client.query({ text, values, name: this.#hasPlans ? name : undefined, types: TYPES });
  }

  /** Runs `work` in a transaction, as soon as a connection is free. @throws what `work` throws, EngineError */
  async transaction<T>(work: (client: PgClient) => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await this.#transaction(work);
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }

  /** With the planner as the user has it. */
  async #transaction<T>(work: (client: PgClient) => Promise<T>): Promise<T> {
    const what = 'cannot run a transaction';
    const client = await this.#acquire('transactions');
    let isBroken = false;
    const run = async (text: string): Promise<QueryResult> => {
      try {
        return await client.query({ text });
      } catch (error) {
        isBroken = true;
        throw toEngineError(error, what, text === 'COMMIT');
      }
    };
    try {
      await run(`BEGIN${this.#hasPlans ? `; ${RESET_PLANNER}` : ''}`);
      let result: T;
      try {
        result = await work(client);
      } catch (error) {
        await run('ROLLBACK').catch(() => {});
        throw error;
      }
      const { command } = await run('COMMIT');
      // The server says so, and no error, where a statement has failed and nobody has heeded that.
      if (command === 'ROLLBACK')
        throw toEngineError(new Error('a statement had failed, so that it was rolled back'), what);
      return result;
    } finally {
      client.release(isBroken);
    }
  }

  /** A connection for one who listens, until he ends it. @throws EngineError */
  async listen(): Promise<Listener> {
    if (!this.#isOwnPool) {
      const client = await this.#acquire('statements');
      return { client, end: async () => client.release(true) };
    }
    const client = new this.#pg.Client(this.#config());
    try {
      await client.connect();
      return { client, end: () => client.end() };
    } catch (error) {
      throw toEngineError(error, `cannot connect to ${this.#hostName}`, false);
    }
  }

  async close(): Promise<void> {
    if (this.#isOwnPool) await Promise.all([this.#pools.statements.end(), this.#pools.transactions.end()]);
  }

  async #acquire(which: keyof Pools): Promise<PooledClient> {
    const { hosts } = this.#address;
    for (let tries = 1; ; tries++) {
      const pools = this.#pools;
      try {
        const client = await runOutside(() => pools[which].connect());
        await this.#prepare(client);
        return client;
      } catch (error) {
        if (!isLost(error) || !this.#isOwnPool || tries >= hosts.length) {
          throw toEngineError(error, `cannot connect to ${this.#hostName}`, false);
        }
        debug('%s: %s; trying the next host', this.#hostName, (error as Error).message);
        // Unless another call has done so.
        if (pools === this.#pools) this.#useNextHost();
      }
    }
  }

  async #prepare(client: PooledClient): Promise<void> {
    if (this.#prepared.has(client)) return;
    // A connection that is lost while it is in use tells so twice: its query rejects, too.
    client.on('error', (error) => debug('%s: %s', this.#hostName, error.message));
    try {
      if (this.#isOwnPool && this.#address.hosts.length > 1) {
        const { rows } = await client.query({
          text: 'SELECT pg_is_in_recovery() AS recovers',
          values: [],
          types: TYPES,
        });
        if (rows[0]?.['recovers'] !== false) {
          throw Object.assign(new Error('it is a standby, which may only be read'), { code: '25006' });
        }
      }
      if (this.#hasPlans) await client.query({ text: SET_PLANNER });
      this.#prepared.add(client);
    } catch (error) {
      client.release(true);
      throw error;
    }
  }

  #useNextHost(): void {
    const { statements, transactions } = this.#pools;
    this.#host = (this.#host + 1) % this.#address.hosts.length;
    this.#pools = this.#openPools();
    for (const pool of [statements, transactions]) pool.end().catch(() => {});
  }

  #openPools(): Pools {
    return { statements: this.#openPool(), transactions: this.#openPool() };
  }

  #openPool(): PgPool {
    const pool = runOutside(() => new this.#pg.Pool({ ...this.#config(), max: this.#address.poolSize }));
    // Of a connection that nobody uses: the next call gets another one.
    pool.on('error', (error) => debug('%s: %s', this.#hostName, error.message));
    return pool;
  }

  #config(): Record<string, unknown> {
    const connectionString = this.#address.hosts[this.#host] ?? '';
    const seconds = Number(/[?&]connect_timeout=([0-9]+)/.exec(connectionString)?.[1] ?? 0);
    return {
      connectionString,
      connectionTimeoutMillis: seconds > 0 ? seconds * 1000 : DEFAULT_CONNECT_TIMEOUT_MS,
      keepAlive: true,
    };
  }

  get #hostName(): string {
    const url = maskUrl(this.#address.hosts[this.#host] ?? '').replace(/\?.*$/s, '');
    return this.#isOwnPool ? url : 'the pool';
  }
}
