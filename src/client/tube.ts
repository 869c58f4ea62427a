import { type BodyInput, checkBody } from '../protocol/arguments.js';
import { bareLine, kickLine, type PutOptions, pauseTubeLine, putLine } from '../protocol/commands.js';
import { ProtocolError } from '../protocol/errors.js';
import type { Reply } from '../protocol/replies.js';
import type { TubeStats } from '../protocol/stats.js';
import type { OptionNames } from '../shared/options.js';
import { commandOptions } from './arguments.js';
import { StoredJob } from './job.js';
import { count, noop, send, statsTube, value } from './operations.js';
import type { Sender } from './request.js';

const PUT_OPTIONS: OptionNames<PutOptions> = { priority: true, delay: true, ttr: true };

/** @internal The client that a tube belongs to. */
export interface TubeOwner extends Sender {
  /** The server's max-job-size, once `stats` has read it. */
  readonly maxJobSize: number | undefined;
}

/**
 * One tube on a client's connection; see {@link Client.tube}. `use` is sent only when another tube is in use, in the
 * same write as the command that requires it. The tube that the client itself uses does not change.
 */
export class Tube {
  readonly #owner: TubeOwner;
  readonly name: string;

  /** @internal @param name was checked before, because command lines contain it unchanged */
  constructor(owner: TubeOwner, name: string) {
    this.#owner = owner;
    this.name = name;
  }

  /**
   * Puts a job into this tube, like {@link Client.put}.
   * @param body a string is sent as UTF-8. The bytes are copied, so that the buffer may be changed at once
   * @returns the id of the job
   */
  put(body: BodyInput, options?: PutOptions): Promise<string> {
    return put(this.#owner, this.name, body, options);
  }

  /**
   * Reads the next ready job.
   * @returns `null` when there is none
   */
  peekReady(): Promise<StoredJob | null> {
    return peek(this.#owner, this.name, 'peek-ready');
  }

  /**
   * Reads the delayed job that becomes ready first.
   * @returns `null` when there is none
   */
  peekDelayed(): Promise<StoredJob | null> {
    return peek(this.#owner, this.name, 'peek-delayed');
  }

  /**
   * Reads the job that was buried first.
   * @returns `null` when there is none
   */
  peekBuried(): Promise<StoredJob | null> {
    return peek(this.#owner, this.name, 'peek-buried');
  }

  /**
   * Makes up to `bound` jobs ready: buried jobs if there are any, otherwise delayed jobs.
   * @returns how many
   */
  kick(bound: number): Promise<number> {
    return kick(this.#owner, this.name, bound);
  }

  /**
   * Reads the statistics of the tube.
   * @returns `null` when there is no such tube
   */
  stats(): Promise<TubeStats | null> {
    return statsTube(this.#owner, this.name);
  }

  /**
   * Pauses delivery for the given number of seconds; 0 ends a pause.
   * @throws NotFoundError when there is no such tube
   */
  pause(seconds: number): Promise<void> {
    return pauseTube(this.#owner, this.name, seconds);
  }

  /**
   * Ends a pause.
   * @throws NotFoundError when there is no such tube
   */
  resume(): Promise<void> {
    return this.pause(0);
  }
}

/** @internal */
export function put(owner: TubeOwner, tube: string, body: BodyInput, options?: PutOptions): Promise<string> {
  return send(owner, () => {
    // Read before the size is computed, because a getter of an option may change the body.
    const { priority, delay, ttr } = commandOptions('put', options, PUT_OPTIONS);
    const size = checkBody(body, Buffer.byteLength, owner.maxJobSize);
    return { command: 'put', line: putLine(size, { priority, delay, ttr }), body, size, tube, decode: value };
  });
}

/** @internal */
export function peek(
  sender: Sender,
  tube: string,
  command: 'peek-ready' | 'peek-delayed' | 'peek-buried',
): Promise<StoredJob | null> {
  return send(sender, () => ({ command, line: bareLine(command), tube, decode: stored }));
}

/** @internal */
export function kick(sender: Sender, tube: string, bound: number): Promise<number> {
  return send(sender, () => ({ command: 'kick', line: kickLine(bound), tube, decode: count }));
}

/** @internal */
export function pauseTube(sender: Sender, tube: string, seconds: number): Promise<void> {
  return send(sender, () => ({ command: 'pause-tube', line: pauseTubeLine(tube, seconds), decode: noop }));
}

/** @internal */
export function stored(reply: Reply): StoredJob | null {
  if (reply.form === 'NOT_FOUND') return null;
  if (reply.body) return new StoredJob(reply.value, reply.body);
  throw new ProtocolError('the job is still being uploaded by another connection', undefined, {
    command: 'peek',
    jobId: reply.value,
  });
}
