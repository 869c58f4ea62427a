import { type Command, Option } from 'commander';
import { checkQueueName } from '../queue/name.js';
import { Queue } from '../queue/queue.js';
import type { SignalDispatcher } from '../signals/dispatcher.js';
import type { WorkerOptions } from '../worker/options.js';
import { Worker } from '../worker/worker.js';
import { onNewEngine } from './engine.js';
import type { GlobalOptions } from './global-options.js';
import { connectSlots, loadSlots } from './load-slots.js';
import { parseBackoff, parseBytes, parseCount, parseDuration, parseExitCode } from './options.js';
import type { Output } from './output.js';
import { reportSignals } from './report.js';
import { statusOf } from './status.js';

interface WorkCommandOptions extends GlobalOptions {
  readonly slots: string;
  readonly limitExitCode: number;
  readonly verbose?: boolean;
}

export function defineWork(command: Command, output: Output): void {
  command
    .description(
      'Takes messages from the queues and hands them to the slots that the module connects. ' +
        'SIGTERM or SIGINT (Ctrl+C) lets running slots finish; a second one stops them at once and releases their messages.',
    )
    .argument('<queue...>', 'one queue, or several')
    .requiredOption(
      '--slots <module>',
      'what connects the slots: a file, or what a package exports (my-app/slots); its default export is (signals) => void',
    );
  addDelivery(command);
  addLimits(command);
  command
    .option('--verbose', 'a line for each message that is finished, too')
    .addHelpText('after', HELP)
    .action(async (names: string[]) => {
      const {
        url,
        json = false,
        slots,
        limitExitCode,
        verbose = false,
        ...workerOptions
      } = command.optsWithGlobals<WorkCommandOptions & WorkerOptions>();
      for (const name of names) checkQueueName(name);
      const connect = await loadSlots(slots);
      await onNewEngine({ json, ...(url !== undefined && { url }) }, output, async (driver) => {
        const { signals, show } = statusOf(output, json);
        const queues = names.map((name) => new Queue(driver, name));
        reportSignals(signals, output, { json, verbose });
        await connectSlots(connect, slots, signals);
        const worker = new Worker(queues, signals, workerOptions);
        const endStatus = show();
        const reason = await runUntilStopped(worker, signals).finally(endStatus);
        if (reason.endsWith('Limit') || reason === 'maxMessages') process.exitCode = limitExitCode;
      });
    });
}

const HELP = `
Examples:
  haricot work mail --slots ./slots.js --concurrency 10
  haricot work urgent mail --order strict --slots my-app/slots --time-limit 1h

A slots module:
  import { defineMessage } from 'haricot';
  const SendMail = defineMessage('mail.send');
  export default (signals) => {
    signals.connect(SendMail, async (message) => console.log(message.data.to));
  };`;

/** Defaults are the worker's own, so that both always agree; the texts tell them. */
function addDelivery(command: Command): void {
  command
    .option('--concurrency <n>', 'how many messages are worked on at once (default: 1)', parseCount)
    .addOption(
      new Option('--order <order>', 'of several queues: they take turns, or one that is named earlier goes first')
        .choices(['fair', 'strict'])
        .default('fair'),
    )
    .option('--attempts <n>', 'how often a message is tried before it is buried (default: 5)', parseCount)
    .option('--no-track-attempts', 'do not ask the engine how often a message was delivered: faster on beanstalkd')
    .option(
      '--backoff <time>',
      'how long a failed message waits: 30s, or 1s..5m for growing delays (default: 1s..5m)',
      parseBackoff,
    )
    .option('--slot-timeout <time>', 'count slots that take longer as failed (default: never)', parseDuration)
    .addOption(
      new Option('--unhandled <what>', 'what becomes of messages for which no slot is connected')
        .choices(['bury', 'release', 'ignore'])
        .default('bury'),
    )
    .option('--grace <time>', 'how long running slots may go on when the worker stops (default: 10s)', parseDuration);
}

function addLimits(command: Command): void {
  command
    .option('--max-messages <n>', 'stop after so many messages', parseCount)
    .option('--time-limit <time>', 'stop after so long: 1h', parseDuration)
    .option('--memory-limit <bytes>', 'stop when the process is larger: 256M', parseBytes)
    .option('--failure-limit <n>', 'stop after so many messages that were buried', parseCount)
    .option('--limit-exit-code <n>', 'exit code when a limit has stopped the worker', parseExitCode, 0);
}

/** @returns why the worker stopped */
async function runUntilStopped(worker: Worker, signals: SignalDispatcher): Promise<string> {
  let reason = '';
  signals.connect('workerStopping', (event) => {
    reason = event.reason;
  });
  let asked = false;
  const onSignal = (): void => {
    // Where it fails, so does `run`.
    worker.stop(asked ? { grace: 0 } : {}).catch(() => {});
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
