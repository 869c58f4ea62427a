import { escapeText } from '../shared/text.js';
import { SignalDispatcher } from '../signals/dispatcher.js';
import { BusySignals, Tally } from './activity.js';
import { LiveLine } from './live-line.js';
import { type Output, print } from './output.js';
import type { Pause } from './pause-watch.js';
import { formatDate, formatTime } from './text.js';

const LIVE_MS = 1000;
const SUMMARY_MS = 60_000;
/** Somebody looks who may have paused the queue a moment ago. */
const LIVE_PAUSE_LOOK_MS = 5000;

/** The signals for a worker, and what tells how far it has come. */
export interface Status {
  readonly signals: SignalDispatcher;
  /** How often one should look for pauses, in milliseconds. */
  readonly pauseLookMs: number;
  /** Shows it from now on, with the pauses of the moment; the function that it returns ends it. */
  readonly show: (pauses: () => readonly Pause[]) => () => void;
}

/** On a terminal a line that changes; elsewhere a line for each minute in which something has happened. */
export function statusOf(output: Output, json: boolean): Status {
  return output.stderr.isTTY && !json ? liveStatus(output) : minutely(output, json);
}

function liveStatus({ stdout, stderr }: Output): Status {
  const signals = new BusySignals();
  const tally = new Tally(signals);
  return {
    signals,
    pauseLookMs: LIVE_PAUSE_LOOK_MS,
    show: (pauses) => {
      const line = new LiveLine(stderr, stdout.isTTY ? [stdout, stderr] : [stderr]);
      let before = 0;
      const stop = every(LIVE_MS, () => {
        const { finished, retried, buried } = tally.counts;
        const rate = `${Math.round(((finished - before) * 1000) / LIVE_MS)}/s`;
        before = finished;
        line.show(
          `${paused(pauses())}${finished} finished (${rate}), ${signals.inProgress} in progress, ${retried} retried, ${buried} buried`,
        );
      });
      return () => {
        stop();
        line.end();
      };
    },
  };
}

function minutely(output: Output, json: boolean): Status {
  const signals = new SignalDispatcher();
  const tally = new Tally(signals);
  let before = tally.counts;
  const summarise = (): void => {
    const { counts } = tally;
    const finished = counts.finished - before.finished;
    const retried = counts.retried - before.retried;
    const buried = counts.buried - before.buried;
    before = counts;
    if (finished + retried + buried === 0) return;
    const time = new Date();
    const text = `${formatTime(time)} in the last minute: ${finished} finished, ${retried} retried, ${buried} buried`;
    print(output, json, text, { time, summary: { finished, retried, buried } });
  };
  return { signals, pauseLookMs: SUMMARY_MS, show: () => every(SUMMARY_MS, summarise) };
}

/** In front, where a narrow terminal does not cut it off. */
function paused(pauses: readonly Pause[]): string {
  const [first, ...others] = pauses;
  if (first === undefined) return '';
  if (others.length > 0) return `${pauses.length} queues are paused; `;
  return `${escapeText(first.queue)} is paused until ${formatDate(first.until)}; `;
}

/** @returns what ends it; it does not keep the process alive */
function every(ms: number, action: () => void): () => void {
  const timer = setInterval(action, ms).unref();
  return () => clearInterval(timer);
}
