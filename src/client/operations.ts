// The commands that both Client and Job offer, each as a function of what sends it.
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

/** Sends what `request` describes; an argument it refuses becomes a rejection, and nothing is sent. */
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
  return sendForJob(sender, 'delete', id, nothing, () => jobLine('delete', id));
}

export function releaseJob(sender: Sender, id: JobId, options?: ReleaseOptions): Promise<void> {
  return sendForJob(sender, 'release', id, nothing, () =>
    releaseLine(id, commandOptions('release', options, RELEASE_OPTIONS)),
  );
}

export function buryJob(sender: Sender, id: JobId, options?: BuryOptions): Promise<void> {
  return sendForJob(sender, 'bury', id, nothing, () => buryLine(id, commandOptions('bury', options, BURY_OPTIONS)));
}

export function touchJob(sender: Sender, id: JobId): Promise<void> {
  return sendForJob(sender, 'touch', id, nothing, () => jobLine('touch', id));
}

export function statsJob(sender: Sender, id: JobId): Promise<JobStats | null> {
  return sendForJob(sender, 'stats-job', id, statsOrNull<JobStats>, () => jobLine('stats-job', id));
}

/** Gives back a job that nobody waits for any more, as it was: the server does not tell its priority with it. */
export async function giveBackJob(sender: Sender, id: JobId): Promise<void> {
  const stats = await statsJob(sender, id);
  await releaseJob(sender, id, { priority: stats?.pri });
}

/** A command about one job. */
export function sendForJob<T>(
  sender: Sender,
  command: Request<T>['command'],
  id: JobId,
  decode: Request<T>['decode'],
  line: () => string,
): Promise<T> {
  return send(sender, () => ({ command, line: line(), decode, jobId: String(id) }));
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

export function statsTube(sender: Sender, tube: string): Promise<TubeStats | null> {
  return send(sender, () => ({
    command: 'stats-tube',
    line: tubeLine('stats-tube', tube),
    decode: statsOrNull<TubeStats>,
  }));
}

/** The id or tube in a reply that has one. */
export function value(reply: Reply): string {
  return reply.value;
}
