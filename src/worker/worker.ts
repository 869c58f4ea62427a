import { setMaxListeners } from 'node:events';
import { createDebug } from '../debug.js';
import type { Consumer, Driver, Reservation } from '../queue/driver.js';
import { type Duration, toTimerMs } from '../queue/duration.js';
import { DriverClosedError, InvalidOptionError, UnsupportedError } from '../queue/errors.js';
import type { Queue } from '../queue/queue.js';
import type { SignalDispatcher } from '../signals/dispatcher.js';
import type { StopReason } from '../signals/signals.js';
import { DeadlineTimer } from './deadline-timer.js';
import { Delivery, type DeliveryEnvironment, type Outcome } from './delivery.js';
import { EngineBackoff } from './engine-backoff.js';
import { type Settings, settingsOf, type WorkerOptions } from './options.js';

const debug = createDebug('haricot:worker');

/** How long the engine may take to answer once the slots were ended by force; then the connections are closed. */
const SETTLE_MS = 2000;

/** How long a reserve that was called just before a stop may still be answered. */
const ANSWER_MS = 100;

/** What an engine says to what it will never do: waiting would not help. */
const REFUSALS = [InvalidOptionError, UnsupportedError, DriverClosedError];

/** idle → running → stopping → stopped, never back. */
type State = 'idle' | 'running' | 'stopping' | 'stopped';

/**
 * Takes messages from queues, emits `messageReceived` to the slots connected for them, and settles each message: at least
 * once, acknowledged only after every slot has resolved.
 */
export class Worker {
  /** By the name of the queue. */
  readonly #environments: ReadonlyMap<string, DeliveryEnvironment>;
  readonly #signals: SignalDispatcher;
  readonly #settings: Settings;
  readonly #driver: Driver;
  readonly #stopping = new AbortController();
  readonly #reserving = new AbortController();
  readonly #timer = new DeadlineTimer();
  readonly #engineBackoff: EngineBackoff;
  /** What each of the concurrent loops works on. */
  readonly #deliveries: (Delivery | undefined)[] = [];
  #state: State = 'idle';
  #running: Promise<void> | undefined;
  /** Messages that were or are being reserved. */
  #claimed = 0;
  /** Messages whose settlement the engine has not answered yet. */
  #unsettled = 0;
  #onSettled: () => void = () => {};
  #finished = 0;
  #failed = 0;
  /** When a reserve was last called. */
  #reservedAt = Number.NEGATIVE_INFINITY;
  #answerTimer: NodeJS.Timeout | undefined;
  #forceTimer: NodeJS.Timeout | undefined;
  #forceAt = Number.POSITIVE_INFINITY;
  #consumer: Consumer | undefined;

  /**
   * @param queues one queue, or several on one engine
   * @param signals whose slots do the work
   * @throws InvalidOptionError
   */
  constructor(queues: Queue | readonly Queue[], signals: SignalDispatcher, options: WorkerOptions = {}) {
    const list: readonly Queue[] = 'driver' in queues ? [queues] : queues;
    const [first] = list;
    if (first === undefined) throw new InvalidOptionError('a worker needs a queue');
    if (list.some(({ driver }) => driver !== first.driver)) {
      throw new InvalidOptionError('the queues of a worker are on one engine: open one driver for them');
    }
    this.#driver = first.driver;
    this.#signals = signals;
    this.#settings = settingsOf(options);
    const shared = {
      signals,
      settings: this.#settings,
      timer: this.#timer,
      keepsFailure: first.driver.capabilities.failures !== 'none',
    };
    this.#environments = new Map(list.map((queue) => [queue.name, { ...shared, queue }]));
    this.#engineBackoff = new EngineBackoff((error) => {
      debug('the engine fails: %o', error);
      signals.emit('workerError', { error });
    }, this.#stopping.signal);
    // Every slot waits on this signal.
    setMaxListeners(0, this.#reserving.signal);
  }

