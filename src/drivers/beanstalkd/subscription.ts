import { createDebug } from '../../debug.js';
import type { ReserveOptions } from '../../queue/driver.js';
import { DriverClosedError } from '../../queue/errors.js';
import { ConnectionPool, type ConsumerConnection } from './connection.js';
import { toHaricotError } from './errors.js';
import { type Consumption, reserveFrom, reserverOf, type TubeReserver } from './order.js';
import type { BeanstalkdReservation } from './reservation.js';
import { Waiters } from './waiters.js';

const debug = createDebug('haricot:beanstalkd');

/** So many connections at most hold a message that was waited for, each one. Beyond them nobody can wait at the server. */
const MAX_BLOCKING = 8;

/** Then the server is asked so often, in milliseconds. */
const POLL_MS = 50;

/**
 * Takes messages for all who consume the same queues.
 *
 * A connection whose reserve waits is blocked: no settlement can pass it. So of all calls that wait, however many, one waits at
 * the server, down the *blocking connection*; when it is answered, that connection holds the message, and the next call waits
 * down another one. What is ready is taken down the *polling connection*, with reserves that do not wait: it holds
 * any number of messages, and what is sent for them shares writes and reads, which are most of the cost of a message.
 */
export class Subscription {
  readonly #consumption: Consumption;
  readonly #pool: ConnectionPool;
  readonly #waiters = new Waiters(
    () => this.#onWaiterGone(),
    (reservation) => giveBack(reservation),
  );
  /** The one connection whose reserve waits. */
  #blocking: ConsumerConnection | undefined;
  /** Whether one blocks, or is about to. */
  #isBlocking = false;
  /** Connections that hold a message which was waited for. */
  readonly #holding: ConsumerConnection[] = [];
  /** Connections that were given up while they waited, until they are closed. */
  readonly #leaving = new Set<ConsumerConnection>();
  #polling: ConsumerConnection | undefined;
  #connecting: Promise<ConsumerConnection> | undefined;
  readonly #reserver: TubeReserver;
  /** How many reserves that do not wait are out. */
  #asking = 0;
  /** Whether messages may be ready. */
  #hasWork: boolean;
  /** Whether several messages have been worked on at once since there was nothing ready last. */
  #isConcurrent = false;
  #pollTimer: NodeJS.Timeout | undefined;
  /** Grows with each failure: what was out fails with it, and only once. */
  #failures = 0;

  constructor(consumption: Consumption, pool: ConnectionPool) {
    this.#consumption = consumption;
    this.#pool = pool;
    this.#hasWork = this.#hasSeveralTubes;
    this.#reserver = reserverOf(consumption);
  }

  /** @throws EngineError, DriverClosedError, or the signal's reason */
  reserve(owner: unknown, options: ReserveOptions): Promise<readonly BeanstalkdReservation[]> {
    if (this.#pool.isClosed) return Promise.reject(new DriverClosedError('cannot use the driver: it is closed'));
    const answer = this.#waiters.add(owner, options);
    this.#serve();
    return answer;
  }

  /** The driver is closed: its connections are gone. */
  end(): void {
    this.#waiters.endAll();
    this.#onWaiterGone();
  }

  /** What a consumer holds goes back to its queue, and its calls are answered with null. */
  async close(owner: unknown): Promise<void> {
    this.#waiters.end(owner);
    this.#onWaiterGone();
    const connections = this.#polling === undefined ? [...this.#holding] : [...this.#holding, this.#polling];
    await Promise.all(connections.map((connection) => this.#giveBack(connection, owner)));
    // Until the server knows that it waits no longer, a message would be given to nobody.
    await Promise.all([...this.#leaving].map((connection) => connection.quit()));
  }

  async #giveBack(connection: ConsumerConnection, owner: unknown): Promise<void> {
    const held = connection.held.filter((reservation) => reservation.owner === owner);
    if (held.length === 0) return;
    const isShared = held.length < connection.heldCount || (connection === this.#polling && !this.#waiters.isEmpty);
    if (isShared) {
      await Promise.allSettled(held.map((reservation) => reservation.giveBack('its consumer was closed')));
    } else {
      if (connection === this.#polling) this.#polling = undefined;
      connection.destroy();
    }
  }

  get #hasSeveralTubes(): boolean {
    return this.#consumption.watchList.length > 1;
  }

  get #onlyTube(): string | undefined {
    return this.#hasSeveralTubes ? undefined : this.#consumption.watchList[0];
  }

  /** Asks for as many messages as calls wait for. */
  #serve(): void {
    let missing = this.#waiters.missing - this.#asking;
    if (missing <= 0) return;
    if (!this.#polls(missing)) missing = Math.min(missing, this.#waiters.instantlyMissing - this.#asking);
    for (; missing > 0; missing--) void this.#poll();
    if (this.#asking === 0 && !this.#isBlocking) this.#wait();
  }

  /** For one tube and one message at a time a blocking reserve does the same in the same time. */
  #polls(missing: number): boolean {
    if (!this.#hasWork || this.#isBlocking) return false;
    if (missing + this.#asking > 1 || this.#isHolding) this.#isConcurrent = true;
    return this.#hasSeveralTubes || this.#isConcurrent;
  }

  get #isHolding(): boolean {
    return this.#holding.length > 0 || (this.#polling !== undefined && this.#polling.heldCount > 0);
  }

  /** Asks once for what is ready. Never rejects. */
  async #poll(): Promise<void> {
    this.#asking++;
    const failures = this.#failures;
    try {
      const connection = this.#openPolling ?? (await this.#connectPolling());
      const reservation = await this.#reserver.take(connection);
      this.#asking--;
      if (reservation !== null) this.#deliver(reservation);
      else this.#onNothingReady();
      if (this.#asking === 0) this.#waiters.endBatches();
    } catch (error) {
      this.#asking--;
      if (failures === this.#failures) {
        this.#retirePolling();
        this.#fail(error);
      }
    }
    this.#freePolling();
    this.#serve();
  }

  #onNothingReady(): void {
    this.#hasWork = false;
    this.#isConcurrent = false;
    this.#waiters.takeEmpty();
  }

  /** One waits at the server for all. */
  #wait(): void {
    if (this.#holding.length < MAX_BLOCKING) void this.#block();
    else this.#pollTimer ??= setTimeout(() => this.#pollAgain(), POLL_MS);
  }

  #pollAgain(): void {
    this.#pollTimer = undefined;
    this.#hasWork = true;
    this.#serve();
  }

  /** Never rejects. */
  async #block(): Promise<void> {
    this.#isBlocking = true;
    let connection: ConsumerConnection | undefined;
    try {
      connection = this.#pool.take(this.#consumption.watchList) ?? (await this.#pool.open());
      this.#blocking = connection;
      if (!this.#waiters.isPatient) {
        this.#stopBlocking(connection);
        this.#pool.give(connection);
        return;
      }
      connection.watchOnly(this.#consumption.watchList);
      const timeout = this.#waiters.longestSeconds;
      const reservation = await reserveFrom(connection, this.#consumption, this.#onlyTube, timeout);
      if (!this.#stopBlocking(connection)) return;
      if (reservation === null) this.#onTimedOut(connection);
      else this.#hold(connection, reservation);
    } catch (error) {
      // Given up: the connection was closed for that.
      if (connection !== undefined && !this.#stopBlocking(connection)) return;
      this.#isBlocking = false;
      // It may hold a job that nobody was given.
      connection?.destroy();
      this.#fail(error);
    }
    this.#serve();
  }

  /** @returns false when it was given up meanwhile */
  #stopBlocking(connection: ConsumerConnection): boolean {
    if (this.#blocking !== connection) return false;
    this.#blocking = undefined;
    this.#isBlocking = false;
    return true;
  }

  #onTimedOut(connection: ConsumerConnection): void {
    this.#pool.give(connection);
    this.#waiters.endDue();
  }

  #hold(connection: ConsumerConnection, reservation: BeanstalkdReservation): void {
    this.#hasWork = true;
    this.#holding.push(connection);
    connection.onIdle = () => this.#free(connection);
    if (connection.isIdle) this.#free(connection);
    this.#deliver(reservation);
    // It does not wait for more.
    if (this.#asking === 0) this.#waiters.endBatches();
  }

  /** It holds nothing any more: whoever needs a connection next is given it, in the same write if that is at once. */
  #free(connection: ConsumerConnection): void {
    const position = this.#holding.indexOf(connection);
    if (position >= 0) this.#holding.splice(position, 1);
    this.#pool.give(connection);
    if (this.#pollTimer === undefined) return;
    clearTimeout(this.#pollTimer);
    this.#pollTimer = undefined;
    this.#serve();
  }

  #deliver(reservation: BeanstalkdReservation): void {
    if (reservation.isOver) return;
    this.#hasWork = true;
    if (this.#waiters.give(reservation, this.#isBlocking)) return;
    // Whoever asked has given up meanwhile.
    giveBack(reservation);
  }

  /** No command ends a reserve that waits, so its connection is closed when nobody is left to wait for. */
  #onWaiterGone(): void {
    if (this.#waiters.isPatient) return;
    clearTimeout(this.#pollTimer);
    this.#pollTimer = undefined;
    const connection = this.#blocking;
    if (connection === undefined) return;
    this.#stopBlocking(connection);
    // In order: the settlement of the message before may still have to be answered. A job on its way goes back then.
    this.#leaving.add(connection);
    void connection.quit().then(() => this.#leaving.delete(connection));
  }

  get #openPolling(): ConsumerConnection | undefined {
    if (this.#polling?.isOpen === false) this.#retirePolling();
    return this.#polling;
  }

  #connectPolling(): Promise<ConsumerConnection> {
    this.#connecting ??= this.#takePolling().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #takePolling(): Promise<ConsumerConnection> {
    const connection = this.#pool.take(this.#consumption.watchList) ?? (await this.#pool.open());
    connection.onIdle = () => this.#freePolling();
    this.#polling = connection;
    return connection;
  }

  #freePolling(): void {
    const connection = this.#polling;
    if (connection === undefined || this.#asking > 0 || this.#connecting !== undefined) return;
    if (connection.isOpen && !connection.isIdle) return;
    this.#polling = undefined;
    this.#pool.give(connection);
  }

  /** It is asked no more, and closes when what it holds is settled. */
  #retirePolling(): void {
    const connection = this.#polling;
    if (connection === undefined) return;
    this.#polling = undefined;
    connection.onIdle = () => {};
    connection.retire();
  }

  /** Everybody who waits learns why. */
  #fail(error: unknown): void {
    debug('reserving failed: %o', error);
    this.#failures++;
    this.#hasWork = this.#hasSeveralTubes;
    this.#waiters.rejectAll(toHaricotError(error, true));
  }
}

/** Nobody waits for it any more. */
function giveBack(reservation: BeanstalkdReservation): void {
  reservation.giveBack('nobody waited for it').catch((error) => debug('could not give back: %o', error));
}

/** Who consumes the same queues in the same way shares a subscription, and all of them the connections of a driver. */
export class Subscriptions {
  readonly #pool: ConnectionPool;
  /** Weak: applications make queues for a request and never close them. */
  readonly #subscriptions = new Map<string, WeakRef<Subscription>>();
  readonly #forgotten = new FinalizationRegistry<string>((key) => {
    if (this.#subscriptions.get(key)?.deref() === undefined) this.#subscriptions.delete(key);
  });

  constructor(url: string) {
    this.#pool = new ConnectionPool(url);
  }

  to(consumption: Consumption): Subscription {
    const { watchList, order, trackAttempts } = consumption;
    const key = [order, trackAttempts, ...watchList].join(' ');
    const known = this.#subscriptions.get(key)?.deref();
    if (known !== undefined) return known;
    const subscription = new Subscription(consumption, this.#pool);
    this.#subscriptions.set(key, new WeakRef(subscription));
    this.#forgotten.register(subscription, key);
    return subscription;
  }

  /** Calls that wait are answered with null, and what is held goes back to its queue. */
  close(): void {
    this.#pool.destroy();
    for (const subscription of this.#subscriptions.values()) subscription.deref()?.end();
  }
}
