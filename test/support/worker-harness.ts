import type { Capabilities } from '../../src/queue/capabilities.js';
import { cloudEvents } from '../../src/queue/cloudevents.js';
import { defineMessage, type Message } from '../../src/queue/message.js';
import { Queue } from '../../src/queue/queue.js';
import { SignalDispatcher } from '../../src/signals/dispatcher.js';
import { type ObserverSignal, observerSignals, type SignalEvents } from '../../src/signals/signals.js';
import type { WorkerOptions } from '../../src/worker/options.js';
import { Worker } from '../../src/worker/worker.js';
import { FakeDriver, type FakeMessage, type MessageParts } from './fake-driver.js';

/** A worker on a fake engine, and everything it emitted. */
export class WorkerHarness {
  readonly driver: FakeDriver;
  readonly queue: Queue;
  readonly signals: SignalDispatcher = new SignalDispatcher();
  readonly #events: [ObserverSignal, unknown][] = [];
  readonly #workers: Worker[] = [];

  constructor(capabilities?: Capabilities) {
    this.driver = new FakeDriver(capabilities);
    this.queue = new Queue(this.driver, 'mail');
    // A worker without any slot is refused.
    this.signals.connect(defineMessage('nothing.published'), () => {});
    for (const signal of observerSignals) this.signals.connect(signal, (event) => this.#events.push([signal, event]));
  }

  worker(options: WorkerOptions = {}, queues: Queue | readonly Queue[] = this.queue): Worker {
    const worker = new Worker(queues, this.signals, options);
    this.#workers.push(worker);
    return worker;
  }

  /** A worker that runs. */
  start(options?: WorkerOptions, queues?: Queue | readonly Queue[]): Worker {
    const worker = this.worker(options, queues);
    void worker.run();
    return worker;
  }

  /** Delivers a message of type `mail.send`, or of another one. */
  deliver(message: Partial<Message> = {}, parts: MessageParts = {}): FakeMessage {
    return this.driver.deliver({ body: encoded(message), ...parts });
  }

  /** The names of what was emitted, in order. */
  get emitted(): ObserverSignal[] {
    return this.#events.map(([signal]) => signal);
  }

  /** The events of a signal, in order. */
  events<K extends ObserverSignal>(signal: K): SignalEvents[K][] {
    return this.#events.filter(([name]) => name === signal).map(([, event]) => event as SignalEvents[K]);
  }

  /** The next event of a signal. */
  next<K extends ObserverSignal>(signal: K): Promise<SignalEvents[K]> {
    return new Promise((resolve) => {
      this.signals.connect(signal, (event) => resolve(event), { once: true });
    });
  }

  async stop(): Promise<void> {
    // One whose run has rejected rejects here too.
    await Promise.allSettled(this.#workers.map((worker) => worker.stop({ grace: 0 })));
  }
}

export function encoded(message: Partial<Message> = {}): Uint8Array {
  return cloudEvents.encode({
    id: 'm1',
    type: 'mail.send',
    data: { to: 'a@b.example' },
    time: new Date(0),
    headers: {},
    source: '/test',
    ...message,
  });
}

/**
 * A {@link WorkerHarness} for each test of the suite this is called in, whose workers are stopped after it.
 * @param capabilities of its engine, beyond those of every FakeDriver
 */
export function useWorkerHarness(capabilities?: Capabilities): () => WorkerHarness {
  let harness: WorkerHarness;
  beforeEach(() => {
    harness = new WorkerHarness(capabilities);
  });
  afterEach(() => harness.stop());
  return () => harness;
}

/** A promise, and the functions that settle it. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

export function deferred<T = void>(): Deferred<T> {
  let resolve: Deferred<T>['resolve'] = () => {};
  let reject: Deferred<T>['reject'] = () => {};
  const promise = new Promise<T>((res, rej) => {
    resolve = res;
    reject = rej;
  });
  return { promise, resolve, reject };
}
