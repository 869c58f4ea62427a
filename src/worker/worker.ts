import { setMaxListeners } from 'node:events';
import { createDebug } from '../debug.js';
import { type ResolvedCapabilities, resolveCapabilities } from '../queue/capabilities.js';
import { checkOptions, checkSignal } from '../queue/checks.js';
import type { ReservedMessage } from '../queue/driver.js';
import { type Duration, toTimerMs } from '../queue/duration.js';
import { EngineError, InvalidOptionError } from '../queue/errors.js';
import { messageOfError } from '../queue/failure.js';
import type { Queue } from '../queue/queue.js';
import { onAbort } from '../shared/abort.js';
import { EventLoop } from '../shared/event-loop.js';
import { preview } from '../shared/text.js';
import type { SignalDispatcher } from '../signals/dispatcher.js';
import type { StopReason } from '../signals/signals.js';
import { DeadlineTimer, type HasDeadline } from './deadline-timer.js';
import { Delivery, type DeliveryEnvironment } from './delivery.js';
import { FALLBACK_DELAY_MS, type Outcome } from './disposition.js';
import { EmptyWatch } from './empty-watch.js';
import { EngineBackoff } from './engine-backoff.js';
import { Limits } from './limits.js';
import { type Settings, settingsOf, type WorkerOptions } from './options.js';
import { QueuePause } from './queue-pause.js';
import { settle } from './settle.js';
import { isCalledBelow } from './slot-stack.js';
import type { WorkerState, WorkerStatus } from './status.js';
import { resultOf, WorkerConsumer } from './worker-consumer.js';

const debug = createDebug('haricot:worker');

/** How long a reserve that was called just before a stop may still be answered. */
const ANSWER_MS = 100;

/** Nothing new is begun then, not even what a reserve of the last moments brings. */
const HARD_LIMITS: readonly StopReason[] = ['failureLimit', 'memoryLimit'];

/**
 * Takes messages from queues, emits `messageReceived` to the slots connected for them, and settles each message: at least
 * once, acknowledged only after every slot has resolved.
 */
export class Worker {
  /** By the name of the queue. */
  readonly #environments: ReadonlyMap<string, DeliveryEnvironment>;
  readonly #signals: SignalDispatcher;
  readonly #settings: Settings;
  readonly #capabilities: ResolvedCapabilities;
  readonly #stopping = new AbortController();
  readonly #reserving = new AbortController();
  readonly #timer = new DeadlineTimer();
  readonly #eventLoop = new EventLoop();
  readonly #engineBackoff: EngineBackoff;
  readonly #limits: Limits;
  readonly #consumer: WorkerConsumer;
  /** What each of the concurrent loops works on. */
  readonly #deliveries: (Delivery | undefined)[] = [];
  #state: WorkerState = 'idle';
  /** `stop` was called before `run`. */
  #isStopRequested = false;
  #running: Promise<void> | undefined;
  /** Whether a message that arrives is given back. */
  #isFull = false;
  /** Messages whose settlement the engine has not answered yet. */
  #unsettled = 0;
  #onSettled: () => void = () => {};
  /** Loops that have not ended, and those of them that wait for a message. */
  #loops = 0;
  #waiting = 0;
  /** For the option `untilEmpty`. */
  readonly #emptyWatch: EmptyWatch | undefined;
  /** When a reserve was last called. */
  #reservedAt = Number.NEGATIVE_INFINITY;
  #force: HasDeadline | undefined;

