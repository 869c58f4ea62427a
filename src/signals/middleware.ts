import { MiddlewareError } from '../queue/errors.js';
import type { Message } from '../queue/message.js';
import { preview } from '../shared/text.js';
import type { SlotCall } from './message-slots.js';
import type { SlotContext } from './signals.js';

/**
 * A function around the slots of each delivery. `next()` calls what is inside of it, and settles when that has ended: with what a
 * slot has thrown, which may be replaced, or swallowed, and then the message is finished.
 */
export type SlotMiddleware = (message: Message, context: SlotContext, next: () => Promise<void>) => unknown;

/** One use of a middleware: the same function may be used several times. */
export interface UsedMiddleware {
  readonly middleware: SlotMiddleware;
}

/** The call of the slots of one message with the middlewares around it. */
export class MiddlewareCall implements SlotCall {
  readonly #middlewares: readonly UsedMiddleware[];
  readonly #message: Message;
  readonly #slots: SlotCall;
  /** How many middlewares have called `next`. */
  #entered = 0;
  /** From this place on all have ended, the slots, which are behind the last middleware, included. */
  #endedFrom = Number.POSITIVE_INFINITY;

  constructor(middlewares: readonly UsedMiddleware[], message: Message, slots: SlotCall) {
    this.#middlewares = middlewares;
    this.#message = message;
    this.#slots = slots;
  }

  get isRunning(): boolean {
    return this.#haveStarted && !this.#haveEnded;
  }

  get mayFinish(): boolean {
    return this.#haveEnded || (this.#haveStarted && this.#slots.mayFinish);
  }

  get #haveStarted(): boolean {
    return this.#entered === this.#middlewares.length;
  }

  get #haveEnded(): boolean {
    return this.#endedFrom <= this.#middlewares.length;
  }

  run(context: SlotContext): Promise<void> {
    return this.#run(0, context);
  }

  /** Calls the middleware at this place, or the slots behind the last one. */
  async #run(place: number, context: SlotContext): Promise<void> {
    const used = this.#middlewares[place];
    if (used === undefined) return this.#runSlots(context);
    const { middleware } = used;
    let inner: Promise<void> | undefined;
    let isOver = false;
    const next = (): Promise<void> => {
      if (isOver || inner !== undefined) return Promise.reject(lateNext(middleware, isOver));
      this.#entered = place + 1;
      inner = this.#run(place + 1, context);
      return inner;
    };
    try {
      await middleware(this.#message, context, next);
      isOver = true;
      if (inner === undefined) throw missingNext(middleware);
      // It was called and not waited for: the message is not finished before its slots are.
      if (this.#endedFrom > place + 1) await inner;
    } catch (error) {
      isOver = true;
      // Nobody may be left who waits for it.
      inner?.catch(() => {});
      throw error;
    } finally {
      if (inner === undefined || this.#endedFrom === place + 1) this.#endedFrom = place;
    }
  }

  async #runSlots(context: SlotContext): Promise<void> {
    try {
      await this.#slots.run(context);
    } finally {
      this.#endedFrom = this.#middlewares.length;
    }
  }
}

function missingNext(middleware: SlotMiddleware): MiddlewareError {
  return new MiddlewareError(
    `cannot finish the message: middleware ${preview(middleware.name)} has resolved without calling next()`,
  );
}

function lateNext(middleware: SlotMiddleware, isOver: boolean): MiddlewareError {
  const why = isOver ? 'after it had ended' : 'twice';
  return new MiddlewareError(`cannot call the slots: middleware ${preview(middleware.name)} called next() ${why}`);
}
