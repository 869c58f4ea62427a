import type { Client } from '../../client/client.js';
import { Budgets } from './budget.js';
import { Journal } from './journal.js';
import type { Tubes } from './tubes.js';

/** Of one queue: its records, and the attempts that are counted from them. */
export interface QueueJournal {
  readonly journal: Journal;
  readonly budgets: Budgets;
}

/** The journals of a driver's queues, each made when it is needed. */
export class Journals {
  readonly #tubes: Tubes;
  readonly #connect: () => Promise<Client>;
  readonly #journals = new Map<string, QueueJournal>();

  constructor(tubes: Tubes, connect: () => Promise<Client>) {
    this.#tubes = tubes;
    this.#connect = connect;
  }

  of(queue: string): QueueJournal {
    let known = this.#journals.get(queue);
    if (known === undefined) {
      const journal = new Journal(this.#tubes, queue, this.#connect);
      known = { journal, budgets: new Budgets(journal) };
      this.#journals.set(queue, known);
    }
    return known;
  }
}
