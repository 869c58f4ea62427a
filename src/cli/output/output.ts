import { escapeText, toJsonLine } from '../../shared/text.js';

/** Something that text is written to. */
export interface Sink {
  write(text: string): unknown;
  /** Whether it is a terminal. */
  readonly isTTY?: boolean | undefined;
  /** How wide the terminal is. */
  readonly columns?: number | undefined;
  /** How high the terminal is. */
  readonly rows?: number | undefined;
}

/** Where a command writes; `process.stdout` and `process.stderr` outside tests. */
export interface Output {
  readonly stdout: Sink;
  readonly stderr: Sink;
}

/** One line on standard output: text for people, or the record as JSON with `--json`. What does not show is escaped in both. */
export function print(output: Output, json: boolean, text: string, record: object): void {
  printStyled(output, json, json ? '' : escapeText(text), record);
}

/** As `print`, for a text with styles: what it quotes must be escaped already. */
export function printStyled(output: Output, json: boolean, text: string, record: object): void {
  output.stdout.write(`${json ? toJsonLine(record) : text}\n`);
}

/** A JSON object a line. */
export function printRecords({ stdout }: Output, records: readonly object[]): void {
  for (const record of records) stdout.write(`${toJsonLine(record)}\n`);
}

/** A line on standard error for people: nothing with `--json`. */
export function note(output: Output, json: boolean, text: string): void {
  if (!json) output.stderr.write(`haricot: ${escapeText(text)}\n`);
}
