import type {
  Consumer,
  QueueOrder,
  ReservedMessage,
  ReserveOptions,
  Settlement,
  SettlementResult,
} from '../../queue/driver.js';
import { DriverClosedError, LeaseLostError } from '../../queue/errors.js';
import { onAbort } from '../../shared/abort.js';
import { LONGEST_TIMER_MS } from '../../shared/deadline.js';
import type { EventLoop } from '../../shared/event-loop.js';
import type { Message } from './message.js';
import type { MemoryQueue, Waiting } from './queue.js';
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
  readonly #waiting = new Set<(reserved: []) => void>();
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

  async reserve({ max = 1, timeoutMs, signal }: ReserveOptions = {}): Promise<readonly ReservedMessage[]> {
    if (this.#isClosed) throw new DriverClosedError('cannot reserve: the consumer is closed');
    let now = performance.now();
    const turn = this.#eventLoop.turnIfBlocked(now);
    if (turn !== undefined) {
      await turn;
      if (this.#isClosed) return [];
      now = performance.now();
    }
    signal?.throwIfAborted();
    const reserved: ReservedMessage[] = [];
    while (reserved.length < max) {
      const next = this.#take(now);
      if (next === undefined) break;
      reserved.push(next);
    }
    return reserved.length > 0 || timeoutMs === 0 ? reserved : this.#wait(timeoutMs, signal);
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]> {
    return settlements.map((settlement) => ours(settlement.message)?.settle(settlement) ?? notOurs(settlement.message));
  }

  async touch(messages: readonly ReservedMessage[]): Promise<readonly SettlementResult[]> {
    return messages.map((message) => ours(message)?.touch() ?? notOurs(message));
  }

  /** Ends the reserves that wait. */
  stop(): void {
    for (const end of this.#waiting) end([]);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.stop();
    this.#isClosed = true;
    for (const reservation of this.#held) reservation.giveBack();
    for (const queue of this.#inOrder) queue.users--;
    this.#onClose();
  }

  #take(now: number): MemoryReservation | undefined {
    const count = this.#inOrder.length;
    const first = this.#order === 'fair' ? this.#turn : 0;
    for (let n = 0; n < count; n++) {
      const queue = this.#inOrder[(first + n) % count];
      const message = queue?.take(now);
      if (queue && message) return this.#hold(message, queue);
    }
    return undefined;
  }

  #hold(message: Message, queue: MemoryQueue): MemoryReservation {
    this.#turn = this.#inOrder.indexOf(queue) + 1;
    return new MemoryReservation(message, queue, this.#queues.get(queue) ?? '', this.#held);
  }

  /** Keeps the process alive until the timeout, or until something may become ready, and no longer (see driver.ts). */
  #wait(timeoutMs: number | undefined, signal: AbortSignal | undefined): Promise<readonly ReservedMessage[]> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        for (const queue of this.#inOrder) queue.stopWaiting(waiting);
        this.#waiting.delete(end);
        ignoreSignal?.();
        clearTimeout(timer);
      };
      const end = (reserved: readonly ReservedMessage[]): void => {
        stop();
        resolve(reserved);
      };
      const giveUp = (): void => {
        stop();
        reject(signal?.reason);
      };
      const waiting: Waiting = (message, queue) => end([this.#hold(message, queue)]);
      const timer =
        timeoutMs === undefined ? undefined : setTimeout(() => end([]), Math.min(timeoutMs, LONGEST_TIMER_MS));
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

function ours(message: ReservedMessage): MemoryReservation | undefined {
  return message instanceof MemoryReservation ? message : undefined;
}

function notOurs({ jobId, queue }: ReservedMessage): SettlementResult {
  const what = `cannot settle or renew message ${jobId} of queue "${queue}"`;
  return { error: new LeaseLostError(`${what}: it was not reserved from this engine`) };
}
