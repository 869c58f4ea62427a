import type { MessageState } from '../../src/queue/capabilities.js';
import type {
  Consumer,
  Driver,
  PutItem,
  PutOptions,
  QueueStats,
  ReserveOptions,
  StoredMessage,
} from '../../src/queue/driver.js';
import { Reservation } from '../../src/queue/reservation.js';

/** The calls of a driver for one queue, and mostly for one message. */
export class OneByOneDriver {
  readonly driver: Driver;

  constructor(driver: Driver) {
    this.driver = driver;
  }

  setUp(queue: string): Promise<void> {
    return this.driver.setUp(queue);
  }

  /** @returns its id */
  async put(queue: string, body: Uint8Array, options: PutOptions): Promise<string> {
    const [id] = await this.putMany(queue, [{ body, options }]);
    return id as string;
  }

  /** @returns their ids */
  async putMany(queue: string, items: readonly Omit<PutItem, 'queue'>[]): Promise<string[]> {
    const { stored } = await this.driver.put(items.map((item) => ({ queue, ...item })));
    return stored.map(({ jobId }) => jobId);
  }

  async consume(queues: readonly string[]): Promise<OneByOneConsumer> {
    return new OneByOneConsumer(await this.driver.consume(queues));
  }

  async list(queue: string, state: MessageState, limit: number): Promise<readonly StoredMessage[]> {
    return (await this.driver.list(queue, { state, limit })).messages;
  }

  retry(queue: string, limit: number): Promise<number> {
    return this.driver.retry(queue, { limit });
  }

  promote(queue: string, limit: number): Promise<number> {
    return this.driver.promote(queue, { limit });
  }

  async delete(queue: string, id: string): Promise<boolean> {
    return (await this.driver.delete(queue, [id])) === 1;
  }

  async stats(queue: string): Promise<QueueStats | null> {
    return (await this.driver.stats([queue]))[0] ?? null;
  }

  flush(queue: string): Promise<number> {
    return this.driver.flush(queue, ['ready', 'delayed', 'buried']);
  }

  queues(): Promise<string[]> {
    return this.driver.queues();
  }

  pause(queue: string, ms: number): Promise<void> {
    return this.driver.pause(queue, ms);
  }

  close(): Promise<void> {
    return this.driver.close();
  }
}

/** A consumer that takes one message at a time. */
export class OneByOneConsumer {
  readonly consumer: Consumer;

  constructor(consumer: Consumer) {
    this.consumer = consumer;
  }

  async reserve(options?: ReserveOptions): Promise<Reservation | null> {
    const [message] = await this.consumer.reserve(options);
    return message === undefined ? null : new Reservation(this.consumer, message);
  }

  close(): Promise<void> {
    return this.consumer.close();
  }
}
