import type { Message, MessageType } from '../queue/message.js';
import { listOf } from '../shared/options.js';
import { preview } from '../shared/text.js';
import { MessageSlots, type SlotCall, type Validate } from './message-slots.js';
import { MiddlewareCall, type SlotMiddleware, type UsedMiddleware } from './middleware.js';
import { Observers } from './observers.js';
import {
  type MessageSlot,
  type Observer,
  type ObserverSignal,
  observerSignals,
  type SignalEvents,
  type SlotContext,
} from './signals.js';

/** How a slot or an observer is connected. */
export interface ConnectOptions {
  /**
   * Disconnects the slot before its first call. A message slot is connected again when that delivery is released or lost, so
   * that the message finds it when it is delivered again. One that is also connected without it stays. Default false.
   */
  readonly once?: boolean | undefined;
}

/** Removes the connection or middleware; may be called again. */
export type Disconnect = (() => void) & Disposable;

/**
 * Connects slots to message types, and observers to the other signals. Modules that connect need not know each other, nor the
 * worker that emits.
 *
 * Connecting and disconnecting is safe at any time. A slot or observer that is connected while a signal is emitted gets the next
 * one; one that is disconnected is not called any more, not even for the present signal.
 */
export class SignalDispatcher {
  readonly #slots = new MessageSlots();
  readonly #observers = new Observers();
  /** Replaced, never changed: a delivery keeps those that it began with. */
  #middlewares: readonly UsedMiddleware[] = [];

  /**
   * Connects a slot to the messages of a type, or of every type with `'messageReceived'`. Slots are awaited one after
   * another in the order in which they were connected, and the first that rejects fails the message. A slot that is
   * connected several times is called once. A slot of `messageReceived` handles every message, so that none is without a slot: to log
   * messages, observe `messageStarted` or use middleware.
   * @throws TypeError for a slot that is no function, or what is neither a message type nor a signal
   */
  connect<T>(type: MessageType<T, unknown>, slot: MessageSlot<T>, options?: ConnectOptions): Disconnect;
  connect(signal: 'messageReceived', slot: MessageSlot<unknown>, options?: ConnectOptions): Disconnect;
  /**
   * Connects an observer. The dispatcher does not wait for it, and its errors go to `workerError`.
   * @throws TypeError for a signal that does not exist
   */
  connect<K extends ObserverSignal>(signal: K, observer: Observer<K>, options?: ConnectOptions): Disconnect;
  connect(
    to: MessageType<unknown, unknown> | 'messageReceived' | ObserverSignal,
    slot: (first: never, context: SlotContext) => unknown,
    { once = false }: ConnectOptions = {},
  ): Disconnect {
    if (typeof slot !== 'function') throw new TypeError(`a slot must be a function, got ${preview(slot)}`);
    if (typeof to === 'string' && to !== 'messageReceived') {
      const observer = slot as (event: never) => unknown;
      return disposable(this.#observers.connect(checkSignal(to), observer, once));
    }
    if (typeof to !== 'string' && typeof to?.type !== 'string') {
      throw new TypeError(
        `what a slot is connected to must be a message type or the name of a signal, got ${preview(to)}`,
      );
    }
    const type = to === 'messageReceived' ? undefined : to;
    return disposable(this.#slots.connect(type, slot as MessageSlot<unknown>, once));
  }

  /**
   * Wraps the slots of each message in a function, for example to log, to trace, or to run them in an AsyncLocalStorage. It is
   * called once for each delivery that has a slot, after the message was decoded and checked and `messageStarted` was emitted,
   * and within `slotTimeout`. The middleware that is used first is the outermost.
   *
   * A middleware gets the message as it was decoded; `context.state` passes values to the slots. It must call `next()` exactly
   * once, and should await it: if it resolves earlier, the worker still waits for the slots. If it resolves without calling
   * `next()`, the message fails with a MiddlewareError. An error that `next()` rejects with may be replaced, or swallowed: then
   * the message is finished.
   * @returns a function that removes the middleware; deliveries that have started keep it
   * @throws TypeError if it is not a function
   * @example
   * signals.use(async (message, context, next) => {
   *   const start = performance.now();
   *   await next();
   *   console.log(message.type, context.jobId, performance.now() - start);
   * });
   */
  use(middleware: SlotMiddleware): Disconnect {
    if (typeof middleware !== 'function') {
      throw new TypeError(`a middleware must be a function, got ${preview(middleware)}`);
    }
    const used = { middleware };
    this.#middlewares = [...this.#middlewares, used];
    return disposable(() => {
      this.#middlewares = this.#middlewares.filter((each) => each !== used);
    });
  }

  /** Whether any message slot is connected. */
  get hasSlots(): boolean {
    return this.#slots.size > 0;
  }

  /**
   * The call of every slot that is connected for the message, its data checked for each, with the middlewares around them. A
   * promise only where a schema answers with one.
   * @returns null when there is no slot for it
   * @throws SchemaError, or what a schema itself throws, or rejects with it; no slot has been called then
   * @internal
   */
  prepare(message: Message, validate: Validate): SlotCall | null | Promise<SlotCall | null> {
    const slots = this.#slots.prepare(message, validate);
    const middlewares = this.#middlewares;
    if (slots === null || middlewares.length === 0) return slots;
    if (!(slots instanceof Promise)) return new MiddlewareCall(middlewares, message, slots);
    return slots.then((later) => new MiddlewareCall(middlewares, message, later));
  }

  /**
   * Connects the slots again that were connected with `once` and have been called with this context: the worker calls it when
   * the message will be delivered again.
   * @internal
   */
  reconnect(context: SlotContext): void {
    this.#slots.reconnect(context);
  }

  /** Tells the observers of a signal. Never throws and never waits. */
  emit<K extends ObserverSignal>(signal: K, event: SignalEvents[K]): void {
    this.#observers.emit(signal, event);
  }
}

function checkSignal(name: ObserverSignal): ObserverSignal {
  if (observerSignals.includes(name)) return name;
  throw new TypeError(`a signal must be ${listOf(['messageReceived', ...observerSignals])}, got ${preview(name)}`);
}

function disposable(disconnect: () => void): Disconnect {
  return Object.assign(disconnect, { [Symbol.dispose]: disconnect });
}
