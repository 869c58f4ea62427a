import { EventEmitter } from 'node:events';
import { type BodyInput, checkReserveTimeout, checkTube, type JobId } from '../protocol/arguments.js';
import { type BuryOptions, bareLine, jobLine, type PutOptions, type ReleaseOptions } from '../protocol/commands.js';
import type { Reply } from '../protocol/replies.js';
import { decodeList, decodeStats, type JobStats, type ServerStats, type TubeStats } from '../protocol/stats.js';
import { runOutside } from '../shared/async-context.js';
import type { OptionNames } from '../shared/options.js';
import { throwUncaught } from '../shared/uncaught.js';
import { checkBoolean, checkOptions, checkSignal, commandOptions, targetOptions } from './arguments.js';
import { withCallerStack } from './caller-stack.js';
import type { ClientEvents } from './client-events.js';
import { DeliverySender } from './delivery-sender.js';
import { ClosedError } from './errors.js';
import { Job, type StoredJob } from './job.js';
import {
  buryJob,
  data,
  deleteJob,
  nothing,
  releaseJob,
  sendForJob,
  statsJob,
  statsTube,
  touchJob,
  value,
} from './operations.js';
import { CLIENT_OPTIONS, type ClientOptions, DEFAULT_QUIT_TIMEOUT_MS, openSession } from './options.js';
import type { JobConnection, Request, Sender } from './request.js';
import { Reserver } from './reserver.js';
import type { Session } from './session.js';
import { kick, pauseTube, peek, put, stored, Tube, type TubeOwner } from './tube.js';

export interface ReserveOptions {
  /** How long to wait for a job, in whole seconds, 0 to 2147483647. Default: for ever. */
  readonly timeout?: number | undefined;
  /** Gives up waiting: the call rejects with its reason. A job that is on its way stays in its queue. */
  readonly signal?: AbortSignal | undefined;
}

export interface QuitOptions {
  /**
   * Whether jobs that are held may still be deleted, released, buried and touched, by their methods or by their ids, before the
   * connection closes. `false` gives them back at once. Default true.
   */
  readonly waitForJobs?: boolean | undefined;
}

const RESERVE_OPTIONS: OptionNames<ReserveOptions> = { timeout: true, signal: true };
const QUIT_OPTIONS: OptionNames<QuitOptions> = { waitForJobs: true };

/**
 * A connection to beanstalkd and every command of it.
 *
 * Commands are sent as they are called, all those of one tick in one write, and nothing waits for an earlier reply; the
 * server executes them in order. A `reserve` that waits therefore holds up everything called after it: consume and
 * produce on different clients. Arguments are checked before a byte is sent: a bad one rejects with INVALID_ARGUMENT.
 */
export class Client extends EventEmitter<ClientEvents> implements AsyncDisposable {
  readonly #session: Session;
  readonly #reserver: Reserver;
  readonly #quitTimeoutMs: number;
  /** Commands of this client; none once it went back to its pool. */
  readonly #sender: TubeOwner & { maxJobSize: number | undefined };
  #returned = false;
  readonly #refusal = (request: Request<unknown>): ClosedError | undefined =>
    this.#returned ? returned(request) : undefined;

  /**
   * @param target an address, or options that name one
   * @throws InvalidArgumentError, ConnectTimeoutError, ConnectionLostError, or the signal's reason
   */
  static async connect(target: string | ClientOptions = {}, options: ClientOptions = {}): Promise<Client> {
    const all = targetOptions('Client.connect', target, options, CLIENT_OPTIONS);
    return new Client(await openSession(all), all.quitTimeoutMs);
  }

