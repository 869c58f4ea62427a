export type { BodyInput, JobId } from '../protocol/arguments.js';
export type { BuryOptions, PutOptions, ReleaseOptions } from '../protocol/commands.js';
export {
  BadFormatError,
  BeanstalkdError,
  BuriedError,
  DeadlineSoonError,
  DrainingError,
  type ErrorCode,
  type ErrorContext,
  ExpectedCrlfError,
  InternalError,
  InvalidArgumentError,
  JobTooBigError,
  NotFoundError,
  NotIgnoredError,
  OutOfMemoryError,
  ProtocolError,
  UnknownCommandError,
} from '../protocol/errors.js';
export type { JobStats, ServerStats, TubeStats } from '../protocol/stats.js';
export { Client, type ClientOptions, type ReserveOptions } from './client.js';
export { ClosedError, ConnectionLostError, ConnectTimeoutError } from './errors.js';
export { Job, StoredJob } from './job.js';
