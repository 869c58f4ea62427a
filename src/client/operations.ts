// The commands that both Client and Job offer, each as a function of the connection it goes down.
import type { JobId } from '../protocol/arguments.js';
import { type BuryOptions, buryLine, jobLine, type ReleaseOptions, releaseLine } from '../protocol/commands.js';
import type { Reply } from '../protocol/replies.js';
import { decodeStats, type JobStats } from '../protocol/stats.js';
import type { Connection, Request } from './connection.js';

/** Sends what `request` describes; an argument it refuses becomes a rejection, and nothing is sent. */
export function send<T>(connection: Connection, request: () => Request<T>): Promise<T> {
  let built: Request<T>;
  try {
    built = request();
  } catch (error) {
    return Promise.reject(error);
  }
  return connection.send(built);
}

export function deleteJob(connection: Connection, id: JobId): Promise<void> {
  return sendForJob(connection, 'delete', id, nothing, () => jobLine('delete', id));
}

export function releaseJob(connection: Connection, id: JobId, options?: ReleaseOptions): Promise<void> {
  return sendForJob(connection, 'release', id, nothing, () => releaseLine(id, options));
}

export function buryJob(connection: Connection, id: JobId, options?: BuryOptions): Promise<void> {
  return sendForJob(connection, 'bury', id, nothing, () => buryLine(id, options));
}

export function touchJob(connection: Connection, id: JobId): Promise<void> {
  return sendForJob(connection, 'touch', id, nothing, () => jobLine('touch', id));
}

export function statsJob(connection: Connection, id: JobId): Promise<JobStats | null> {
  return sendForJob(connection, 'stats-job', id, statsOrNull<JobStats>, () => jobLine('stats-job', id));
}

/** A command about one job. */
export function sendForJob<T>(
  connection: Connection,
  command: Request<T>['command'],
  id: JobId,
  decode: Request<T>['decode'],
  line: () => string,
): Promise<T> {
  return send(connection, () => ({ command, line: line(), decode, jobId: String(id) }));
}

export function nothing(): void {}

/** The number in a reply that has one. */
export function count(reply: Reply): number {
  return Number(reply.value);
}

/** The data of a reply that always has some. */
export function data(reply: Reply): Buffer {
  return reply.body ?? Buffer.alloc(0);
}

export function statsOrNull<T>(reply: Reply): T | null {
  return reply.form === 'NOT_FOUND' ? null : (decodeStats(data(reply)) as T);
}
