import { checkSettlement } from '../../queue/checks.js';
import type { Reservation } from '../../queue/driver.js';
import { LeaseLostError } from '../../queue/errors.js';
import { copyBytes } from '../../shared/bytes.js';
import type { Holder, MemoryQueue, Message } from './queue.js';

/** A message that a consumer holds. */
export class MemoryReservation implements Reservation, Holder {
  readonly id: string;
  readonly queue: string;
  readonly body: Buffer;
  readonly attempt: number;
  readonly ttrMs: number;
  leaseEndsAt: number;
  readonly #message: Message;
  readonly #stored: MemoryQueue;
  readonly #onEnd: (reservation: MemoryReservation) => void;
  #controller: AbortController | undefined;
  #lostError: LeaseLostError | undefined;
  /** Why it can no longer be settled. */
  #over: string | undefined;

  /** @param onEnd called when the message is no longer held */
  constructor(message: Message, stored: MemoryQueue, queue: string, onEnd: (reservation: MemoryReservation) => void) {
    this.id = message.id;
    this.queue = queue;
    // A copy: what the holder does to it must not be seen at the next delivery.
    this.body = copyBytes(message.body);
    this.attempt = message.attempt;
    this.ttrMs = message.ttrMs;
    this.leaseEndsAt = message.endsAt;
    this.#message = message;
    this.#stored = stored;
    this.#onEnd = onEnd;
    message.holder = this;
  }

  // Made when it is asked for: most holders never do.
  get lost(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#lostError) this.#controller.abort(this.#lostError);
    return this.#controller.signal;
  }

  async ack(): Promise<void> {
    this.#settle('acknowledged');
    this.#stored.remove(this.#message);
  }

  async release(options: Parameters<Reservation['release']>[0] = {}): Promise<void> {
    checkSettlement(options);
    const { priority = this.#message.priority, delayMs = 0 } = options;
    this.#settle('released');
    this.#stored.release(this.#message, priority, delayMs);
  }

  async bury(options: Parameters<Reservation['bury']>[0] = {}): Promise<void> {
    checkSettlement(options);
    const { priority = this.#message.priority, failure } = options;
    this.#settle('buried');
    this.#stored.bury(this.#message, priority, failure);
  }

  async touch(): Promise<void> {
    this.#check();
    this.#stored.touch(this.#message);
    this.leaseEndsAt = this.#message.endsAt;
  }

  lose(why: string): void {
    this.#end(why);
    this.#lostError = this.#error();
    this.#controller?.abort(this.#lostError);
  }

  /** Puts the message back where it was, if it is still held. */
  giveBack(): void {
    if (!this.#stored.isHeld(this.#message, this)) return;
    this.#stored.release(this.#message, this.#message.priority, 0);
    this.lose('its consumer was closed');
  }

  #settle(how: string): void {
    this.#check();
    this.#end(`it was ${how}`);
  }

  #check(): void {
    if (!this.#stored.isHeld(this.#message, this)) throw this.#error();
  }

  #end(why: string): void {
    this.#over = why;
    this.#onEnd(this);
  }

  #error(): LeaseLostError {
    return new LeaseLostError(
      `cannot settle or renew message ${this.id} of queue "${this.queue}": it is no longer held: ${this.#over}`,
    );
  }
}
