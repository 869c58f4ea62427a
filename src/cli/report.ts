import type { Message } from '../queue/message.js';
import type { SignalDispatcher } from '../signals/dispatcher.js';
import type { ObserverSignal, SignalEvents } from '../signals/signals.js';
import { painter } from './colour.js';
import { type Output, print } from './output.js';
import { describeError, printable } from './text.js';

/** The worker's console: a line for each thing that happens to it or to a message. Data never appears. */
export function reportSignals(
  signals: SignalDispatcher,
  output: Output,
  { json, verbose }: { readonly json: boolean; readonly verbose: boolean },
): void {
  const paint = painter(output.stdout);
  const report = <K extends ObserverSignal>(signal: K, line: (event: SignalEvents[K]) => string): void => {
    signals.connect(signal, (event) => {
      const time = new Date().toISOString();
      print(output, json, `${paint('dim', time.slice(11, 19))} ${line(event)}`, { time, signal, ...recordOf(event) });
    });
  };
  report('workerStarted', ({ queues, concurrency }) => `working on ${queues.join(', ')}, ${concurrency} at once`);
  report('workerStopping', ({ reason }) => `stopping (${reason}): running slots may finish`);
  report('workerStopped', ({ finished, failed }) => `stopped: ${finished} finished, ${failed} buried`);
  report('workerError', ({ error }) => paint('red', `error: ${describeError(error)}`));
  report('messageReleased', (event) => {
    return `${name(event)} ${paint('yellow', 'failed')}: ${describeError(event.error)}; next try ${soon(event.delayMs)}`;
  });
  report('messageFailed', (event) => {
    return `${name(event)} ${paint('red', 'BURIED')} (${event.reason}): ${describeError(event.error)}`;
  });
  report('messageExpired', (event) => {
    return `${name(event)} ${paint('yellow', 'lost its lease')}; it will be delivered again`;
  });
  if (!verbose) return;
  report('messageFinished', (event) => {
    return `${name(event)} ${paint('green', 'finished')} in ${event.durationMs.toFixed(1)} ms`;
  });
}

interface Named {
  readonly queue: string;
  readonly jobId: string;
  readonly attempt: number | undefined;
  readonly message: Message | undefined;
}

function name({ queue, jobId, attempt, message }: Named): string {
  const about = `${queue} ${jobId} ${printable(message?.type ?? '(unreadable)')}`;
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
    ...(message && { messageId: message.id, type: message.type }),
    ...(error !== undefined && { error: describeError(error) }),
  };
}
