// The other process of the tests in processes.ts: opens the engine with the module it is given, and does what it is told.
import { type CheckedDriver, checkedDriver } from '../../queue/checked-driver.js';
import type { Consumer, Driver } from '../../queue/driver.js';
import { drainUntilClosed } from './drain-loop.js';
import type { Answer, Command } from './other-process.js';

/** Each message is held for a while, so that both processes come to take some. */
const HANDLING_MS = 3;

const open = await load(process.argv[2] ?? '');
const handled: string[] = [];
let drained: Consumer | undefined;
let draining = Promise.resolve();
let driver: CheckedDriver | undefined;

process.on('message', (command: Command) => {
  void obey(command).then(answer, (error: unknown) => answer({ error: errorText(error) }));
});
// Where the first process has done with this one, or is gone.
process.on('disconnect', () => void driver?.close());
answer({});

async function load(module: string): Promise<() => Promise<Driver>> {
  const { default: found } = (await import(module)) as { default?: unknown };
  if (typeof found === 'function') return found as () => Promise<Driver>;
  throw new Error(`the default export of ${module} must be a function that opens the engine, and is ${typeof found}`);
}

async function obey(command: Command): Promise<Answer> {
  driver ??= checkedDriver(await open());
  switch (command.do) {
    case 'put': {
      const options = { priority: 1024, delayMs: 0, ttrMs: 120_000 };
      const { stored } = await driver.put([{ queue: command.queue, body: Buffer.from(command.body), options }]);
      return { jobId: stored[0]?.jobId };
    }
    case 'hold': {
      const [held] = await (await driver.consume([command.queue])).reserve();
      return { jobId: held?.jobId, attempt: held?.attempt };
    }
    case 'drain':
      return drain(driver, command.queue);
    case 'handled':
      await drained?.close();
      await draining;
      return { handled };
    case 'close': {
      // What is unfinished must not keep the process alive either.
      const waiting = (await driver.consume([command.queue])).reserve();
      await driver.close();
      await waiting;
      // Then nothing but an open handle of the driver could.
      setImmediate(() => process.disconnect());
      return {};
    }
  }
}

/** Answers when the first message has come. */
async function drain(driver: Driver, queue: string): Promise<Answer> {
  const consumer = await driver.consume([queue]);
  drained = consumer;
  await new Promise<void>((begun, failed) => {
    draining = drainUntilClosed(consumer, async (body) => {
      begun();
      handled.push(body);
      await new Promise((resolve) => setTimeout(resolve, HANDLING_MS));
    });
    draining.catch(failed);
  });
  return {};
}

function answer(message: Answer): void {
  process.send?.(message);
}

function errorText(error: unknown): string {
  return (error instanceof Error && error.stack) || String(error);
}
