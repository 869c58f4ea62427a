import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import createDebug from 'debug';
import type { Consumer, Reservation } from '../queue/driver.js';
import { type Duration, toTimerMs } from '../queue/duration.js';
import { DriverClosedError, InvalidOptionError } from '../queue/errors.js';
import type { Queue } from '../queue/queue.js';
import type { SignalDispatcher } from '../signals/dispatcher.js';
import { Delivery, type Outcome } from './delivery.js';
import { type Settings, settingsOf, type WorkerOptions } from './options.js';
import { retryDelay } from './retry.js';

const debug = createDebug('haricot:worker');

/** How long the engine may take to answer once the slots were ended by force; then the connections are closed. */
const SETTLE_MS = 2000;

/** Between two tries to reserve while the engine cannot be reached. */
const recoveryDelay = retryDelay({ initial: '200ms', max: '5s', jitter: 'none' });

/** idle → running → stopping → stopped, never back. */
type State = 'idle' | 'running' | 'stopping' | 'stopped';

/**
 * Takes messages from queues, emits `messageReceived` to the slots connected for them, and settles each message: at least
 * once, acknowledged only after every slot has resolved.
 */
export class Worker {
  readonly #queues: ReadonlyMap<string, Queue>;
  readonly #signals: SignalDispatcher;
  readonly #settings: Settings;
  readonly #driver: Queue['driver'];
  readonly #reserving = new AbortController();
  readonly #deliveries = new Set<Delivery>();
  readonly #settling = new Set<Promise<void>>();
  #state: State = 'idle';
  #running: Promise<void> | undefined;
  /** Messages that were or are being reserved. */
  #claimed = 0;
  /** Failed tries to reserve since the last one that worked. */
  #outages = 0;
  #recovering: Promise<void> | undefined;
  #finished = 0;
  #failed = 0;
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
    this.#queues = new Map(list.map((queue) => [queue.name, queue]));
    this.#signals = signals;
    this.#settings = settingsOf(options);
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
    const { concurrency, timeLimitMs, graceMs } = this.#settings;
    const queues = [...this.#queues.keys()];
    const onAbort = (): void => this.#beginStop('signal', graceMs);
    const timer =
      timeLimitMs === undefined ? undefined : setTimeout(() => this.#beginStop('timeLimit', graceMs), timeLimitMs);
    try {
      const consumer = await this.#driver.consume(queues, concurrency);
      this.#consumer = consumer;
      this.#signals.emit('workerStarted', { queues, concurrency });
      debug('started on %o, concurrency %d', queues, concurrency);
      signal?.addEventListener('abort', onAbort, { once: true });
      if (signal?.aborted) onAbort();
      await Promise.all(Array.from({ length: concurrency }, () => this.#work(consumer)));
      this.#beginStop('maxMessages', graceMs);
      await Promise.all(this.#settling);
    } finally {
      clearTimeout(timer);
      clearTimeout(this.#forceTimer);
      signal?.removeEventListener('abort', onAbort);
      await this.#consumer?.close();
      this.#state = 'stopped';
      debug('stopped: %d finished, %d failed', this.#finished, this.#failed);
      this.#signals.emit('workerStopped', { queues, finished: this.#finished, failed: this.#failed });
    }
  }

  /** One message after another. */
  async #work(consumer: Consumer): Promise<void> {
    while (this.#state === 'running' && this.#claimed < this.#settings.maxMessages) {
      this.#claimed++;
      let reservation: Reservation | null = null;
      try {
        reservation = await consumer.reserve({ signal: this.#reserving.signal });
        this.#outages = 0;
      } catch (error) {
        if (error instanceof DriverClosedError) this.#beginStop('closed', this.#settings.graceMs);
        else if (!this.#reserving.signal.aborted) await this.#recover(error);
      }
      if (reservation === null) this.#claimed--;
      else if (this.#state === 'running') await this.#deliver(reservation);
      else this.#track(reservation.release().then(() => 'released'));
    }
  }

  /** All slots meet an outage of the engine together: it is reported once, and they try again at the same time. */
  #recover(error: unknown): Promise<void> {
    this.#recovering ??= this.#waitOut(error).finally(() => {
      this.#recovering = undefined;
    });
    return this.#recovering;
  }

  async #waitOut(error: unknown): Promise<void> {
    debug('reserve failed: %o', error);
    this.#signals.emit('workerError', { error });
    // Half of it at random, so that the workers of an installation do not return in the same moment.
    const delayMs = recoveryDelay(++this.#outages, error) * (0.5 + Math.random() / 2);
    try {
      await sleep(delayMs, undefined, { signal: this.#reserving.signal });
    } catch {
      // Stopped meanwhile: the loops see it.
    }
  }

  async #deliver(reservation: Reservation): Promise<void> {
    const queue = this.#queues.get(reservation.queue);
    if (queue === undefined)
      throw new Error(`the engine delivered from queue "${reservation.queue}", which was not asked for`);
    debug('%s %s reserved, attempt %d', queue.name, reservation.id, reservation.attempt);
    const delivery = new Delivery(reservation, {
      codec: queue.codec,
      signals: this.#signals,
      settings: this.#settings,
      keepsReason: this.#driver.capabilities.buryReason,
    });
    this.#deliveries.add(delivery);
    const { settled } = await delivery.run();
    this.#deliveries.delete(delivery);
    this.#track(settled, reservation.id);
  }

  /** Counts how a delivery ended, once the engine has answered; nothing waits for that but the end of the worker. */
  #track(settled: Promise<Outcome>, id = ''): void {
    const tracked = settled
      .then(
        (outcome) => this.#count(outcome, id),
        (error: unknown) => this.#signals.emit('workerError', { error }),
      )
      .finally(() => this.#settling.delete(tracked));
    this.#settling.add(tracked);
  }

  #count(outcome: Outcome, id: string): void {
    debug('%s %s', id, outcome);
    const { failureLimit, memoryLimit, graceMs } = this.#settings;
    if (outcome === 'finished') this.#finished++;
    if (outcome === 'failed') this.#failed++;
    if (this.#failed >= failureLimit) this.#beginStop('failureLimit', graceMs);
    if (memoryLimit !== Number.POSITIVE_INFINITY && process.memoryUsage.rss() > memoryLimit) {
      this.#beginStop('memoryLimit', graceMs);
    }
  }

  #beginStop(reason: string, graceMs: number): void {
    if (this.#state === 'stopped') return;
    if (this.#state === 'running') {
      this.#state = 'stopping';
      debug('stopping: %s', reason);
      this.#signals.emit('workerStopping', { queues: [...this.#queues.keys()], reason });
      this.#reserving.abort();
    }
    const forceAt = performance.now() + graceMs;
    if (forceAt >= this.#forceAt) return;
    this.#forceAt = forceAt;
    clearTimeout(this.#forceTimer);
    if (graceMs === 0) this.#force();
    else this.#forceTimer = setTimeout(() => this.#force(), graceMs);
  }

  #force(): void {
    for (const delivery of this.#deliveries) delivery.stop();
    this.#forceTimer = setTimeout(() => void this.#consumer?.close(), SETTLE_MS);
  }
}
