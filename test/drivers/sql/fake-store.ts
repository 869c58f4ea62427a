import type { ClaimedRow, Round, RoundResult, SqlStore } from '../../../src/drivers/sql/store.js';

interface PendingRound {
  readonly round: Round;
  readonly answer: (result: RoundResult) => void;
  readonly fail: (error: unknown) => void;
}

/** A store whose rounds are answered by the test. */
export class FakeStore {
  readonly rounds: PendingRound[] = [];
  #onRound: (() => void) | undefined;
  readonly asStore: SqlStore;

  constructor(more: Partial<SqlStore> = {}) {
    const store: Partial<SqlStore> = {
      pollMs: [3_600_000],
      putRows: 3,
      putBytes: 100,
      round: (round) =>
        new Promise((answer, fail) => {
          this.rounds.push({ round, answer, fail });
          this.#onRound?.();
        }),
      listen: async () => false,
      nextDueMs: async () => Number.POSITIVE_INFINITY,
      notify: () => {},
      ...more,
    };
    this.asStore = store as SqlStore;
  }

  /** The next round, when it has come. */
  async next(): Promise<PendingRound> {
    while (this.rounds.length === 0) {
      await new Promise<void>((resolve) => {
        this.#onRound = resolve;
      });
    }
    return this.rounds.shift() as PendingRound;
  }
}

export function row(id: string, queue = 1): ClaimedRow {
  return { id, queue, token: Number(id) * 10, ttrMs: 60_000, attempt: 1, body: Buffer.from(id) };
}
