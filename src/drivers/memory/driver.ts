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
import { checkQueueName } from '../../queue/name.js';
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
export function openMemory(url: string, { prefix }: { readonly prefix: string }): Driver {
  const [, name] = /^memory:(?:\/\/)?([\w.-]*)$/i.exec(url) ?? [];
  if (name === undefined) {
    throw new InvalidOptionError(
      `the memory engine is "memory:" or "memory:name", a name being of A-Z a-z 0-9 _ . -, got ${JSON.stringify(url)}`,
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
    const [id = ''] = this.#make(queue).put([{ body, options }], this.#engine.count(1));
    return id;
  }

  async putMany(queue: string, items: readonly PutItem[]): Promise<string[]> {
    return this.#make(queue).put(items, this.#engine.count(items.length));
  }

  async consume(queues: readonly string[], _slots: number, { order = 'fair' }: ConsumeOptions = {}): Promise<Consumer> {
    const named = new Map(queues.map((queue) => [this.#make(queue), queue]));
    const consumer = new MemoryConsumer(named, order, () => this.#consumers.delete(consumer));
    this.#consumers.add(consumer);
    return consumer;
  }

  async peek(queue: string, state: PeekState, limit: number): Promise<StoredMessage[]> {
    return this.#find(queue)?.peek(state, limit) ?? [];
  }

  async kick(queue: string, limit: number): Promise<number> {
    return this.#find(queue)?.kick(limit) ?? 0;
  }

  async delete(queue: string, id: string): Promise<boolean> {
    return this.#find(queue)?.delete(id) ?? false;
  }

  async stats(queue: string): Promise<QueueStats | null> {
    return this.#find(queue)?.stats() ?? null;
  }

  async queues(): Promise<string[]> {
    this.#check();
    return this.#engine
      .names()
      .filter((name) => name.startsWith(this.#prefix))
      .map((name) => name.slice(this.#prefix.length));
  }

  async pause(queue: string, ms: number): Promise<void> {
    this.#make(queue).pause(ms);
  }

  async flush(queue: string): Promise<number> {
    return this.#find(queue)?.flush() ?? 0;
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
    return this.#engine.find(this.#prefix + checkQueueName(queue));
  }

  #make(queue: string): MemoryQueue {
    return this.#find(queue) ?? this.#engine.queue(this.#prefix + queue);
  }

  #check(): void {
    if (this.#isClosed) throw new DriverClosedError('the driver is closed');
  }
}
