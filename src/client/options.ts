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
import { livenessOf } from './liveness.js';
import { Session, type SessionOptions } from './session.js';

/** How a {@link Client} connects, and what it does when the connection is lost. */
export interface ClientOptions extends AddressOptions {
  /** Gives up connecting for the first time: rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** How long connecting may take, in milliseconds. Default 5000. */
  readonly connectTimeoutMs?: number | undefined;
  /**
   * How long the server may take to answer a command, in milliseconds; a reserve gets its own timeout on top. A server
   * that takes longer counts as lost; sending a large body counts too. Once a reply has begun, it must be whole within this
   * time; while the data of a large one comes, the time starts anew as long as at least 1 KiB for each second of it has
   * come. 0: for ever. Default 30,000.
   */
  readonly replyTimeoutMs?: number | undefined;
  /**
   * How long a reserve that waits may go without a sign of life from the server, in milliseconds; then the server counts as
   * lost. For that a reserve that waits long is sent as several, of whole seconds: below 2000 it takes one second
   * and half of this. 0: for ever. Default 60,000.
   */
  readonly livenessMs?: number | undefined;
  /**
   * The largest body that is received, in bytes. A larger one is skipped, and the call that would have got it rejects with
   * {@link JobTooBigError}, whose `jobId` names the job: a reserved one is held and must be settled by its id. Default 64 MiB.
   */
  readonly maxBodyBytes?: number | undefined;
  /** How to come back after the connection is lost; `false`: not at all. Default: for ever, within 0.1 to 10 s. */
  readonly reconnect?: boolean | ReconnectOptions | undefined;
  /**
   * How much may be in flight and not answered yet, in bytes: bodies, lines, and 400 bytes for each command. What would exceed
   * it rejects with {@link PendingLimitError} and is not sent. A body passes where no other is in flight, however large it is,
   * and commands that settle jobs always do. Default 64 MiB.
   */
  readonly maxPendingBytes?: number | undefined;
  /** How many commands may wait while there is no connection. Default 10,000. */
  readonly maxWaitingCommands?: number | undefined;
  /** How many bytes those may have. Default 16 MiB. */
  readonly maxWaitingBytes?: number | undefined;
  /** How long they may wait, in milliseconds. Default 30,000. */
  readonly maxWaitingMs?: number | undefined;
  /**
   * How long `quit()` may take, in milliseconds, the wait for jobs that are held included; then the connection is destroyed.
   * Default 5000.
   */
  readonly quitTimeoutMs?: number | undefined;
  /**
   * Whether errors, such as NOT_FOUND and CONNECTION_LOST, have the stack of the call that they reject; otherwise it is the one
   * of what has read the reply, or of a timer. Costs about 3 µs of the processor for each command, a third of the throughput of
   * those that are pipelined. Default false.
   */
  readonly callerStacks?: boolean | undefined;
  /** Where sockets come from; for tests. */
  readonly openSocket?: ((address: Address) => Socket) | undefined;
}

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

/** @internal The options, checked and filled in. @throws InvalidArgumentError */
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
