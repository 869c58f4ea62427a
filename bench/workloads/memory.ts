// What 100,000 puts in flight hold, whether all of it is given back, and whether the heap stays flat over a long run.
import type { Memory } from '../contenders/memory.js';
import { Beanstalkd } from '../harness/beanstalkd.js';
import { Contender } from '../harness/contender.js';
import { atMost, OURS, type Result } from '../harness/report.js';
import { quantile, spreadOf } from '../harness/statistics.js';
import type { Setting } from '../harness/workload.js';

const PUTS = 100_000;
const SIZE = 100;
const KIB = 1024;
/** They hardly differ. */
const MOST_BURSTS = 3;
/** Some hundred thousand messages: what an hour brings at a hundred a second. */
const RUN_SECONDS = 45;
const QUICK_SECONDS = 10;
/** Of a collected heap, from one moment to another, without anything being kept. */
const NOISE_KIB = 256;
/** Code is compiled and tables grow at first. */
const WARM_UP = 0.25;

export async function run({ effort }: Setting): Promise<Result> {
  const { rounds, quick } = effort;
  const server = await Beanstalkd.start();
  const execArgv = ['--expose-gc'];
  const memory = new Contender<Memory>(OURS, 'memory', { options: { port: server.port }, execArgv });
  const puts: Awaited<ReturnType<Memory['putsInFlight']>>[] = [];
  let long: Awaited<ReturnType<Memory['run']>>;
  try {
    for (let round = 0; round < Math.min(rounds, MOST_BURSTS); round++) {
      puts.push(await memory.call('putsInFlight', [PUTS, SIZE]));
      // The next one in a fresh process: memory that was given back once is taken again without being seen.
      await memory.stop();
      await server.drain();
    }
    long = await memory.call('run', [quick ? QUICK_SECONDS : RUN_SECONDS], 5 * 60_000);
  } finally {
    await memory.stop();
    await server.stop();
  }

  const each = (what: 'heap' | 'buffers' | 'rss') => spreadOf(puts.map(({ inFlight }) => inFlight[what] / PUTS));
  const kept = spreadOf(puts.map(({ after }) => after.heap / KIB));
  const { growth, highest } = drift(long.heap);
  const work = `${PUTS.toLocaleString('en')} puts of ${SIZE} B in flight`;
  return {
    title: 'memory',
    rows: [
      { work: `${work}: heap of each`, contender: OURS, unit: 'B', value: each('heap') },
      { work: `${work}: buffers of each`, contender: OURS, unit: 'B', value: each('buffers') },
      { work: `${work}: RSS of each`, contender: OURS, unit: 'B', value: each('rss') },
      { work: 'heap kept when all are answered', contender: OURS, unit: 'KiB', value: kept },
    ],
    goals: [
      atMost(`${work}: heap of each`, each('heap').median, KIB, 'B', 0),
      atMost('heap kept when all are answered', kept.median, NOISE_KIB, 'KiB', 1),
      atMost(`heap growth over ${long.messages.toLocaleString('en')} messages`, growth, NOISE_KIB, 'KiB', 1),
    ],
    notes: `The collected heap is ${(highest / KIB / KIB).toFixed(1)} MiB at most during the long run.`,
  };
}

/** From the first part behind the warm-up to the last, in KiB. */
function drift(heap: readonly number[]): { readonly growth: number; readonly highest: number } {
  const warm = heap.slice(Math.floor(heap.length * WARM_UP));
  const third = Math.max(1, Math.floor(warm.length / 3));
  const growth = quantile(warm.slice(-third), 0.5) - quantile(warm.slice(0, third), 0.5);
  return { growth: growth / KIB, highest: Math.max(...heap) };
}
