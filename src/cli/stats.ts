import type { Command } from 'commander';
import type { Driver, MessageCounts, QueueStats } from '../queue/driver.js';
import { checkQueueName } from '../queue/name.js';
import { Queue } from '../queue/queue.js';
import { toJsonLine } from '../shared/text.js';
import { onEngine, statsOf } from './engine.js';
import type { GlobalOptions } from './options.js';
import { painter } from './output/colour.js';
import { note, type Output, print, type Sink } from './output/output.js';
import { type Column, printTable, table } from './output/table.js';
import { describeError, formatDate, formatDuration, formatTime, pluralize } from './output/text.js';
import { onStopSignal } from './stop-signals.js';

/** Between two looks with `--watch`, in milliseconds. */
const WATCH_MS = 1000;

const HOME = '\u001b[H';
const CLEAR_REST_OF_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';
const OTHER_SCREEN = '\u001b[?1049h\u001b[?25l';
const FIRST_SCREEN = '\u001b[?25h\u001b[?1049l';

export interface NamedStats extends QueueStats {
  readonly queue: string;
}

const COLUMNS: readonly Column<NamedStats>[] = [
  { title: 'QUEUE', cell: ({ queue }) => queue },
  { title: 'READY', cell: ({ ready }) => String(ready), right: true },
  { title: 'DELAYED', cell: ({ delayed }) => String(delayed), right: true },
  { title: 'RESERVED', cell: ({ reserved }) => String(reserved), right: true },
  { title: 'BURIED', cell: ({ buried }) => String(buried), right: true },
];

interface StatsCommandOptions extends GlobalOptions {
  readonly watch?: boolean;
}

export function defineStats(command: Command, output: Output): void {
  command
    .description(
      'Counts the messages of one queue, or of all: ready for a worker, delayed until later, reserved by a worker ' +
        'now, and buried because nobody could handle them. Shows for how long the oldest ready message has waited, where ' +
        'the engine knows, and until when a queue is paused.',
    )
    .argument('[queue]', 'the queue; without it, all of them')
    .option('--watch', 'count again every second, until Ctrl+C')
    .addHelpText('after', '\nExamples:\n  haricot stats mail\n  haricot stats --watch')
    .action(async (name: string | undefined) => {
      const { json = false, watch = false, ...global } = command.optsWithGlobals<StatsCommandOptions>();
      if (name !== undefined) checkQueueName(name);
      await onEngine(global, async (driver) => {
        const look = (): Promise<readonly NamedStats[]> =>
          name === undefined ? statsOfAll(driver) : statsOfOne(driver, name);
        if (watch) await watchStats(output, json, look);
        else show(output, json, await look());
      });
    });
}

async function statsOfOne(driver: Driver, name: string): Promise<readonly NamedStats[]> {
  return [{ queue: name, ...(await statsOf(new Queue(driver, name))) }];
}

/** Every queue of the engine, by name. */
export async function statsOfAll(driver: Driver): Promise<NamedStats[]> {
  const names = (await driver.queues()).sort();
  const found = await driver.stats(names);
  // One that has gone meanwhile is left out.
  return names.flatMap((queue, index) => {
    const stats = found[index];
    return stats ? [{ queue, ...stats }] : [];
  });
}

function show(output: Output, json: boolean, rows: readonly NamedStats[]): void {
  if (rows.length === 0 && !json) print(output, false, 'no queues', {});
  else printTable(output, json, columnsOf(rows), json ? rows : withTotal(rows));
}

