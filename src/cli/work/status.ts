import { escapeText } from '../../shared/text.js';
import { type Output, print } from '../output/output.js';
import { LiveLine } from '../output/terminal-line.js';
import { formatDate, formatTime } from '../output/text.js';
import type { Pause } from './pause-watch.js';

const LIVE_MS = 1000;
const SUMMARY_MS = 60_000;
/** On a terminal the queue may have been paused by the person who looks. */
const LIVE_PAUSE_LOOK_MS = 5000;

/** What a worker has done, and what it works on: `worker.status()`. */
export interface Counts {
  readonly inFlight: readonly unknown[];
  readonly finished: number;
  readonly released: number;
  readonly failed: number;
}

/** Shows how far a worker has come. */
export interface Status {
  /** How often to look for pauses, in milliseconds. */
  readonly pauseLookMs: number;
  /** Shows it from now on, with the pauses of the moment; the function that it returns ends it. */
  readonly show: (counts: () => Counts, pauses: () => readonly Pause[]) => () => void;
}

/** On a terminal a line that changes; elsewhere a line for each minute in which something has happened. */
export function statusOf(output: Output, json: boolean): Status {
  return output.stderr.isTTY && !json ? liveStatus(output) : minutely(output, json);
}

function liveStatus({ stdout, stderr }: Output): Status {
  return {
    pauseLookMs: LIVE_PAUSE_LOOK_MS,
    show: (counts, pauses) => {
      const line = new LiveLine(stderr, stdout.isTTY ? [stdout, stderr] : [stderr]);
      let before = 0;
      const stop = every(LIVE_MS, () => {
        const { finished, inFlight, released, failed } = counts();
        const rate = `${Math.round(((finished - before) * 1000) / LIVE_MS)}/s`;
        before = finished;
        line.show(
          `${paused(pauses())}${finished} finished (${rate}), ${inFlight.length} in progress, ${released} retried, ${failed} buried`,
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
  return {
    pauseLookMs: SUMMARY_MS,
    show: (counts) => {
      let before: Omit<Counts, 'inFlight'> = { finished: 0, released: 0, failed: 0 };
      return every(SUMMARY_MS, () => {
        const now = counts();
        const finished = now.finished - before.finished;
        const retried = now.released - before.released;
        const buried = now.failed - before.failed;
        before = now;
        if (finished + retried + buried === 0) return;
        const time = new Date();
        const text = `${formatTime(time)} in the last minute: ${finished} finished, ${retried} retried, ${buried} buried`;
        print(output, json, text, { time, summary: { finished, retried, buried } });
      });
    },
  };
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
