import type { Client } from '../../client/client.js';
import { NotFoundError } from '../../client/errors.js';
import type { Job } from '../../client/job.js';
import type { Reservation } from '../../queue/driver.js';
import { LeaseLostError } from '../../queue/errors.js';
import { checkPriority } from '../../queue/priority.js';
import { toSeconds } from './tubes.js';

/** What `stats-job` tells of a reserved job. */
export interface Delivery {
  readonly queue: string;
  readonly priority: number;
  readonly attempt: number;
  readonly kicks: number;
  readonly ttrMs: number;
}

/** A job, with the connection that holds it. */
export class BeanstalkdReservation implements Reservation {
  readonly id: string;
  readonly body: Buffer;
  readonly queue: string;
  readonly attempt: number;
  readonly kicks: number;
  readonly ttrMs: number;
  readonly #job: Job;
  readonly #priority: number;
  readonly #onSettled: () => void;
  readonly #lost = new AbortController();
  /** Why it can no longer be settled. */
  #over: string | undefined;

  /** @param onSettled called as soon as the command that settles the job is on its way: the connection is free again */
  constructor(job: Job, client: Client, delivery: Delivery, onSettled: () => void) {
    this.id = job.id;
    this.body = job.body;
    this.queue = delivery.queue;
    this.attempt = delivery.attempt;
    this.kicks = delivery.kicks;
    this.ttrMs = delivery.ttrMs;
    this.#job = job;
    this.#priority = delivery.priority;
    const onClose = (): void => this.#lose('its connection closed');
    client.once('close', onClose);
    this.#onSettled = () => {
      client.off('close', onClose);
      onSettled();
    };
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  ack(): Promise<void> {
    return this.#settle('acknowledged', () => this.#job.delete());
  }

  async release({ priority = this.#priority, delayMs = 0 }: Parameters<Reservation['release']>[0] = {}): Promise<void> {
    // Refused before anything is given up: then the message is still held.
    const options = { priority: checkPriority(priority), delay: toSeconds(delayMs) };
    return this.#settle('released', () => this.#job.release(options));
  }

  async bury({ priority = this.#priority }: Parameters<Reservation['bury']>[0] = {}): Promise<void> {
    checkPriority(priority);
    return this.#settle('buried', () => this.#job.bury({ priority }));
  }

  async touch(): Promise<void> {
    if (this.#over !== undefined) throw this.#lostError();
    try {
      await this.#job.touch();
    } catch (error) {
      throw this.#translate(error);
    }
  }

  async #settle(how: string, command: () => Promise<void>): Promise<void> {
    if (this.#over !== undefined) throw this.#lostError();
    this.#over = `it was ${how}`;
    const answer = command();
    this.#onSettled();
    try {
      await answer;
    } catch (error) {
      throw this.#translate(error);
    }
  }

  #translate(error: unknown): unknown {
    if (!(error instanceof NotFoundError)) return error;
    this.#over = undefined;
    this.#lose('its lease had ended');
    return this.#lostError(error);
  }

  #lose(why: string): void {
    if (this.#over !== undefined) return;
    this.#over = why;
    this.#lost.abort(this.#lostError());
  }

  #lostError(cause?: unknown): LeaseLostError {
    return new LeaseLostError(`message ${this.id} of queue "${this.queue}" is no longer held: ${this.#over}`, {
      cause,
    });
  }
}
