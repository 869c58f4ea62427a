import type { Socket } from 'node:net';
import { InvalidArgumentError, type JobTooBigError } from '../protocol/errors.js';
import { DEFAULT_MAX_BODY_BYTES, MAX_U32 } from '../protocol/limits.js';
import { LONGEST_TIMER_MS } from '../shared/deadline.js';
import type { OptionNames } from '../shared/options.js';
import { preview } from '../shared/text.js';
import { ADDRESS_OPTIONS, type Address, type AddressOptions, addressOf } from './address.js';
import { checkBoolean, checkFunction, checkInteger, checkSignal } from './arguments.js';
import { Backoff, type ReconnectOptions } from './backoff.js';
import { withCallerStack } from './caller-stack.js';
import type { PendingLimitError } from './errors.js';
import { livenessOf } from './reply-deadline.js';
import { Session, type SessionOptions } from './session.js';

/** How a {@link Client} connects, and what it does when the connection is lost. */
export interface ClientOptions extends AddressOptions {
  /** Aborts the first attempt to connect: `connect` rejects with the signal's reason. Default: none. */
  readonly signal?: AbortSignal | undefined;
  /** How long connecting may take, in milliseconds. Default 5000. */
  readonly connectTimeoutMs?: number | undefined;
  /**
   * How long the server may take to answer a command, in milliseconds. After that the connection counts as lost. The
   * time includes sending a large body; the timeout of a reserve is added. A reply that has begun must be complete
   * within this time. For the data of a large reply the time starts again as long as at least 1 KiB per second arrives.
   * 0: no limit. Default 30,000.
   */
  readonly replyTimeoutMs?: number | undefined;
  /**
   * How long a waiting reserve may receive nothing from the server, in milliseconds. After that the connection counts
   * as lost. A long reserve is therefore sent as several shorter ones of whole seconds. Below 2000, the time is one
   * second plus half of this value. 0: no limit. Default 60,000.
   */
  readonly livenessMs?: number | undefined;
  /**
   * The largest job body that is received, in bytes. A larger body is skipped, and its call rejects with
   * {@link JobTooBigError}. The error's `jobId` names the job: if it was reserved, it is held and must be settled by
   * its id. Default 64 MiB.
   */
  readonly maxBodyBytes?: number | undefined;
  /**
   * How to reconnect after the connection is lost; `false` to close instead. Default: without end, with delays of up to
   * 0.1 s that grow to up to 10 s.
   */
  readonly reconnect?: boolean | ReconnectOptions | undefined;
  /**
   * How many bytes may be pending: bodies, lines, and 400 bytes for each command. A command that would exceed this
   * rejects with {@link PendingLimitError} and is not sent. A body of any size is accepted when no other is pending.
   * Commands that settle jobs are always accepted. Default 64 MiB.
   */
  readonly maxPendingBytes?: number | undefined;
  /** How many commands may wait while there is no connection. Default 10,000. */
  readonly maxWaitingCommands?: number | undefined;
  /** How many bytes the waiting commands may have. Default 16 MiB. */
  readonly maxWaitingBytes?: number | undefined;
  /** How long a command may wait for a connection, in milliseconds. Default 30,000. */
  readonly maxWaitingMs?: number | undefined;
  /**
   * How long `quit()` may take, in milliseconds, including the wait for held jobs. After that the connection is
   * destroyed. Default 5000.
   */
  readonly quitTimeoutMs?: number | undefined;
  /**
   * Whether errors such as NOT_FOUND and CONNECTION_LOST have the stack of the call that they reject. Otherwise they
   * have the stack of the code that reads replies, or of a timer. Costs about 3 µs of CPU time per command, a third of
   * the throughput of pipelined commands. Default false.
   */
  readonly callerStacks?: boolean | undefined;
  /** Creates the sockets; for tests. Default: TCP, TLS or Unix sockets, according to the address. */
  readonly openSocket?: ((address: Address) => Socket) | undefined;
}

