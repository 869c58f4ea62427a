import type { Connection, Statement } from './binding.js';

/** How many rows one statement changes or stores at most: calling libsql costs as much as changing one. */
export const MOST_AT_ONCE = 32;

/** A statement for any number of rows up to {@link MOST_AT_ONCE}. It is prepared for a number when that is first needed. */
export class BatchStatement {
  readonly #connection: Connection;
  readonly #sqlOf: (count: number) => string;
  readonly #statements: Statement[] = [];

  constructor(connection: Connection, sqlOf: (count: number) => string) {
    this.#connection = connection;
    this.#sqlOf = sqlOf;
  }

  of(count: number): Statement {
    this.#statements[count] ??= this.#connection.prepare(this.#sqlOf(count));
    return this.#statements[count];
  }
}

/** Places for so many values: `?3, ?4, ?5`. */
export function parameters(first: number, count: number): string {
  return Array.from({ length: count }, (_, index) => `?${first + index}`).join(', ');
}
