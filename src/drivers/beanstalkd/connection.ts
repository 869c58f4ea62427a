import { Client } from '../../client/client.js';
import { DeadlineSoonError } from '../../client/errors.js';
import type { Job } from '../../client/job.js';
import { DriverClosedError } from '../../queue/errors.js';
import { runOutside } from '../../shared/async-context.js';
import type { BeanstalkdReservation, Holder } from './reservation.js';
import { MAX_BODY_BYTES } from './tubes.js';

/** A job that was reserved. */
export interface Delivered {
  readonly job: Job;
  /** When the reserve was sent, by `performance.now()`. */
  readonly askedAt: number;
}

/** One connection that reserves jobs and holds them: the server takes their settlements from no other one. */
export class ConsumerConnection implements Holder {
  readonly client: Client;
  /** What it watches once all that was sent is executed. */
  readonly #watched = new Set(['default']);
  /** The list that it watches, as it was given. */
  #watchList: readonly string[] | undefined;
  /** The answers to changes of the watch list that are still to come; once one has failed, nobody can tell what is watched. */
  #changing: Promise<unknown> | undefined;
  /** Not a Set: see the worker's deadline timer. */
  readonly #held: BeanstalkdReservation[] = [];
  #reserving = 0;
  #isRetired = false;
  /** When nobody used it any more, by `performance.now()`. */
  idleSince = 0;
  #maxJobSize: number | undefined;
  /** Called when it holds nothing and waits for nothing any more, and when it has closed. */
  onIdle: (connection: ConsumerConnection) => void = () => {};

