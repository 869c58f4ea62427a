import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import {
  type ContainerRuntimeClient,
  GenericContainer,
  getContainerRuntimeClient,
  ImageName,
  type StartedTestContainer,
  Wait,
} from 'testcontainers';
import { freePort, waitUntilAnswers, waitUntilRefused } from './network.js';
import type { TestServer } from './server.js';

const SERVER_PORT = 11300;
/** Made by the Dockerfile. It lies in the container's own file system, which a restart keeps. */
const BINLOG_DIRECTORY = '/var/lib/haricot-binlog';

/** A beanstalkd in a container. */
export async function startContainerServer(flags: readonly string[], binlog: boolean): Promise<TestServer> {
  const command = binlog ? [...flags, '-b', BINLOG_DIRECTORY] : [...flags];
  const image = await beanstalkdImage();
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const definition = new BeanstalkdContainer(image)
      // A port that the engine chose would be another one after a restart.
      .withExposedPorts({ container: SERVER_PORT, host: port })
      .withCommand(command)
      // We wait ourselves: Testcontainers would go on for a minute after the server has ended.
      .withWaitStrategy(Wait.forAll([]));
    try {
      const started = await definition.start();
      return await managed(started, port);
    } catch (error) {
      await definition.discard();
      // Somebody may take the port between our look and the engine's.
      if (attempt === 5 || !/in use|already allocated/i.test(String(error))) throw error;
    }
  }
}

let image: Promise<string> | undefined;

/** Builds the image once for each version of its Dockerfile, and answers its name. */
export function beanstalkdImage(): Promise<string> {
  image ??= buildImage();
  return image;
}

async function buildImage(): Promise<string> {
  const context = fileURLToPath(new URL('..', import.meta.url));
  const version = createHash('sha256')
    .update(await readFile(`${context}/Dockerfile`))
    .digest('hex')
    .slice(0, 12);
  const name = `haricot-beanstalkd:${version}`;
  const engine = await getContainerRuntimeClient();
  if (await engine.image.exists(ImageName.fromString(name))) return name;
  try {
    await GenericContainer.fromDockerfile(context).build(name, { deleteOnExit: false });
  } catch (cause) {
    throw new Error('integration/Dockerfile could not be built; DEBUG=testcontainers* shows why.', { cause });
  }
  return name;
}

class BeanstalkdContainer extends GenericContainer {
  #id: string | undefined;

  // Known this early so that a container which was created but did not start can be removed too.
  protected override async containerCreated(id: string): Promise<void> {
    this.#id = id;
  }

  async discard(): Promise<void> {
    if (this.#id !== undefined) await remove(this.#id);
  }
}

async function managed(started: StartedTestContainer, port: number): Promise<TestServer> {
  const engine = await getContainerRuntimeClient();
  const container = engine.container.getById(started.getId());
  const host = started.getHost() === 'localhost' ? '127.0.0.1' : started.getHost();
  const checkAlive = async () => {
    const { State } = await container.inspect();
    if (!State.Running) throw new Error(`beanstalkd ended in its container: ${await text(await started.logs())}`);
  };
  await waitUntilAnswers(host, port, checkAlive);

  const kill = async () => {
    await killContainer(container);
    await waitUntilRefused(host, port);
  };
  // Sent from inside: the engine would signal tini, and a stopped tini does not stop the server.
  const signal = async (name: string) => {
    const { exitCode, output } = await started.exec(['sh', '-c', `kill -${name} $(pidof beanstalkd)`]);
    if (exitCode !== 0) throw new Error(`could not send SIG${name} to beanstalkd in its container: ${output}`);
  };
  return {
    url: `beanstalkd://${host}:${port}`,
    host,
    port,
    source: 'container',
    kill,
    restart: async () => {
      await kill();
      await container.start();
      await waitUntilAnswers(host, port, checkAlive);
    },
    pause: () => signal('STOP'),
    resume: () => signal('CONT'),
    drain: () => signal('USR1'),
    stop: () => remove(started.getId()),
  };
}

async function remove(id: string): Promise<void> {
  const engine = await getContainerRuntimeClient();
  const container = engine.container.getById(id);
  // Removing a running container may first wait for a polite end, which a paused server cannot make.
  await killContainer(container);
  await container.remove({ force: true, v: true });
}

type Container = ReturnType<ContainerRuntimeClient['container']['getById']>;

async function killContainer(container: Container): Promise<void> {
  const isRunning = async () => (await container.inspect()).State.Running;
  if (!(await isRunning())) return;
  await container.kill({ signal: 'SIGKILL' }).catch(async (error) => {
    // It may have ended by itself in the meantime.
    if (await isRunning()) throw error;
  });
  await container.wait();
}
