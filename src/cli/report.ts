import type { Message } from '../queue/message.js';
import { escapeText, truncate } from '../shared/text.js';
import type { SignalDispatcher } from '../signals/dispatcher.js';
import type { ObserverSignal, SignalEvents, StopReason } from '../signals/signals.js';
import { painter } from './colour.js';
import { type Output, printStyled } from './output.js';
import { RepeatedErrors } from './repeated-errors.js';
import { describeError, formatDate, formatDuration, formatTime, oneLine } from './text.js';

/** Longest type of a message that a line shows: whoever publishes can make it as long as a body. */
const TYPE_WIDTH = 100;
/** The same for a record. */
const MAX_TYPE = 1000;

export interface ReportOptions {
  readonly json: boolean;
  readonly verbose: boolean;
  /** How long running slots may go on when the worker stops. */
  readonly graceMs: number;
}

/** Tells that a queue is paused, or with `null` that it is so no more. */
export type ReportPause = (queue: string, until: Date | null) => void;

/** The worker's console: a line for each thing that happens to it or to a message. Data never appears. */
export function reportSignals(
  signals: SignalDispatcher,
  output: Output,
  { json, verbose, graceMs }: ReportOptions,
): ReportPause {
  const paint = painter(output.stdout);
  const tell = (line: string, record: object): void => {
    const time = new Date();
    const text = `${paint('dim', formatTime(time))} ${line}`;
    printStyled(output, json, text, { time, ...record });
  };
  const report = <K extends ObserverSignal>(signal: K, line: (event: SignalEvents[K]) => string): void => {
    signals.connect(signal, (event) => tell(line(event), { signal, ...recordOf(event) }));
  };
  const errors = new RepeatedErrors((error, repeats) => {
    const again = repeats === 0 ? '' : ` (${repeats} more times)`;
    const record = { signal: 'workerError', error, ...(repeats > 0 && { repeats }) };
    tell(paint('red', `error: ${error}${again}`), record);
  });
  signals.connect('workerError', ({ error }) => errors.add(describeError(error)));
  // What was held back comes before what ends it.
  for (const signal of ['workerRecovered', 'workerStopping', 'workerStopped'] as const) {
    signals.connect(signal, () => errors.flush());
  }
  report('workerStarted', ({ queues, concurrency }) => `working on ${listed(queues)}, ${concurrency} at once`);
  report('workerStopping', ({ reason }) => `stopping (${reason}): ${atStop(reason, graceMs)}`);
  report('workerStopped', ({ finished, failed }) => `stopped: ${finished} finished, ${failed} buried`);
  report('workerRecovered', ({ downMs }) => {
    return paint('green', `the engine answers again, after ${formatDuration(downMs)}`);
  });
  report('messageReleased', (event) => {
    return `${name(event)} ${paint('yellow', 'failed')}: ${describeError(event.error)}; next try ${soon(event.delayMs)}`;
  });
  report('messageFailed', (event) => {
    return `${name(event)} ${paint('red', 'BURIED')} (${event.reason}): ${describeError(event.error)}`;
  });
  report('messageExpired', (event) => {
    return `${name(event)} ${paint('yellow', 'lost its lease')}; it will be delivered again`;
  });
  if (verbose) {
    report('messageFinished', (event) => {
      return `${name(event)} ${paint('green', 'finished')} in ${event.durationMs.toFixed(1)} ms`;
    });
  }
  return (queue, until) => {
    const line = until === null ? 'is not paused any more' : `is paused until ${formatDate(until)}`;
    tell(`${escapeText(queue)} ${paint('yellow', line)}`, { paused: { queue, until } });
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
