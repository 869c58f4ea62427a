// What middlewares cost a message: the dispatcher alone, without an engine.
import type { Dispatcher } from '../contenders/dispatcher.js';
import { Contender } from '../harness/contender.js';
import { atMost, OURS, type Result, type Row } from '../harness/report.js';
import { countFor, interleave } from '../harness/rounds.js';
import { spreadOf } from '../harness/statistics.js';
import type { Setting } from '../harness/workload.js';

const MIDDLEWARES = [0, 1, 10];
const WARM_UP = 200_000;
/** Messages a second that there are at least with ten middlewares. */
const SLOWEST = 300_000;

const workOf = (count: number): string => `one slot, ${count} middlewares`;

export async function run({ effort }: Setting): Promise<Result> {
  const dispatcher = new Contender<Dispatcher>(OURS, 'dispatcher');
  const messages = countFor(SLOWEST, effort.sliceMs, 10_000, 1_000_000);
  /** Microseconds of the process's own time for a message. */
  const costs = new Map<number, number[]>(MIDDLEWARES.map((count) => [count, []]));
  const costOf = async (middlewares: number, count: number): Promise<number> => {
    const { cpuUs, intact } = await dispatcher.call('dispatch', [{ middlewares, messages: count }]);
    if (intact === false) throw new Error('a message has not reached its slot');
    return cpuUs / count;
  };
  try {
    for (const middlewares of MIDDLEWARES) await costOf(middlewares, WARM_UP);
    await interleave(MIDDLEWARES, effort.rounds, async (middlewares) => {
      costs.get(middlewares)?.push(await costOf(middlewares, messages));
    });
  } finally {
    await dispatcher.stop();
  }

  const [without = [], , ten = []] = MIDDLEWARES.map((count) => costs.get(count));
  const rows: Row[] = MIDDLEWARES.map((count) => {
    return { work: workOf(count), contender: OURS, unit: 'µs/message', value: spreadOf(costs.get(count) ?? []) };
  });
  const more = spreadOf(ten.map((cost, round) => cost - (without[round] ?? Number.NaN))).median;
  return {
    title: 'dispatch: messages handed to a slot by the dispatcher alone',
    rows,
    goals: [atMost('ten middlewares, more than none', more, 1, 'µs/message')],
  };
}
