import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { EngineError, HaricotError } from '../../queue/errors.js';
import { preview } from '../../shared/text.js';

/** The result codes of SQLite that somebody can do something about. */
const BUSY = 5;
const LOCKED = 6;
const NOMEM = 7;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const PROTOCOL = 15;
const NOTADB = 26;

/** What goes away by itself, or when somebody makes room. */
const RETRYABLE: ReadonlySet<number> = new Set([BUSY, LOCKED, NOMEM, FULL, PROTOCOL]);

/** What the driver was doing when SQLite failed. */
export type Phase = 'work' | 'commit';

/** Whether somebody else holds a lock that is in the way: worth another try. */
export function isLocked(error: unknown): boolean {
  const code = resultCode(error);
  return code === BUSY || code === LOCKED;
}

/** Whether nobody can tell what a commit that failed so has done: its last page may have been written. */
function isUncertain(code: number | undefined, phase: Phase): boolean {
  return phase === 'commit' && (code === undefined || code === IOERR);
}

/** As the framework throws it: what is wrong with the file and what can be done. Its `cause` is the binding's error. */
export function toEngineError(error: unknown, path: string, phase: Phase = 'work'): HaricotError {
  if (error instanceof HaricotError) return error;
  const code = resultCode(error);
  const message = error instanceof Error ? error.message : preview(error);
  const isUnknown = isUncertain(code, phase);
  return new EngineError(`${explanation(code, path, message)}${isUnknown ? '; it may have been done or not' : ''}`, {
    cause: error,
    retryable: code !== undefined && RETRYABLE.has(code),
    outcome: isUnknown ? 'unknown' : 'nothing',
  });
}

/** @param passedMs how long it has been so */
export function lockedError(path: string, passedMs: number, cause: unknown): EngineError {
  return new EngineError(
    `cannot write ${path}: another process has held its lock for ${Math.round(passedMs)} ms; end that process, or raise the option busyTimeout`,
    { cause, retryable: true },
  );
}

function explanation(code: number | undefined, path: string, message: string): string {
  switch (code) {
    case BUSY:
    case LOCKED:
      return `cannot use ${path}: another process has locked it; try again`;
    case READONLY:
      return `cannot write ${path}: it is read-only for this user; give the right to write the file, its -wal and -shm files and their folder`;
    case IOERR:
      return `cannot read or write ${path}: the disk or the file system fails (${message}); check it and try again`;
    case CORRUPT:
      return `cannot read ${path}: it is damaged (${message}); restore a backup, or save what can be read with: sqlite3 ${path} .recover`;
    case FULL:
      return `cannot write ${path}: there is no room left (${message}), and nothing was changed; free some of the disk and try again`;
    case CANTOPEN:
      return unopened(path);
    case NOTADB:
      return `cannot open ${path}: it is not an SQLite database; name another file, or move this one away`;
    default:
      return `cannot use ${path}: SQLite reports: ${message}`;
  }
}

function unopened(path: string): string {
  const folder = dirname(path);
  if (!existsSync(folder)) return `cannot open ${path}: there is no folder ${folder}; create it first`;
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    return `cannot open ${path}: it is a folder; name a file in it`;
  }
  return `cannot open ${path}: this user has no right to; give the right to read and write the file, its -wal and -shm files and its folder`;
}

/** Node tells it as `errcode`, libsql as `rawCode`, or at the end of the message where it could not open the file. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const { errcode, rawCode } = error as { errcode?: unknown; rawCode?: unknown };
  const code = errcode ?? rawCode ?? /^ConnectionFailed\(.*: (\d+)"\)$/s.exec(error.message)?.[1];
  // The low byte says what happened, the others say where.
  return code === undefined ? undefined : Number(code) & 0xff;
}
