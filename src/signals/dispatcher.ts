import createDebug from 'debug';
import type { Message, MessageType } from '../queue/message.js';
import {
  type MessageSlot,
  type Observer,
  type ObserverSignal,
  observerSignals,
  type SignalEvents,
  type SlotContext,
} from './catalogue.js';

const debug = createDebug('haricot:signals');

export interface ConnectOptions {
  /** Disconnects the slot before its first call. */
  readonly once?: boolean;
}

/** Takes a connection back; may be called again. */
export type Disconnect = (() => void) & Disposable;

/** Checks a message's data for a type: what the type's schema makes of it. */
export type Validate = (type: MessageType<unknown, unknown>, data: unknown) => Promise<unknown>;

interface MessageConnection {
  /** Without one the slot gets every message. */
  readonly type: MessageType<unknown, unknown> | undefined;
  readonly slot: MessageSlot<unknown>;
  readonly once: boolean;
}

interface ObserverConnection {
  readonly observer: (event: never) => unknown;
  readonly once: boolean;
}

/**
 * Who does what when something happens. Modules connect slots to message types and observers to the other signals; they
 * need not know of each other, nor of the worker that emits.
 */
export class SignalDispatcher {
  // Replaced, never changed: connecting and disconnecting during a dispatch does not disturb it.
  #messageSlots: readonly MessageConnection[] = [];
  readonly #observers = new Map<ObserverSignal, readonly ObserverConnection[]>();

  /**
   * Connects a slot to the messages of a type, or of every type with `'messageReceived'`. Slots are awaited one after
   * another in the order in which they were connected, and the first that rejects fails the message.
   */
  connect<T>(type: MessageType<T, unknown>, slot: MessageSlot<T>, options?: ConnectOptions): Disconnect;
  connect(signal: 'messageReceived', slot: MessageSlot<unknown>, options?: ConnectOptions): Disconnect;
  /** Connects an observer: it is told, nothing waits for it, and what it throws goes to `workerError`. */
  connect<K extends ObserverSignal>(signal: K, observer: Observer<K>, options?: ConnectOptions): Disconnect;
  connect(
    to: MessageType<unknown, unknown> | 'messageReceived' | ObserverSignal,
    slot: (first: never, context: SlotContext) => unknown,
    { once = false }: ConnectOptions = {},
  ): Disconnect {
    if (typeof slot !== 'function') throw new TypeError(`a slot is a function, got ${typeof slot}`);
    if (typeof to === 'string' && to !== 'messageReceived') {
      if (!observerSignals.includes(to)) {
        throw new TypeError(
          `there is no signal ${JSON.stringify(to)}; there are messageReceived, ${observerSignals.join(', ')}`,
        );
      }
      return this.#connectObserver(to, slot as (event: never) => unknown, once);
    }
    if (typeof to !== 'string' && typeof to?.type !== 'string') {
      throw new TypeError(`slots are connected to a message type or to the name of a signal, got ${typeof to}`);
    }
    return this.#connectSlot({
      type: to === 'messageReceived' ? undefined : to,
      slot: slot as MessageSlot<unknown>,
      once,
    });
  }

  /** Whether any message slot is connected. */
  get hasSlots(): boolean {
    return this.#messageSlots.length > 0;
  }

  /**
   * The call of every slot that is connected for the message, its data checked for each.
   * @returns null when there is no slot for it
   * @throws SchemaError; no slot has been called then
   */
  async prepare(message: Message, validate: Validate): Promise<((context: SlotContext) => Promise<void>) | null> {
    const connections = this.#messageSlots.filter(({ type }) => type === undefined || type.type === message.type);
    if (connections.length === 0) return null;
    const calls = new Map<MessageSlot<unknown>, { connection: MessageConnection; received: Message }>();
    for (const connection of connections) {
      const { type, slot } = connection;
      if (calls.has(slot)) continue;
      const received = type?.schema ? { ...message, data: await validate(type, message.data) } : message;
      calls.set(slot, { connection, received });
    }
    return async (context) => {
      let called = 0;
      for (const [slot, { connection, received }] of calls) {
        if (called > 0) context.signal.throwIfAborted();
        // The one call may have gone to another message that was prepared at the same time.
        if (connection.once && !this.#disconnectSlot(connection)) continue;
        called++;
        await slot(received, context);
      }
      if (called === 0) throw new Error(`the slots for messages of type "${message.type}" have been disconnected`);
    };
  }

  /** Tells the observers of a signal. Never throws and never waits. */
  emit<K extends ObserverSignal>(signal: K, event: SignalEvents[K]): void {
    const connections = this.#observers.get(signal);
    if (connections === undefined) return;
    for (const connection of connections) {
      if (connection.once) this.#disconnectObserver(signal, connection);
      this.#tell(signal, connection.observer as Observer<K>, event);
    }
  }

  async #tell<K extends ObserverSignal>(signal: K, observer: Observer<K>, event: SignalEvents[K]): Promise<void> {
    try {
      await observer(event);
    } catch (error) {
      debug('an observer of %s failed: %o', signal, error);
      // An observer of workerError that fails must not be told of its own failure.
      if (signal !== 'workerError') this.emit('workerError', { error });
    }
  }

  #connectSlot(connection: MessageConnection): Disconnect {
    const known = this.#messageSlots.find(({ type, slot }) => slot === connection.slot && type === connection.type);
    if (known === undefined) this.#messageSlots = [...this.#messageSlots, connection];
    return disposable(() => this.#disconnectSlot(known ?? connection));
  }

  /** @returns whether it was connected */
  #disconnectSlot(connection: MessageConnection): boolean {
    const before = this.#messageSlots.length;
    this.#messageSlots = this.#messageSlots.filter((other) => other !== connection);
    return this.#messageSlots.length < before;
  }

  #connectObserver(signal: ObserverSignal, observer: (event: never) => unknown, once: boolean): Disconnect {
    const connections = this.#observers.get(signal) ?? [];
    const known = connections.find((other) => other.observer === observer);
    const connection = known ?? { observer, once };
    if (known === undefined) this.#observers.set(signal, [...connections, connection]);
    return disposable(() => this.#disconnectObserver(signal, connection));
  }

  #disconnectObserver(signal: ObserverSignal, connection: ObserverConnection): void {
    const connections = this.#observers.get(signal) ?? [];
    this.#observers.set(
      signal,
      connections.filter((other) => other !== connection),
    );
  }
}

function disposable(disconnect: () => void): Disconnect {
  return Object.assign(disconnect, { [Symbol.dispose]: disconnect });
}
