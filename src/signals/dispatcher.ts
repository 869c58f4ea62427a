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

/** Takes a connection back; may be called again. */
export type Disconnect = (() => void) & Disposable;

/**
 * Who does what when something happens. Modules connect slots to message types and observers to the other signals; they
 * need not know of each other, nor of the worker that emits.
 *
 * Connecting and disconnecting is safe at any time: what is connected while a message or an event is being handed round
 * gets the next one, and what is disconnected is not called again, not even for that one.
 */
export class SignalDispatcher {
  readonly #slots = new MessageSlots();
  readonly #observers = new Observers();
  /** Replaced, never changed: a delivery keeps those that it began with. */
  #middlewares: readonly UsedMiddleware[] = [];

  /**
   * Connects a slot to the messages of a type, or of every type with `'messageReceived'`. Slots are awaited one after
   * another in the order in which they were connected, and the first that rejects fails the message. A slot that is
   * connected several times is called once.
   * @throws TypeError for a slot that is no function, or what is neither a message type nor a signal
   */
  connect<T>(type: MessageType<T, unknown>, slot: MessageSlot<T>, options?: ConnectOptions): Disconnect;
  connect(signal: 'messageReceived', slot: MessageSlot<unknown>, options?: ConnectOptions): Disconnect;
  /**
   * Connects an observer: it is told, nothing waits for it, and what it throws goes to `workerError`.
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
   * Puts a function around the slots of each message: what is to be done before and after all of them, or in whose
   * AsyncLocalStorage they are to run. It is called once for each delivery for which there is a slot, after the message has been
   * decoded and checked and `messageStarted` was emitted; `slotTimeout` counts it in. The first that is used is the outermost.
   *
   * It gets the message as it was decoded, and `context.state` to hand things to slots. It must call `next()` once, which calls
   * what is inside of it, and should await it: where it resolves earlier, the message is finished when the slots have ended.
   * Where it resolves without a call, the message has failed with a MiddlewareError. What `next()` rejects with may be
   * replaced, or swallowed: then the message is finished.
   * @returns the function that removes it; deliveries that have begun keep it
   * @throws TypeError for what is no function
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
