import { resolve } from 'node:path';
import { toTimerMs } from '../../queue/duration.js';
import { InvalidOptionError } from '../../queue/errors.js';
import { listOf } from '../../shared/options.js';
import { maskUrl, preview } from '../../shared/text.js';

/** What a URL says: where the file is, and how it is to be treated. */
export interface SqliteAddress {
  /** Absolute. */
  readonly path: string;
  /** `full` also survives a power failure, at the price of an fsync for each transaction. */
  readonly synchronous: 'normal' | 'full';
  /** How long a call waits for the write lock while another process holds it. */
  readonly busyTimeoutMs: number;
}

const FORMS = 'sqlite:./haricot.db, sqlite:/var/lib/haricot.db or sqlite:///var/lib/haricot.db';
const OPTIONS = ['synchronous', 'busyTimeout'];
const LONGEST_URL_SHOWN = 200;
const DEFAULT_BUSY_TIMEOUT_MS = 5000;

/**
 * Reads `sqlite:<path>?synchronous=normal|full&busyTimeout=5s`. A relative path is relative to the working directory; `%3F`
 * stands for a question mark in it, `%25` for a percent sign.
 * @throws InvalidOptionError
 */
export function parseUrl(url: string): SqliteAddress {
  const [address = '', query = ''] = url.split('?', 2);
  const options = new URLSearchParams(query);
  for (const name of options.keys()) {
    if (OPTIONS.includes(name)) continue;
    throw new InvalidOptionError(
      `an option of a sqlite: URL must be ${listOf([...OPTIONS, 'prefix'])}, got ${preview(name)}`,
    );
  }
  return {
    path: pathOf(address, url),
    synchronous: synchronousOf(options.get('synchronous')),
    busyTimeoutMs: busyTimeoutOf(options.get('busyTimeout')),
  };
}

function pathOf(address: string, url: string): string {
  const [, authority, rest = ''] = /^sqlite:(?:\/\/([^/]*))?(.*)$/is.exec(address) ?? [];
  if (authority) {
    throw new InvalidOptionError(`a URL of SQLite must be ${FORMS}, got ${quoted(url)}, which names a host`);
  }
  const path = decoded(rest, url);
  if (path === '' || path.endsWith('/') || path.includes('\0')) {
    throw new InvalidOptionError(`a URL of SQLite must be ${FORMS}, got ${quoted(url)}, which does not name a file`);
  }
  if (path.startsWith(':')) {
    throw new InvalidOptionError(`a URL of SQLite must be ${FORMS}, got ${preview(path)}, which is no file`);
  }
  // On Windows, sqlite:///C:/data/haricot.db.
  return resolve(process.platform === 'win32' ? path.replace(/^\/(?=[a-z]:)/i, '') : path);
}

function decoded(path: string, url: string): string {
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw new InvalidOptionError(`a percent sign in a path must be written %25, got ${quoted(url)}`, { cause });
  }
}

function synchronousOf(value: string | null): SqliteAddress['synchronous'] {
  if (value === null || value === 'normal' || value === 'full') return value ?? 'normal';
  throw new InvalidOptionError(`synchronous must be "normal" or "full", got ${preview(value)}`);
}

function busyTimeoutOf(value: string | null): number {
  if (value === null) return DEFAULT_BUSY_TIMEOUT_MS;
  return toTimerMs(/^\d+$/.test(value) ? Number(value) : value, 'busyTimeout');
}

/** Without a password, which somebody who takes the file for a server may have written there. */
function quoted(url: string): string {
  return preview(maskUrl(url), LONGEST_URL_SHOWN);
}
