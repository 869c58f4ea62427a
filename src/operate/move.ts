import { checkJobIds, checkLimit, checkOneOf, checkOptions, type OptionNames } from '../queue/checks.js';
import { read, write } from '../queue/codec.js';
import type { PutItem, PutOptions, StoredMessage } from '../queue/driver.js';
import { MAX_DURATION_MS, MIN_TTR_MS } from '../queue/duration.js';
import { EngineError, InvalidOptionError, UnsupportedError } from '../queue/errors.js';
import { isA } from '../shared/is-a.js';
import { type MessageFilter, matcherOf, type OperatedQueue, PAGE_SIZE, pagesOf } from './filter.js';

/** The states from which messages can be moved. */
type MovedState = 'ready' | 'delayed' | 'buried';

/** Which messages to move. */
export type MoveSelection =
  /** Those with these ids of the engine, whatever their state. */
  | {
      /** The engine's ids of the messages. */
      readonly ids: readonly string[];
    }
  /** Those of a state, or so many of those that come first in it, of a type or a reason. */
  | (MessageFilter & {
      /** The state of the messages. */
      readonly state: MovedState;
      /** The largest number of messages. Default: all. */
      readonly limit?: number | undefined;
    });

/** The result of a move. */
export interface MoveResult {
  /** How many messages were moved. */
  readonly moved: number;
  /** How many somebody has taken here while they were stored there: they are in both queues, with the same `message.id`. */
  readonly duplicated: number;
}

interface AnyMove extends MessageFilter {
  readonly ids?: readonly string[];
  readonly state?: MovedState;
  readonly limit?: number | undefined;
}

const MOVE_OPTIONS: OptionNames<AnyMove> = { ids: true, state: true, limit: true, type: true, reason: true };
const STATES: readonly MovedState[] = ['ready', 'delayed', 'buried'];

/**
 * Moves messages to another queue: in one call of the engine where both are on the same one and it can, otherwise stored there
 * and then removed here.
 * @throws InvalidOptionError, UnsupportedError, EngineError, DecodeError
 */
export async function move(
  source: OperatedQueue,
  target: OperatedQueue,
  selection: MoveSelection,
): Promise<MoveResult> {
  const { ids, state, limit, type, reason } = checkOptions<AnyMove>('moveTo', selection, MOVE_OPTIONS);
  if (source.driver === target.driver && source.name === target.name)
    throw new InvalidOptionError(`the target of moveTo must be another queue, got "${source.name}" itself`);
  const moving = new Moving(source, target);
  if (ids !== undefined) {
    if (state !== undefined || limit !== undefined || type !== undefined || reason !== undefined)
      throw new InvalidOptionError('the selection of moveTo must have ids alone, got ids with something else');
    await moving.byId(checkJobIds(ids));
    return moving.result;
  }
  if (state === undefined)
    throw new InvalidOptionError('the selection of moveTo must have ids or a state, got none of them');
  checkOneOf('state', state, STATES);
  const most = limit === undefined ? Number.POSITIVE_INFINITY : checkLimit(limit);
  const matches = matcherOf(source, { type, reason });
  if (source.driver.capabilities.list[state] === 'any') {
    for await (const messages of pagesOf(source, state)) {
      const left = most - moving.total;
      if (left <= 0) break;
      await moving.all((matches === undefined ? messages : messages.filter(matches)).slice(0, left));
    }
  } else if (matches === undefined) {
    await moving.oneByOne(state, most);
  } else {
    throw new UnsupportedError(
      `cannot move the ${state} messages of a type or reason: ${source.driver.system} shows the first only; move all of them, or name their ids`,
    );
  }
  return moving.result;
}

/** One call of `move`. */
class Moving {
  readonly #source: OperatedQueue;
  readonly #target: OperatedQueue;
  /** Whether a body means the same in both queues. */
  readonly #sameBodies: boolean;
  #moved = 0;
  #duplicated = 0;

  constructor(source: OperatedQueue, target: OperatedQueue) {
    this.#source = source;
    this.#target = target;
    this.#sameBodies = source.codec === target.codec && (!source.codec.dataOnly || source.type === target.type);
  }