/** Counts again and again, until a signal ends it; on a terminal in place, elsewhere one below the other. */
async function watchStats(output: Output, json: boolean, look: () => Promise<readonly NamedStats[]>): Promise<void> {
  // What cannot be seen at all ends the command; what fails later may come back.
  let rows = await look();
  let failure: string | undefined;
  const screen = output.stdout.isTTY && !json ? new Screen(output.stdout) : undefined;
  const showNow = (): void => {
    const time = new Date();
    if (screen !== undefined) screen.show(linesOf(output.stdout, time, rows, failure));
    else if (failure !== undefined) return;
    else if (json) for (const row of rows) output.stdout.write(`${toJsonLine({ time, ...row })}\n`);
    else for (const line of linesOf(output.stdout, time, rows, undefined)) output.stdout.write(`${line}\n`);
  };
  await new Promise<void>((resolve) => {
    let looking = false;
    const again = async (): Promise<void> => {
      if (looking) return;
      looking = true;
      try {
        rows = await look();
        failure = undefined;
      } catch (error) {
        const told = describeError(error);
        if (failure !== told && screen === undefined) note(output, json, told);
        failure = told;
      }
      looking = false;
      showNow();
    };
    showNow();
    const timer = setInterval(() => void again(), WATCH_MS);
    const end = (): void => {
      clearInterval(timer);
      remove();
      resolve();
    };
    const remove = onStopSignal(end);
  }).finally(() => screen?.end());
}

function linesOf(sink: Sink, time: Date, rows: readonly NamedStats[], failure: string | undefined): string[] {
  const paint = painter(sink);
  const lines = rows.length === 0 ? ['no queues'] : table(columnsOf(rows), withTotal(rows), paint);
  return [
    paint('dim', formatTime(time)),
    ...lines,
    ...(failure === undefined ? [] : ['', paint('red', `error: ${failure}`)]),
  ];
}

/** The whole terminal, which is as it was before when this ends. */
class Screen {
  readonly #sink: Sink;

  constructor(sink: Sink) {
    this.#sink = sink;
    sink.write(OTHER_SCREEN);
  }

  show(lines: readonly string[]): void {
    // A line more than fits would scroll.
    const fitting = lines.slice(0, (this.#sink.rows ?? 24) - 1);
    this.#sink.write(`${HOME}${fitting.map((line) => `${line}${CLEAR_REST_OF_LINE}\n`).join('')}${CLEAR_BELOW}`);
  }

  end(): void {
    this.#sink.write(FIRST_SCREEN);
  }
}

function columnsOf(rows: readonly NamedStats[]): readonly Column<NamedStats>[] {
  return [...COLUMNS, ...ageColumn(rows), ...pauseColumn(rows)];
}

/** For how long the oldest ready message has waited: a column only where the engine tells. */
function ageColumn(rows: readonly NamedStats[]): readonly Column<NamedStats>[] {
  if (rows.every(({ oldestReadyMs }) => typeof oldestReadyMs !== 'number')) return [];
  const cell = ({ oldestReadyMs }: NamedStats): string =>
    typeof oldestReadyMs === 'number' ? formatDuration(oldestReadyMs) : '';
  return [{ title: 'OLDEST', cell, right: true }];
}

type Pausable = Pick<QueueStats, 'pausedUntil'>;

/** Until when queues are paused: a column only where one is. */
export function pauseColumn(rows: readonly Pausable[]): readonly Column<Pausable>[] {
  if (rows.every(({ pausedUntil }) => pausedUntil === null)) return [];
  return [{ title: 'PAUSED UNTIL', cell: ({ pausedUntil }) => (pausedUntil === null ? '' : formatDate(pausedUntil)) }];
}

export function sum({ ready, delayed, reserved, buried }: MessageCounts): number {
  return ready + delayed + reserved + buried;
}

/** The queues, and below them all together where there are several. */
function withTotal(rows: readonly NamedStats[]): readonly NamedStats[] {
  if (rows.length < 2) return rows;
  const count = (state: keyof MessageCounts): number => rows.reduce((sum, row) => sum + row[state], 0);
  const total = {
    // With its space, no queue's name.
    queue: pluralize(rows.length, 'queue'),
    ready: count('ready'),
    delayed: count('delayed'),
    reserved: count('reserved'),
    buried: count('buried'),
    pausedUntil: null,
  };
  return [...rows, total];
}
