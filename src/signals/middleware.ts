import { MiddlewareError } from '../queue/errors.js';
import type { Message } from '../queue/message.js';
import { preview } from '../shared/text.js';
import type { SlotCall } from './message-slots.js';
import type { SlotContext } from './signals.js';

/**
 * A function that wraps the slots of each delivery. `next()` calls the middleware that was used after it, or the slots, and settles
 * with them. An error of a slot may be replaced, or swallowed: then the message is finished.
 */
export type SlotMiddleware = (message: Message, context: SlotContext, next: () => Promise<void>) => unknown;

/** One use of a middleware; the same function may be used several times. */
export interface UsedMiddleware {
  readonly middleware: SlotMiddleware;
}

/**
 * The call of the slots of one message with the middlewares around it.
 *
 * Most middlewares call `next` before they wait for anything. Such a middleware costs no more than its own call: the promise that
 * it returns is passed on as it is.
 */
export class MiddlewareCall implements SlotCall {
  readonly #middlewares: readonly UsedMiddleware[];
  readonly #message: Message;
  readonly #slots: SlotCall;
  /** How many middlewares have called `next`. */
  #entered = 0;
  /** Whether the innermost middleware that was called has ended without calling `next`. */
  #isClosed = false;
  /** The call of the slots, once it has begun. */
  #slotsCall: Promise<void> | undefined;
  #haveEnded = false;

  constructor(middlewares: readonly UsedMiddleware[], message: Message, slots: SlotCall) {
    this.#middlewares = middlewares;
    this.#message = message;
    this.#slots = slots;
  }

  get running(): Promise<void> | undefined {
    return this.#haveEnded ? undefined : this.#slotsCall;
  }

  get mayFinish(): boolean {
    const haveStarted = this.#entered === this.#middlewares.length;
    return this.#haveEnded || this.#isClosed || (haveStarted && this.#slots.mayFinish);
  }

  run(context: SlotContext): Promise<void> {
    return this.#enter(0, context);
  }

  /** Calls the middleware at this place, or the slots behind the last one. Never throws. */
  #enter(place: number, context: SlotContext): Promise<void> {
    const used = this.#middlewares[place];
    if (used === undefined) {
      this.#slotsCall = this.#callSlots(context);
      return this.#slotsCall;
    }
    const { middleware } = used;
    const next = (): Promise<void> => {
      if (this.#entered > place || this.#isClosed) return Promise.reject(wrongNext(middleware, this.#entered > place));
      this.#entered = place + 1;
      return this.#enter(place + 1, context);
    };
    try {
      const returned = middleware(this.#message, context, next);
      if (this.#entered === place) return this.#untilNext(middleware, place, returned);
      return returned instanceof Promise ? returned : Promise.resolve(returned as undefined);
    } catch (error) {
      if (this.#entered === place) this.#isClosed = true;
      return Promise.reject(error);
    }
  }

  /** Checks a middleware that has returned before it called `next`. */
  async #untilNext(middleware: SlotMiddleware, place: number, returned: unknown): Promise<void> {
    try {
      await returned;
      if (this.#entered === place) throw missingNext(middleware);
    } finally {
      if (this.#entered === place) this.#isClosed = true;
    }
  }

  async #callSlots(context: SlotContext): Promise<void> {
    try {
      await this.#slots.run(context);
    } finally {
      this.#haveEnded = true;
    }
  }
}

function missingNext(middleware: SlotMiddleware): MiddlewareError {
  return new MiddlewareError(
    `cannot finish the message: middleware ${preview(middleware.name)} has resolved without calling next()`,
  );
}

function wrongNext(middleware: SlotMiddleware, isSecond: boolean): MiddlewareError {
  const when = isSecond ? 'twice' : 'after it had ended';
  return new MiddlewareError(`cannot call the slots: middleware ${preview(middleware.name)} called next() ${when}`);
}
