export type { BodyInput, JobId } from '../protocol/arguments.js';
export type { BuryOptions, PutOptions, ReleaseOptions } from '../protocol/commands.js';
export type { JobStats, ServerStats, TubeStats } from '../protocol/stats.js';
export { Client, type ClientOptions, type ReserveOptions } from './client.js';
export * from './errors.js';
export { Job, StoredJob } from './job.js';
