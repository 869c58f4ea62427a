import { Client } from '../../src/client/client.js';
import { openBeanstalkd } from '../../src/drivers/beanstalkd/driver.js';
import type { Driver } from '../../src/queue/driver.js';
import { Queue, type QueueOptions } from '../../src/queue/queue.js';
import { type Fixture, onOwnServer, onSharedServer } from './fixture.js';
import type { ServerOptions } from './server.js';
import { until } from './until.js';

/** Drivers and queues for the tests of one `describe`. Drivers are closed after each test. */
export class Queues {
  readonly #drivers = new Set<Driver>();
  #fixture: Fixture | undefined;

  get fixture(): Fixture {
    if (this.#fixture === undefined) throw new Error('the fixture is there once the tests run');
    return this.#fixture;
  }

  set fixture(fixture: Fixture) {
    this.#fixture = fixture;
  }

  /** A driver on the server. Not `openDriver`: what that imports late is loaded a second time by tsx under mocha. */
  open({ prefix = '', url = this.fixture.server.url }: { prefix?: string; url?: string } = {}): Driver {
    const driver = openBeanstalkd(url, { prefix });
    this.#drivers.add(driver);
    return driver;
  }

  /** The name of a queue that nobody else has. */
  name(): string {
    return this.fixture.tube();
  }

  /** A queue that nobody else has, on a driver of its own. */
  queue(options?: QueueOptions): Queue {
    return new Queue(this.open(), this.name(), options);
  }

  /** Waits until so many reserves wait for messages of a queue. */
  async untilWaited(name: string, count = 1): Promise<void> {
    await using client = await Client.connect(this.fixture.server.url);
    await until(`${count} reserves wait on ${name}`, async () => {
      return (await client.statsTube(name))?.currentWaiting === count;
    });
  }

  /** Closes the drivers. What they hold goes back to its queue. */
  async close(): Promise<void> {
    await Promise.all([...this.#drivers].map((driver) => driver.close()));
    this.#drivers.clear();
  }
}

/** Queues on the server that all tests of the process share. */
export function onSharedQueues(): Queues {
  const queues = new Queues();
  afterEach(() => queues.close());
  queues.fixture = onSharedServer();
  return queues;
}

/** Queues on a server for each test alone, which may be killed, paused and restarted. */
export function onOwnQueues(options?: ServerOptions): Queues {
  const queues = new Queues();
  afterEach(() => queues.close());
  queues.fixture = onOwnServer(options);
  return queues;
}
