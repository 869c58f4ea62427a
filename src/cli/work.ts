import { type Command, Option } from 'commander';
import { checkQueueName } from '../queue/name.js';
import { Queue } from '../queue/queue.js';
import { onAbort } from '../shared/abort.js';
import type { SignalDispatcher } from '../signals/dispatcher.js';
import { settingsOf, type WorkerOptions } from '../worker/options.js';
import { Worker } from '../worker/worker.js';
import { onNewEngine } from './engine.js';
import { EXIT } from './errors.js';
import type { GlobalOptions } from './global-options.js';
import { connectSlots, loadSlots } from './load-slots.js';
import { parseBackoff, parseBytes, parseCount, parseDuration, parseExitCode } from './options.js';
import type { Output } from './output.js';
import { PauseWatch } from './pause-watch.js';
import { reportSignals } from './report.js';
import { statusOf } from './status.js';
import { StoppedError, StopSignals, unlessStopped } from './stop-signals.js';

interface WorkCommandOptions extends GlobalOptions {
  readonly slots: string;
  readonly limitExitCode: number;
  readonly verbose?: boolean;
}

export function defineWork(command: Command, output: Output): void {
  command
    .description(
      'Takes messages from the queues and hands them to the slots that the module connects. ' +
        'SIGINT (Ctrl+C), SIGTERM, SIGHUP or SIGQUIT lets running slots finish; a second one, a second or more later, ' +
        'stops them at once and releases their messages.',
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
      const { graceMs } = settingsOf(workerOptions);
      await untilStopped(async (stop) => {
        const connect = await unlessStopped(stop.graceful, loadSlots(slots));
        await onNewEngine({ json, ...(url !== undefined && { url }) }, output, async (driver) => {
          const { signals, show, pauseLookMs } = statusOf(output, json);
          const queues = names.map((name) => new Queue(driver, name));
          const reportPause = reportSignals(signals, output, { json, verbose, graceMs });
          await unlessStopped(stop.graceful, connectSlots(connect, slots, signals));
          const worker = new Worker(queues, signals, workerOptions);
          const watch = new PauseWatch(queues, reportPause);
          const ends = [show(() => watch.pauses), watch.start(pauseLookMs)];
          const reason = await run(worker, signals, stop).finally(() => {
            for (const end of ends) end();
          });
          if (reason.endsWith('Limit') || reason === 'maxMessages') process.exitCode = limitExitCode;
        });
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
    .option('--memory-limit <size>', 'stop when the process is larger: 256MB', parseBytes)
    .option('--failure-limit <n>', 'stop after so many messages that were buried', parseCount)
    .option('--limit-exit-code <n>', 'exit code when a limit has stopped the worker', parseExitCode, 0);
}

/** Runs `action`, which a signal may end before its worker runs: then there is nothing to stop. */
async function untilStopped(action: (stop: StopSignals) => Promise<void>): Promise<void> {
  const stop = new StopSignals(() => process.exit(EXIT.failed));
  try {
    await action(stop);
  } catch (error) {
    if (!(error instanceof StoppedError)) throw error;
  } finally {
    stop.close();
  }
}

/** @returns why the worker stopped */
async function run(worker: Worker, signals: SignalDispatcher, { graceful, immediate }: StopSignals): Promise<string> {
  // Between two steps of the preparation.
  if (graceful.aborted) throw new StoppedError('stopped before the worker ran');
  let reason = '';
  signals.connect('workerStopping', (event) => {
    reason = event.reason;
  });
  // Where stopping fails, so does `run`.
  const removes = [
    onAbort(graceful, () => void worker.stop().catch(() => {})),
    onAbort(immediate, () => void worker.stop({ grace: 0 }).catch(() => {})),
  ];
  try {
    await worker.run();
  } finally {
    for (const remove of removes) remove();
  }
  return reason;
}
