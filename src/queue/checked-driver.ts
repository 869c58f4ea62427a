import { preview } from '../shared/text.js';
import { type MessageState, type ResolvedCapabilities, resolveCapabilities } from './capabilities.js';
import {
  checkArray,
  checkBody,
  checkBoolean,
  checkInteger,
  checkJobId,
  checkJobIds,
  checkLimit,
  checkMs,
  checkOneOf,
  checkOptions,
  checkPriority,
  checkSignal,
  type OptionNames,
} from './checks.js';
import type {
  ConsumeOptions,
  Consumer,
  Driver,
  ListOptions,
  MessagePage,
  PutItem,
  PutOptions,
  PutResult,
  QueueOrder,
  QueueStats,
  ReservedMessage,
  ReserveOptions,
  RetrySelection,
  Selection,
  Settlement,
  SettlementResult,
  StoredMessage,
  Transaction,
  TransactionClient,
} from './driver.js';
import { MIN_TTR_MS } from './duration.js';
import { InvalidOptionError, UnsupportedError } from './errors.js';
import { checkQueueName } from './name.js';

/** What every driver has. */
const METHODS = [
  'setUp',
  'put',
  'consume',
  'stats',
  'list',
  'find',
  'retry',
  'promote',
  'delete',
  'flush',
  'queues',
  'pause',
  'close',
] as const satisfies readonly (keyof Driver)[];

const PUT_OPTIONS: OptionNames<PutOptions> = {
  priority: true,
  delayMs: true,
  ttrMs: true,
  deduplicationKey: true,
  group: true,
  expiresAt: true,
};
type TransactionOption = { readonly transaction?: Transaction | undefined };
const TRANSACTION_OPTION: OptionNames<TransactionOption> = { transaction: true };
const CONSUME_OPTIONS: OptionNames<ConsumeOptions> = { concurrency: true, order: true, trackAttempts: true };
const RESERVE_OPTIONS: OptionNames<ReserveOptions> = { max: true, timeoutMs: true, signal: true };
const LIST_OPTIONS: OptionNames<ListOptions> = { state: true, limit: true, after: true };
const SELECTION: OptionNames<{ ids: unknown; limit: unknown }> = { ids: true, limit: true };
const RETRY_SELECTION: OptionNames<{ ids: unknown; limit: unknown; body: unknown }> = { ...SELECTION, body: true };

type Kind = Settlement['kind'];
const KINDS: readonly Kind[] = ['ack', 'release', 'bury'];
const SETTLEMENTS: { readonly [K in Kind]: OptionNames<Extract<Settlement, { kind: K }>> } = {
  ack: { kind: true, message: true, transaction: true },
  release: { kind: true, message: true, priority: true, delayMs: true, failure: true, counted: true },
  bury: { kind: true, message: true, priority: true, failure: true },
};

const ORDERS: readonly QueueOrder[] = ['fair', 'strict'];
const STATES: readonly MessageState[] = ['ready', 'delayed', 'reserved', 'buried'];
const SETTLED_STATES: readonly Exclude<MessageState, 'reserved'>[] = ['ready', 'delayed', 'buried'];

const checkedDrivers = new WeakMap<Driver, CheckedDriver>();

/**
 * The driver behind checks of every argument: what is invalid rejects with InvalidOptionError, and what the driver's
 * `capabilities` deny with UnsupportedError, before the driver is called. `openDriver` and `Queue` do this by themselves.
 * @returns the same for the same driver
 * @throws InvalidOptionError for what is no driver
 */
export function checkedDriver(driver: Driver): CheckedDriver {
  if (driver instanceof CheckedDriver) return driver;
  let checked = checkedDrivers.get(driver);
  if (checked === undefined) {
    checked = new CheckedDriver(driver);
    checkedDrivers.set(driver, checked);
  }
  return checked;
}

/** A driver whose arguments are checked, and whose capabilities are filled in. */
export class CheckedDriver implements Driver {
  readonly system: string;
  readonly capabilities: ResolvedCapabilities;
  declare readonly move?: NonNullable<Driver['move']>;
  declare readonly transaction?: NonNullable<Driver['transaction']>;
  readonly #driver: Driver;
  // Most messages have the same queue and options as the one before: these are not checked again, if nobody can change them.
  #checkedQueue: string | undefined;
  #checkedOptions: PutOptions | undefined;

