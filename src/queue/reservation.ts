import { attempt } from './checked-driver.js';
import { checkOptions, type OptionNames } from './checks.js';
import type { Consumer, ReservedMessage, Settlement, SettlementResult, Transaction } from './driver.js';
import { type Duration, toMs } from './duration.js';
import type { Failure } from './failure.js';

/** Options of {@link Reservation.ack}. */
export interface AckOptions {
  /** Acknowledges when this transaction of the engine's own database commits. */
  readonly transaction?: Transaction | undefined;
}

/** Options of {@link Reservation.bury}. */
export interface BuryOptions {
  /** The lowest comes first, 0 to 4294967295. Default: as it is. */
  readonly priority?: number | undefined;
  /** Why, for whoever looks at it. Refused where the engine's `capabilities.failures` say that it cannot be kept. */
  readonly failure?: Failure | undefined;
}

/** Options of {@link Reservation.release}. */
export interface ReleaseOptions extends BuryOptions {
  /** How long to wait before the next delivery. A number is milliseconds. Default 0. */
  readonly delay?: Duration | undefined;
}

const ACK_OPTIONS: OptionNames<AckOptions> = { transaction: true };
const BURY_OPTIONS: OptionNames<BuryOptions> = { priority: true, failure: true };
const RELEASE_OPTIONS: OptionNames<ReleaseOptions> = { ...BURY_OPTIONS, delay: true };

/**
 * A message that was taken without a worker: it is yours, and nobody else's, until you ack, release or bury it, or its lease
 * ends. Every method rejects with LeaseLostError once it is over, and nothing is changed then.
 */
export class Reservation {
  readonly #consumer: Consumer;
  readonly #message: ReservedMessage;

  /** @internal */
  constructor(consumer: Consumer, message: ReservedMessage) {
    this.#consumer = consumer;
    this.#message = message;
  }

  /** The engine's id of the message. */
  get jobId(): string {
    return this.#message.jobId;
  }

  /** The name of the queue that it came from. */
  get queue(): string {
    return this.#message.queue;
  }

  /** The bytes as they are stored, in an `ArrayBuffer` of their own. `queue.decode(reservation)` reads them. */
  get body(): Buffer {
    return this.#message.body;
  }

  /** How often it has been delivered since it was published or retried, this time included. */
  get attempt(): number | undefined {
    return this.#message.attempt;
  }

  /** How long the lease lasts from the last `touch`, in milliseconds. */
  get ttrMs(): number {
    return this.#message.ttrMs;
  }

  /** When the lease has ended at the latest, by `performance.now()`. */
  get leaseEndsAt(): number {
    return this.#message.leaseEndsAt;
  }

  /** Aborts when the engine has told that the lease is lost. Nothing aborts it merely because time has passed. */
  get lost(): AbortSignal {
    return this.#message.lost;
  }

  /** Makes `attempt` and `ttrMs` known, where they are not. @throws LeaseLostError, EngineError */
  async track(): Promise<void> {
    await this.#message.track?.();
  }

  /**
   * The work is done: removes the message.
   * @throws LeaseLostError, EngineError; UnsupportedError for a transaction where the engine has none
   */
  ack(options: AckOptions = {}): Promise<void> {
    return attempt(() => {
      const { transaction } = checkOptions('ack', options, ACK_OPTIONS);
      return this.#settle({ kind: 'ack', message: this.#message, transaction });
    });
  }

  /**
   * Gives it back to its queue, to be delivered again.
   * @throws LeaseLostError, EngineError, InvalidOptionError, UnsupportedError
   */
  async release(options: ReleaseOptions = {}): Promise<void> {
    const { priority, delay, failure } = checkOptions('release', options, RELEASE_OPTIONS);
    const delayMs = delay === undefined ? undefined : toMs(delay, 'delay');
    return this.#settle({ kind: 'release', message: this.#message, priority, delayMs, failure });
  }

  /**
   * Puts it aside until it is retried.
   * @throws LeaseLostError, EngineError, InvalidOptionError, UnsupportedError
   */
  async bury(options: BuryOptions = {}): Promise<void> {
    const { priority, failure } = checkOptions('bury', options, BURY_OPTIONS);
    return this.#settle({ kind: 'bury', message: this.#message, priority, failure });
  }

  /** Starts the lease anew. @throws LeaseLostError, EngineError */
  async touch(): Promise<void> {
    rejectWith(await this.#consumer.touch([this.#message]));
  }

  async #settle(settlement: Settlement): Promise<void> {
    rejectWith(await this.#consumer.settle([settlement]));
  }
}

function rejectWith([result]: readonly SettlementResult[]): void {
  if (result?.error !== undefined) throw result.error;
}
