import { EventLoop } from '../../shared/event-loop.js';
import { MemoryQueue } from './queue.js';

/** Queues of which one alone has to be looked at before the first is forgotten. */
const MANY_QUEUES = 1000;

/** The queues that drivers of one process share. */
export class MemoryEngine {
  /** Nothing here does I/O, so whoever asks in a loop would keep the event loop from turning. */
  readonly eventLoop: EventLoop = new EventLoop();
  readonly #queues = new Map<string, MemoryQueue>();
  #nextAge = 1;
  #sweepAt = MANY_QUEUES;

  find(name: string): MemoryQueue | undefined {
    return this.#queues.get(name);
  }

  /** The queue of this name, which is made when there is none. */
  queue(name: string): MemoryQueue {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      if (this.#queues.size >= this.#sweepAt) this.#sweepSoon();
      queue = new MemoryQueue(name);
      this.#queues.set(name, queue);
    }
    return queue;
  }

  /** The names of those with messages, and of those that are paused. */
  names(): string[] {
    return [...this.#queues.values()].filter((queue) => !queue.isEmpty || queue.isPaused).map(({ name }) => name);
  }

  /** Numbers for so many messages to come. @returns the first of them */
  count(messages: number): number {
    const first = this.#nextAge;
    this.#nextAge += messages;
    return first;
  }

  /** Nobody uses it any more. */
  stop(): void {
    for (const queue of this.#queues.values()) queue.stop();
  }

  /** Not now: whoever asked for some of them has not begun to use them. */
  #sweepSoon(): void {
    this.#sweepAt = Number.POSITIVE_INFINITY;
    queueMicrotask(() => this.#sweep());
  }

  /** For those who name a queue after each request: what is idle goes, whenever there are twice as many as before. */
  #sweep(): void {
    for (const queue of this.#queues.values()) {
      if (!queue.isIdle) continue;
      queue.stop();
      this.#queues.delete(queue.name);
    }
    this.#sweepAt = Math.max(MANY_QUEUES, 2 * this.#queues.size);
  }
}
