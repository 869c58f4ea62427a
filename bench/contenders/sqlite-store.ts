import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Measured } from '../harness/measure.js';

/** What both contenders do, each in a file of its own. */
export type SqliteContender = {
  /** Which binding of SQLite it uses. */
  binding(): Promise<string>;
  /** Stores so many messages, each when the one before is stored. */
  publish(messages: number): Promise<Measured>;
  /** Stores so many messages at once. */
  publishMany(messages: number): Promise<Measured>;
  /** Takes and removes so many, a slot for each of `concurrency` at a time. Nothing else is in the queue. */
  work(messages: number, concurrency: number): Promise<Measured>;
  /** User and system time, as a share of the time that passes, while a worker waits for messages. */
  idle(ms: number): Promise<number>;
};

/** A file that is removed when the process ends. */
export function temporaryFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'haricot-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'haricot.db');
}
