import { type Command, Option } from 'commander';
import { checkQueueName } from '../queue/name.js';
import { onAbort } from '../shared/abort.js';
import { SignalDispatcher } from '../signals/dispatcher.js';
import type { StopReason } from '../signals/signals.js';
import { settingsOf, type WorkerOptions } from '../worker/options.js';
import { Worker } from '../worker/worker.js';
import { onNewEngine } from './engine.js';
import { EXIT } from './errors.js';
import {
  addCodec,
  type CodecOptions,
  type GlobalOptions,
  parseBackoff,
  parseBytes,
  parseCount,
  parseDuration,
  parseExitCode,
  queueOptionsOf,
} from './options.js';
import type { Output } from './output/output.js';
import { connectSlots, endSlots, loadSlots, SlotQueues, type SlotsModule } from './slots-module.js';
import { StoppedError, StopSignals, unlessStopped } from './stop-signals.js';
import { logSignals } from './work/log.js';
import { PauseWatch } from './work/pause-watch.js';
import { statusOf } from './work/status.js';

interface WorkCommandOptions extends GlobalOptions, CodecOptions {
  readonly slots: string;
  readonly limitExitCode: number;
  readonly verbose?: boolean;
}

/** The limits after which `--limit-exit-code` is returned; the end of `--until-empty` is no failure. */
const LIMITS: readonly StopReason[] = ['maxMessages', 'timeLimit', 'memoryLimit', 'failureLimit'];

export function defineWork(command: Command, output: Output): void {
  command
    .description(
      'Takes messages from the queues and hands them to the slots that the module connects. ' +
        'SIGINT (Ctrl+C), SIGTERM, SIGHUP or SIGQUIT lets running slots finish; a second one, a second or more later, ' +
        'stops them at once and releases their messages.',
    )
    .argument('<queue...>', 'one queue, or several')
    .requiredOption('--slots <module>', 'what connects the slots: a file, or what a package exports (my-app/slots)');
  addDelivery(command);
  addLimits(command);
  addCodec(command, 'the type of all messages, where the codec is json or raw');
  command
    .option('--verbose', 'log each message that is started or finished as well')
    .addHelpText('after', HELP)
    .action(async (names: string[]) => {
      const {
        url,
        json = false,
        slots,
        limitExitCode,
        verbose = false,
        codec,
        type,
        ...workerOptions
      } = command.optsWithGlobals<WorkCommandOptions & WorkerOptions>();
      for (const name of names) checkQueueName(name);
      const { graceMs } = settingsOf(workerOptions);
      const queueOptions = queueOptionsOf({
        ...(codec !== undefined && { codec }),
        ...(type !== undefined && { type }),
      });
      await untilStopped(async (stop) => {
        const module = await unlessStopped(stop.graceful, loadSlots(slots));
        await onNewEngine({ json, ...(url !== undefined && { url }) }, output, async (driver) => {
          const signals = new SignalDispatcher();
          const app = new SlotQueues(driver, module, signals, queueOptions);
          const queues = names.map((name) => app.queue(name));
          const logPause = logSignals(signals, output, { json, verbose, graceMs });
          const reason = await withSlots({ module, signals, app, graceMs, stop }, async () => {
            const worker = new Worker(queues, signals, workerOptions);
            const watch = new PauseWatch(driver, names, logPause);
            const { show, pauseLookMs } = statusOf(output, json);
            const ends = [
              show(
                () => worker.status(),
                () => watch.pauses,
              ),
              watch.start(pauseLookMs),
            ];
            return run(worker, signals, stop).finally(() => {
              for (const end of ends) end();
            });
          });
          if (LIMITS.includes(reason)) process.exitCode = limitExitCode;
        });
      });
    });
}

interface Slots {
  readonly module: SlotsModule;
  readonly signals: SignalDispatcher;
  readonly app: SlotQueues;
  readonly graceMs: number;
  readonly stop: StopSignals;
}

/** Connects the slots, runs `action`, and then, whatever came of it, lets the module close what it has opened. */
async function withSlots<T>({ module, signals, app, graceMs, stop }: Slots, action: () => Promise<T>): Promise<T> {
  const end = await unlessStopped(stop.graceful, connectSlots(module, signals, app));
  let result: T;
  try {
    result = await action();
  } catch (error) {
    // It is what is told: that the end failed as well is its consequence, most likely.
    if (end !== undefined) await endSlots(module, end, graceMs).catch(() => {});
    throw error;
  }
  if (end !== undefined) await endSlots(module, end, graceMs);
  return result;
}

const HELP = `
Examples:
  haricot work mail --slots ./slots.js --concurrency 10
  haricot work urgent mail --order strict --slots my-app/slots --time-limit 1h
  haricot work orders --slots ./slots.js --codec json --type order.placed

A slots module:
  import { defineMessage } from 'haricot';
  const SendMail = defineMessage('mail.send');
  export default (signals, app) => {
    const log = app.queue('log');   // to publish to; app.driver is the engine
    signals.connect(SendMail, async ({ data }) => console.log(data.to));
    return async () => {};          // called at the end
  };
  // Options of queues, as --codec and --type give them:
  export const queues = { orders: { codec: json, type: 'order.placed' } };`;

/** The defaults are the worker's own; the descriptions say them. */
function addDelivery(command: Command): void {
  command
    .option('--concurrency <n>', 'how many messages are worked on at once (default: 1)', parseCount)
    .addOption(
      new Option('--order <order>', 'of several queues: they take turns, or one named earlier comes first')
        .choices(['fair', 'strict'])
        .default('fair'),
    )
    .option('--attempts <n>', 'how often a message is delivered before it is buried (default: 5)', parseCount)
    .option('--no-track-attempts', 'do not ask the engine how often a message was delivered: faster on beanstalkd')
    .option(
      '--backoff <time>',
      'how long a failed message waits: 30s, or 1s..5m for growing delays (default: 1s..5m)',
      parseBackoff,
    )
    .option('--slot-timeout <time>', 'count slots that take longer as failed (default: never)', parseDuration)
    .addOption(
      new Option('--unhandled <what>', 'what to do with messages for whose type no slot is connected')
        .choices(['bury', 'release', 'ignore'])
        .default('bury'),
    )
    .option('--grace <time>', 'how long running slots may go on when the worker stops (default: 10s)', parseDuration);
}

function addLimits(command: Command): void {
  command
    .option('--max-messages <n>', 'stop after this number of messages', parseCount)
    .option('--time-limit <time>', 'stop after this time: 1h', parseDuration)
    .option('--memory-limit <size>', 'stop when the process is larger than this: 256MB', parseBytes)
    .option('--failure-limit <n>', 'stop after this number of buried messages', parseCount)
    .option('--limit-exit-code <n>', 'the exit code after one of these limits', parseExitCode, 0)
    .option('--until-empty', 'stop when no message is ready any more');
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
async function run(
  worker: Worker,
  signals: SignalDispatcher,
  { graceful, immediate }: StopSignals,
): Promise<StopReason> {
  // Between two steps of the preparation.
  if (graceful.aborted) throw new StoppedError('stopped before the worker ran');
  let reason: StopReason = 'stop';
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