  constructor(client: Client) {
    this.client = client;
    client.once('close', () => {
      for (const reservation of [...this.#held]) reservation.markLost('its connection closed');
      this.onIdle(this);
    });
  }

  /** Whether reserves can be sent. */
  get isOpen(): boolean {
    return this.client.isOpen && !this.#isRetired;
  }

  /** Whether it holds nothing and waits for nothing. Settlements may still be answered. */
  get isIdle(): boolean {
    return this.#held.length === 0 && this.#reserving === 0;
  }

  get maxJobSize(): number | undefined {
    return this.#maxJobSize;
  }

  async learnMaxJobSize(): Promise<void> {
    if (this.#maxJobSize === undefined) this.#maxJobSize = (await this.client.stats()).maxJobSize;
  }

  get heldCount(): number {
    return this.#held.length;
  }

  get held(): readonly BeanstalkdReservation[] {
    return this.#held;
  }

  /** Whether it watches this list already. */
  watches(tubes: readonly string[]): boolean {
    return this.#watchList === tubes;
  }

  /** Watches exactly these tubes from now on: sends what differs, ahead of the next reserve. */
  watchOnly(tubes: readonly string[]): void {
    if (this.#watchList === tubes) return;
    const surplus = new Set(this.#watched);
    for (const tube of tubes) {
      surplus.delete(tube);
      this.#watch(tube);
    }
    // The last watched tube cannot be ignored: ignore only behind the others.
    for (const tube of surplus) this.#ignore(tube);
    this.#watchList = tubes;
  }

  /** The same for a list that differs from the one that is watched by one tube. */
  ignoreOne(tube: string, tubes: readonly string[]): void {
    this.#ignore(tube);
    this.#watchList = tubes;
  }

  /**
   * Reserves a job. Null when none came within `timeout` seconds; DEADLINE_SOON says the same, as a ready job would come first.
   * @param timeout undefined: waits for ever
   */
  async reserve(timeout: number | undefined): Promise<Delivered | null> {
    const askedAt = performance.now();
    this.#reserving++;
    try {
      const reserving = this.client.reserve({ timeout });
      if (this.#changing !== undefined) await Promise.all([this.#changing, reserving]);
      const job = await reserving;
      if (job === null) return null;
      this.#loseEarlier(job.id);
      return { job, askedAt };
    } catch (error) {
      if (!(error instanceof DeadlineSoonError)) throw error;
      // It must hold a job that nobody was given, and would answer so again and again.
      if (this.#held.length === 0) this.retire();
      return null;
    } finally {
      this.#reserving--;
    }
  }

  onReserved(reservation: BeanstalkdReservation): void {
    this.#held.push(reservation);
  }

  onSettled(reservation: BeanstalkdReservation): void {
    const position = this.#held.indexOf(reservation);
    if (position < 0) return;
    const last = this.#held.pop();
    if (last !== undefined && last !== reservation) this.#held[position] = last;
    this.#checkIdle();
  }

  /** Nothing that waits may be ahead of what settles it next. */
  onRefused(reservation: BeanstalkdReservation): void {
    this.#held.push(reservation);
    this.retire();
  }

  /** Reserves no more, and closes when what it holds is settled. */
  retire(): void {
    this.#isRetired = true;
    this.#checkIdle();
  }

  /** Closes in order: what was sent is answered, a reserve that waits with null. */
  quit(): Promise<void> {
    this.#isRetired = true;
    // A job that nobody was given goes back with the connection.
    return this.client.quit({ waitForJobs: false });
  }

  /** Closes at once: what is held goes back to its queue. */
  destroy(): void {
    this.#isRetired = true;
    this.client.destroy();
  }

  #checkIdle(): void {
    if (this.#held.length > 0) return;
    if (this.#isRetired) void this.quit();
    if (this.#reserving === 0) this.onIdle(this);
  }

  /** The server knows holders by their connections alone: to it an earlier holder and the new one would be the same. */
  #loseEarlier(jobId: string): void {
    if (this.#held.length === 0) return;
    this.#held.find((held) => held.jobId === jobId)?.markLost('its lease had ended');
  }

  #watch(tube: string): void {
    if (this.#watched.has(tube)) return;
    this.#watched.add(tube);
    this.#change(this.client.watch(tube));
  }

  #ignore(tube: string): void {
    if (!this.#watched.delete(tube)) return;
    this.#change(this.client.ignore(tube));
  }

  #change(answer: Promise<unknown>): void {
    const changing = this.#changing === undefined ? answer : Promise.all([this.#changing, answer]);
    const done = (): void => {
      if (this.#changing === changing) this.#changing = undefined;
    };
    // A failure is told to all who reserve.
    changing.then(done, () => {});
    this.#changing = changing;
  }
}

/** How long a connection that nobody uses is kept, in milliseconds. */
const IDLE_MS = 5000;

/** How long a server may take to answer what was sent before a connection closes, in milliseconds. */
const QUIT_TIMEOUT_MS = 1000;

/** No more are kept that nobody uses. */
const MAX_IDLE = 8;

/** The connections that consume, of all consumers of a driver: one that is free serves whoever needs one next. */
export class ConnectionPool {
  readonly #url: string;
  readonly #connections = new Set<ConsumerConnection>();
  /** The one freed last stands last. */
  readonly #idle: ConsumerConnection[] = [];
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** One that is free: the one freed last, if possible among those that watch these tubes already. */
  take(tubes: readonly string[]): ConsumerConnection | undefined {
    for (;;) {
      const same = this.#idle.findLastIndex((connection) => connection.watches(tubes));
      const isLast = same < 0 || same === this.#idle.length - 1;
      const taken = isLast ? this.#idle.pop() : this.#idle.splice(same, 1)[0];
      if (taken === undefined || taken.isOpen) return taken;
    }
  }

  /** @throws ConnectionLostError, ConnectTimeoutError, DriverClosedError */
  async open(): Promise<ConsumerConnection> {
    const { signal } = this.#closing;
    if (this.isClosed) throw new DriverClosedError('cannot use the driver: it is closed');
    const client = await Client.connect(this.#url, {
      reconnect: false,
      maxBodyBytes: MAX_BODY_BYTES,
      quitTimeoutMs: QUIT_TIMEOUT_MS,
      signal,
    });
    const connection = new ConsumerConnection(client);
    this.#connections.add(connection);
    client.once('close', () => this.#connections.delete(connection));
    if (this.isClosed) connection.destroy();
    return connection;
  }

  /** It holds nothing and waits for nothing. */
  give(connection: ConsumerConnection): void {
    connection.onIdle = ignore;
    if (!connection.isOpen) return;
    connection.idleSince = performance.now();
    this.#idle.push(connection);
    if (this.#idle.length > MAX_IDLE) void this.#idle.shift()?.quit();
    this.#timer ??= runOutside(() => setTimeout(() => this.#closeIdle(), IDLE_MS).unref());
  }

  /** Closes all at once: what is held goes back to its queue. */
  destroy(): void {
    this.#closing.abort();
    clearTimeout(this.#timer);
    for (const connection of this.#connections) connection.destroy();
  }

  #closeIdle(): void {
    this.#timer = undefined;
    const before = performance.now() - IDLE_MS;
    while (this.#idle[0] !== undefined && this.#idle[0].idleSince <= before) void this.#idle.shift()?.quit();
    const [oldest] = this.#idle;
    if (oldest !== undefined) this.#timer = setTimeout(() => this.#closeIdle(), oldest.idleSince - before).unref();
  }
}

function ignore(): void {}
