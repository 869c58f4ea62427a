import { Queue } from '../../src/queue/queue.js';
import { type ObserverSignal, observerSignals, type SignalEvents } from '../../src/signals/catalogue.js';
import { SignalDispatcher } from '../../src/signals/dispatcher.js';
import type { WorkerOptions } from '../../src/worker/options.js';
import { Worker } from '../../src/worker/worker.js';
import type { Queues } from './queues.js';

const PATIENCE_MS = 20_000;

/** A worker in the test process on a queue of its own, and everything that it emitted. */
export class WorkerBench {
  readonly queue: Queue;
  readonly signals: SignalDispatcher = new SignalDispatcher();
  readonly #events: [ObserverSignal, unknown][] = [];
  readonly #workers: Worker[] = [];
  #wake: () => void = () => {};

  constructor(queues: Queues) {
    this.queue = queues.queue();
    for (const signal of observerSignals) {
      this.signals.connect(signal, (event) => {
        this.#events.push([signal, event]);
        this.#wake();
      });
    }
  }

  /** A worker that runs, on a connection of its own as in another process. */
  start(queues: Queues, options?: WorkerOptions): { readonly worker: Worker; readonly run: Promise<void> } {
    const worker = new Worker(new Queue(queues.open(), this.queue.name), this.signals, options);
    this.#workers.push(worker);
    return { worker, run: worker.run() };
  }

  events<K extends ObserverSignal>(signal: K): SignalEvents[K][] {
    return this.#events.filter(([name]) => name === signal).map(([, event]) => event as SignalEvents[K]);
  }

  /** Waits for the nth event of a signal, counted from 1. */
  async until<K extends ObserverSignal>(signal: K, count = 1): Promise<SignalEvents[K]> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
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

/** A {@link WorkerBench} for each test; called before the drivers of its queues are closed. */
export function onWorkerBench(queues: () => Queues): () => WorkerBench {
  let bench: WorkerBench | undefined;
  afterEach(async () => {
    await bench?.stop();
    bench = undefined;
  });
  return () => {
    bench ??= new WorkerBench(queues());
    return bench;
  };
}
