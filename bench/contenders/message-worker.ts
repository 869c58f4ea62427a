import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../src/client/client.js';
import { type Measured, measure } from '../harness/measure.js';

export const QUEUE = 'bench';
export const TYPE = 'bench.message';

/** What a message carries. Numbers from 0, so that their sum tells whether all have come. */
export interface Data {
  readonly number: number;
  readonly to: string;
  readonly subject: string;
}

export function dataOf(number: number): Data {
  return { number, to: 'somebody@example.org', subject: 'something to tell' };
}

export interface WorkOptions {
  readonly messages: number;
  readonly concurrency: number;
  /** Whether the true number of the attempt is known to each slot. */
  readonly trackAttempts: boolean;
  /** How many queues the messages are in, as many in each. Default 1. */
  readonly queues?: number;
}

export function queueNames(count = 1): string[] {
  return count === 1 ? [QUEUE] : Array.from({ length: count }, (_, index) => `${QUEUE}-${index}`);
}

/** Works off messages that are in the queue already. */
export type MessageWorker = {
  work(options: WorkOptions): Promise<Measured>;
};

/** Counts what a worker is given. */
export class Tally {
  readonly done: Promise<void>;
  #resolve = (): void => {};
  readonly #messages: number;
  #count = 0;
  #sum = 0;

  constructor(messages: number) {
    this.#messages = messages;
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  see(number: number): void {
    this.#sum += number;
    if (++this.#count === this.#messages) this.#resolve();
  }

  get isIntact(): boolean {
    return this.#count === this.#messages && this.#sum === (this.#messages * (this.#messages - 1)) / 2;
  }
}

/**
 * The time from the end of the queues' pause until `done`. Before it all that will work must wait for a message: connecting
 * is not what is measured.
 * @param waiters how many reserves wait at the server then
 */
export async function measureFromResume(
  control: Client,
  { messages, queues }: WorkOptions,
  waiters: number,
  done: Promise<unknown>,
): Promise<Measured> {
  const names = queueNames(queues);
  const [first = QUEUE] = names;
  for (let waiting = 0; waiting < waiters; waiting = (await control.statsTube(first))?.currentWaiting ?? 0) {
    await sleep(5);
  }
  return measure(messages, async () => {
    await Promise.all(names.map((name) => control.pauseTube(name, 0)));
    await done;
  });
}