  /**
   * @param queues one queue, or several on one engine
   * @param signals whose slots do the work
   * @throws InvalidOptionError
   */
  constructor(queues: Queue | readonly Queue[], signals: SignalDispatcher, options: WorkerOptions = {}) {
    const list = checkQueues(queues);
    const { driver } = list[0];
    this.#signals = checkSignals(signals);
    this.#settings = settingsOf(options);
    const { concurrency, order, trackAttempts } = this.#settings;
    const onError = (error: unknown): void => this.#tellError(error);
    this.#capabilities = resolveCapabilities(driver.capabilities);
    this.#limits = new Limits(this.#settings, (reason) => this.#beginStop(reason));
    this.#engineBackoff = new EngineBackoff(
      {
        onFailure: onError,
        onRecovery: (downMs) => signals.emit('workerRecovered', { queues: this.#queues, downMs }),
      },
      this.#stopping.signal,
    );
    this.#consumer = new WorkerConsumer({
      consume: () => driver.consume(this.#queues, { concurrency, order, trackAttempts }),
      backoff: this.#engineBackoff,
      stopping: this.#stopping.signal,
      onError,
      onClosed: () => this.#beginStop('closed'),
    });
    const shared = {
      signals,
      settings: this.#settings,
      timer: this.#timer,
      consumer: this.#consumer,
      capabilities: this.#capabilities,
      canUncount: this.#capabilities.uncountedRelease,
      onError,
    };
    this.#environments = new Map(list.map((queue) => [queue.name, { ...shared, queue, pause: new QueuePause(queue) }]));
    if (this.#settings.untilEmpty) {
      this.#emptyWatch = new EmptyWatch({
        timer: this.#timer,
        stats: () => this.#engineBackoff.answerOf(() => driver.stats(this.#queues)),
        isIdle: () => this.#state === 'running' && this.#waiting === this.#loops && this.#unsettled === 0,
        onEmpty: () => this.#beginStop('untilEmpty'),
      });
    }
    // Every slot waits on this signal.
    setMaxListeners(0, this.#reserving.signal);
  }

  /**
   * Works until it is stopped or a limit is reached. If the engine cannot be reached, it emits `workerError`, tries again, and
   * emits `workerRecovered` when the engine answers. Errors of the engine while the worker stops go to `workerError`, too.
   * @param options `signal` stops it as `stop()` does, with the worker's `grace`
   * @throws InvalidOptionError, UnsupportedError or DriverClosedError if the engine refuses the queues; Error if the worker has
   * run before; InvalidOptionError if no slot is connected, so that it would bury every message
   */
  run(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    try {
      const { signal } = checkOptions('run', options, { signal: true });
      checkSignal('signal', signal);
      if (this.#running !== undefined) throw new Error('cannot run the worker: it has run already; make a new one');
      this.#checkSlots();
      this.#state = 'running';
      this.#running = this.#run(signal);
      return this.#running;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Reserves no further messages and lets slots finish within the grace; then their signal aborts and their messages are
   * released at once. May be called again to shorten the grace. Before `run` it makes that resolve at once.
   *
   * Resolves when `run` has settled. In a slot it resolves at once, because the slot would wait for itself. It does not
   * recognise a slot that calls it in a callback, for example of a timer: such a slot is interrupted at the end of the grace.
   * @param options `grace`: default: the worker's
   * @throws InvalidOptionError
   */
  async stop(options: { readonly grace?: Duration | undefined } = {}): Promise<void> {
    const { grace } = checkOptions('stop', options, { grace: true });
    const graceMs = grace === undefined ? this.#settings.graceMs : toTimerMs(grace, 'grace');
    this.#isStopRequested = true;
    if (this.#running === undefined) return;
    this.#beginStop('stop', graceMs);
    if (this.#deliveries.some(Boolean) && isCalledBelow(Delivery.prototype.workOnDelivery.name)) return;
    await this.#running.catch(() => {
      // It is told to whoever called `run`.
    });
  }

  /** The state of the worker, the messages that it is working on, and how many it has finished, buried and released. */
  status(): WorkerStatus {
    const { finished, failed, released } = this.#limits;
    const inFlight = this.#deliveries.flatMap((delivery) => (delivery === undefined ? [] : delivery.status()));
    return { state: this.#state, inFlight, finished, failed, released };
  }

  #checkSlots(): void {
    if (this.#signals.hasSlots || this.#settings.unhandled !== 'bury' || this.#isStopRequested) return;
    throw new InvalidOptionError(
      'cannot run the worker: no slot is connected to its signals, so it would bury every message; connect one first',
    );
  }

  async #run(signal: AbortSignal | undefined): Promise<void> {
    const removeListener = signal && onAbort(signal, () => this.#beginStop('signal'));
    try {
      if (this.#isStopRequested) this.#beginStop('stop');
      else if (signal?.aborted) this.#beginStop('signal');
      else this.#limits.watch(this.#timer);
      await this.#consumer.orAbandoned(this.#workAll());
    } finally {
      removeListener?.();
      this.#reserving.abort();
      await this.#consumer.end();
      this.#timer.stop();
      this.#state = 'stopped';
      const { finished, failed } = this.#limits;
      debug('stopped: %d finished, %d failed', finished, failed);
      this.#signals.emit('workerStopped', { queues: this.#queues, finished, failed });
    }
  }

  async #workAll(): Promise<void> {
    await this.#consumer.open();
    if (this.#state !== 'running') return;
    const { concurrency } = this.#settings;
    this.#signals.emit('workerStarted', { queues: this.#queues, concurrency });
    debug('started on %o, concurrency %d', this.#queues, concurrency);
    this.#loops = concurrency;
    await Promise.all(
      Array.from({ length: concurrency }, async (_, slot) => {
        await this.#work(slot);
        this.#loops--;
      }),
    );
    this.#beginStop('maxMessages');
    if (this.#unsettled === 0) return;
    await new Promise<void>((resolve) => {
      this.#onSettled = resolve;
    });
  }

  get #queues(): string[] {
    return [...this.#environments.keys()];
  }

  /** One message after another. */
  async #work(slot: number): Promise<void> {
    const limits = this.#limits;
    for (;;) {
      const now = performance.now();
      const turn = this.#eventLoop.turnIfBlocked(now);
      if (turn !== undefined) await turn;
      limits.checkMemory();
      for (let burial = limits.untilCertain(); burial !== undefined; burial = limits.untilCertain()) await burial;
      if (this.#state !== 'running' || !limits.claim()) return;
      this.#reservedAt = now;
      this.#waiting++;
      this.#emptyWatch?.check();
      const message = await this.#consumer.reserve(this.#reserving.signal, now);
      this.#waiting--;
      if (message === null) {
        limits.unclaim();
        continue;
      }
      limits.checkMemory();
      for (let burial = limits.untilCertain(); burial !== undefined; burial = limits.untilCertain()) await burial;
      if (!this.#isFull && !this.#reserving.signal.aborted) await this.#accept(message, slot);
      else void this.#count(message, this.#giveBack(message, 0));
    }
  }

  #accept(message: ReservedMessage, slot: number): Promise<void> {
    const environment = this.#environments.get(message.queue);
    if (environment !== undefined) return this.#deliver(message, environment, slot);
    this.#limits.unclaim();
    void this.#count(message, this.#giveBack(message, FALLBACK_DELAY_MS));
    return this.#engineBackoff.wait(strayError(message));
  }

  /** Releases a message that was not started. */
  async #giveBack(message: ReservedMessage, delayMs: number): Promise<Outcome> {
    const counted = !this.#capabilities.uncountedRelease;
    resultOf(await this.#consumer.settle({ kind: 'release', message, delayMs, counted }));
    return 'released';
  }

  async #deliver(message: ReservedMessage, environment: DeliveryEnvironment, slot: number): Promise<void> {
    if (debug.enabled) debug('%s %s reserved, attempt %d', message.queue, message.jobId, message.attempt);
    const delivery = new Delivery(message, environment);
    this.#deliveries[slot] = delivery;
    const disposition = await delivery.process();
    this.#deliveries[slot] = undefined;
    const isBuried = disposition.outcome === 'failed';
    if (isBuried) this.#limits.startBurying();
    if (disposition.outcome === 'released' && disposition.isRetry) this.#emptyWatch?.expectRetry(disposition.delayMs);
    void this.#count(message, settle(delivery, disposition, environment), isBuried);
  }

  /** Counts how a delivery ended, once the engine has answered; nothing waits for that but the end of the worker. */
  async #count({ queue, jobId }: ReservedMessage, settled: Promise<Outcome>, isBuried = false): Promise<void> {
    this.#unsettled++;
    let outcome: Outcome | undefined;
    try {
      outcome = await settled;
      if (debug.enabled) debug('%s %s %s', queue, jobId, outcome);
    } catch (error) {
      this.#tellError(error);
    }
    this.#limits.count(outcome, isBuried);
    this.#unsettled--;
    if (this.#unsettled > 0) return;
    this.#onSettled();
    this.#emptyWatch?.check();
  }

  #tellError(error: unknown): void {
    debug('error: %s', messageOfError(error));
    this.#signals.emit('workerError', { error });
  }

  #beginStop(reason: StopReason, graceMs: number = this.#settings.graceMs): void {
    if (this.#state === 'stopped') return;
    if (HARD_LIMITS.includes(reason)) this.#isFull = true;
    if (this.#state === 'running') {
      this.#state = 'stopping';
      debug('stopping: %s', reason);
      this.#signals.emit('workerStopping', { queues: this.#queues, reason });
      this.#stopping.abort();
      this.#endReserving();
    }
    const forceAt = performance.now() + graceMs;
    if (this.#force !== undefined && forceAt >= this.#force.deadlineAt) return;
    if (this.#force !== undefined) this.#timer.cancel(this.#force);
    this.#force = { deadlineAt: forceAt, onDeadline: () => this.#endByForce() };
    if (graceMs === 0) this.#endByForce();
    else this.#timer.set(this.#force);
  }

  /** A reserve of the last moments may have been answered with a message, which giving up would cost an attempt. */
  #endReserving(): void {
    const answerAt = this.#reservedAt + ANSWER_MS;
    if (answerAt <= performance.now()) this.#reserving.abort();
    else this.#timer.set({ deadlineAt: answerAt, onDeadline: () => this.#reserving.abort() });
  }

  #endByForce(): void {
    this.#reserving.abort();
    for (const delivery of this.#deliveries) delivery?.stop();
    this.#consumer.closeSoon();
  }
}

/** @throws InvalidOptionError */
function checkQueues(queues: Queue | readonly Queue[]): readonly [Queue, ...Queue[]] {
  const [first, ...others]: readonly Queue[] = Array.isArray(queues) ? queues : [queues];
  if (first === undefined) throw new InvalidOptionError('the queues of a worker must be one at least, got none');
  for (const queue of [first, ...others]) {
    if (typeof queue?.driver?.consume === 'function') continue;
    throw new InvalidOptionError(`a queue of a worker must be a Queue, got ${preview(queue)}`);
  }
  if (others.some(({ driver }) => driver !== first.driver)) {
    throw new InvalidOptionError('the queues of a worker must be of one driver, got queues of several');
  }
  return [first, ...others];
}

/** @throws InvalidOptionError */
function checkSignals(signals: SignalDispatcher): SignalDispatcher {
  if (typeof signals?.prepare === 'function' && typeof signals.emit === 'function') return signals;
  throw new InvalidOptionError(`the signals of a worker must be a SignalDispatcher, got ${preview(signals)}`);
}

function strayError({ jobId, queue }: ReservedMessage): Error {
  return new EngineError(
    `cannot work on message ${preview(jobId)}: the engine delivered it from queue ${preview(queue)}, which this worker does not consume`,
  );
}
