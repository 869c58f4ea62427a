// The commands that Client and Job have in common, as functions of their sender.
import type { JobId } from '../protocol/arguments.js';
import {
  type BuryOptions,
  buryLine,
  jobLine,
  type ReleaseOptions,
  releaseLine,
  tubeLine,
} from '../protocol/commands.js';
import type { Reply } from '../protocol/replies.js';
import { decodeStats, type JobStats, type TubeStats } from '../protocol/stats.js';
import type { OptionNames } from '../shared/options.js';
import { commandOptions } from './arguments.js';
import type { Request, Sender } from './request.js';

const RELEASE_OPTIONS: OptionNames<ReleaseOptions> = { priority: true, delay: true };
const BURY_OPTIONS: OptionNames<BuryOptions> = { priority: true };

/** Sends the request that `request` builds. If it throws, the call rejects and nothing is sent. */
export function send<T>(sender: Sender, request: () => Request<T>): Promise<T> {
  let built: Request<T>;
  try {
    built = request();
  } catch (error) {
    return Promise.reject(error);
  }
  return sender.send(built);
}

export function deleteJob(sender: Sender, id: JobId): Promise<void> {
  return sendForJob(sender, 'delete', id, noop, () => jobLine('delete', id));
}

export function releaseJob(sender: Sender, id: JobId, options?: ReleaseOptions): Promise<void> {
  return sendForJob(sender, 'release', id, noop, () =>
    releaseLine(id, commandOptions('release', options, RELEASE_OPTIONS)),
  );
}

export function buryJob(sender: Sender, id: JobId, options?: BuryOptions): Promise<void> {
  return sendForJob(sender, 'bury', id, noop, () => buryLine(id, commandOptions('bury', options, BURY_OPTIONS)));
}

export function touchJob(sender: Sender, id: JobId): Promise<void> {
  return sendForJob(sender, 'touch', id, noop, () => jobLine('touch', id));
}

export function statsJob(sender: Sender, id: JobId): Promise<JobStats | null> {
  return sendForJob(sender, 'stats-job', id, statsOrNull<JobStats>, () => jobLine('stats-job', id));
}

/**
 * Releases a job that was delivered to no caller, with its own priority: the server does not tell that with the job.
 */
export async function giveBackJob(sender: Sender, id: JobId): Promise<void> {
  const stats = await statsJob(sender, id);
  await releaseJob(sender, id, { priority: stats?.pri });
}

/** Sends a command about one job. */
export function sendForJob<T>(
  sender: Sender,
  command: Request<T>['command'],
  id: JobId,
  decode: Request<T>['decode'],
  line: () => string,
): Promise<T> {
  return send(sender, () => ({ command, line: line(), decode, jobId: String(id) }));
}

export function noop(): void {}

/** Decodes the number of a reply. */
export function count(reply: Reply): number {
  return Number(reply.value);
}

/** Decodes the data of a reply. */
export function data(reply: Reply): Buffer {
  return reply.body ?? Buffer.alloc(0);
}

export function statsOrNull<T>(reply: Reply): T | null {
  return reply.form === 'NOT_FOUND' ? null : (decodeStats(data(reply)) as T);
}

export function statsTube(sender: Sender, tube: string): Promise<TubeStats | null> {
  return send(sender, () => ({
    command: 'stats-tube',
    line: tubeLine('stats-tube', tube),
    decode: statsOrNull<TubeStats>,
  }));
}

/** Decodes the id or tube of a reply. */
export function value(reply: Reply): string {
  return reply.value;
}
