import { closeSync, openSync, type Stats, statSync } from 'node:fs';
import { EngineError } from '../../queue/errors.js';
import type { Connection, Statement } from './binding.js';
import { APPLICATION_ID, checkVersion } from './schema.js';

/** The database, its log, and what processes share of the log. */
const SUFFIXES = ['', '-wal', '-shm'] as const;

/** How often the file is looked at before what is written: 50 times a second cost nothing that can be measured. */
const INTERVAL_MS = 20;

/** Makes a new file that nobody but its owner may read; its log gets the same rights. One that exists is left alone. */
export function createPrivately(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch {
    // It exists; or it cannot be made, of which SQLite tells when it opens it.
  }
}

/**
 * Whether something other than a file stands there: a pipe or device would block or fail without saying why.
 * @throws EngineError
 */
export function checkIsFile(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  // SQLite tells of a folder.
  if (stats === undefined || stats.isFile() || stats.isDirectory()) return;
  throw new EngineError(`cannot open ${path}: it is a ${kindOf(stats)}, not a file; name a file`);
}

function kindOf(stats: Stats): string {
  if (stats.isFIFO()) return 'pipe';
  return stats.isSocket() ? 'socket' : 'device';
}

/**
 * Notices that the open file is no longer the one that others find under its name, or that it is no longer ours. SQLite
 * would go on writing into a file that nobody can open again.
 */
export class FileGuard {
  readonly #path: string;
  readonly #newestVersion: number;
  readonly #opened: readonly (Stats | undefined)[];
  readonly #userVersion: Statement;
  readonly #schemaVersion: Statement;
  readonly #application: Statement;
  #size: number;
  #schema: number;
  /** By `performance.now()`. */
  #checkedAt = Number.NEGATIVE_INFINITY;
  /** Asked when somebody has done more than changing messages: vacuumed the file, or restored a backup. */
  isSameContent: () => boolean = () => true;

  /** @param connection has read the file, so that its log is there */
  constructor(connection: Connection, path: string, newestVersion: number) {
    this.#path = path;
    this.#newestVersion = newestVersion;
    this.#userVersion = connection.prepare('PRAGMA user_version');
    this.#schemaVersion = connection.prepare('PRAGMA schema_version');
    this.#application = connection.prepare('PRAGMA application_id');
    this.#opened = SUFFIXES.map((suffix) => statSync(path + suffix, { throwIfNoEntry: false }));
    this.#size = this.#opened[0]?.size ?? 0;
    this.#schema = this.#read(this.#schemaVersion);
  }

  /**
   * Looks at the file if that was some time ago.
   * @param now by `performance.now()`
   * @throws EngineError; then the next call looks again, whenever it comes
   */
  check(now: number, intervalMs: number = INTERVAL_MS): void {
    if (now - this.#checkedAt < intervalMs) return;
    this.#checkedAt = Number.NEGATIVE_INFINITY;
    for (const [index, suffix] of SUFFIXES.entries()) this.#checkFile(this.#path + suffix, this.#opened[index]);
    this.#checkContent();
    this.#checkedAt = now;
  }

  #checkFile(path: string, opened: Stats | undefined): void {
    // Where the file system has no such thing as a log by that name, there is nothing to compare.
    if (opened === undefined) return;
    const found = this.#stat(path);
    if (found === undefined) throw takenAway(path, 'was removed');
    if (found.ino !== opened.ino || found.dev !== opened.dev) {
      throw takenAway(path, 'was replaced by another file');
    }
    if (found.nlink > 1) {
      throw new EngineError(
        `cannot use ${path}: it has ${found.nlink} names (hard links), and SQLite would keep a log for each; remove all but one`,
      );
    }
  }

  #stat(path: string): Stats | undefined {
    try {
      return statSync(path, { throwIfNoEntry: false });
    } catch (cause) {
      throw new EngineError(`cannot use ${path}: it can no longer be looked at; restore the rights on its folder`, {
        cause,
      });
    }
  }

  #checkContent(): void {
    const { size } = this.#stat(this.#path) ?? { size: 0 };
    const version = this.#read(this.#userVersion);
    checkVersion(version, this.#path, this.#newestVersion);
    if (version !== this.#newestVersion) {
      throw takenAway(this.#path, `was changed to version ${version}`);
    }
    const schema = this.#read(this.#schemaVersion);
    if (schema !== this.#schema) {
      if (this.#read(this.#application) !== APPLICATION_ID) {
        throw takenAway(this.#path, 'was given to another program');
      }
      if (!this.isSameContent()) throw takenAway(this.#path, 'was restored from a backup');
      this.#schema = schema;
    } else if (size < this.#size) {
      // What makes the file shrink otherwise, VACUUM, changes the version of the schema.
      throw takenAway(this.#path, `was cut short, from ${this.#size} to ${size} bytes,`);
    }
    this.#size = size;
  }

  #read(statement: Statement): number {
    const [value] = Object.values(statement.get([]) ?? {});
    return Number(value);
  }
}

function takenAway(path: string, how: string): EngineError {
  return new EngineError(
    `cannot use ${path}: it ${how} while it was open; put it back, or start this process again to go on with what is there`,
  );
}
