// How stored messages are shown: as a row, whole, and as a record.
import { isUtf8 } from 'node:buffer';
import type { StoredMessage } from '../../queue/driver.js';
import type { Failure } from '../../queue/failure.js';
import type { Message } from '../../queue/message.js';
import type { Queue } from '../../queue/queue.js';
import { escapeText, truncate } from '../../shared/text.js';
import { type Paint, painter } from './colour.js';
import type { Output } from './output.js';
import { type Column, table } from './table.js';
import { describeError, formatDate, formatDuration, oneLine, pluralize } from './text.js';

/** Of the last column, where nothing tells how wide the terminal is. */
const LAST_WIDTH = 60;
const TYPE_WIDTH = 40;
/** No terminal is wider: of longer data the rest is not looked at. */
const MAX_WIDTH = 2000;

/** A stored message, and what could be read of it. */
export interface ReadMessage {
  readonly stored: StoredMessage;
  readonly message: Message | undefined;
  /** Why it could not be read. */
  readonly decodeError: unknown;
}

/** Decodes a message; one that cannot be read is shown all the same. */
export function readMessage(queue: Queue, stored: StoredMessage): ReadMessage {
  try {
    return { stored, message: queue.decode(stored), decodeError: undefined };
  } catch (decodeError) {
    return { stored, message: undefined, decodeError };
  }
}

export const ID_COLUMN: Column<ReadMessage> = { title: 'ID', cell: ({ stored }) => stored.jobId };

export const TYPE_COLUMN: Column<ReadMessage> = {
  title: 'TYPE',
  cell: ({ message }) => oneLine(message?.type ?? '(unreadable)', TYPE_WIDTH),
};

/** Writes a table whose last column is cut to the width of the terminal. @param below a line below a row */
export function printMessages(
  { stdout }: Output,
  columns: readonly Column<ReadMessage>[],
  found: readonly ReadMessage[],
  below: (read: ReadMessage, paint: Paint) => string | undefined = () => undefined,
): void {
  const width = stdout.isTTY ? (stdout.columns ?? LAST_WIDTH) : undefined;
  const last = columns.length - 1;
  const cut = columns.map((column, index) =>
    index < last ? column : { ...column, cell: (row: ReadMessage) => truncate(column.cell(row), width ?? LAST_WIDTH) },
  );
  const paint = painter(stdout);
  const [titles = '', ...lines] = table(cut, found, paint);
  stdout.write(`${titles}\n`);
  found.forEach((read, index) => {
    const line = lines[index] ?? '';
    stdout.write(`${width === undefined ? line : truncate(line, width)}\n`);
    const more = below(read, paint);
    if (more !== undefined) stdout.write(`${more}\n`);
  });
}

/** Since it was published, where it tells when that was. */
export function ageOf({ message, stored: { createdAt } }: ReadMessage): string {
  const time = publishedAt(message) ?? createdAt;
  return time === undefined ? '-' : formatDuration(Math.max(0, Date.now() - time.getTime()));
}

function publishedAt(message: Message | undefined): Date | undefined {
  return message === undefined || message.time.getTime() === 0 ? undefined : message.time;
}

/** The data on one line. */
export function dataLine({ stored: { body }, message }: ReadMessage): string {
  if (message === undefined)
    return isUtf8(body) ? oneLine(body.toString('utf8', 0, MAX_WIDTH), MAX_WIDTH) : bytes(body);
  if (message.data instanceof Uint8Array) return bytes(message.data);
  const written = jsonOf(message.data);
  return written === undefined ? TOO_DEEP : escapeText(truncate(written, MAX_WIDTH));
}

/** What failed, on one line. */
export function errorOf({ name, message }: Failure): string {
  return oneLine(name === '' || name === 'Error' ? message : `${name}: ${message}`, MAX_WIDTH);
}

const TOO_DEEP = '(nested too deeply to be shown)';

/** More levels are not shown: writing them overflows the stack, of this program or of the one that reads the output. */
const MAX_LEVELS = 1000;