/** Options of `Client.reserve`. */
export interface ReserveOptions {
  /** How long to wait for a job, in whole seconds from 0 to 2147483647. Default: no limit. */
  readonly timeout?: number | undefined;
  /** Cancels the reserve: the call rejects with the signal's reason, and no job is lost. Default: none. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of `Client.quit`. */
export interface QuitOptions {
  /**
   * Whether held jobs may still be deleted, released, buried and touched, by their methods or by their ids, before the
   * connection closes. `false` returns them to their tubes at once. Default true.
   */
  readonly waitForJobs?: boolean | undefined;
}

/** @internal */
export const RESERVE_OPTIONS: OptionNames<ReserveOptions> = { timeout: true, signal: true };
/** @internal */
export const QUIT_OPTIONS: OptionNames<QuitOptions> = { waitForJobs: true };

/** @internal */
export const CLIENT_OPTIONS: OptionNames<ClientOptions> = {
  ...ADDRESS_OPTIONS,
  signal: true,
  connectTimeoutMs: true,
  replyTimeoutMs: true,
  livenessMs: true,
  maxBodyBytes: true,
  reconnect: true,
  maxPendingBytes: true,
  maxWaitingCommands: true,
  maxWaitingBytes: true,
  maxWaitingMs: true,
  quitTimeoutMs: true,
  callerStacks: true,
  openSocket: true,
};

/** @internal */
export const DEFAULT_QUIT_TIMEOUT_MS = 5000;

/** @internal @throws InvalidArgumentError, ConnectTimeoutError, ConnectionLostError, or the signal's reason */
export async function openSession(options: ClientOptions): Promise<Session> {
  const settings = settingsOf(options);
  const opening = Session.open(addressOf(options), settings);
  return settings.callerStacks ? withCallerStack(opening) : opening;
}

/** @internal Checks the options and fills in the defaults. @throws InvalidArgumentError */
export function settingsOf(options: ClientOptions): SessionOptions {
  const { reconnect = true, callerStacks = false, signal, openSocket } = options;
  integer('quitTimeoutMs', options.quitTimeoutMs, DEFAULT_QUIT_TIMEOUT_MS, LONGEST_TIMER_MS);
  const replyTimeoutMs = integer('replyTimeoutMs', options.replyTimeoutMs, 30_000, LONGEST_TIMER_MS);
  const livenessMs = integer('livenessMs', options.livenessMs, 60_000, LONGEST_TIMER_MS);
  return {
    connectTimeoutMs: integer('connectTimeoutMs', options.connectTimeoutMs, 5000, LONGEST_TIMER_MS),
    replyTimeoutMs,
    liveness: livenessOf(livenessMs, replyTimeoutMs),
    maxBodyBytes: integer('maxBodyBytes', options.maxBodyBytes, DEFAULT_MAX_BODY_BYTES, MAX_U32 - 2),
    maxPendingBytes: integer('maxPendingBytes', options.maxPendingBytes, 64 * 1024 * 1024, Number.MAX_SAFE_INTEGER),
    maxWaitingCommands: integer('maxWaitingCommands', options.maxWaitingCommands, 10_000, Number.MAX_SAFE_INTEGER),
    maxWaitingBytes: integer('maxWaitingBytes', options.maxWaitingBytes, 16 * 1024 * 1024, Number.MAX_SAFE_INTEGER),
    maxWaitingMs: integer('maxWaitingMs', options.maxWaitingMs, 30_000, LONGEST_TIMER_MS),
    backoff: backoffOf(reconnect),
    callerStacks: checkBoolean('callerStacks', callerStacks),
    signal: checkSignal(signal),
    openSocket: checkFunction('openSocket', openSocket),
  };
}

function integer(name: string, value: number | undefined, byDefault: number, max: number): number {
  return value === undefined ? byDefault : checkInteger(name, value, 0, max);
}

function backoffOf(reconnect: unknown): Backoff | undefined {
  if (reconnect === false) return undefined;
  if (reconnect === true) return new Backoff({});
  if (typeof reconnect === 'object' && reconnect !== null) return new Backoff(reconnect);
  throw new InvalidArgumentError(`reconnect must be true, false or an object, got ${preview(reconnect)}`);
}
