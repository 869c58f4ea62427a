import type { SqliteConsumer } from './consumer.js';
import { explained, isLocked } from './errors.js';
import type { SqliteFile } from './file.js';
import type { Claimants } from './transactions.js';

/** How often a reserve that waits asks whether another process has changed the file. */
const POLL_MS = 25;

/** The same, when nothing has changed for a second: an idle worker shall cost less than one percent of a core. */
const QUIET_POLL_MS = 50;
const POLLS_UNTIL_QUIET = 40;

/**
 * The reserves of all consumers: which of them look for a message, and when they look again. That is when a message is put
 * here, when another process has changed the file, and when a delay, lease or pause ends.
 */
export class Claims implements Claimants {
  readonly #file: SqliteFile;
  readonly #schedule: () => void;
  readonly #consumers = new Set<SqliteConsumer>();
  readonly #hungry = new Set<SqliteConsumer>();
  /** Those that took part in the transaction that has just been made. */
  #served: SqliteConsumer[] = [];
  #timer: NodeJS.Timeout | undefined;
  #timerEnds = 0;
  /** Of the file when we last looked. */
  #version: number | undefined;
  /** Whether we have changed the file since. */
  #changed = false;
  /** How often we have looked in vain. */
  #vainPolls = 0;
  /** When a delay, lease or pause ends, in ms since the epoch. */
  #changesAt = Number.POSITIVE_INFINITY;

  /** @param schedule lets the hungry look soon */
  constructor(file: SqliteFile, schedule: () => void) {
    this.#file = file;
    this.#schedule = schedule;
  }

  add(consumer: SqliteConsumer): void {
    this.#consumers.add(consumer);
  }

  remove(consumer: SqliteConsumer): void {
    this.#consumers.delete(consumer);
    this.#hungry.delete(consumer);
  }

  get waiting(): boolean {
    for (const consumer of this.#consumers) if (consumer.waiting) return true;
    return false;
  }

  get hungry(): boolean {
    return this.#hungry.size > 0;
  }

  hunger(consumer: SqliteConsumer): void {
    this.#hungry.add(consumer);
    this.#schedule();
  }

  /** There may be something in the queue now. */
  ready(queue: number): void {
    for (const consumer of this.#consumers) {
      if (consumer.waiting && consumer.queues.some(({ id }) => id === queue)) this.#hungry.add(consumer);
    }
  }

  /** There may be something in any queue now. */
  wake(): void {
    for (const consumer of this.#consumers) {
      if (consumer.waiting) this.#hungry.add(consumer);
    }
    if (this.hungry) this.#schedule();
  }

  /** We have changed the file. */
  changed(): void {
    this.#changed = true;
  }

  look(now: number): boolean {
    const { messages } = this.#file;
    for (const consumer of this.#hungry) {
      let promising = false;
      for (const { id } of consumer.waiting ? consumer.queues : []) {
        const outlook = messages.outlook(id, now);
        this.#changesAt = Math.min(this.#changesAt, outlook.changesAt);
        promising ||= outlook.promising;
      }
      if (promising) continue;
      this.#hungry.delete(consumer);
      consumer.disappoint();
    }
    this.#watch();
    return this.hungry;
  }

  claim(now: number): void {
    this.#served = [];
    for (const consumer of this.#hungry) {
      const more = consumer.claim(this.#file.messages, now);
      if (!more) this.#hungry.delete(consumer);
      this.#served.push(consumer);
    }
  }

  deliver(): void {
    const served = this.#served;
    if (served.length === 0) return;
    this.#served = [];
    for (const consumer of served) {
      consumer.deliver();
      if (!this.#hungry.has(consumer)) consumer.disappoint();
    }
    if (this.hungry) this.#schedule();
    this.#watch();
  }

  undo(): void {
    for (const consumer of this.#served) {
      consumer.undo();
      this.#hungry.add(consumer);
    }
    this.#served = [];
  }

  fail(error: unknown): void {
    const failed = [...this.#hungry];
    this.#hungry.clear();
    for (const consumer of failed) consumer.fail(error);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** As long as somebody waits, looks again when something may have changed. */
  #watch(): void {
    const now = Date.now();
    const pollMs = this.#vainPolls > POLLS_UNTIL_QUIET ? QUIET_POLL_MS : POLL_MS;
    const ends = now + Math.min(pollMs, Math.max(0, this.#changesAt - now));
    if (this.#timer !== undefined) {
      if (this.#timerEnds <= ends) return;
      clearTimeout(this.#timer);
    }
    this.#timerEnds = ends;
    this.#timer = setTimeout(this.#poll, ends - now);
  }

  readonly #poll = (): void => {
    this.#timer = undefined;
    if (!this.waiting) return;
    try {
      this.#lookAgain();
    } catch (error) {
      // Locked for a moment, while somebody else opens or closes the file.
      if (!isLocked(error)) {
        const explanation = explained(error, this.#file.location.path);
        for (const consumer of this.#consumers) consumer.fail(explanation);
      }
    }
    this.#watch();
  };

  #lookAgain(): void {
    const version = this.#file.dataVersion();
    const now = Date.now();
    if (version === this.#version && !this.#changed && now < this.#changesAt) {
      this.#vainPolls++;
      return;
    }
    this.#vainPolls = 0;
    this.#version = version;
    this.#changed = false;
    this.#changesAt = Number.POSITIVE_INFINITY;
    this.wake();
  }
}
