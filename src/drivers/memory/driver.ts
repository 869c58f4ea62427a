import { checkConsume, checkDecimalId, checkLimit, checkMs, checkPut, checkPutMany } from '../../queue/checks.js';
import type {
  Capabilities,
  ConsumeOptions,
  Consumer,
  Driver,
  PeekState,
  PutItem,
  PutOptions,
  QueueStats,
  StoredMessage,
} from '../../queue/driver.js';
import { DriverClosedError, InvalidOptionError } from '../../queue/errors.js';
import { checkPrefix, checkPrefixedName, queuesBehind } from '../../queue/name.js';
import { maskUrl, preview } from '../../shared/text.js';
import { MemoryConsumer } from './consumer.js';
import { MemoryEngine } from './engine.js';
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
  readonly capabilities: Capabilities = { peekMany: true, failures: 'buried', shared: false };
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

  async put(queue: string, body: Uint8Array, options: PutOptions): Promise<string> {
    checkPut(body, options);
    const [id = ''] = this.#make(queue).put([{ body, options }], this.#engine.count(1));
    return this.#answer(id);
  }

  async putMany(queue: string, items: readonly PutItem[]): Promise<string[]> {
    checkPutMany(items);
    return this.#answer(this.#make(queue).put(items, this.#engine.count(items.length)));
  }

  async consume(queues: readonly string[], _slots: number, options: ConsumeOptions = {}): Promise<Consumer> {
    checkConsume(queues, options);
    const { order = 'fair' } = options;
    const named = new Map(queues.map((queue) => [this.#make(queue), queue]));
    const { eventLoop } = this.#engine;
    const consumer = new MemoryConsumer(named, order, eventLoop, () => this.#consumers.delete(consumer));
    this.#consumers.add(consumer);
    return consumer;
  }

  async peek(queue: string, state: PeekState, limit: number): Promise<StoredMessage[]> {
    const count = checkLimit(limit);
    return this.#answer(this.#find(queue)?.peek(state, count) ?? []);
  }

  async kick(queue: string, limit: number): Promise<number> {
    const count = checkLimit(limit);
    return this.#answer(this.#find(queue)?.kick(count) ?? 0);
  }

  async delete(queue: string, id: string): Promise<boolean> {
    checkDecimalId(id);
    return this.#answer(this.#find(queue)?.delete(id) ?? false);
  }

  async stats(queue: string): Promise<QueueStats | null> {
    return this.#answer(this.#find(queue)?.stats() ?? null);
  }

  async queues(): Promise<string[]> {
    this.#check();
    return this.#answer(queuesBehind(this.#prefix, this.#engine.names()));
  }

  async pause(queue: string, ms: number): Promise<void> {
    this.#make(queue).pause(checkMs('the pause', ms));
  }

  async flush(queue: string): Promise<number> {
    return this.#answer(this.#find(queue)?.flush() ?? 0);
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
    return this.#engine.find(checkPrefixedName(this.#prefix, queue));
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
