import { EventEmitter } from 'node:events';
import { type BodyInput, checkBody, type JobId } from '../protocol/arguments.js';
import {
  type BuryOptions,
  bareLine,
  type CommandName,
  jobLine,
  kickLine,
  type PutOptions,
  pauseTubeLine,
  putLine,
  type ReleaseOptions,
  reserveLine,
  tubeLine,
} from '../protocol/commands.js';
import { type BeanstalkdError, InvalidArgumentError, ProtocolError } from '../protocol/errors.js';
import { DEFAULT_MAX_BODY_BYTES } from '../protocol/limits.js';
import type { Reply } from '../protocol/replies.js';
import { decodeList, decodeStats, type JobStats, type ServerStats, type TubeStats } from '../protocol/stats.js';
import { type Address, DEFAULT_HOST, DEFAULT_PORT, isPort, parseAddress } from './address.js';
import { Connection, type ConnectionOptions } from './connection.js';
import { Job, StoredJob } from './job.js';
import {
  buryJob,
  count,
  data,
  deleteJob,
  nothing,
  releaseJob,
  send,
  sendForJob,
  statsJob,
  statsOrNull,
  touchJob,
} from './operations.js';

/** How a {@link Client} connects. */
export interface ClientOptions extends Partial<ConnectionOptions> {
  /** `beanstalkd://host[:port]` or `host[:port]`; instead of `host` and `port`. */
  readonly url?: string | undefined;
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Default 11300. */
  readonly port?: number | undefined;
  /** How long connecting may take, in milliseconds. Default 5000. */
  readonly connectTimeoutMs?: number;
  /** Ceiling for the body of a received job, in bytes; a larger one is a protocol fault. Default 64 MiB. */
  readonly maxBodyBytes?: number;
}

export interface ReserveOptions {
  /** How long to wait for a job, in whole seconds, 0 to 2147483647. Default: for ever. */
  readonly timeout?: number | undefined;
}

const DEFAULT_CONNECT_TIMEOUT_MS = 5000;

/** What a {@link Client} emits. */
export interface ClientEvents {
  /** The connection is gone: a ClosedError after `quit()` and `destroy()`, otherwise a ConnectionLostError. */
  close: [reason: BeanstalkdError];
}

/**
 * A connection to beanstalkd and every command of it.
 *
 * Commands are sent as they are called, all those of one tick in one write, and nothing waits for an earlier reply; the
 * server executes them in order. A `reserve` that waits therefore holds up everything called after it: consume and
 * produce on different clients. Arguments are checked before a byte is sent: a bad one rejects with INVALID_ARGUMENT.
 */
export class Client extends EventEmitter<ClientEvents> implements AsyncDisposable {
  readonly #connection: Connection;
  /** The server's max-job-size, once `stats` has told it. */
  #maxJobSize: number | undefined;

  /**
   * @param target an address, or options that name one
   * @throws InvalidArgumentError, ConnectTimeoutError, ConnectionLostError
   */
  static async connect(target: string | ClientOptions = {}, options: ClientOptions = {}): Promise<Client> {
    const all = typeof target === 'string' ? { ...options, url: target } : { ...target, ...options };
    const { connectTimeoutMs = DEFAULT_CONNECT_TIMEOUT_MS, maxBodyBytes = DEFAULT_MAX_BODY_BYTES, openSocket } = all;
    return new Client(await Connection.open(addressOf(all), { connectTimeoutMs, maxBodyBytes, openSocket }));
  }

  private constructor(connection: Connection) {
    super();
    this.#connection = connection;
    connection.onClose = (reason) => this.emit('close', reason);
  }

  /** Whether commands can still be sent: false after `quit()`, `destroy()` and the loss of the connection. */
  get isOpen(): boolean {
    return this.#connection.isOpen;
  }

  // Producing

  /**
   * Puts a job into the used tube.
   * @param body a string is sent as UTF-8. The bytes are copied: the buffer may be changed at once
   * @returns the job's id
   * @throws JobTooBigError, DrainingError, OutOfMemoryError; BuriedError when the server had to bury the job
   */
  put(body: BodyInput, options?: PutOptions): Promise<string> {
    return send(this.#connection, () => {
      const size = checkBody(body, Buffer.byteLength, this.#maxJobSize);
      return { command: 'put', line: putLine(size, options), body, size, decode: text };
    });
  }

  /** Makes `tube` the one that `put`, `kick` and `peekReady` and its kin are about; creates it. @returns its name */
  use(tube: string): Promise<string> {
    return this.#aboutTube('use', tube, text);
  }

  // Consuming

