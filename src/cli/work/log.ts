import type { Message } from '../../queue/message.js';
import { escapeText, truncate } from '../../shared/text.js';
import type { SignalDispatcher } from '../../signals/dispatcher.js';
import type { ObserverSignal, SignalEvents, StopReason } from '../../signals/signals.js';
import { painter } from '../output/colour.js';
import { type Output, printStyled } from '../output/output.js';
import { describeError, formatDate, formatDuration, formatTime, oneLine } from '../output/text.js';

/** Longest type of a message that a line shows: whoever publishes can make it as long as a body. */
const TYPE_WIDTH = 100;
/** The same for a record. */
const MAX_TYPE = 1000;

export interface LogOptions {
  readonly json: boolean;
  readonly verbose: boolean;
  /** How long running slots may go on when the worker stops. */
  readonly graceMs: number;
}

/** Logs that a queue is paused, or with `null` that it is not paused any more. */
export type LogPause = (queue: string, until: Date | null) => void;

/** The worker's log: a line for each thing that happens to it or to a message. Data never appears. */
export function logSignals(
  signals: SignalDispatcher,
  output: Output,
  { json, verbose, graceMs }: LogOptions,
): LogPause {
  const paint = painter(output.stdout);
  const write = (line: string, record: object): void => {
    const time = new Date();
    const text = `${paint('dim', formatTime(time))} ${line}`;
    printStyled(output, json, text, { time, ...record });
  };
  const log = <K extends ObserverSignal>(signal: K, line: (event: SignalEvents[K]) => string): void => {
    signals.connect(signal, (event) => write(line(event), { signal, ...recordOf(event) }));
  };
  const errors = new RepeatedErrors((error, repeats) => {
    const again = repeats === 0 ? '' : ` (${repeats} more times)`;
    const record = { signal: 'workerError', error, ...(repeats > 0 && { repeats }) };
    write(paint('red', `error: ${error}${again}`), record);
  });
  signals.connect('workerError', ({ error }) => errors.add(describeError(error)));
  // What was held back comes before what ends it.
  for (const signal of ['workerRecovered', 'workerStopping', 'workerStopped'] as const) {
    signals.connect(signal, () => errors.flush());
  }
  log('workerStarted', ({ queues, concurrency }) => `working on ${listed(queues)}, ${concurrency} at once`);
  log('workerStopping', ({ reason }) => `stopping (${reason}): ${atStop(reason, graceMs)}`);
  log('workerStopped', ({ finished, failed }) => `stopped: ${finished} finished, ${failed} buried`);
  log('workerRecovered', ({ downMs }) => {
    return paint('green', `the engine answers again, after ${formatDuration(downMs)}`);
  });
  log('messageReleased', (event) => {
    const notCounted = event.counted ? '' : ', not counted as an attempt';
    return `${name(event)} ${paint('yellow', 'failed')}: ${describeError(event.error)}; next try ${soon(event.delayMs)}${notCounted}`;
  });
  log('messageFailed', (event) => {
    return `${name(event)} ${paint('red', 'BURIED')} (${event.reason}): ${describeError(event.error)}`;
  });
  log('leaseLost', (event) => {
    return `${name(event)} ${paint('yellow', 'lost its lease')}; it will be delivered again`;
  });
  if (verbose) {
    log('messageStarted', (event) => `${name(event)} started`);
    log('messageFinished', (event) => {
      return `${name(event)} ${paint('green', 'finished')} in ${event.durationMs.toFixed(1)} ms`;
    });
  }
  return (queue, until) => {
    const line = until === null ? 'is not paused any more' : `is paused until ${formatDate(until)}`;
    write(`${escapeText(queue)} ${paint('yellow', line)}`, { paused: { queue, until } });
  };
}

function listed(queues: readonly string[]): string {
  return escapeText(queues.join(', '));
}

/** A worker that is closed or stopped by its limits stops by the same rules. */
function atStop(reason: StopReason, graceMs: number): string {
  const grace = `running slots have ${formatDuration(graceMs)} to finish`;
  return reason === 'stop' || reason === 'signal' ? `${grace}; a second Ctrl+C stops them at once` : grace;
}

interface Named {
  readonly queue: string;
  readonly jobId: string;
  readonly attempt: number | undefined;
  readonly message: Message | undefined;
}

function name({ queue, jobId, attempt, message }: Named): string {
  const about = `${escapeText(queue)} ${escapeText(jobId)} ${oneLine(message?.type ?? '(unreadable)', TYPE_WIDTH)}`;
  // A worker that does not track attempts knows none.
  return attempt === undefined ? about : `${about} attempt ${attempt}`;
}

/** Engines round a delay up, so it is never sooner. */
function soon(ms: number): string {
  return ms < 50 ? 'at once' : `after ${(ms / 1000).toFixed(1)} s`;
}

/** The event without the message's data and body, its error as text. */
function recordOf(event: object): object {
  const { message, body: _, error, ...rest } = event as { message?: Message; body?: Buffer; error?: unknown };
  return {
    ...rest,
    ...(message && { messageId: truncate(message.id, MAX_TYPE), type: truncate(message.type, MAX_TYPE) }),
    ...(error !== undefined && { error: describeError(error) }),
  };
}

/** Between two lines about an error that comes again and again, in milliseconds. */
const SUMMARY_MS = 60_000;

/** How many different errors are remembered. */
const REMEMBERED = 20;

interface Repeated {
  /** How often it came since it was logged. */
  count: number;
  readonly timer: NodeJS.Timeout;
}

/** Logs an error when it comes, and one that comes again and again once a minute, with how often. */
export class RepeatedErrors {
  readonly #log: (text: string, repeats: number) => void;
  readonly #errors = new Map<string, Repeated>();

  /** @param log `repeats` is 0 for an error that is new, otherwise how often it came again since it was logged */
  constructor(log: (text: string, repeats: number) => void) {
    this.#log = log;
  }

  add(text: string): void {
    const known = this.#errors.get(text);
    if (known !== undefined) {
      known.count++;
      return;
    }
    const [oldest] = this.#errors.keys();
    if (this.#errors.size >= REMEMBERED && oldest !== undefined) this.#forget(oldest);
    this.#errors.set(text, { count: 0, timer: setInterval(() => this.#summarise(text), SUMMARY_MS).unref() });
    this.#log(text, 0);
  }

  /** Logs what was held back, and begins anew. */
  flush(): void {
    for (const text of [...this.#errors.keys()]) this.#forget(text);
  }

  #summarise(text: string): void {
    const repeated = this.#errors.get(text);
    // It came no more: should it come again, it is new.
    if (repeated === undefined || repeated.count === 0) {
      this.#forget(text);
      return;
    }
    this.#log(text, repeated.count);
    repeated.count = 0;
  }

  #forget(text: string): void {
    const { count = 0, timer } = this.#errors.get(text) ?? {};
    clearInterval(timer);
    this.#errors.delete(text);
    if (count > 0) this.#log(text, count);
  }
}
