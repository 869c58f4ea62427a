import type { Message, MessageType } from '../queue/message.js';
import type { MessageSlot, SlotContext } from './signals.js';

/** Checks a message's data for a type: what the type's schema makes of it, or a promise of that. */
export type Validate = (type: MessageType<unknown, unknown>, data: unknown) => unknown;

/** The call of the slots of a message that has been checked. */
export interface SlotCall {
  /**
   * The slots, if they still run when the call has ended, because a middleware did not wait for them. The caller must wait for
   * them when the call has resolved: they may still fail.
   */
  readonly running: Promise<void> | undefined;
  /** Whether the message may be finished in a transaction now: by its only slot, or after all slots. */
  readonly mayFinish: boolean;
  /** Calls the slots. The caller must await the result. */
  run(context: SlotContext): unknown;
}

interface Connection {
  /** Without one the slot gets every message. */
  readonly type: MessageType<unknown, unknown> | undefined;
  readonly slot: MessageSlot<unknown>;
  /** The lowest was connected first. */
  readonly order: number;
  once: boolean;
  connected: boolean;
  /** Whether whoever connected it has taken the connection back. */
  removed: boolean;
}

/** The slots that messages of a type are led to. Made when the first of them comes, dropped when a connection changes. */
interface Route {
  readonly targets: readonly { readonly connection: Connection; readonly dataIndex: number }[];
  /** The types whose schemas check the message. Data index 0 is the message itself, n what the nth schema makes of it. */
  readonly checks: readonly MessageType<unknown, unknown>[];
  /** Slots that occur more than once are called once. */
  readonly slotCount: number;
}

/** The connections to a type, or to every type. */
class Group {
  readonly connections: Connection[] = [];
  route: Route | undefined;
}

class Call implements SlotCall {
  readonly running = undefined;
  readonly #slots: MessageSlots;
  readonly #route: Route;
  readonly #views: readonly Message[];

  constructor(slots: MessageSlots, route: Route, views: readonly Message[]) {
    this.#slots = slots;
    this.#route = route;
    this.#views = views;
  }

  get mayFinish(): boolean {
    return this.#route.slotCount === 1;
  }

  run(context: SlotContext): unknown {
    return this.#slots.call(this.#route, this.#views, context);
  }
}

/** The slots of `messageReceived`. */
export class MessageSlots {
  readonly #everyType = new Group();
  // Only types that slots are connected to: what comes from outside takes no memory here.
  readonly #types = new Map<string, Group>();
  /** The connections with `once` that a delivery has used up. */
  readonly #usedUp = new WeakMap<SlotContext, Connection[]>();
  #connected = 0;
  #order = 0;

  get size(): number {
    return this.#connected;
  }

  /** @returns the function that takes the connection back */
  connect(type: MessageType<unknown, unknown> | undefined, slot: MessageSlot<unknown>, once: boolean): () => void {
    const group = this.#groupOf(type);
    let connection = group.connections.find((other) => other.slot === slot && other.type === type);
    if (connection === undefined) {
      connection = { type, slot, once, order: this.#order++, connected: false, removed: false };
      this.#add(connection, group);
    } else if (!once) {
      connection.once = false;
    }
    const made = connection;
    return () => {
      made.removed = true;
      this.#disconnect(made);
    };
  }

  /** Connects the slots again that were connected with `once` and called for this delivery: it will come again. */
  reconnect(context: SlotContext): void {
    for (const connection of this.#usedUp.get(context) ?? []) {
      const { type, slot } = connection;
      const group = this.#groupOf(type);
      const isKnown = group.connections.some((other) => other.slot === slot && other.type === type);
      if (!connection.removed && !isKnown) this.#add(connection, group);
    }
    this.#usedUp.delete(context);
  }

  #add(connection: Connection, group: Group): void {
    connection.connected = true;
    group.connections.push(connection);
    this.#connected++;
    this.#dropRoutes(group);
  }

