// Draws bench/chart.svg from bench/results.json, and puts the table of it into the README.
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { CHART, README, RESULTS } from './harness/folders.js';
import { machineLine } from './harness/machine.js';
import { requirePeer } from './harness/peers.js';
import { amount, FLOOR, find, OURS, type Row } from './harness/report.js';
import type { SavedResult } from './harness/workload.js';

type Saved = Readonly<Record<string, SavedResult>>;

/** What a reader wants to see: the works that differ, not all that are measured. */
const SHOWN = [
  'put, 1 in flight',
  'put, 100 in flight',
  'reserve+delete, 1 in flight',
  'reserve+delete, 100 in flight',
  'concurrency 100, attempts not tracked',
  'concurrency 100, attempts tracked',
];

const WIDTH = 760;
const LINE = 19;
const MARGIN = { top: 56, right: 70, bottom: 56, left: 120 };
/** From the beginning of the bars to the edge of the drawing. */
const TO_EDGE = 4 - MARGIN.left;
/** The longest bar, as a share of the floor. */
const MOST = 1.2;
const TICKS = [0, 0.25, 0.5, 0.75, 1];
const TITLE = 'Jobs per second, compared with raw sockets that send prepared bytes (the floor, 100 %)';

const STYLE = `
  svg { color: #1f2328; --ours: #1a7f37; --peer: #afb8c1; --faint: #59636e; }
  @media (prefers-color-scheme: dark) { svg { color: #e6edf3; --ours: #3fb950; --peer: #57606a; --faint: #9198a1; } }
`;

/** A line of the drawing: the title of a work, or a bar. */
interface Line {
  readonly key: string;
  readonly label: string;
  readonly isTitle: boolean;
  readonly isOurs: boolean;
  /** Of the floor. */
  readonly share: number;
  readonly text: string;
}

/** The README's table stands between these lines. */
const TABLE = /(?<=<!-- bench -->\n).*(?=\n<!-- \/bench -->)/s;

export async function drawChart(): Promise<void> {
  if (!existsSync(RESULTS)) throw new Error('there are no results to draw: run npm run bench -- client worker --save');
  const saved = JSON.parse(await readFile(RESULTS, 'utf8')) as Saved;
  const rows = ['client', 'worker'].flatMap((name) => saved[name]?.rows ?? []);
  const lines = SHOWN.flatMap((work) => linesOf(rows, work));
  await writeFile(CHART, `${draw(lines, saved)}\n`);
  const readme = await readFile(README, 'utf8');
  await writeFile(
    README,
    readme.replace(TABLE, () => tableOf(rows, saved)),
  );
}

function linesOf(rows: readonly Row[], work: string): Line[] {
  const floor = find(rows, work, FLOOR)?.value?.median;
  if (floor === undefined) return [];
  const title = `${nameOf(work)} (floor: ${perSecond(floor)})`;
  const bars = rows.filter((row) => row.work === work && row.contender !== FLOOR);
  return [
    { key: work, label: title, isTitle: true, isOurs: false, share: 0, text: '' },
    ...bars.map(({ contender, value, ratio, note }) => ({
      key: `${work} ${contender}`,
      label: contender,
      isTitle: false,
      isOurs: contender === OURS,
      // Where the machine was disturbed a ratio may be above one: the bar ends there.
      share: Math.min(ratio?.median ?? 0, MOST),
      text: value === undefined ? (note ?? '') : perSecond(value.median),
    })),
  ];
}

/** The worker's are called by what differs in them. */
function nameOf(work: string): string {
  return work.startsWith('concurrency') ? `worker, ${work}` : work;
}

function perSecond(rate: number): string {
  return `${amount(rate / 1000)} k/s`;
}

/** The part of Observable Plot that is used here. */
interface Plot {
  plot(options: object): { outerHTML: string; setAttribute(name: string, value: string): void };
  barX(data: readonly Line[], options: object): unknown;
  text(data: readonly unknown[], options: object): unknown;
  ruleX(data: readonly number[], options: object): unknown;
  axisX(ticks: readonly number[], options: object): unknown;
}

function draw(lines: readonly Line[], saved: Saved): string {
  const Plot = requirePeer('@observablehq/plot') as Plot;
  const { parseHTML } = requirePeer('linkedom') as { parseHTML(html: string): { document: object } };
  const bars = lines.filter(({ isTitle }) => !isTitle);
  const titles = lines.filter(({ isTitle }) => isTitle);
  const y = (line: Line): string => line.key;
  const svg = Plot.plot({
    document: parseHTML('<!doctype html><html><body></body></html>').document,
    width: WIDTH,
    height: MARGIN.top + MARGIN.bottom + lines.length * LINE,
    marginTop: MARGIN.top,
    marginRight: MARGIN.right,
    marginBottom: MARGIN.bottom,
    marginLeft: MARGIN.left,
    style: { background: 'none', fontSize: '12px' },
    x: { domain: [0, MOST] },
    y: { domain: lines.map(y), axis: null, padding: 0.15 },
    marks: [
      Plot.ruleX([1], { stroke: 'var(--faint)', strokeDasharray: '3,3' }),
      Plot.barX(bars, { x: 'share', y, fill: (line: Line) => (line.isOurs ? 'var(--ours)' : 'var(--peer)') }),
      Plot.text(bars, { x: 'share', y, text: 'text', textAnchor: 'start', dx: 5 }),
      Plot.text(bars, { x: 0, y, text: 'label', textAnchor: 'end', dx: -6 }),
      Plot.text(titles, { x: 0, y, text: 'label', textAnchor: 'start', fontWeight: 'bold', dx: TO_EDGE }),
      Plot.axisX(TICKS, { tickFormat: (share: number) => `${share * 100} %`, label: null }),
      Plot.text([TITLE], { frameAnchor: 'top-left', dx: TO_EDGE, dy: -40, fontWeight: 'bold', fontSize: 14 }),
      Plot.text([captionOf(saved)], { frameAnchor: 'bottom-left', dx: TO_EDGE, dy: 44, fill: 'var(--faint)' }),
    ],
  });
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  // The style that comes with a plot is for one that stands in a page.
  const drawing = svg.outerHTML.replace(/<style>.*?<\/style>/s, '');
  return drawing.replace(/^(<svg[^>]*>)/, `$1<title>${TITLE}</title><style>${STYLE}</style>`);
}

function captionOf({ client, worker }: Saved): string {
  if (client === undefined || worker === undefined)
    throw new Error('client and worker were not saved: run npm run bench -- client worker --save');
  const rounds = [...new Set([client.rounds, worker.rounds])].join(' and ');
  return `${machineLine(client.machine)}. Median of ${rounds} rounds.`;
}

function tableOf(rows: readonly Row[], saved: Saved): string {
  const contenders = [...new Set(rows.map(({ contender }) => contender))];
  const works = [...new Set(rows.map(({ work }) => work))];
  const cell = (row: Row | undefined): string => {
    if (row === undefined) return '';
    if (row.value === undefined) return row.note ?? '';
    const share = row.ratio === undefined ? '' : ` (${row.ratio.median.toFixed(2)})`;
    return `${perSecond(row.value.median)}${share}`;
  };
  const lines = works.map((work) => [
    nameOf(work),
    ...contenders.map((contender) => cell(find(rows, work, contender))),
  ]);
  const head = ['work', ...contenders];
  const table = [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`);
  return [...table, '', `In brackets: to the floor of the same round. ${captionOf(saved)}`].join('\n');
}
