import type { Job } from './job.js';
import { DeadlineWarnings, type ReserveAnswer, ReserveCall } from './reserve-call.js';
import type { Session } from './session.js';

/** The reserves of one client. */
export class Reserver {
  readonly #session: Session;
  readonly #decode: ReserveAnswer;
  readonly #warnings = new DeadlineWarnings();
  // Not a Set: V8 chains the tables that it outgrows, and dead ones keep calls and their jobs alive until a full collection.
  readonly #calls: ReserveCall[] = [];
  readonly #onEnd = (call: ReserveCall): void => {
    const last = this.#calls.pop();
    if (last === undefined || last === call) return;
    this.#calls[call.place] = last;
    last.place = call.place;
  };
  #isStopped = false;

  constructor(session: Session, decode: ReserveAnswer) {
    this.#session = session;
    this.#decode = decode;
  }

  /** @param timeout in seconds; undefined: for ever */
  reserve(timeout: number | undefined, signal: AbortSignal | undefined): Promise<Job | null> {
    if (this.#isStopped) return Promise.resolve(null);
    const call = new ReserveCall(this.#session, this.#decode, this.#warnings, timeout, signal, this.#onEnd);
    call.place = this.#calls.push(call) - 1;
    return call.start();
  }

  /** Hands out no job from now on: those who wait get null, and a job that comes all the same is released. */
  stop(): void {
    this.#isStopped = true;
    for (const call of [...this.#calls]) call.stop();
  }
}
