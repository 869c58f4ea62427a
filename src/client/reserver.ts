import type { Job } from './job.js';
import { DeadlineWarnings, type ReserveAnswer, ReserveCall } from './reserve-call.js';
import type { Session } from './session.js';

/** The reserves of one client. */
export class Reserver {
  readonly #session: Session;
  readonly #decode: ReserveAnswer;
  readonly #warnings = new DeadlineWarnings();
  readonly #calls = new Set<ReserveCall>();
  #isStopped = false;

  constructor(session: Session, decode: ReserveAnswer) {
    this.#session = session;
    this.#decode = decode;
  }

  /** @param timeout in seconds; undefined: for ever */
  reserve(timeout: number | undefined, signal: AbortSignal | undefined): Promise<Job | null> {
    if (this.#isStopped) return Promise.resolve(null);
    const call = new ReserveCall(this.#session, this.#decode, this.#warnings, { timeout, signal });
    this.#calls.add(call);
    return call.start(() => this.#calls.delete(call));
  }

  /** Hands out no job from now on: those who wait get null, and a job that comes all the same is released. */
  stop(): void {
    this.#isStopped = true;
    for (const call of this.#calls) call.stop();
  }
}
