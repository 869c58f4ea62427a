import type {
  Consumer,
  Driver,
  PutItem,
  QueueStats,
  ReservedMessage,
  Settlement,
  SettlementResult,
  StoredMessage,
} from '../../src/queue/driver.js';

/** What is different. The original is given with methods that need no `this`. */
type Change<T> = (original: T) => Partial<T>;

const DRIVER_METHODS = [
  ...(['setUp', 'put', 'consume', 'stats', 'list', 'find', 'retry', 'promote'] as const),
  ...(['delete', 'flush', 'move', 'queues', 'pause', 'transaction', 'close'] as const),
] as const;
const CONSUMER_METHODS = ['reserve', 'settle', 'touch', 'isHeld', 'close'] as const;

/** A driver that does as `driver`, with changes. */
export function alterDriver(driver: Driver, change: Change<Driver>): Driver {
  const { system, capabilities } = driver;
  const original: Driver = { system, capabilities, ...methods(driver, DRIVER_METHODS) };
  return { ...original, ...change(original) };
}

/** A driver whose consumers are changed. */
export function alterConsumers(driver: Driver, change: Change<Consumer>): Driver {
  return alterDriver(driver, ({ consume }) => ({
    consume: async (...args) => {
      const original: Consumer = methods(await consume(...args), CONSUMER_METHODS);
      return { ...original, ...change(original) };
    },
  }));
}

/** What can be done to a message that is held. Rejects with the error of its result. */
export interface Verbs {
  readonly settle: (settlement: Settlement) => Promise<SettlementResult>;
  readonly touch: () => Promise<SettlementResult>;
}

/** A driver whose reserved messages are changed: what they tell, and what their settlements do. */
export function alterReserved(
  driver: Driver,
  change: (message: ReservedMessage, original: Verbs) => Partial<ReservedMessage & Verbs>,
): Driver {
  return alterConsumers(driver, ({ reserve, settle, touch }) => {
    const originals = new WeakMap<ReservedMessage, ReservedMessage>();
    const verbs = new WeakMap<ReservedMessage, Verbs>();
    const originalOf = (message: ReservedMessage): ReservedMessage => originals.get(message) ?? message;
    return {
      reserve: async (options) =>
        (await reserve(options)).map((message) => {
          const original: Verbs = {
            settle: async (settlement) => first(await settle([{ ...settlement, message }])),
            touch: async () => first(await touch([message])),
          };
          const changed = change(message, original);
          const altered = alterMessage(message, changed);
          originals.set(altered, message);
          verbs.set(altered, { ...original, ...pick(changed) });
          return altered;
        }),
      settle: (settlements) =>
        Promise.all(
          settlements.map((settlement) => {
            const own = verbs.get(settlement.message);
            const plain = { ...settlement, message: originalOf(settlement.message) };
            return own ? own.settle(plain) : settle([plain]).then(first);
          }),
        ),
      touch: (messages) =>
        Promise.all(messages.map((message) => verbs.get(message)?.touch() ?? touch([message]).then(first))),
    };
  });
}

/** A driver whose consumers settle otherwise than they are told. */
export function alterSettlements(driver: Driver, change: (settlement: Settlement) => Settlement): Driver {
  return alterConsumers(driver, ({ settle }) => ({ settle: (settlements) => settle(settlements.map(change)) }));
}

/** A driver whose consumers do something before they close, with what they hold. */
export function alterClosing(
  driver: Driver,
  before: (held: readonly ReservedMessage[], consumer: Consumer) => unknown,
): Driver {
  return alterConsumers(driver, (consumer) => {
    const held: ReservedMessage[] = [];
    return {
      reserve: async (options) => {
        const messages = await consumer.reserve(options);
        held.push(...messages);
        return messages;
      },
      close: async () => {
        await before(held, consumer);
        return consumer.close();
      },
    };
  });
}

function pick({ settle, touch }: Partial<Verbs>): Partial<Verbs> {
  return { ...(settle && { settle }), ...(touch && { touch }) };
}

function first([result]: readonly SettlementResult[]): SettlementResult {
  return result ?? {};
}

/** What the original tells, also what changes with time, but for the changes. */
export function alterMessage(message: ReservedMessage, change: Partial<ReservedMessage>): ReservedMessage {
  const { jobId, queue, body, attempt, ttrMs } = message;
  const original = {
    ...{ jobId, queue, body, attempt, ttrMs },
    get leaseEndsAt() {
      return message.leaseEndsAt;
    },
    // As late as that of the original: it is made when it is asked for.
    get lost() {
      return message.lost;
    },
  };
  const { getOwnPropertyDescriptors } = Object;
  return Object.create(null, { ...getOwnPropertyDescriptors(original), ...getOwnPropertyDescriptors(change) });
}

/** A driver that stores something else than it is given. */
export function alterItems(driver: Driver, change: (item: PutItem) => PutItem): Driver {
  return alterDriver(driver, ({ put }) => ({ put: (items, options) => put(items.map(change), options) }));
}

export function alterOptions(
  driver: Driver,
  change: (options: PutItem['options']) => Partial<PutItem['options']>,
): Driver {
  return alterItems(driver, (item) => ({ ...item, options: { ...item.options, ...change(item.options) } }));
}

export function alterBodies(driver: Driver, change: (body: Buffer) => Buffer): Driver {
  return alterItems(driver, (item) => ({ ...item, body: change(Buffer.from(item.body)) }));
}

export function alterStats(driver: Driver, change: (stats: QueueStats) => Partial<QueueStats>): Driver {
  return alterDriver(driver, ({ stats }) => ({
    stats: async (queues) => (await stats(queues)).map((found) => found && { ...found, ...change(found) }),
  }));
}

/** A driver that shows something else than it has. */
export function alterShown(driver: Driver, change: (message: StoredMessage) => Partial<StoredMessage>): Driver {
  const alter = (message: StoredMessage): StoredMessage => ({ ...message, ...change(message) });
  return alterDriver(driver, ({ list, find }) => ({
    list: async (queue, options) => {
      const page = await list(queue, options);
      return { ...page, messages: page.messages.map(alter) };
    },
    find: async (queue, jobId) => {
      const found = await find(queue, jobId);
      return found && alter(found);
    },
  }));
}

/** Bound, so that they need no `this`. Those that are missing stay so. */
function methods<T extends object, K extends keyof T>(original: T, names: readonly K[]): Pick<T, K> {
  const bound = names
    .filter((name) => original[name] !== undefined)
    .map((name) => [name, (original[name] as (...args: unknown[]) => unknown).bind(original)]);
  return Object.fromEntries(bound) as Pick<T, K>;
}
