/** Where a command writes; `process.stdout` and `process.stderr` outside tests. */
export interface Output {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/** One line on standard output: text for people, or the record as JSON with `--json`. */
export function print(output: Output, json: boolean, text: string, record: object): void {
  output.stdout.write(`${json ? JSON.stringify(record) : text}\n`);
}

/** What went wrong, with its causes, on one line. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return onOneLine(String(error));
  const message = onOneLine(error.message);
  const cause = error.cause === undefined ? '' : describeError(error.cause);
  return cause && !message.includes(cause) ? `${message} (${cause})` : message;
}

function onOneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ');
}
