import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import type { Duration } from '../queue/duration.js';
import { InvalidOptionError } from '../queue/errors.js';
import { Queue } from '../queue/queue.js';
import { SignalDispatcher } from '../signals/dispatcher.js';
import { Worker } from '../worker/worker.js';
import { type GlobalOptions, openEngine, parseBytes, parseCount, parseDuration, parseExitCode } from './options.js';
import { describeError, type Output } from './output.js';
import { reportSignals } from './report.js';

interface WorkCommandOptions {
  readonly slots: string;
  readonly concurrency?: number;
  readonly attempts?: number;
  readonly grace?: Duration;
  readonly maxMessages?: number;
  readonly timeLimit?: Duration;
  readonly memoryLimit?: number;
  readonly limitExitCode: number;
  readonly verbose?: boolean;
}

/** What a module of slots exports by default. */
type ConnectSlots = (signals: SignalDispatcher) => unknown;

export function addWork(program: Command, output: Output): void {
  program
    .command('work')
    .summary('run a worker')
    .description(
      'Takes messages from the queues and hands them to the slots that the module connects. ' +
        'SIGTERM or SIGINT lets running slots finish; a second one stops them at once and releases their messages.',
    )
    .argument('<queue...>', 'one queue, or several')
    .requiredOption('--slots <module>', 'a module whose default export is (signals) => void and connects the slots')
    .option('--concurrency <n>', 'how many messages are worked on at once; 1 unless given', parseCount)
    .option('--attempts <n>', 'how often a message is tried before it is buried; 5 unless given', parseCount)
    .option(
      '--grace <time>',
      'how long running slots may go on after the first signal; 10s unless given',
      parseDuration,
    )
    .option('--max-messages <n>', 'stop after so many messages', parseCount)
    .option('--time-limit <time>', 'stop after so long: 1h', parseDuration)
    .option('--memory-limit <bytes>', 'stop when the process is larger: 256M', parseBytes)
    .option('--limit-exit-code <n>', 'exit code when a limit has stopped the worker', parseExitCode, 0)
    .option('--verbose', 'a line for each message that is finished, too')
    .addHelpText('after', '\nExample:\n  haricot work mail --slots ./slots.js --concurrency 10\n')
    .action(async (names: string[], options: WorkCommandOptions) => {
      const global = program.opts<GlobalOptions>();
      const connectSlots = await loadSlots(options.slots);
      const driver = await openEngine(global);
      const signals = new SignalDispatcher();
      try {
        const queues = names.map((name) => new Queue(driver, name));
        reportSignals(signals, output, { json: global.json === true, verbose: options.verbose === true });
        await connectSlots(signals);
        if (!signals.hasSlots) {
          throw new InvalidOptionError(`${options.slots} connects no slot: every message would be buried as unhandled`);
        }
        const { slots: _, limitExitCode, verbose: __, ...workerOptions } = options;
        const reason = await runUntilStopped(new Worker(queues, signals, workerOptions), signals);
        if (reason.endsWith('Limit') || reason === 'maxMessages') process.exitCode = limitExitCode;
      } finally {
        await driver.close();
      }
    });
}

/** @returns why the worker stopped */
async function runUntilStopped(worker: Worker, signals: SignalDispatcher): Promise<string> {
  let reason = '';
  signals.connect('workerStopping', (event) => {
    reason = event.reason;
  });
  let asked = false;
  const onSignal = (): void => {
    void worker.stop(asked ? { grace: 0 } : {});
    asked = true;
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  try {
    await worker.run();
  } finally {
    process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
  }
  return reason;
}

async function loadSlots(path: string): Promise<ConnectSlots> {
  let module: { default?: unknown };
  try {
    module = await import(pathToFileURL(resolve(path)).href);
  } catch (cause) {
    const hint = /\.[cm]?tsx?$/.test(path) ? ' (TypeScript needs compiling first, or a loader: node --import tsx)' : '';
    throw new InvalidOptionError(`the slots module ${path} cannot be loaded: ${describeError(cause)}${hint}`, {
      cause,
    });
  }
  if (typeof module.default === 'function') return module.default as ConnectSlots;
  throw new InvalidOptionError(
    `the default export of ${path} must be a function (signals) => void, it is ${module.default === undefined ? 'missing' : typeof module.default}`,
  );
}
