import { Queue } from '../../src/queue/queue.js';
import { SignalDispatcher } from '../../src/signals/dispatcher.js';
import { type ObserverSignal, observerSignals, type SignalEvents } from '../../src/signals/signals.js';
import type { WorkerOptions } from '../../src/worker/options.js';
import { Worker } from '../../src/worker/worker.js';
import type { Engine } from './engines.js';
import { HANG_MS } from './until.js';

/** Workers in the test process on queues of their own, and everything that they emitted. */
export class WorkerBench {
  readonly queue: Queue;
  readonly signals: SignalDispatcher = new SignalDispatcher();
  readonly #engine: Engine;
  readonly #events: [ObserverSignal, unknown][] = [];
  readonly #workers: Worker[] = [];
  #wake: () => void = () => {};

  static async on(engine: Engine): Promise<WorkerBench> {
    return new WorkerBench(engine, new Queue(await engine.open(), engine.queueName()));
  }

  private constructor(engine: Engine, queue: Queue) {
    this.#engine = engine;
    this.queue = queue;
    for (const signal of observerSignals) {
      this.signals.connect(signal, (event) => {
        this.#events.push([signal, event]);
        this.#wake();
      });
    }
  }

  /** Another queue of the publisher. */
  otherQueue(): Queue {
    return new Queue(this.queue.driver, this.#engine.queueName());
  }

  /** A worker that runs, on a driver of its own as in another process. */
  async start(
    options?: WorkerOptions,
    queues: readonly Queue[] = [this.queue],
  ): Promise<{ readonly worker: Worker; readonly run: Promise<void> }> {
    const driver = await this.#engine.open();
    const itsQueues = queues.map(({ name }) => new Queue(driver, name));
    const worker = new Worker(itsQueues, this.signals, options);
    this.#workers.push(worker);
    return { worker, run: worker.run() };
  }

  events<K extends ObserverSignal>(signal: K): SignalEvents[K][] {
    return this.#events.filter(([name]) => name === signal).map(([, event]) => event as SignalEvents[K]);
  }

  /** Waits for the nth event of a signal, counted from 1. */
  async until<K extends ObserverSignal>(signal: K, count = 1): Promise<SignalEvents[K]> {
    const deadline = AbortSignal.timeout(HANG_MS);
    deadline.addEventListener('abort', () => this.#wake());
    for (;;) {
      const event = this.events(signal)[count - 1];
      if (event) return event;
      if (deadline.aborted) throw new Error(`no ${signal} number ${count}; there were ${this.#told()}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #told(): string {
    return this.#events.map(([signal]) => signal).join(', ');
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop({ grace: 0 })));
  }
}

/** A {@link WorkerBench} for each test on an engine, whose workers are stopped before its drivers are closed. */
export function onWorkerBench(engine: () => Engine): { readonly bench: () => WorkerBench; readonly engine: Engine } {
  let bench: WorkerBench | undefined;
  afterEach(async () => {
    await bench?.stop();
    bench = undefined;
  });
  const itsEngine = engine();
  beforeEach(async () => {
    bench = await WorkerBench.on(itsEngine);
  });
  return {
    engine: itsEngine,
    bench: () => {
      if (bench === undefined) throw new Error('the bench is there while a test runs');
      return bench;
    },
  };
}
