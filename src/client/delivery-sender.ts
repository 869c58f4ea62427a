import type { Delivery, JobConnection, Request, Sender } from './request.js';

/** Sends the commands of one delivery of a job, down the connection that it came on. */
export class DeliverySender implements Sender {
  readonly #connection: JobConnection;
  readonly #delivery: Delivery | undefined;
  readonly #refusalOf: (request: Request<unknown>) => Error | undefined;

  /** @param refusalOf why the client that was delivered the job may send nothing any more */
  constructor(
    connection: JobConnection,
    delivery: Delivery | undefined,
    refusalOf: (request: Request<unknown>) => Error | undefined,
  ) {
    this.#connection = connection;
    this.#delivery = delivery;
    this.#refusalOf = refusalOf;
  }

  send<T>(request: Request<T>): Promise<T> {
    const refusal = this.#refusalOf(request);
    if (refusal !== undefined) return Promise.reject(refusal);
    // Whoever asks may know: it changes nothing.
    if (request.command === 'stats-job') return this.#connection.send(request);
    return this.#connection.sendFor(this.#delivery, request);
  }
}