function isTooDeep(data: unknown): boolean {
  let level: unknown[] = [data];
  for (let levels = 0; level.length > 0; levels++) {
    if (levels > MAX_LEVELS) return true;
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []));
  }
  return false;
}

/** The data as JSON, where it can be written. */
function jsonOf(data: unknown, indent?: number): string | undefined {
  if (isTooDeep(data)) return undefined;
  try {
    return JSON.stringify(data, null, indent) ?? '';
  } catch {
    return undefined;
  }
}

function bytes({ length }: Uint8Array): string {
  return `(${pluralize(length, 'byte')})`;
}

/** Writes everything that is known of a message, a line for each thing; what does not show is escaped. */
export function printWhole({ stdout }: Output, read: ReadMessage): void {
  const { stored, message } = read;
  const { jobId, queue, state, priority, ttrMs, attempts, createdAt, dueAt, failure } = stored;
  const paint = painter(stdout);
  const print = (line: string): unknown => stdout.write(`${line}\n`);
  const field = (label: string, value: string | undefined): void => {
    if (value !== undefined) print(`${paint('dim', `${label}:`.padEnd(LABEL_WIDTH))}${escapeText(value)}`.trimEnd());
  };
  const block = (label: string, text: string): void => {
    print(paint('dim', `${label}:`));
    for (const line of text.split('\n')) print(`  ${escapeText(line)}`.trimEnd());
  };
  field('Id', jobId);
  field('Queue', queue);
  field('State', dueAt === undefined ? state : `${state} until ${formatDate(dueAt)}`);
  field('Type', message?.type ?? '(unreadable)');
  field('Message id', message?.id);
  field('Source', message?.source);
  field('Published', dateOr(publishedAt(message) ?? createdAt));
  field('Priority', priority?.toString());
  field('TTR', ttrMs === undefined ? undefined : formatDuration(ttrMs));
  field('Attempts', attempts?.toString());
  for (const [name, value] of Object.entries(message?.headers ?? {})) field('Header', `${name}=${value}`);
  if (message === undefined) field('Unreadable', describeError(read.decodeError));
  block(message === undefined ? 'Body' : 'Data', wholeData(read));
  if (failure !== undefined) printFailure(failure, field, block);
}

const LABEL_WIDTH = 13;

function printFailure(
  { reason, attempt, at, name, message, stack, causes }: Failure,
  field: (label: string, value: string | undefined) => void,
  block: (label: string, text: string) => void,
): void {
  field('Failed', dateOr(at));
  field('Reason', attempt === undefined ? reason : `${reason}, at attempt ${attempt}`);
  // A stack begins with both.
  const told = name === '' ? message : `${name}: ${message}`;
  block('Error', stack.includes(message) ? stack : stack === '' ? told : `${told}\n${stack}`);
  for (const cause of causes) block('Caused by', `${cause.name}: ${cause.message}`);
}

function dateOr(date: Date | undefined): string | undefined {
  return date === undefined || date.getTime() === 0 ? undefined : formatDate(date);
}

/** To the last character, JSON with a line for each of its parts. */
function wholeData({ stored: { body }, message }: ReadMessage): string {
  const data = message === undefined ? body : message.data;
  if (!(data instanceof Uint8Array)) return jsonOf(data, 2) ?? TOO_DEEP;
  return isUtf8(data)
    ? Buffer.from(data).toString()
    : `${bytes(data)}, as base64:\n${Buffer.from(data).toString('base64')}`;
}

/** Everything, the body to the byte. */
export function recordOf({ stored, message }: ReadMessage): object {
  const { body, ...known } = stored;
  return {
    ...known,
    ...(message && {
      type: message.type,
      messageId: message.id,
      source: message.source,
      headers: message.headers,
      time: publishedAt(message),
      ...dataRecord(message.data),
    }),
    ...(isUtf8(body) ? { body: body.toString() } : { bodyBase64: body.toString('base64') }),
  };
}

function dataRecord(data: unknown): object {
  if (data instanceof Uint8Array) return {};
  return jsonOf(data) === undefined ? { dataError: TOO_DEEP } : { data };
}