  /**
   * Works until it is stopped or a limit is reached. The loss of the engine does not end it: it tries again.
   * @param signal stops it as `stop()` does, with the worker's `grace`
   */
  run({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.#state !== 'idle') return Promise.reject(new Error('a worker runs once: make a new one'));
    this.#state = 'running';
    this.#running = this.#run(signal);
    return this.#running;
  }

  /**
   * Takes no new messages and lets running slots finish within the grace; then their signal aborts and their messages
   * are released at once. May be called again to shorten the grace. Resolves when `run` does.
   * @param grace default: the worker's
   */
  async stop({ grace }: { readonly grace?: Duration } = {}): Promise<void> {
    const graceMs = grace === undefined ? this.#settings.graceMs : toTimerMs(grace, 'grace');
    if (this.#state === 'idle') return;
    this.#beginStop('stop', graceMs);
    await this.#running;
  }

  async #run(signal: AbortSignal | undefined): Promise<void> {
    const { timeLimitMs, graceMs } = this.#settings;
    const onAbort = (): void => this.#beginStop('signal', graceMs);
    const timer =
      timeLimitMs === undefined ? undefined : setTimeout(() => this.#beginStop('timeLimit', graceMs), timeLimitMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    try {
      this.#consumer = await this.#consume();
      if (this.#consumer && this.#state === 'running') await this.#workAll(this.#consumer);
    } finally {
      for (const each of [timer, this.#answerTimer, this.#forceTimer]) clearTimeout(each);
      signal?.removeEventListener('abort', onAbort);
      await this.#consumer?.close();
      this.#timer.stop();
      this.#state = 'stopped';
      debug('stopped: %d finished, %d failed', this.#finished, this.#failed);
      this.#signals.emit('workerStopped', { queues: this.#queues, finished: this.#finished, failed: this.#failed });
    }
  }

  /** Waits for an engine that cannot be reached yet, but not for one that refuses. @returns nothing once it must stop */
  async #consume(): Promise<Consumer | undefined> {
    const { concurrency, order, trackAttempts } = this.#settings;
    while (this.#state === 'running') {
      try {
        return await this.#driver.consume(this.#queues, concurrency, { order, trackAttempts });
      } catch (error) {
        if (REFUSALS.some((Refusal) => error instanceof Refusal)) throw error;
        await this.#engineBackoff.wait(error);
      }
    }
    return undefined;
  }

  async #workAll(consumer: Consumer): Promise<void> {
    const { concurrency, graceMs } = this.#settings;
    this.#signals.emit('workerStarted', { queues: this.#queues, concurrency });
    debug('started on %o, concurrency %d', this.#queues, concurrency);
    await Promise.all(Array.from({ length: concurrency }, (_, slot) => this.#work(consumer, slot)));
    this.#beginStop('maxMessages', graceMs);
    if (this.#unsettled === 0) return;
    await new Promise<void>((resolve) => {
      this.#onSettled = resolve;
    });
  }

  get #queues(): string[] {
    return [...this.#environments.keys()];
  }

  /** One message after another. */
  async #work(consumer: Consumer, slot: number): Promise<void> {
    const options = { signal: this.#reserving.signal };
    while (this.#state === 'running' && this.#claimed < this.#settings.maxMessages) {
      this.#claimed++;
      this.#reservedAt = performance.now();
      let reservation: Reservation | null = null;
      try {
        reservation = await consumer.reserve(options);
        this.#engineBackoff.end();
      } catch (error) {
        if (error instanceof DriverClosedError) this.#beginStop('closed', this.#settings.graceMs);
        else if (this.#state === 'running') await this.#engineBackoff.wait(error);
      }
      if (reservation === null) this.#claimed--;
      else if (this.#reserving.signal.aborted) void this.#count(reservation, this.#giveBack(reservation));
      else await this.#deliver(reservation, slot);
    }
  }

  async #deliver(reservation: Reservation, slot: number): Promise<void> {
    const environment = this.#environments.get(reservation.queue);
    if (environment === undefined)
      throw new Error(`the engine delivered from queue "${reservation.queue}", which was not asked for`);
    if (debug.enabled) debug('%s %s reserved, attempt %d', reservation.queue, reservation.id, reservation.attempt);
    const delivery = new Delivery(reservation, environment);
    this.#deliveries[slot] = delivery;
    const verdict = await delivery.judge();
    this.#deliveries[slot] = undefined;
    void this.#count(reservation, delivery.settle(verdict));
  }

  async #giveBack(reservation: Reservation): Promise<Outcome> {
    await reservation.release();
    return 'released';
  }

  /** Counts how a delivery ended, once the engine has answered; nothing waits for that but the end of the worker. */
  async #count({ queue, id }: Reservation, settled: Promise<Outcome>): Promise<void> {
    this.#unsettled++;
    try {
      const outcome = await settled;
      if (debug.enabled) debug('%s %s %s', queue, id, outcome);
      if (outcome === 'finished') this.#finished++;
      if (outcome === 'failed') this.#failed++;
      this.#checkLimits();
    } catch (error) {
      this.#signals.emit('workerError', { error });
    }
    this.#unsettled--;
    if (this.#unsettled === 0) this.#onSettled();
  }

  #checkLimits(): void {
    const { failureLimit, memoryLimit, graceMs } = this.#settings;
    if (this.#failed >= failureLimit) this.#beginStop('failureLimit', graceMs);
    if (memoryLimit !== Number.POSITIVE_INFINITY && process.memoryUsage.rss() > memoryLimit) {
      this.#beginStop('memoryLimit', graceMs);
    }
  }

  #beginStop(reason: StopReason, graceMs: number): void {
    if (this.#state === 'stopped') return;
    if (this.#state === 'running') {
      this.#state = 'stopping';
      debug('stopping: %s', reason);
      this.#signals.emit('workerStopping', { queues: this.#queues, reason });
      this.#stopping.abort();
      this.#endReserving();
    }
    const forceAt = performance.now() + graceMs;
    if (forceAt >= this.#forceAt) return;
    this.#forceAt = forceAt;
    clearTimeout(this.#forceTimer);
    if (graceMs === 0) this.#force();
    else this.#forceTimer = setTimeout(() => this.#force(), graceMs);
  }

  /** A reserve of the last moments may have been answered with a message, which giving up would cost an attempt. */
  #endReserving(): void {
    const ms = this.#reservedAt + ANSWER_MS - performance.now();
    const giveUp = (): void => this.#reserving.abort();
    if (ms <= 0) giveUp();
    // What has come while the event loop was blocked is read first.
    else this.#answerTimer = setTimeout(() => setImmediate(giveUp), ms);
  }

  #force(): void {
    this.#reserving.abort();
    for (const delivery of this.#deliveries) delivery?.stop();
    this.#forceTimer = setTimeout(() => void this.#consumer?.close(), SETTLE_MS);
  }
}
