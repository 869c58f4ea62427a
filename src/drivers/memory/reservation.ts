import type { ReservedMessage, Settlement, SettlementResult } from '../../queue/driver.js';
import { LeaseLostError } from '../../queue/errors.js';
import { copyBytes } from '../../shared/bytes.js';
import type { Holder, Message } from './message.js';
import type { MemoryQueue } from './queue.js';

const DONE: SettlementResult = {};

/** A message that a consumer holds. */
export class MemoryReservation implements ReservedMessage, Holder {
  readonly jobId: string;
  readonly queue: string;
  readonly body: Buffer;
  readonly attempt: number;
  readonly ttrMs: number;
  leaseEndsAt: number;
  readonly #message: Message;
  readonly #stored: MemoryQueue;
  readonly #held: Set<MemoryReservation>;
  #controller: AbortController | undefined;
  #lostError: LeaseLostError | undefined;
  /** Why it can no longer be settled. */
  #over: string | undefined;

  /** @param held what its consumer holds */
  constructor(message: Message, stored: MemoryQueue, queue: string, held: Set<MemoryReservation>) {
    this.jobId = message.id;
    this.queue = queue;
    // A copy: what the holder does to it must not be seen at the next delivery.
    this.body = copyBytes(message.body);
    this.attempt = message.attempt;
    this.ttrMs = message.ttrMs;
    this.leaseEndsAt = message.stateTime;
    this.#message = message;
    this.#stored = stored;
    this.#held = held;
    message.holder = this;
    held.add(this);
  }

  // Made when it is asked for: most holders never do.
  get lost(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#lostError) this.#controller.abort(this.#lostError);
    return this.#controller.signal;
  }

  settle(settlement: Settlement): SettlementResult {
    if (!this.#isHeld) return { error: this.#error() };
    const message = this.#message;
    switch (settlement.kind) {
      case 'ack':
        this.#end('it was acknowledged');
        this.#stored.remove(message);
        break;
      case 'release':
        this.#end('it was released');
        if (settlement.counted === false) message.attempt--;
        if (settlement.failure) message.failure = settlement.failure;
        this.#stored.release(message, settlement.priority ?? message.priority, settlement.delayMs ?? 0);
        break;
      case 'bury':
        this.#end('it was buried');
        message.failure = settlement.failure;
        this.#stored.bury(message, settlement.priority ?? message.priority);
    }
    return DONE;
  }

  touch(): SettlementResult {
    if (!this.#isHeld) return { error: this.#error() };
    this.#stored.touch(this.#message);
    this.leaseEndsAt = this.#message.stateTime;
    return DONE;
  }

  lose(why: string): void {
    this.#end(why);
    this.#lostError = this.#error();
    this.#controller?.abort(this.#lostError);
  }

  /** Puts the message back where it was, as if it had not been delivered, if it is still held. */
  giveBack(): void {
    if (!this.#isHeld) return;
    this.#message.attempt--;
    this.#stored.release(this.#message, this.#message.priority, 0);
    this.lose('its consumer was closed');
  }

  /** Until its lease is over and somebody else has taken the message. */
  get #isHeld(): boolean {
    return this.#message.holder === this;
  }

  #end(why: string): void {
    this.#over = why;
    this.#held.delete(this);
  }

  #error(): LeaseLostError {
    return new LeaseLostError(
      `cannot settle or renew message ${this.jobId} of queue "${this.queue}": it is no longer held: ${this.#over}`,
    );
  }
}