  /**
   * The call of every slot that is connected for the message, its data checked for each. A promise only where a schema
   * answers with one.
   * @returns null when there is no slot for it
   * @throws what `validate` throws, or rejects with it; no slot has been called then
   */
  prepare(message: Message, validate: Validate): SlotCall | null | Promise<SlotCall> {
    const route = this.#routeOf(message.type);
    if (route.targets.length === 0) return null;
    const views = [message];
    for (const type of route.checks) {
      const data = validate(type, message.data);
      if (data instanceof Promise) return this.#prepareLater(route, views, data, validate);
      views.push({ ...message, data });
    }
    return new Call(this, route, views);
  }

  /** Goes on with a schema that is asynchronous. */
  async #prepareLater(route: Route, views: Message[], first: Promise<unknown>, validate: Validate): Promise<SlotCall> {
    const [message] = views as [Message];
    views.push({ ...message, data: await first });
    for (const type of route.checks.slice(views.length - 1)) {
      views.push({ ...message, data: await validate(type, message.data) });
    }
    return new Call(this, route, views);
  }

  /** Calls the slots of a route with what the checks have made of the message. */
  call(route: Route, views: readonly Message[], context: SlotContext): unknown {
    const [target] = route.targets;
    if (target === undefined || route.targets.length > 1) return this.#callAll(route, views, context);
    if (!this.#take(target.connection, context)) throw allDisconnected(views);
    return target.connection.slot(views[target.dataIndex] as Message, context);
  }

  async #callAll({ targets, slotCount }: Route, views: readonly Message[], context: SlotContext): Promise<void> {
    const met = slotCount < targets.length ? new Set<MessageSlot<unknown>>() : undefined;
    let called = 0;
    for (const { connection, dataIndex } of targets) {
      const { slot } = connection;
      if (called > 0) context.signal.throwIfAborted();
      if (met?.has(slot) || !this.#take(connection, context)) continue;
      met?.add(slot);
      called++;
      await slot(views[dataIndex] as Message, context);
    }
    if (called === 0) throw allDisconnected(views);
  }

  /** Whether the slot may be called: it is still connected, and its one call has not gone to another message. */
  #take(connection: Connection, context: SlotContext): boolean {
    if (!connection.connected) return false;
    if (connection.once) {
      this.#disconnect(connection);
      const usedUp = this.#usedUp.get(context);
      if (usedUp === undefined) this.#usedUp.set(context, [connection]);
      else usedUp.push(connection);
    }
    return true;
  }

  #disconnect(connection: Connection): void {
    if (!connection.connected) return;
    connection.connected = false;
    const group = this.#groupOf(connection.type);
    group.connections.splice(group.connections.indexOf(connection), 1);
    this.#connected--;
    if (connection.type !== undefined && group.connections.length === 0) this.#types.delete(connection.type.type);
    this.#dropRoutes(group);
  }

  #groupOf(type: MessageType<unknown, unknown> | undefined): Group {
    if (type === undefined) return this.#everyType;
    const group = this.#types.get(type.type) ?? new Group();
    this.#types.set(type.type, group);
    return group;
  }

  #dropRoutes(group: Group): void {
    group.route = undefined;
    if (group !== this.#everyType) return;
    for (const other of this.#types.values()) other.route = undefined;
  }

  #routeOf(type: string): Route {
    const group = this.#types.get(type) ?? this.#everyType;
    if (group.route === undefined) {
      const connections =
        group === this.#everyType ? group.connections : [...group.connections, ...this.#everyType.connections];
      group.route = routeOf(connections.toSorted((a, b) => a.order - b.order));
    }
    return group.route;
  }
}

function routeOf(connections: readonly Connection[]): Route {
  const checks = new Set<MessageType<unknown, unknown>>();
  for (const { type } of connections) if (type?.schema !== undefined) checks.add(type);
  const order = [...checks];
  return {
    targets: connections.map((connection) => ({
      connection,
      dataIndex: connection.type === undefined ? 0 : order.indexOf(connection.type) + 1,
    })),
    checks: order,
    slotCount: new Set(connections.map(({ slot }) => slot)).size,
  };
}

function allDisconnected([message]: readonly Message[]): Error {
  return new Error(
    `cannot handle the message: the slots for messages of type "${message?.type}" have been disconnected`,
  );
}
