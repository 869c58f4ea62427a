import { checkReserve } from '../../queue/checks.js';
import type { Consumer, QueueOrder, Reservation, ReserveOptions } from '../../queue/driver.js';
import { DriverClosedError } from '../../queue/errors.js';
import { onAbort } from '../../shared/abort.js';
import { LONGEST_TIMER_MS } from '../../shared/deadline.js';
import type { EventLoop } from '../../shared/event-loop.js';
import type { MemoryQueue, Message, Waiting } from './queue.js';
import { MemoryReservation } from './reservation.js';

/** Takes messages from queues of one engine. */
export class MemoryConsumer implements Consumer {
  /** By the names that the user knows. */
  readonly #queues: ReadonlyMap<MemoryQueue, string>;
  readonly #inOrder: readonly MemoryQueue[];
  readonly #order: QueueOrder;
  readonly #eventLoop: EventLoop;
  readonly #onClose: () => void;
  /** Reserves that wait, each by what ends it. */
  readonly #waiting = new Set<(reservation: null) => void>();
  readonly #held = new Set<MemoryReservation>();
  /** The queue whose turn it is, where they take turns. */
  #turn = 0;
  #isClosed = false;

  constructor(queues: ReadonlyMap<MemoryQueue, string>, order: QueueOrder, eventLoop: EventLoop, onClose: () => void) {
    this.#queues = queues;
    this.#inOrder = [...queues.keys()];
    this.#order = order;
    this.#eventLoop = eventLoop;
    this.#onClose = onClose;
    for (const queue of this.#inOrder) queue.users++;
  }

  async reserve(options: ReserveOptions = {}): Promise<Reservation | null> {
    checkReserve(options);
    const { timeoutMs, signal } = options;
    if (this.#isClosed) throw new DriverClosedError('cannot reserve: the consumer is closed');
    const turn = this.#eventLoop.turnIfBlocked(performance.now());
    if (turn !== undefined) {
      await turn;
      if (this.#isClosed) return null;
    }
    signal?.throwIfAborted();
    const reservation = this.#take();
    if (reservation !== undefined) return reservation;
    return timeoutMs === 0 ? null : this.#wait(timeoutMs, signal);
  }

  /** Ends the reserves that wait. */
  stop(): void {
    for (const end of this.#waiting) end(null);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.stop();
    this.#isClosed = true;
    for (const reservation of this.#held) reservation.giveBack();
    for (const queue of this.#inOrder) queue.users--;
    this.#onClose();
  }

  #take(): Reservation | undefined {
    const count = this.#inOrder.length;
    const first = this.#order === 'fair' ? this.#turn : 0;
    for (let n = 0; n < count; n++) {
      const queue = this.#inOrder[(first + n) % count];
      const message = queue?.take();
      if (queue && message) return this.#hold(message, queue);
    }
    return undefined;
  }

  #hold(message: Message, queue: MemoryQueue): Reservation {
    this.#turn = this.#inOrder.indexOf(queue) + 1;
    const name = this.#queues.get(queue) ?? '';
    const reservation = new MemoryReservation(message, queue, name, (ended) => this.#held.delete(ended));
    this.#held.add(reservation);
    return reservation;
  }

  /** Keeps the process alive until the timeout, or until something may become ready, and no longer (see driver.ts). */
  #wait(timeoutMs: number | undefined, signal: AbortSignal | undefined): Promise<Reservation | null> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        for (const queue of this.#inOrder) queue.stopWaiting(waiting);
        this.#waiting.delete(end);
        ignoreSignal?.();
        clearTimeout(timer);
      };
      const end = (reservation: Reservation | null): void => {
        stop();
        resolve(reservation);
      };
      const giveUp = (): void => {
        stop();
        reject(signal?.reason);
      };
      const waiting: Waiting = (message, queue) => end(this.#hold(message, queue));
      const timer =
        timeoutMs === undefined ? undefined : setTimeout(() => end(null), Math.min(timeoutMs, LONGEST_TIMER_MS));
      const ignoreSignal = signal && onAbort(signal, giveUp);
      this.#waiting.add(end);
      for (const queue of this.#inOrder) {
        queue.wait(waiting);
        // A delay may have ended since we looked.
        if (!this.#waiting.has(end)) break;
      }
    });
  }
}
