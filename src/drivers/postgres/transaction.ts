// Taking part in a transaction of the user: statements of ours on a connection of the user's.
import type { Transaction } from '../../queue/driver.js';
import { InvalidOptionError } from '../../queue/errors.js';
import { preview } from '../../shared/text.js';
import type { JoinedTransaction, NewRow } from '../sql/store.js';
import { OwnClient, type Row, rowsOf } from '../sql/transaction.js';
import { isPool, type PgClient } from './client.js';
import { toEngineError } from './errors.js';
import { putValues } from './rows.js';
import type { Statements } from './statements.js';

interface Queryable {
  query(sql: string, params: readonly unknown[]): Promise<unknown>;
}

/** An open transaction of the user. */
export class UserTransaction implements JoinedTransaction {
  readonly #client: Queryable;
  readonly #statements: Statements;
  readonly #channel: string;

  /** @throws InvalidOptionError for what is no transaction */
  constructor(transaction: Transaction, statements: Statements, channel: string) {
    this.#client = checkTransaction(transaction);
    this.#statements = statements;
    this.#channel = channel;
  }

  async queueId(name: string): Promise<number> {
    await this.#rows(this.#statements.addQueues, [[name]]);
    const [row] = await this.#rows(this.#statements.queueIds, [[name]]);
    return Number(row?.['id']);
  }

  async put(rows: readonly NewRow[]): Promise<readonly string[]> {
    const stored = await this.#rows(this.#statements.put.text, putValues(rows));
    // They are told when it commits.
    await this.#rows(this.#statements.notify, [this.#channel, [...new Set(rows.map(({ queue }) => queue))]]);
    return stored.map(({ id }) => String(id));
  }

  async ack(id: string, token: number): Promise<boolean> {
    return (await this.#rows(this.#statements.ack, [id, token])).length === 1;
  }

  async #rows(sql: string, params: readonly unknown[]): Promise<readonly Row[]> {
    let result: unknown;
    try {
      result = await this.#client.query(sql, params);
    } catch (error) {
      throw toEngineError(error, 'cannot take part in the transaction', false);
    }
    return rowsOf(result);
  }
}

function checkTransaction(transaction: Transaction): Queryable {
  const { query, getTransactionStatus } = transaction as Record<string, unknown>;
  if (typeof query !== 'function') {
    throw new InvalidOptionError(
      `the transaction must be a client of pg, or have query(sql, params), got ${preview(transaction)}`,
    );
  }
  if (isPool(transaction)) {
    throw new InvalidOptionError(
      'the transaction must be a client of pg, got a pool, which runs each statement on another connection; use await pool.connect()',
    );
  }
  if (typeof getTransactionStatus === 'function') {
    const status: unknown = Reflect.apply(getTransactionStatus, transaction, []);
    if (status === 'I')
      throw new InvalidOptionError('the transaction must be open, got a client without one; run BEGIN first');
    if (status === 'E')
      throw new InvalidOptionError(
        'the transaction must be open, got one in which a statement has failed; run ROLLBACK',
      );
  }
  return transaction as Queryable;
}

/** What `driver.transaction` gives. */
export class PostgresClient extends OwnClient {
  readonly #client: PgClient;

  constructor(client: PgClient) {
    super();
    this.#client = client;
  }

  protected override async run(sql: string, params: readonly unknown[]): ReturnType<OwnClient['run']> {
    const { rows, rowCount } = await this.#client.query({ text: sql, values: params });
    return { rows, rowCount: rowCount ?? rows.length };
  }
}
