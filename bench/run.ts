// npm run bench [-- --rounds 7 --jobs 50000 --json]: the client beside the floor, measured in turn on one server.
import { parseArgs } from 'node:util';
import { startServer } from '../integration/support/server.js';
import type { Contender } from './contender.js';
import { connectFloor } from './floor.js';
import { connectHaricot } from './haricot.js';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    jobs: { type: 'string', default: '50000' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(options.rounds);
const jobs = Number(options.jobs);
if (!(rounds >= 1 && jobs >= 1000)) throw new Error('--rounds is at least 1, --jobs at least 1000');

const BODY = Buffer.alloc(100, 'x');

type Work = 'put' | 'reserve+delete';

/** Jobs per second, a figure for each round. */
const figures = new Map<string, number[]>();

async function time(contender: Contender, work: Work, count: number, inFlight: number): Promise<void> {
  const began = performance.now();
  if (work === 'put') await contender.put(count, inFlight);
  else await contender.reserveAndDelete(count, inFlight);
  const perSecond = (count / (performance.now() - began)) * 1000;
  const key = `${work} ${inFlight} ${contender.name}`;
  figures.set(key, [...(figures.get(key) ?? []), perSecond]);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function compare(work: Work, inFlight: number): Record<string, string | number> {
  const floor = figures.get(`${work} ${inFlight} floor`) ?? [];
  const ours = figures.get(`${work} ${inFlight} haricot`) ?? [];
  const ratios = ours.map((figure, round) => figure / (floor[round] ?? Number.NaN));
  return {
    work,
    'in flight': inFlight,
    'floor /s': Math.round(median(floor)),
    'haricot /s': Math.round(median(ours)),
    'ratio (median)': Number(median(ratios).toFixed(2)),
    'ratio (min–max)': `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`,
  };
}

const server = await startServer({ control: true });
const windows = [1, 100, 1000];
try {
  const contenders = [await connectFloor(server.port, BODY), await connectHaricot(server.port, BODY)];
  // The first round warms up and is not counted. The order turns from round to round.
  for (let round = 0; round <= rounds; round++) {
    for (const inFlight of windows) {
      const count = inFlight === 1 ? Math.round(jobs / 5) : jobs;
      for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
        await time(contender, 'put', count, inFlight);
        await time(contender, 'reserve+delete', count, inFlight);
      }
    }
    if (round === 0) figures.clear();
  }
  for (const contender of contenders) contender.close();
} finally {
  await server.stop();
}

const table = windows.flatMap((inFlight) => [compare('put', inFlight), compare('reserve+delete', inFlight)]);
if (options.json) for (const row of table) console.log(JSON.stringify(row));
else console.table(table);
