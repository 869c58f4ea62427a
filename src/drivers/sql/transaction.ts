// What transactions of SQL engines have in common: those of the user, and those that a driver begins.
import type { TransactionClient } from '../../queue/driver.js';
import { InvalidOptionError } from '../../queue/errors.js';
import { preview } from '../../shared/text.js';

export type Row = Readonly<Record<string, unknown>>;

/** What `query(sql, params)` of a transaction of the user has returned. @throws InvalidOptionError for what has no rows */
export function rowsOf(result: unknown): readonly Row[] {
  const { rows } = (result ?? {}) as { readonly rows?: unknown };
  if (Array.isArray(rows)) return rows;
  throw new InvalidOptionError(`query() of the transaction must resolve to { rows, rowCount }, got ${preview(result)}`);
}

/** What `driver.transaction` gives: statements on a connection of ours. */
export abstract class OwnClient implements TransactionClient {
  #isOver = false;

  async query<R>(
    sql: string,
    params: readonly unknown[] = [],
  ): Promise<{ readonly rows: readonly R[]; readonly rowCount: number }> {
    if (this.#isOver) throw new InvalidOptionError('cannot run a statement: its transaction has ended');
    if (typeof sql !== 'string') throw new InvalidOptionError(`a statement must be a string, got ${preview(sql)}`);
    const { rows, rowCount } = await this.run(sql, params);
    return { rows: rows as readonly R[], rowCount };
  }

  /** The transaction has ended: a statement that comes late must not run outside of it. */
  end(): void {
    this.#isOver = true;
  }

  protected abstract run(
    sql: string,
    params: readonly unknown[],
  ): Promise<{ readonly rows: readonly unknown[]; readonly rowCount: number }>;
}
