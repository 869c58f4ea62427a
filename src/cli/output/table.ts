import { escapeText, toJsonLine } from '../../shared/text.js';
import { type Paint, painter } from './colour.js';
import type { Output } from './output.js';

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** Numbers stand at the right, so that their digits are below each other. */
  readonly right?: boolean;
}

/** Lines of cells below their titles; what does not show in a cell is escaped. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], paint: Paint): string[] {
  const titles = columns.map(({ title }) => title);
  const cells = rows.map((row) => columns.map(({ cell }) => escapeText(cell(row))));
  const widths = columns.map((_, index) => Math.max(...[titles, ...cells].map((line) => line[index]?.length ?? 0)));
  const aligned = (line: readonly string[]): string =>
    line
      .map((cell, index) =>
        columns[index]?.right ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [paint('dim', aligned(titles)), ...cells.map(aligned)];
}

/** A table for people, or a record a line with `--json`. */
export function printTable<Row extends object>(
  { stdout }: Output,
  json: boolean,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): void {
  const lines = json ? rows.map(toJsonLine) : table(columns, rows, painter(stdout));
  for (const line of lines) stdout.write(`${line}\n`);
}
