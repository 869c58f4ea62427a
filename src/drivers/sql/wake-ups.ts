import { runOutside } from '../../shared/async-context.js';
import { LONGEST_TIMER_MS } from '../../shared/deadline.js';
import type { SqlConsumer } from './consumer.js';
import type { SqlStore } from './store.js';

interface Sleep {
  timer: NodeJS.Timeout | undefined;
  /** How often it has looked in vain. */
  polls: number;
}

/**
 * When consumers that have found nothing look again: when a message is put here, when another process tells of one, when a
 * delay, lease or pause ends, and, more and more seldom, because a word of another process can be missed.
 */
export class WakeUps {
  readonly #store: SqlStore;
  readonly #look: (consumer: SqlConsumer) => void;
  readonly #sleeping = new Map<SqlConsumer, Sleep>();
  readonly #consumers = new Set<SqlConsumer>();

  /** @param look claims for a consumer soon */
  constructor(store: SqlStore, look: (consumer: SqlConsumer) => void) {
    this.#store = store;
    this.#look = look;
  }

  add(consumer: SqlConsumer): void {
    this.#consumers.add(consumer);
  }

  remove(consumer: SqlConsumer): void {
    this.#consumers.delete(consumer);
    this.#end(consumer);
  }

  /** There may be something in a queue now, or in any. */
  wake(queue: number | 'any'): void {
    for (const consumer of this.#consumers) {
      if (!consumer.isWaiting || !(queue === 'any' || consumer.queues.some(({ id }) => id === queue))) continue;
      this.#end(consumer);
      this.#look(consumer);
    }
  }

  /** It has found nothing and waits. */
  async sleep(consumer: SqlConsumer): Promise<void> {
    const sleep: Sleep = this.#sleeping.get(consumer) ?? { timer: undefined, polls: 0 };
    this.#sleeping.set(consumer, sleep);
    const isAsleep = (): boolean => this.#sleeping.get(consumer) === sleep && consumer.isWaiting;
    try {
      const queues = consumer.queues.map(({ id }) => id);
      if (await this.#store.listen(queues)) {
        // What came before nobody has told us.
        if (isAsleep()) this.#look(consumer);
        return;
      }
      const dueMs = await this.#store.nextDueMs(queues);
      if (!isAsleep()) return;
      const { pollMs } = this.#store;
      const poll = pollMs[Math.min(sleep.polls++, pollMs.length - 1)] ?? LONGEST_TIMER_MS;
      clearTimeout(sleep.timer);
      sleep.timer = runOutside(() =>
        setTimeout(() => isAsleep() && this.#look(consumer), Math.ceil(Math.min(poll, dueMs))),
      );
    } catch (error) {
      this.#end(consumer);
      consumer.fail(error);
    }
  }

  #end(consumer: SqlConsumer): void {
    clearTimeout(this.#sleeping.get(consumer)?.timer);
    this.#sleeping.delete(consumer);
  }

  stop(): void {
    for (const consumer of this.#sleeping.keys()) this.#end(consumer);
  }
}