  /**
   * Takes the most urgent job of the watched tubes, waiting for one if need be.
   * @returns `null` when the timeout passed
   * @throws DeadlineSoonError when a job held by this connection must be touched or finished first
   */
  reserve({ timeout }: ReserveOptions = {}): Promise<Job | null> {
    return send(this.#connection, () => ({
      command: timeout === undefined ? 'reserve' : 'reserve-with-timeout',
      line: reserveLine(timeout),
      decode: (reply) => (reply.form === 'TIMED_OUT' ? null : this.#job(reply)),
    }));
  }

  /**
   * Takes one particular job, ready, delayed or buried, in any tube. Needs server 1.12.
   * @throws NotFoundError when it does not exist or is reserved; BadFormatError on older servers
   */
  reserveJob(id: JobId): Promise<Job> {
    return this.#aboutJob('reserve-job', id, (reply) => this.#job(reply));
  }

  /** Adds `tube` to those that `reserve` takes from; creates it. @returns how many are watched */
  watch(tube: string): Promise<number> {
    return this.#aboutTube('watch', tube, count);
  }

  /** Takes `tube` off those that `reserve` takes from. @returns how many are watched @throws NotIgnoredError for the last */
  ignore(tube: string): Promise<number> {
    return this.#aboutTube('ignore', tube, count);
  }

  // One job, by its id

  /** Removes a job that is held by this connection, or ready, delayed or buried. @throws NotFoundError */
  delete(id: JobId): Promise<void> {
    return deleteJob(this.#connection, id);
  }

  /** Gives back a job this connection holds. @throws NotFoundError, BuriedError */
  release(id: JobId, options?: ReleaseOptions): Promise<void> {
    return releaseJob(this.#connection, id, options);
  }

  /** Puts aside a job this connection holds, until it is kicked. @throws NotFoundError */
  bury(id: JobId, options?: BuryOptions): Promise<void> {
    return buryJob(this.#connection, id, options);
  }

  /** Starts the TTR of a job this connection holds anew. @throws NotFoundError */
  touch(id: JobId): Promise<void> {
    return touchJob(this.#connection, id);
  }

  /** Makes one buried or delayed job ready. @throws NotFoundError when it is neither */
  kickJob(id: JobId): Promise<void> {
    return this.#aboutJob('kick-job', id, nothing);
  }

  // Looking

  /**
   * A job in any tube and any state, without reserving it.
   * @throws ProtocolError when another connection is still uploading it: its bytes are not there yet. The connection
   * stays usable
   */
  peek(id: JobId): Promise<StoredJob | null> {
    return this.#aboutJob('peek', id, stored);
  }

  /** The next ready job of the used tube. */
  peekReady(): Promise<StoredJob | null> {
    return this.#bare('peek-ready', stored);
  }

  /** The delayed job of the used tube that becomes ready first. */
  peekDelayed(): Promise<StoredJob | null> {
    return this.#bare('peek-delayed', stored);
  }

  /** The job of the used tube that was buried first. */
  peekBuried(): Promise<StoredJob | null> {
    return this.#bare('peek-buried', stored);
  }

  /** The whole server. From then on `put` refuses bodies above its `maxJobSize` without sending them. */
  stats(): Promise<ServerStats> {
    return this.#bare('stats', (reply) => {
      const stats = decodeStats<ServerStats>(data(reply));
      if (Number.isSafeInteger(stats.maxJobSize)) this.#maxJobSize = stats.maxJobSize;
      return stats;
    });
  }

  /** `null` when there is no such tube. */
  statsTube(tube: string): Promise<TubeStats | null> {
    return this.#aboutTube('stats-tube', tube, statsOrNull<TubeStats>);
  }

  /** `null` when there is no such job. */
  statsJob(id: JobId): Promise<JobStats | null> {
    return statsJob(this.#connection, id);
  }

  listTubes(): Promise<string[]> {
    return this.#bare('list-tubes', list);
  }

  listTubeUsed(): Promise<string> {
    return this.#bare('list-tube-used', text);
  }

  listTubesWatched(): Promise<string[]> {
    return this.#bare('list-tubes-watched', list);
  }

  // Operating

  /**
   * Makes up to `bound` jobs of the used tube ready: buried ones if it has any, otherwise delayed ones.
   * @returns how many
   */
  kick(bound: number): Promise<number> {
    return send(this.#connection, () => ({ command: 'kick', line: kickLine(bound), decode: count }));
  }

  /** Hands out nothing from `tube` for so many seconds; 0 ends a pause. @throws NotFoundError */
  pauseTube(tube: string, seconds: number): Promise<void> {
    return send(this.#connection, () => ({
      command: 'pause-tube',
      line: pauseTubeLine(tube, seconds),
      decode: nothing,
    }));
  }

  // Closing

  /**
   * Takes no further commands, waits for the answers that are out (a waiting reserve is answered `null`) and closes.
   * Jobs still held become ready again.
   */
  quit(): Promise<void> {
    return this.#connection.quit();
  }

  /** Closes at once; what is pending rejects with CLOSED. */
  destroy(): void {
    this.#connection.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.quit();
  }

  #job(reply: Reply): Job {
    return new Job(reply.value, data(reply), this.#connection);
  }

  #bare<T>(command: Parameters<typeof bareLine>[0], decode: (reply: Reply) => T): Promise<T> {
    return this.#connection.send({ command, line: bareLine(command), decode });
  }

  #aboutTube<T>(command: Parameters<typeof tubeLine>[0], tube: string, decode: (reply: Reply) => T): Promise<T> {
    return send(this.#connection, () => ({ command, line: tubeLine(command, tube), decode }));
  }

  #aboutJob<T>(command: Parameters<typeof jobLine>[0], id: JobId, decode: (reply: Reply) => T): Promise<T> {
    return sendForJob(this.#connection, command, id, decode, () => jobLine(command, id));
  }
}

function text(reply: Reply): string {
  return reply.value;
}

function list(reply: Reply): string[] {
  return decodeList(data(reply));
}

function stored(reply: Reply): StoredJob | null {
  if (reply.form === 'NOT_FOUND') return null;
  if (reply.body) return new StoredJob(reply.value, reply.body);
  throw new ProtocolError('the job is still being uploaded by another connection', undefined, {
    command: 'peek' satisfies CommandName,
    jobId: reply.value,
  });
}

function addressOf({ url, host, port }: ClientOptions): Address {
  if (url !== undefined) {
    if (host !== undefined || port !== undefined) {
      throw new InvalidArgumentError('an address is given as url, or as host and port, not as both');
    }
    return parseAddress(url);
  }
  if (port !== undefined && !isPort(port)) {
    throw new InvalidArgumentError(`a port is an integer from 1 to 65535, got ${String(port)}`);
  }
  return { host: host ?? DEFAULT_HOST, port: port ?? DEFAULT_PORT };
}
