// The embedded engine beside bare SQLite.
import type { SqliteContender } from '../contenders/sqlite-store.js';
import { Contender } from '../harness/contender.js';
import type { Measured } from '../harness/measure.js';
import { atLeast, atMost, FLOOR, find, type Goal, OURS, type Result, Samples } from '../harness/report.js';
import { countFor, interleave } from '../harness/rounds.js';
import type { Setting } from '../harness/workload.js';

interface Work {
  readonly name: string;
  readonly run: (contender: Contender<SqliteContender>, messages: number) => Promise<Measured>;
  /** Messages per second. */
  readonly wanted?: number;
}

const work = (concurrency: number): Work['run'] => {
  return (contender, messages) => contender.call('work', [messages, concurrency]);
};

const WORKS: readonly Work[] = [
  { name: 'publish, one by one', run: (contender, messages) => contender.call('publish', [messages]), wanted: 25_000 },
  { name: 'publishMany', run: (contender, messages) => contender.call('publishMany', [messages]), wanted: 100_000 },
  { name: 'work, concurrency 1', run: work(1) },
  { name: 'work, concurrency 10', run: work(10), wanted: 15_000 },
  { name: 'work, concurrency 100', run: work(100) },
];

const IDLE_MS = 10_000;

export async function run({ effort }: Setting): Promise<Result> {
  const contenders = [
    new Contender<SqliteContender>(FLOOR, 'sqlite-floor'),
    new Contender<SqliteContender>(OURS, 'sqlite-haricot'),
  ];
  const samples = new Samples(
    WORKS.map(({ name }) => name),
    contenders.map(({ name }) => name),
  );
  try {
    const [floor, ours] = contenders;
    const binding = await floor?.call('binding', []);
    for (const { name, run: work } of WORKS) {
      const counts = new Map<Contender<SqliteContender>, number>();
      for (const contender of contenders) {
        const first = await work(contender, 2000);
        counts.set(contender, countFor((first.count / first.ms) * 1000, effort.sliceMs * 2, 1000));
      }
      await interleave(contenders, effort.rounds, async (contender) => {
        const figure = await work(contender, counts.get(contender) ?? 1000);
        if (figure.intact === false) samples.disqualify(name, contender.name, 'lost messages');
        else samples.add(name, contender.name, figure);
      });
    }
    const idle = await ours?.call('idle', [effort.quick ? IDLE_MS / 5 : IDLE_MS]);
    const rows = samples.rows(() => ['messages/s', 1]);
    return {
      title: `sqlite: one file, ${binding} on Node ${process.versions.node}, CloudEvents, one slot that does nothing`,
      rows,
      goals: [
        ...WORKS.flatMap(({ name, wanted }) => (wanted === undefined ? [] : goal(rows, name, wanted))),
        atMost('an idle worker with 10 slots', (idle ?? Number.NaN) * 100, 1, '% of a core'),
      ],
    };
  } finally {
    await Promise.all(contenders.map((contender) => contender.stop()));
  }
}

function goal(rows: Result['rows'], name: string, wanted: number): Goal {
  return atLeast(name, find(rows, name, OURS)?.value?.median ?? Number.NaN, wanted, 'messages/s', 0);
}
