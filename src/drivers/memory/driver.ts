import type { Capabilities, MessageState } from '../../queue/capabilities.js';
import { checkDecimalId } from '../../queue/checks.js';
import type {
  ConsumeOptions,
  Consumer,
  Driver,
  ListOptions,
  MessagePage,
  PutItem,
  PutResult,
  QueueStats,
  RetrySelection,
  Selection,
  StoredMessage,
} from '../../queue/driver.js';
import { DriverClosedError, InvalidOptionError } from '../../queue/errors.js';
import { checkPrefix, checkPrefixedName, queuesBehind } from '../../queue/name.js';
import { keepBytes } from '../../shared/bytes.js';
import { maskUrl, preview } from '../../shared/text.js';
import { MemoryConsumer } from './consumer.js';
import { MemoryEngine } from './engine.js';
import { createMessage, type Message, renewMessage } from './message.js';
import type { MemoryQueue } from './queue.js';

/** The engines that have a name, while drivers use them. */
const engines = new Map<string, { readonly engine: MemoryEngine; users: number }>();

/**
 * Queues in the memory of this process: `memory:` is an engine for this driver alone, `memory:name` one for all drivers
 * that name it. It is gone, with its messages, when the last of its drivers is closed.
 *
 * A reserve that waits does not keep the process alive when nothing in it could ever end the wait: no timeout, no delay, no
 * lease, no pause is to end.
 * @throws InvalidOptionError
 */
export function openMemory(url: string, options: { readonly prefix: string }): Driver {
  const prefix = checkPrefix(options.prefix);
  const [, name] = /^memory:(?:\/\/)?([\w.-]*)$/i.exec(url) ?? [];
  if (name === undefined) {
    throw new InvalidOptionError(
      `the URL of a memory engine must be memory: or memory:name, a name of A-Z a-z 0-9 _ . -, with no option but prefix, got ${preview(maskUrl(url))}`,
    );
  }
  if (name === '') return new MemoryDriver(new MemoryEngine(), prefix, (engine) => engine.stop());
  const named = engines.get(name) ?? { engine: new MemoryEngine(), users: 0 };
  engines.set(name, named);
  named.users++;
  return new MemoryDriver(named.engine, prefix, (engine) => {
    if (--named.users > 0) return;
    engine.stop();
    engines.delete(name);
  });
}

class MemoryDriver implements Driver {
  readonly system = 'memory';
  readonly capabilities: Capabilities = {
    shared: false,
    transactions: false,
    returnsOnDisconnect: false,
    deduplication: 'none',
    groups: false,
    expiry: false,
  };
  readonly #engine: MemoryEngine;
  readonly #prefix: string;
  readonly #onClose: (engine: MemoryEngine) => void;
  readonly #consumers = new Set<MemoryConsumer>();
  #isClosed = false;

  constructor(engine: MemoryEngine, prefix: string, onClose: (engine: MemoryEngine) => void) {
    this.#engine = engine;
    this.#prefix = prefix;
    this.#onClose = onClose;
  }

  async setUp(queue: string): Promise<void> {
    this.#make(queue);
  }

  async put(items: readonly PutItem[]): Promise<PutResult> {
    const now = performance.now();
    const createdAt = Date.now();
    let age = this.#engine.count(items.length);
    const messages = new Map<MemoryQueue, Message[]>();
    const stored = items.map((item) => {
      const queue = this.#make(item.queue);
      const message = createMessage(item, age++, createdAt, now);
      const others = messages.get(queue);
      if (others === undefined) messages.set(queue, [message]);
      else others.push(message);
      return { jobId: message.id, isNew: true };
    });
    // Once all have been made: what throws leaves nothing behind.
    for (const [queue, its] of messages) queue.put(its, now);
    return this.#answer({ atomic: true, stored });
  }

  async consume(queues: readonly string[], { order = 'fair' }: ConsumeOptions = {}): Promise<Consumer> {
    const named = new Map(queues.map((queue) => [this.#make(queue), queue]));
    const { eventLoop } = this.#engine;
    const consumer = new MemoryConsumer(named, order, eventLoop, () => this.#consumers.delete(consumer));
    this.#consumers.add(consumer);
    return consumer;
  }

  async stats(queues: readonly string[]): Promise<readonly (QueueStats | null)[]> {
    return this.#answer(queues.map((queue) => this.#find(queue)?.stats() ?? null));
  }

  async list(queue: string, options: ListOptions): Promise<MessagePage> {
    return this.#answer(this.#find(queue)?.list(options, queue) ?? { messages: [] });
  }

  async find(queue: string, jobId: string): Promise<StoredMessage | null> {
    checkDecimalId(jobId);
    return this.#answer(this.#find(queue)?.find(jobId, queue) ?? null);
  }

  async retry(queue: string, selection: RetrySelection): Promise<number> {
    checkSelection(selection);
    const body = 'body' in selection ? keepBytes(selection.body) : undefined;
    return this.#answer(this.#find(queue)?.retry(selection, body) ?? 0);
  }

  async promote(queue: string, selection: Selection): Promise<number> {
    checkSelection(selection);
    return this.#answer(this.#find(queue)?.promote(selection) ?? 0);
  }

  async delete(queue: string, jobIds: readonly string[]): Promise<number> {
    jobIds.forEach(checkDecimalId);
    return this.#answer(this.#find(queue)?.delete(jobIds) ?? 0);
  }

  async flush(queue: string, states: readonly Exclude<MessageState, 'reserved'>[]): Promise<number> {
    return this.#answer(this.#find(queue)?.flush(states) ?? 0);
  }

  async move(queue: string, target: string, jobIds: readonly string[]): Promise<number> {
    jobIds.forEach(checkDecimalId);
    const to = this.#make(target);
    const moved = this.#find(queue)?.moveOut(jobIds) ?? [];
    const now = performance.now();
    const createdAt = Date.now();
    const age = this.#engine.count(moved.length);
    const messages = moved.map((message, index) => renewMessage(message, age + index, createdAt, now));
    to.put(messages, now);
    return this.#answer(moved.length);
  }

  async queues(): Promise<string[]> {
    this.#check();
    return this.#answer(queuesBehind(this.#prefix, this.#engine.names()));
  }

  async pause(queue: string, ms: number): Promise<void> {
    this.#make(queue).pause(ms);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // Before the first gives back what it holds: that is not for the others.
    for (const consumer of this.#consumers) consumer.stop();
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()));
    this.#onClose(this.#engine);
  }

  #find(queue: string): MemoryQueue | undefined {
    this.#check();
    const found = this.#engine.find(this.#prefix + queue);
    if (found === undefined) checkPrefixedName(this.#prefix, queue);
    return found;
  }

  #make(queue: string): MemoryQueue {
    return this.#find(queue) ?? this.#engine.queue(this.#prefix + queue);
  }

  /** At once, or when the event loop has turned where it has not for long. */
  #answer<T>(answer: T): T | Promise<T> {
    const turn = this.#engine.eventLoop.turnIfBlocked(performance.now());
    return turn === undefined ? answer : turn.then(() => answer);
  }

  #check(): void {
    if (this.#isClosed) throw new DriverClosedError('cannot use the driver: it is closed');
  }
}

function checkSelection(selection: Selection): void {
  if ('ids' in selection) selection.ids.forEach(checkDecimalId);
}
