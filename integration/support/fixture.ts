import { Client } from '../../src/client/client.js';
import type { ClientOptions } from '../../src/client/options.js';
import { TcpProxy } from './proxy.js';
import { RawConnection } from './raw.js';
import { type ServerOptions, sharedServer, startServer, type TestServer } from './server.js';
import { uniqueTube } from './tubes.js';
import { until } from './until.js';

/** What the tests of one `describe` work with. Connections are closed and tubes emptied after each test. */
export class Fixture {
  #server: TestServer | undefined;
  readonly #clients = new Set<Client>();
  readonly #raw = new Set<RawConnection>();
  readonly #proxies = new Set<TcpProxy>();
  readonly #tubes = new Set<string>();

  get server(): TestServer {
    if (this.#server === undefined) throw new Error('the server is there once the tests run');
    return this.#server;
  }

  set server(server: TestServer) {
    this.#server = server;
  }

  /** A client as it comes: it uses and watches `default`. Through a proxy where `options` have its URL. */
  async connect(options: ClientOptions = {}): Promise<Client> {
    const client = await Client.connect({ url: this.server.url, ...options });
    this.#clients.add(client);
    return client;
  }

  /** A client that uses and watches only `tube`. */
  async connectTo(tube: string, options: ClientOptions = {}): Promise<Client> {
    const client = await this.connect(options);
    await Promise.all([client.use(tube), client.watch(tube), client.ignore('default')]);
    return client;
  }

  async connectRaw(): Promise<RawConnection> {
    const connection = await RawConnection.open(this.server);
    this.#raw.add(connection);
    return connection;
  }

  /** A proxy in front of the server. */
  async proxy(): Promise<TcpProxy> {
    const proxy = await TcpProxy.start(this.server);
    this.#proxies.add(proxy);
    return proxy;
  }

  /** The name of a tube that nobody else has. */
  tube(): string {
    const tube = uniqueTube();
    this.#tubes.add(tube);
    return tube;
  }

  async closeConnections(): Promise<void> {
    for (const connection of [...this.#clients, ...this.#raw]) connection.destroy();
    await Promise.all([...this.#proxies].map((proxy) => proxy.close()));
    this.#clients.clear();
    this.#raw.clear();
    this.#proxies.clear();
  }

  /** For a server that nobody else uses. */
  async stopServer(): Promise<void> {
    await this.#server?.stop();
    this.#server = undefined;
    this.#tubes.clear();
  }

  /** For a server that others use too: waits until the tubes are gone, having deleted what is in them. */
  async removeTubes(): Promise<void> {
    if (this.#tubes.size === 0) return;
    await using client = await Client.connect(this.server.url);
    for (const tube of this.#tubes) {
      await until(`tube ${tube} is gone`, async () => {
        await deleteJobs(client, tube);
        return (await client.statsTube(tube)) === null;
      });
    }
    this.#tubes.clear();
  }
}

/** The server that all tests of the process share. */
export function onSharedServer(): Fixture {
  const fixture = new Fixture();
  before(async () => {
    fixture.server = await sharedServer();
  });
  afterEach(async () => {
    await fixture.closeConnections();
    await fixture.removeTubes();
  });
  return fixture;
}

/** A server for each test alone, which may be killed, paused and drained. */
export function onOwnServer(options: ServerOptions = {}): Fixture {
  const fixture = new Fixture();
  beforeEach(async () => {
    fixture.server = await startServer({ control: true, ...options });
  });
  afterEach(async () => {
    await fixture.closeConnections();
    await fixture.stopServer();
  });
  return fixture;
}

async function deleteJobs(client: Client, tube: string): Promise<void> {
  await client.use(tube);
  for (const look of [() => client.peekReady(), () => client.peekDelayed(), () => client.peekBuried()]) {
    for (let job = await look(); job !== null; job = await look()) await client.delete(job.id);
  }
  await client.use('default');
}
