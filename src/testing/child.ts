// The other process of the tests in processes.ts: opens the engine with the module it is given, and does what it is told.
import type { Consumer, Driver, Reservation } from '../queue/driver.js';
import { compete } from './competitor.js';
import type { Answer, Command } from './peer.js';

/** Each message is held for a while, so that both processes come to take some. */
const HANDLING_MS = 3;

const open = await load(process.argv[2] ?? '');
const handled: string[] = [];
let competitor: Consumer | undefined;
let competing = Promise.resolve();
let driver: Driver | undefined;

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
  driver ??= await open();
  switch (command.do) {
    case 'put': {
      const options = { priority: 1024, delayMs: 0, ttrMs: 120_000 };
      return { id: await driver.put(command.queue, Buffer.from(command.body), options) };
    }
    case 'hold': {
      const held = await (await driver.consume([command.queue], 1)).reserve();
      return { id: held?.id, attempt: held?.attempt };
    }
    case 'compete':
      return competeOn(driver, command.queue);
    case 'handled':
      await competitor?.close();
      await competing;
      return { handled };
    case 'close': {
      // What is unfinished must not keep the process alive either.
      const waiting: Promise<Reservation | null> = (await driver.consume([command.queue], 1)).reserve();
      await driver.close();
      await waiting;
      // Then nothing but an open handle of the driver could.
      setImmediate(() => process.disconnect());
      return {};
    }
  }
}

/** Answers when the first message has come. */
async function competeOn(driver: Driver, queue: string): Promise<Answer> {
  const consumer = await driver.consume([queue], 1);
  competitor = consumer;
  await new Promise<void>((begun, failed) => {
    competing = compete(consumer, async (body) => {
      begun();
      handled.push(body);
      await new Promise((resolve) => setTimeout(resolve, HANDLING_MS));
    });
    competing.catch(failed);
  });
  return {};
}

function answer(message: Answer): void {
  process.send?.(message);
}

function errorText(error: unknown): string {
  return (error instanceof Error && error.stack) || String(error);
}
