import type { Driver } from '../../queue/driver.js';

/** A queue that is paused. */
export interface Pause {
  readonly queue: string;
  readonly until: Date;
}

/** Sees which of a worker's queues are paused: no engine tells it by itself. */
export class PauseWatch {
  readonly #driver: Driver;
  readonly #queues: readonly string[];
  readonly #onChange: (queue: string, until: Date | null) => void;
  readonly #pauses = new Map<string, Date>();
  #looking = false;

  /** @param onChange called when a pause is seen for the first time, when its end has moved, and when it is over */
  constructor(driver: Driver, queues: readonly string[], onChange: (queue: string, until: Date | null) => void) {
    this.#driver = driver;
    this.#queues = queues;
    this.#onChange = onChange;
  }

  /** Those that have not ended yet. */
  get pauses(): readonly Pause[] {
    const now = Date.now();
    const pauses = [...this.#pauses].map(([queue, until]) => ({ queue, until }));
    return pauses.filter(({ until }) => until.getTime() > now);
  }

  /** Looks at once, and then again and again. @returns ends it */
  start(everyMs: number): () => void {
    const timer = setInterval(() => void this.look(), everyMs).unref();
    void this.look();
    return () => clearInterval(timer);
  }

  /** Nothing is known where the engine cannot be asked: the worker itself logs what is wrong with it. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const stats = await this.#driver.stats(this.#queues).catch(() => undefined);
    this.#looking = false;
    if (stats === undefined) return;
    for (const [index, queue] of this.#queues.entries()) this.#see(queue, stats[index] ?? null);
  }

  #see(queue: string, stats: { readonly pausedUntil: Date | null } | null): void {
    const until = stats?.pausedUntil ?? null;
    const before = this.#pauses.get(queue) ?? null;
    // Engines that know whole seconds tell a slightly different end each time.
    if (before === until || Math.abs((before?.getTime() ?? 0) - (until?.getTime() ?? 0)) < ROUNDING_MS) return;
    if (until === null) this.#pauses.delete(queue);
    else this.#pauses.set(queue, until);
    this.#onChange(queue, until);
  }
}

const ROUNDING_MS = 2500;