  get result(): MoveResult {
    return { moved: this.#moved, duplicated: this.#duplicated };
  }

  get total(): number {
    return this.#moved + this.#duplicated;
  }

  async byId(ids: readonly string[]): Promise<void> {
    if (this.#isAtomic) return this.#moveWithin(ids);
    // One that is named twice must not be stored twice.
    const distinct = [...new Set(ids)];
    for (let start = 0; start < distinct.length; start += PAGE_SIZE) {
      const { driver, name } = this.#source;
      const page = distinct.slice(start, start + PAGE_SIZE);
      const messages = await Promise.all(page.map((id) => driver.find(name, id)));
      await this.all(messages.filter(isMovable));
    }
  }

  async all(messages: readonly StoredMessage[]): Promise<void> {
    if (messages.length === 0) return;
    if (this.#isAtomic) return this.#moveWithin(messages.map(({ jobId }) => jobId));
    await this.#copy(messages);
    await this.#remove(messages);
  }

  /** Where only the first message of a state is shown: as many as there were at the beginning. */
  async oneByOne(state: MovedState, most: number): Promise<void> {
    const { driver, name } = this.#source;
    const [counts] = await driver.stats([name]);
    const copied = new Set<string>();
    for (let left = Math.min(most, counts?.[state] ?? 0); left > 0; left--) {
      const [message] = (await driver.list(name, { state, limit: 1 })).messages;
      if (message === undefined) return;
      if (copied.has(message.jobId)) {
        // It was taken when it should have been removed, and has come back.
        this.#duplicated--;
        await this.#remove([message]);
        continue;
      }
      copied.add(message.jobId);
      await this.all([message]);
    }
  }

  get #isAtomic(): boolean {
    return this.#sameBodies && this.#source.driver === this.#target.driver && this.#source.driver.move !== undefined;
  }

  async #moveWithin(ids: readonly string[]): Promise<void> {
    const { driver, name } = this.#source;
    this.#moved += (await driver.move?.(name, this.#target.name, ids)) ?? 0;
  }

  async #copy(messages: readonly StoredMessage[]): Promise<void> {
    const now = Date.now();
    const items = messages.map((message) => this.#itemOf(message, now));
    try {
      await this.#target.driver.put(items);
    } catch (error) {
      if (isA(EngineError, error) && error.storedIds) {
        const { storedIds } = error;
        await this.#remove(messages.filter((_, index) => storedIds[index] !== undefined));
      }
      throw error;
    }
  }

  /** Removes what is stored there now. */
  async #remove(messages: readonly StoredMessage[]): Promise<void> {
    const { driver, name } = this.#source;
    const ids = messages.map(({ jobId }) => jobId);
    const removed = await driver.delete(name, ids);
    this.#moved += removed;
    this.#duplicated += ids.length - removed;
  }

  #itemOf(message: StoredMessage, now: number): PutItem {
    const { defaults } = this.#target.publisher.parts;
    const { state, priority = defaults.priority, ttrMs = defaults.ttrMs, dueAt } = message;
    const delayMs = state === 'delayed' && dueAt !== undefined ? dueAt.getTime() - now : 0;
    const options: PutOptions = {
      priority,
      delayMs: Math.min(Math.max(delayMs, 0), MAX_DURATION_MS),
      ttrMs: Math.max(ttrMs, MIN_TTR_MS),
    };
    return { queue: this.#target.name, body: this.#bodyOf(message), options };
  }

  #bodyOf({ jobId, body }: StoredMessage): Uint8Array {
    if (this.#sameBodies) return body;
    const { name, codec, type } = this.#source;
    const message = read(codec, body, { queue: name, jobId, type });
    const { publisher } = this.#target;
    publisher.checkType(message.type);
    publisher.checkHeaders(message.headers);
    return write(this.#target.codec, message);
  }
}

function isMovable(message: StoredMessage | null): message is StoredMessage {
  return message !== null && message.state !== 'reserved';
}