  /** @internal For {@link Client.connect} and the pool. */
  constructor(session: Session, quitTimeoutMs: number = DEFAULT_QUIT_TIMEOUT_MS) {
    super();
    this.#session = session;
    this.#reserver = new Reserver(session, (reply, connection) =>
      reply.form === 'TIMED_OUT' ? null : this.#job(reply, connection),
    );
    this.#quitTimeoutMs = quitTimeoutMs;
    this.#sender = { maxJobSize: undefined, send: (request) => this.#send(request) };
    session.emit = (event, ...args) => {
      // Another server may have another limit.
      if (event === 'disconnect') this.#sender.maxJobSize = undefined;
      try {
        // Typed by the signature of Session.emit, which the emitter's own cannot follow.
        runOutside(() => (this as EventEmitter).emit(event, ...args));
      } catch (error) {
        // Uncaught, as with any emitter, but not in the middle of reconnecting.
        throwUncaught(error);
      }
    };
  }

  /** Whether commands are taken: false after `quit()` and `destroy()`, and when it has given up reconnecting. */
  get isOpen(): boolean {
    return this.#session.isOpen && !this.#returned;
  }

  // Producing

  /**
   * Puts a job into the used tube.
   * @param body a string is sent as UTF-8. The bytes are copied: the buffer may be changed at once
   * @returns the job's id
   * @throws JobTooBigError, DrainingError, OutOfMemoryError; BuriedError when the server had to bury the job
   */
  put(body: BodyInput, options?: PutOptions): Promise<string> {
    return put(this.#sender, this.#session.chosenTube, body, options);
  }

  /** Makes `tube` the one that `put`, `kick` and `peekReady` and its kin are about; creates it. @returns its name */
  use(tube: string): Promise<string> {
    return this.#checked(() => this.#session.use(checkTube(tube, 'use')));
  }

  // Consuming

  /**
   * Takes the most urgent job of the watched tubes, waiting for one if need be.
   * @returns `null` when the timeout passed
   * @throws DeadlineSoonError when a job held by this connection must be touched or finished first; JobTooBigError when
   * the body is larger than `maxBodyBytes`: the job is held, settle it by the error's `jobId`
   */
  reserve(options?: ReserveOptions): Promise<Job | null> {
    return this.#checked(() => {
      const { timeout, signal } = commandOptions('reserve', options, RESERVE_OPTIONS);
      if (timeout !== undefined) checkReserveTimeout(timeout);
      return this.#reserver.reserve(timeout, checkSignal(signal, { command: 'reserve' }));
    });
  }

  /** Its commands go down the connection that has reserved it, as long as this client may use that. */
  #job(reply: Reply, connection: JobConnection): Job {
    const sender = new DeliverySender(connection, connection.delivery(reply.value), this.#refusal);
    const traced: Sender = { send: (request) => this.#traced(sender.send(request)) };
    return new Job(reply.value, data(reply), this.#session.callerStacks ? traced : sender);
  }

  /**
   * Takes one particular job, ready, delayed or buried, in any tube. Needs server 1.12.
   * @throws NotFoundError when it does not exist or is reserved; BadFormatError on older servers
   */
  reserveJob(id: JobId): Promise<Job> {
    return this.#aboutJob('reserve-job', id, (reply, connection) => this.#job(reply, connection));
  }

  /** Adds `tube` to those that `reserve` takes from; creates it. @returns how many are watched */
  watch(tube: string): Promise<number> {
    return this.#checked(() => this.#session.watch('watch', tube));
  }

  /** Takes `tube` off those that `reserve` takes from. @returns how many are watched @throws NotIgnoredError for the last */
  ignore(tube: string): Promise<number> {
    return this.#checked(() => this.#session.watch('ignore', tube));
  }

  // One job, by its id

  /** Removes a job that is held by this connection, or ready, delayed or buried. @throws NotFoundError */
  delete(id: JobId): Promise<void> {
    return deleteJob(this.#sender, id);
  }

  /** Gives back a job this connection holds. @throws NotFoundError, BuriedError */
  release(id: JobId, options?: ReleaseOptions): Promise<void> {
    return releaseJob(this.#sender, id, options);
  }

  /** Puts aside a job this connection holds, until it is kicked. @throws NotFoundError */
  bury(id: JobId, options?: BuryOptions): Promise<void> {
    return buryJob(this.#sender, id, options);
  }

  /** Starts the TTR of a job this connection holds anew. @throws NotFoundError */
  touch(id: JobId): Promise<void> {
    return touchJob(this.#sender, id);
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
    return peek(this.#sender, this.#session.chosenTube, 'peek-ready');
  }

  /** The delayed job of the used tube that becomes ready first. */
  peekDelayed(): Promise<StoredJob | null> {
    return peek(this.#sender, this.#session.chosenTube, 'peek-delayed');
  }

  /** The job of the used tube that was buried first. */
  peekBuried(): Promise<StoredJob | null> {
    return peek(this.#sender, this.#session.chosenTube, 'peek-buried');
  }

  /** The whole server. From then on `put` refuses bodies above its `maxJobSize` without sending them. */
  stats(): Promise<ServerStats> {
    return this.#bare('stats', (reply) => {
      const stats = decodeStats<ServerStats>(data(reply));
      if (Number.isSafeInteger(stats.maxJobSize)) this.#sender.maxJobSize = stats.maxJobSize;
      return stats;
    });
  }

  /** `null` when there is no such tube. */
  statsTube(tube: string): Promise<TubeStats | null> {
    return statsTube(this.#sender, tube);
  }

  /** `null` when there is no such job. */
  statsJob(id: JobId): Promise<JobStats | null> {
    return statsJob(this.#sender, id);
  }

  listTubes(): Promise<string[]> {
    return this.#bare('list-tubes', list);
  }

  listTubeUsed(): Promise<string> {
    const command = 'list-tube-used';
    return this.#sender.send({ command, line: bareLine(command), tube: this.#session.chosenTube, decode: value });
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
    return kick(this.#sender, this.#session.chosenTube, bound);
  }

  /** Hands out nothing from `tube` for so many seconds; 0 ends a pause. @throws NotFoundError */
  pauseTube(tube: string, seconds: number): Promise<void> {
    return pauseTube(this.#sender, tube, seconds);
  }

  /** One tube, for callers that use several: it sends `use` when it must. @throws InvalidArgumentError */
  tube(name: string): Tube {
    return new Tube(this.#sender, checkTube(name, 'use'));
  }

  // Closing

  /**
   * Takes no further commands, waits until what is out is answered and the jobs that are held are settled, then closes. A
   * reserve that waits is answered `null`, and no job is handed out any more. It takes `quitTimeoutMs` at most; jobs that are
   * held then become ready again.
   */
  async quit(options?: QuitOptions): Promise<void> {
    const { waitForJobs } = checkOptions('quit', options, QUIT_OPTIONS);
    if (waitForJobs !== undefined) checkBoolean('waitForJobs', waitForJobs);
    if (!this.#returned) await this.#session.quit(this.#quitTimeoutMs, waitForJobs);
  }

  /** Closes at once; what is pending rejects with CLOSED. */
  destroy(): void {
    if (!this.#returned) this.#session.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.quit();
  }

  /** @internal For the pool: no job is handed out any more, and a reserve that waits is answered `null`. */
  stopReserving(): void {
    this.#reserver.stop();
  }

  /** @internal For the pool: the connection is somebody else's from now on. */
  detach(): void {
    this.#returned = true;
    this.#session.emit = nothing;
  }

  #send<T>(request: Request<T>): Promise<T> {
    return this.#returned ? Promise.reject(returned(request)) : this.#traced(this.#session.send(request));
  }

  #traced<T>(answer: Promise<T>): Promise<T> {
    return this.#session.callerStacks ? withCallerStack(answer) : answer;
  }

  /** What an argument is refused with becomes a rejection. */
  #checked<T>(call: () => Promise<T>): Promise<T> {
    if (this.#returned) return Promise.reject(returned());
    try {
      return this.#traced(call());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #bare<T>(command: Parameters<typeof bareLine>[0], decode: (reply: Reply) => T): Promise<T> {
    return this.#sender.send({ command, line: bareLine(command), decode });
  }

  #aboutJob<T>(command: Parameters<typeof jobLine>[0], id: JobId, decode: Request<T>['decode']): Promise<T> {
    return sendForJob(this.#sender, command, id, decode, () => jobLine(command, id));
  }
}

function returned({ command, jobId }: Partial<Request<unknown>> = {}): ClosedError {
  return new ClosedError('the client was returned to its pool', { command, jobId });
}

function list(reply: Reply): string[] {
  return decodeList(data(reply));
}
