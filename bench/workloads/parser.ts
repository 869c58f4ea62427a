// The parser alone: what it takes in a second, and whether a byte costs the same wherever the chunks are cut.
import type { Feed, Parser } from '../contenders/parser.js';
import { Contender } from '../harness/contender.js';
import { perSecond } from '../harness/measure.js';
import { atLeast, atMost, OURS, type Result, type Row } from '../harness/report.js';
import { interleave } from '../harness/rounds.js';
import { spreadOf } from '../harness/statistics.js';
import type { Setting } from '../harness/workload.js';

const KIB = 1024;
const CHUNK = 64 * KIB;
/** Of a stream that is fed byte by byte: each byte is an object, and all of them shall stay in the processor's cache, as a socket's do. */
const TINY = 16 * KIB;
const SMALL = 128 * KIB;
/** The long stream is so many times the short one, and must cost so many times as much. */
const TIMES = 8;
/** What a byte may cost in chunks of one byte, as a multiple. */
const DEAREST = 40;
/** GB/s. What lies whole in its chunk is not even looked at, and faster by far: nothing to compare with. */
const BODY_GOAL = 2;

const FEEDS = {
  'short replies, 64 KiB chunks': { stream: 'replies', bytes: 4096 * KIB, chunk: CHUNK },
  'short replies, 1-byte chunks': { stream: 'replies', bytes: TINY, chunk: 1 },
  'bodies of 4 KiB, 64 KiB chunks': { stream: 'bodies', bytes: 16 * 1024 * KIB, chunk: CHUNK },
  'bodies of 4 KiB, 1-byte chunks': { stream: 'bodies', bytes: TINY, chunk: 1 },
  'one body of 128 KiB, 1-byte chunks': { stream: 'body', bytes: SMALL, chunk: 1 },
  'one body of 1 MiB, 1-byte chunks': { stream: 'body', bytes: TIMES * SMALL, chunk: 1 },
} as const satisfies Record<string, Omit<Feed, 'sliceMs'>>;

type Work = keyof typeof FEEDS;

interface Figure {
  readonly bytesPerSecond: number;
  readonly repliesPerSecond: number;
}

export async function run({ effort }: Setting): Promise<Result> {
  const parser = new Contender<Parser>(OURS, 'parser');
  const works = Object.keys(FEEDS) as Work[];
  const figures = new Map<Work, Figure[]>(works.map((work) => [work, []]));
  const feed = async (work: Work): Promise<Figure> => {
    const fed = await parser.call('feed', [{ ...FEEDS[work], sliceMs: effort.sliceMs }]);
    if (!fed.intact) throw new Error(`the parser got ${work} wrong`);
    return { bytesPerSecond: perSecond(fed), repliesPerSecond: (fed.replies / fed.ms) * 1000 };
  };
  try {
    for (const work of works) await feed(work);
    await interleave(works, effort.rounds, async (work) => {
      figures.get(work)?.push(await feed(work));
    });
  } finally {
    await parser.stop();
  }

  const bytes = (work: Work): number[] => (figures.get(work) ?? []).map(({ bytesPerSecond }) => bytesPerSecond);
  /** How many times as much a byte costs, the median of the rounds. */
  const cost = (work: Work, against: Work): number =>
    spreadOf(bytes(work).map((rate, round) => (bytes(against)[round] ?? Number.NaN) / rate)).median;
  const replies = spreadOf((figures.get(works[0] as Work) ?? []).map(({ repliesPerSecond }) => repliesPerSecond));
  const rows: Row[] = works.map((work) => {
    const value = spreadOf(bytes(work).map((rate) => rate / 1e6));
    return { work, contender: OURS, unit: 'MB/s', value };
  });
  return {
    title: 'parser: fed from memory',
    rows: [{ work: 'short replies, 64 KiB chunks', contender: OURS, unit: 'replies/s', value: replies }, ...rows],
    goals: [
      atLeast('short replies, 64 KiB chunks', replies.median / 1e6, 4, 'million/s'),
      atLeast(
        'bodies of 4 KiB, 64 KiB chunks',
        spreadOf(bytes('bodies of 4 KiB, 64 KiB chunks')).median / 1e9,
        BODY_GOAL,
        'GB/s',
      ),
      atMost(
        '1-byte chunks: a byte of short replies against one in 64 KiB chunks',
        cost('short replies, 1-byte chunks', 'short replies, 64 KiB chunks'),
        DEAREST,
        '×',
        1,
      ),
      atMost(
        '1-byte chunks: a byte of bodies of 4 KiB against one at 2 GB/s',
        (BODY_GOAL * 1e9) / spreadOf(bytes('bodies of 4 KiB, 1-byte chunks')).median,
        DEAREST,
        '×',
        1,
      ),
      atMost(
        '1-byte chunks: a byte of 1 MiB against one of 128 KiB',
        cost('one body of 1 MiB, 1-byte chunks', 'one body of 128 KiB, 1-byte chunks'),
        1.2,
        '×',
      ),
    ],
  };
}
