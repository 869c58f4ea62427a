import { checkOptions } from '../queue/checks.js';
import type { ReservedMessage, Transaction } from '../queue/driver.js';
import { EngineError, InvalidOptionError, LeaseLostError } from '../queue/errors.js';
import { isA } from '../shared/is-a.js';
import { preview } from '../shared/text.js';
import { resultOf, type WorkerConsumer } from './worker-consumer.js';

/** Acknowledges a message in a transaction of the user. Afterwards the engine tells whether that was committed. */
export class TransactionalAck {
  readonly #message: ReservedMessage;
  readonly #consumer: Pick<WorkerConsumer, 'settle' | 'isHeld'>;
  #isIssued = false;
  #answered: Promise<unknown> | undefined;

  constructor(message: ReservedMessage, consumer: Pick<WorkerConsumer, 'settle' | 'isHeld'>) {
    this.#message = message;
    this.#consumer = consumer;
  }

  /** Whether the message is part of a transaction, whose end decides. */
  get isIssued(): boolean {
    return this.#isIssued;
  }

  /**
   * May be called again for another transaction once the first was rolled back.
   * @throws LeaseLostError, EngineError
   */
  async issue(transaction: Transaction): Promise<void> {
    if (this.#isIssued && !(await this.isHeld())) throw finishedBefore(this.#message);
    this.#isIssued = true;
    try {
      const settled = this.#consumer.settle({ kind: 'ack', message: this.#message, transaction });
      this.#answered = settled.catch(() => {});
      resultOf(await settled);
    } catch (error) {
      this.#isIssued = isA(EngineError, error) && error.outcome === 'unknown';
      throw error;
    }
  }

  /** Whether the message is still held, because the transaction was rolled back. @throws EngineError */
  async isHeld(): Promise<boolean> {
    await this.#answered;
    return !this.#isIssued || this.#consumer.isHeld(this.#message);
  }
}

/** @throws InvalidOptionError */
export function checkFinish(options: { readonly transaction: Transaction }): Transaction {
  const { transaction } = checkOptions('finish', options, { transaction: true });
  if ((typeof transaction === 'object' && transaction !== null) || typeof transaction === 'function')
    return transaction;
  throw new InvalidOptionError(`transaction must be a transaction of the engine, got ${preview(transaction)}`);
}

/** The error of a message whose slots have succeeded, but whose transaction was not committed. */
export function rolledBack(): Error {
  return new Error(
    'cannot finish the message: finish was rolled back; the transaction must be committed before the slot returns',
  );
}

function finishedBefore({ jobId, queue }: ReservedMessage): LeaseLostError {
  return new LeaseLostError(`cannot settle message ${jobId} of queue "${queue}": it was finished before`);
}