  /** @internal */
  constructor(driver: Driver) {
    checkMethods(driver);
    this.#driver = driver;
    this.system = driver.system;
    this.capabilities = resolveCapabilities(driver.capabilities);
    if (driver.move !== undefined) this.move = (...args) => this.#move(...args);
    if (driver.transaction !== undefined && this.capabilities.transactions)
      this.transaction = (work) => this.#transaction(work);
  }

  setUp(queue: string): Promise<void> {
    return attempt(() => this.#driver.setUp(checkQueueName(queue)));
  }

  put(items: readonly PutItem[], options?: { readonly transaction?: Transaction | undefined }): Promise<PutResult> {
    try {
      this.#checkPut(items, options);
      return this.#driver.put(items, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  consume(queues: readonly string[], options: ConsumeOptions = {}): Promise<Consumer> {
    return attempt(async () => {
      checkArray('the queues to consume', queues, 1);
      const names = [...new Set(queues.map(checkQueueName))];
      const { concurrency, order, trackAttempts } = checkOptions('consume', options, CONSUME_OPTIONS);
      if (concurrency !== undefined) checkInteger('concurrency', concurrency, 1);
      if (order !== undefined) checkOneOf('order', order, ORDERS);
      if (trackAttempts !== undefined) checkBoolean('trackAttempts', trackAttempts);
      return new CheckedConsumer(await this.#driver.consume(names, options), this);
    });
  }

  stats(queues: readonly string[]): Promise<readonly (QueueStats | null)[]> {
    return attempt(() => this.#driver.stats(checkNames(queues)));
  }

  list(queue: string, options: ListOptions): Promise<MessagePage> {
    return attempt(() => {
      checkQueueName(queue);
      const { state, limit, after } = checkOptions('list', options, LIST_OPTIONS);
      checkOneOf('state', state, STATES);
      checkInteger('limit', limit, 1);
      if (after !== undefined) checkText('after', after);
      const shown = this.capabilities.list[state];
      if (shown === 'none') throw this.unsupported(`list ${state} messages`, 'shows none of them');
      if (shown === 'first' && (limit > 1 || after !== undefined)) {
        const what = after === undefined ? `${limit} ${state} messages` : `${state} messages after another`;
        throw this.unsupported(`list ${what}`, 'shows the first only; set limit to 1');
      }
      return this.#driver.list(queue, options);
    });
  }

  find(queue: string, jobId: string): Promise<StoredMessage | null> {
    return attempt(() => this.#driver.find(checkQueueName(queue), checkJobId(jobId)));
  }

  retry(queue: string, selection: RetrySelection): Promise<number> {
    return attempt(() => {
      checkQueueName(queue);
      return this.#driver.retry(
        queue,
        checkSelection('retry', checkOptions<object>('retry', selection, RETRY_SELECTION)),
      );
    });
  }

  promote(queue: string, selection: Selection): Promise<number> {
    return attempt(() => {
      checkQueueName(queue);
      return this.#driver.promote(
        queue,
        checkSelection('promote', checkOptions<object>('promote', selection, SELECTION)),
      );
    });
  }

  delete(queue: string, jobIds: readonly string[]): Promise<number> {
    return attempt(() => this.#driver.delete(checkQueueName(queue), checkJobIds(jobIds)));
  }

  flush(queue: string, states: readonly Exclude<MessageState, 'reserved'>[]): Promise<number> {
    return attempt(() => {
      checkQueueName(queue);
      for (const state of checkArray('the states to flush', states, 1)) checkOneOf('state', state, SETTLED_STATES);
      return this.#driver.flush(queue, states);
    });
  }

  queues(): Promise<string[]> {
    return attempt(() => this.#driver.queues());
  }

  pause(queue: string, ms: number): Promise<void> {
    return attempt(() => this.#driver.pause(checkQueueName(queue), checkMs('the pause', ms)));
  }

  close(): Promise<void> {
    return attempt(() => this.#driver.close());
  }

  /** @internal */
  unsupported(what: string, why: string): UnsupportedError {
    return new UnsupportedError(`cannot ${what}: ${this.system} ${why}`);
  }

  /** @internal */
  checkTransaction(what: string, transaction: Transaction): void {
    if (!this.capabilities.transactions) throw this.unsupported(`${what} in a transaction`, 'has no transactions');
    if ((typeof transaction === 'object' && transaction !== null) || typeof transaction === 'function') return;
    throw new InvalidOptionError(`transaction must be an object, got ${preview(transaction)}`);
  }

  #checkPut(items: readonly PutItem[], putOptions: TransactionOption | undefined): void {
    let queue = this.#checkedQueue;
    let options = this.#checkedOptions;
    for (const item of checkArray('the messages to put', items, 0)) {
      if (item?.queue !== queue || queue === undefined) queue = checkQueueName(item?.queue);
      if (item.options !== options || options === undefined) {
        this.#checkPutOptions(item.options);
        options = item.options;
      }
      checkBody(item.body);
    }
    this.#checkedQueue = queue;
    if (Object.isFrozen(options)) this.#checkedOptions = options;
    if (putOptions === undefined) return;
    const { transaction } = checkOptions('put', putOptions, TRANSACTION_OPTION);
    if (transaction !== undefined) this.checkTransaction('put messages', transaction);
  }

  #checkPutOptions(options: PutOptions): void {
    checkOptions('a message to put', options, PUT_OPTIONS);
    checkPriority(options.priority);
    checkMs('delayMs', options.delayMs);
    checkMs('ttrMs', options.ttrMs, MIN_TTR_MS);
    const { deduplicationKey, group, expiresAt } = options;
    const { deduplication, groups, expiry } = this.capabilities;
    if (deduplicationKey !== undefined) {
      if (deduplication === 'none')
        throw this.unsupported('put a message with deduplicationKey', 'finds no duplicates');
      checkText('deduplicationKey', deduplicationKey);
    }
    if (group !== undefined) {
      if (!groups) throw this.unsupported('put a message with group', 'has no groups');
      checkText('group', group);
    }
    if (expiresAt !== undefined) {
      if (!expiry) throw this.unsupported('put a message with expiresAt', 'has no expiry');
      if (!(expiresAt instanceof Date) || Number.isNaN(expiresAt.getTime()))
        throw new InvalidOptionError(`expiresAt must be a valid Date, got ${preview(expiresAt)}`);
    }
  }

  #move(queue: string, target: string, jobIds: readonly string[]): Promise<number> {
    return attempt(() => {
      checkQueueName(target);
      if (checkQueueName(queue) === target)
        throw new InvalidOptionError(`the target of a move must be another queue, got ${preview(target)} itself`);
      checkJobIds(jobIds);
      // It is there: this method is only reached where it is.
      return (this.#driver as Required<Driver>).move(queue, target, jobIds);
    });
  }

  #transaction<T>(work: (transaction: TransactionClient) => Promise<T>): Promise<T> {
    return attempt(() => {
      if (typeof work !== 'function')
        throw new InvalidOptionError(`the work of a transaction must be a function, got ${preview(work)}`);
      return (this.#driver as Required<Driver>).transaction(work);
    });
  }
}

/** A consumer whose arguments are checked. */
class CheckedConsumer implements Consumer {
  declare readonly isHeld?: NonNullable<Consumer['isHeld']>;
  readonly #consumer: Consumer;
  readonly #driver: CheckedDriver;

  constructor(consumer: Consumer, driver: CheckedDriver) {
    this.#consumer = consumer;
    this.#driver = driver;
    if (consumer.isHeld !== undefined)
      this.isHeld = (message) => attempt(() => (this.#consumer as Required<Consumer>).isHeld(checkReserved(message)));
  }

  reserve(options: ReserveOptions = {}): Promise<readonly ReservedMessage[]> {
    try {
      const { max, timeoutMs, signal } = checkOptions('reserve', options, RESERVE_OPTIONS);
      if (max !== undefined) checkInteger('max', max, 1);
      if (timeoutMs !== undefined) checkMs('timeoutMs', timeoutMs);
      checkSignal('signal', signal)?.throwIfAborted();
      return this.#consumer.reserve(options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]> {
    try {
      for (const settlement of checkArray('settlements', settlements, 0)) this.#checkSettlement(settlement);
      return this.#consumer.settle(settlements);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  touch(messages: readonly ReservedMessage[]): Promise<readonly SettlementResult[]> {
    try {
      for (const message of checkArray('the messages to touch', messages, 0)) checkReserved(message);
      return this.#consumer.touch(messages);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  close(): Promise<void> {
    return attempt(() => this.#consumer.close());
  }

  #checkSettlement(settlement: Settlement): void {
    const kind = checkOneOf('the kind of a settlement', settlement?.kind, KINDS);
    checkOptions<object>(kind, settlement, SETTLEMENTS[kind]);
    checkReserved(settlement.message);
    if (settlement.kind === 'ack') {
      if (settlement.transaction !== undefined)
        this.#driver.checkTransaction('acknowledge a message', settlement.transaction);
      return;
    }
    const { priority, failure } = settlement;
    if (priority !== undefined) checkPriority(priority);
    if (failure !== undefined) this.#checkFailure(settlement.kind, failure);
    if (settlement.kind === 'bury') return;
    const { delayMs, counted } = settlement;
    if (delayMs !== undefined) checkMs('delayMs', delayMs);
    if (counted === undefined || checkBoolean('counted', counted)) return;
    if (!this.#driver.capabilities.uncountedRelease)
      throw this.#driver.unsupported('release a message uncounted', 'counts every delivery');
  }

  #checkFailure(kind: 'release' | 'bury', failure: object): void {
    const { failures } = this.#driver.capabilities;
    if (failures === 'none') throw this.#driver.unsupported(`${kind} a message with a failure`, 'keeps none');
    if (failures === 'buried' && kind === 'release')
      throw this.#driver.unsupported('release a message with a failure', 'keeps those of buried messages only');
    if (typeof failure !== 'object' || failure === null)
      throw new InvalidOptionError(`failure must be a record of a failure, got ${preview(failure)}`);
  }
}

/** Calls what must reject: what is thrown, by a check or by a driver, becomes a rejection. Saves the step of an async function. */
export function attempt<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call();
  } catch (error) {
    return Promise.reject(error);
  }
}

function checkMethods(driver: Driver): void {
  const isObject = typeof driver === 'object' && driver !== null;
  const missing = isObject ? METHODS.find((name) => typeof driver[name] !== 'function') : undefined;
  if (isObject && missing === undefined) return;
  const given = `${preview(driver)}${missing === undefined ? '' : ` without ${missing}()`}`;
  throw new InvalidOptionError(`driver must be a driver, such as openDriver resolves to, got ${given}`);
}

function checkNames(queues: readonly string[]): readonly string[] {
  for (const queue of checkArray('the queues', queues, 0)) checkQueueName(queue);
  return queues;
}

function checkText(what: string, text: string): void {
  if (typeof text !== 'string' || text === '')
    throw new InvalidOptionError(`${what} must be a string that is not empty, got ${preview(text)}`);
}

function checkReserved(message: ReservedMessage): ReservedMessage {
  if (typeof message?.jobId === 'string') return message;
  throw new InvalidOptionError(`a message to settle or touch must be a reserved one, got ${preview(message)}`);
}

interface AnySelection {
  readonly ids?: readonly string[];
  readonly limit?: number;
  readonly body?: Uint8Array;
}

/** @returns what was selected, without members that are `undefined`: a driver may ask which of them are there */
function checkSelection(what: string, { ids, limit, body }: AnySelection): RetrySelection {
  if ((ids === undefined) === (limit === undefined)) {
    const given = ids === undefined ? 'neither' : 'both';
    throw new InvalidOptionError(`the selection of ${what} must have ids or limit, got ${given}`);
  }
  if (body !== undefined) {
    checkBody(body);
    if (ids?.length !== 1)
      throw new InvalidOptionError(
        `the selection of ${what} must have one id where a body is given, got ${ids?.length ?? 'none'}`,
      );
  }
  if (limit !== undefined) return { limit: checkLimit(limit) };
  const checked = checkJobIds(ids ?? []);
  return body === undefined ? { ids: checked } : { ids: checked as readonly [string], body };
}
