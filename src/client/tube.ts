import { type BodyInput, checkBody } from '../protocol/arguments.js';
import { bareLine, kickLine, type PutOptions, pauseTubeLine, putLine } from '../protocol/commands.js';
import { ProtocolError } from '../protocol/errors.js';
import type { Reply } from '../protocol/replies.js';
import type { TubeStats } from '../protocol/stats.js';
import type { OptionNames } from '../shared/options.js';
import { commandOptions } from './arguments.js';
import { StoredJob } from './job.js';
import { count, nothing, send, statsTube, value } from './operations.js';
import type { Sender } from './request.js';

const PUT_OPTIONS: OptionNames<PutOptions> = { priority: true, delay: true, ttr: true };

/** @internal What a tube needs of its client. */
export interface TubeOwner extends Sender {
  /** The server's max-job-size, once `stats` has told it. */
  readonly maxJobSize: number | undefined;
}

/**
 * One tube on a client's connection. `use` is sent only when another tube is in use, in the same write as the command that
 * needs it; the tube that the client itself uses stays what it was.
 */
export class Tube {
  readonly #owner: TubeOwner;
  readonly name: string;

  /** @internal @param name was checked: it goes into command lines as it is */
  constructor(owner: TubeOwner, name: string) {
    this.#owner = owner;
    this.name = name;
  }

  /** As `client.put`, into this tube. */
  put(body: BodyInput, options?: PutOptions): Promise<string> {
    return put(this.#owner, this.name, body, options);
  }

  /** The next ready job. */
  peekReady(): Promise<StoredJob | null> {
    return peek(this.#owner, this.name, 'peek-ready');
  }

  /** The delayed job that becomes ready first. */
  peekDelayed(): Promise<StoredJob | null> {
    return peek(this.#owner, this.name, 'peek-delayed');
  }

  /** The job that was buried first. */
  peekBuried(): Promise<StoredJob | null> {
    return peek(this.#owner, this.name, 'peek-buried');
  }

  /** As `client.kick`, of this tube's jobs. */
  kick(bound: number): Promise<number> {
    return kick(this.#owner, this.name, bound);
  }

  /** `null` when there is no such tube. */
  stats(): Promise<TubeStats | null> {
    return statsTube(this.#owner, this.name);
  }

  /** Hands out nothing for so many seconds. @throws NotFoundError when there is no such tube */
  pause(seconds: number): Promise<void> {
    return pauseTube(this.#owner, this.name, seconds);
  }

  /** Ends a pause. @throws NotFoundError when there is no such tube */
  resume(): Promise<void> {
    return this.pause(0);
  }
}

/** @internal */
export function put(owner: TubeOwner, tube: string, body: BodyInput, options?: PutOptions): Promise<string> {
  return send(owner, () => {
    // Before the size, which must still be right when the body is copied: an option may be a getter.
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
  return send(sender, () => ({ command: 'pause-tube', line: pauseTubeLine(tube, seconds), decode: nothing }));
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
