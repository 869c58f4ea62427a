import { SignalDispatcher } from '../signals/dispatcher.js';
import { BusySignals, Tally } from './activity.js';
import { LiveLine } from './live-line.js';
import { type Output, print } from './output.js';

const LIVE_MS = 1000;
const SUMMARY_MS = 60_000;

/** The signals for a worker, and what tells how far it has come. */
export interface Status {
  readonly signals: SignalDispatcher;
  /** From now on; the function that it returns ends it. */
  readonly show: () => () => void;
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
    show: () => {
      const line = new LiveLine(stderr, stdout.isTTY ? [stdout, stderr] : [stderr]);
      let before = 0;
      const stop = every(LIVE_MS, () => {
        const { finished, retried, buried } = tally.counts;
        const rate = `${Math.round(((finished - before) * 1000) / LIVE_MS)}/s`;
        before = finished;
        line.show(
          `${finished} finished (${rate}), ${signals.inProgress} in progress, ${retried} retried, ${buried} buried`,
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
    const time = new Date().toISOString();
    const text = `${time.slice(11, 19)} in the last minute: ${finished} finished, ${retried} retried, ${buried} buried`;
    print(output, json, text, { time, summary: { finished, retried, buried } });
  };
  return { signals, show: () => every(SUMMARY_MS, summarise) };
}

/** @returns what ends it; it does not keep the process alive */
function every(ms: number, action: () => void): () => void {
  const timer = setInterval(action, ms).unref();
  return () => clearInterval(timer);
}
