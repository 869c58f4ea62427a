import { type Measured, perSecond } from './measure.js';
import { type Spread, spreadOf } from './statistics.js';

/** A contender at a work. */
export interface Row {
  readonly work: string;
  readonly contender: string;
  readonly unit: string;
  /** In `unit`; undefined where the contender is not ranked, and `note` says why. */
  readonly value?: Spread;
  /** To the floor of the same round. */
  readonly ratio?: Spread;
  /** User and system time of the contender's process for each job, in microseconds. */
  readonly cpuUs?: number;
  readonly note?: string;
}

/** A figure that is to be reached. */
export interface Goal {
  readonly what: string;
  readonly wanted: string;
  readonly measured: string;
  readonly met: boolean;
}

export interface Result {
  readonly title: string;
  readonly rows: readonly Row[];
  readonly goals: readonly Goal[];
  /** A line or several. */
  readonly notes?: string;
}

export const FLOOR = 'floor';
export const OURS = 'haricot';
const NOT_MEASURED = 'not measured';

interface Entry {
  readonly work: string;
  readonly contender: string;
  /** By round. */
  readonly figures: Measured[];
  note?: string;
}

/** Collects what is measured and makes rows of it, in the order of the works and contenders. */
export class Samples {
  readonly #entries: Entry[] = [];

  constructor(works: readonly string[], contenders: readonly string[]) {
    for (const work of works) {
      for (const contender of contenders) this.#entries.push({ work, contender, figures: [] });
    }
  }

  add(work: string, contender: string, figure: Measured): void {
    this.#entry(work, contender).figures.push(figure);
  }

  /** It is not ranked at this work. */
  disqualify(work: string, contender: string, why: string): void {
    // What a peer says behind it may be a whole body.
    this.#entry(work, contender).note = why.split(/[:\n]/, 1)[0]?.slice(0, 50) ?? '';
  }

  /** @param unitOf the unit of a work, and what one thing that was counted is worth in it */
  rows(unitOf: (work: string) => readonly [unit: string, scale: number]): Row[] {
    const hasFloor = this.#entries.some(({ contender }) => contender === FLOOR);
    return this.#entries.map(({ work, contender, figures, note }) => {
      const [unit, scale] = unitOf(work);
      if (note !== undefined || figures.length === 0) return { work, contender, unit, note: note ?? NOT_MEASURED };
      const ratio = contender === FLOOR || !hasFloor ? undefined : this.compare(work, contender, FLOOR);
      return {
        work,
        contender,
        unit,
        value: spreadOf(figures.map((figure) => perSecond(figure) * scale)),
        ...(ratio && { ratio }),
        cpuUs: spreadOf(figures.map(({ cpuUs, count }) => cpuUs / count)).median,
      };
    });
  }

  /** How many times as fast one is as the other in the same round; undefined where one of them is not ranked. */
  compare(work: string, contender: string, other: string): Spread | undefined {
    const [above, below] = [this.#entry(work, contender), this.#entry(work, other)];
    if (above.note !== undefined || below.note !== undefined) return undefined;
    const ratios = above.figures.flatMap((figure, round) => {
      const base = below.figures[round];
      return base === undefined ? [] : perSecond(figure) / perSecond(base);
    });
    return ratios.length === 0 ? undefined : spreadOf(ratios);
  }

  #entry(work: string, contender: string): Entry {
    const entry = this.#entries.find((known) => known.work === work && known.contender === contender);
    if (entry === undefined) throw new Error(`there is no row for ${contender} at ${work}`);
    return entry;
  }
}

export function find(rows: readonly Row[], work: string, contender: string): Row | undefined {
  return rows.find((row) => row.work === work && row.contender === contender);
}

/** Our ratio to the floor at a work. */
export function atLeastOfFloor(rows: readonly Row[], work: string, share: number, contender: string = OURS): Goal {
  const ratio = find(rows, work, contender)?.ratio;
  return {
    what: work,
    wanted: `≥ ${share.toFixed(2)} × floor`,
    measured: ratio === undefined ? NOT_MEASURED : `${ratio.median.toFixed(2)} (${rangeOf(ratio)})`,
    met: ratio !== undefined && ratio.median >= share,
  };
}

/** Faster than each of the others that are ranked at the work, round by round. */
export function aheadOfPeers(samples: Samples, work: string, peers: readonly string[]): Goal {
  const leads = peers
    .map((peer) => ({ peer, lead: samples.compare(work, OURS, peer) }))
    .filter(({ lead }) => lead !== undefined)
    .sort((a, b) => (a.lead?.median ?? 0) - (b.lead?.median ?? 0));
  const [closest] = leads;
  return {
    what: work,
    wanted: 'ahead of every peer',
    measured: closest?.lead === undefined ? 'no peer finished' : `${closest.lead.median.toFixed(2)} × ${closest.peer}`,
    met: closest?.lead === undefined || closest.lead.median > 1,
  };
}

export function atMost(what: string, value: number, limit: number, unit: string, digits = 2): Goal {
  return { what, wanted: `≤ ${limit} ${unit}`, measured: measuredAs(value, unit, digits), met: value <= limit };
}

export function atLeast(what: string, value: number, limit: number, unit: string, digits = 2): Goal {
  return { what, wanted: `≥ ${limit} ${unit}`, measured: measuredAs(value, unit, digits), met: value >= limit };
}

function measuredAs(value: number, unit: string, digits: number): string {
  return Number.isNaN(value) ? NOT_MEASURED : `${value.toFixed(digits)} ${unit}`;
}

function rangeOf({ min, max }: Spread): string {
  return `${min.toFixed(2)}–${max.toFixed(2)}`;
}

/** For people. */
export function print({ title, rows, goals, notes = '' }: Result): string {
  const cells = rows.map((row, index) => [
    rows[index - 1]?.work === row.work ? '' : row.work,
    row.contender,
    row.value === undefined ? (row.note ?? '') : `${amount(row.value.median)} ${row.unit}`,
    row.value === undefined ? '' : `${amount(row.value.min)}–${amount(row.value.max)}`,
    row.ratio === undefined ? '' : row.ratio.median.toFixed(2),
    row.ratio === undefined ? '' : rangeOf(row.ratio),
    row.cpuUs === undefined ? '' : row.cpuUs.toFixed(1),
  ]);
  const head = ['work', 'contender', 'median', 'min–max', '× floor', 'min–max', 'CPU µs each'];
  const table = align(cells.some((line) => line[4] !== '') ? [head, ...cells] : shortened([head, ...cells]));
  const goalLines = align(
    goals.map(({ met, what, wanted, measured }) => [met ? 'ok' : 'missed', what, wanted, measured]),
  );
  const parts = [`\n${title}\n`, table, goalLines, notes.replace(/^(?=.)/gm, '  ')];
  return parts.filter((part) => part !== '').join('\n');
}

/** Without the columns that compare with a floor. */
function shortened(lines: readonly string[][]): string[][] {
  return lines.map((line) => line.slice(0, 4));
}

/** The first column to the left, and every other that is no number. */
function align(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const text = lines.map((line) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  return text.map((line) => `  ${line.trimEnd()}\n`).join('');
}

/** Three or four digits that count. */
export function amount(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}
