// The package `pg`, as far as it is used here: loaded when it is needed, and given by the user as a pool.
import { EngineError } from '../../queue/errors.js';
import { copyBytes } from '../../shared/bytes.js';

export interface QueryResult {
  readonly command: string;
  readonly rowCount: number | null;
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

interface QueryConfig {
  readonly text: string;
  readonly values?: readonly unknown[] | undefined;
  readonly name?: string | undefined;
  readonly types?: { getTypeParser(oid: number): (text: string) => unknown } | undefined;
}

/** A connection. */
export interface PgClient {
  connect(): Promise<unknown>;
  query(config: QueryConfig): Promise<QueryResult>;
  end(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  on(event: 'notification', listener: (message: { readonly payload?: string | undefined }) => void): unknown;
}

/** A connection of a pool, until it is released. */
export interface PooledClient extends PgClient {
  release(destroy?: boolean): void;
}

export interface PgPool {
  readonly totalCount: number;
  readonly options: { readonly max?: number | undefined };
  connect(): Promise<PooledClient>;
  end(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** Of `pg`, whatever version or copy of it. */
export function isPool(value: object): value is PgPool {
  const { connect, totalCount } = value as Partial<PgPool>;
  return typeof connect === 'function' && typeof totalCount === 'number';
}

export interface PgModule {
  readonly Pool: new (config: Readonly<Record<string, unknown>>) => PgPool;
  readonly Client: new (config: Readonly<Record<string, unknown>>) => PgClient;
}

/** With its own `catch`, so that bundlers do not demand a package that need not be there. */
function importPg(): Promise<unknown> {
  return import('pg').catch((error: unknown) => {
    throw error;
  });
}

/** @param load for tests @throws EngineError where the package is missing */
export async function loadPg(load: () => Promise<unknown> = importPg): Promise<PgModule> {
  const module = (await load().catch((cause: unknown) => {
    throw new EngineError('cannot open a PostgreSQL database: the package pg cannot be loaded; npm install pg', {
      cause,
    });
  })) as PgModule & { readonly default?: PgModule };
  return module.default ?? module;
}

const INT2 = 21;
const INT4 = 23;
const BOOL = 16;
const BYTEA = 17;

/**
 * How the columns of our own statements are read, whatever parsers the application has given `pg`. An int8 stays a string, because
 * ids may be larger than a number can tell.
 */
export const TYPES = {
  getTypeParser(oid: number): (text: string) => unknown {
    switch (oid) {
      case INT2:
      case INT4:
        return Number;
      case BOOL:
        return (text) => text === 't';
      case BYTEA:
        return parseBytes;
      default:
        return (text) => text;
    }
  },
};

/** `\\x` and hexadecimal digits, or, with `bytea_output = 'escape'`, characters and octal numbers. In memory of its own. */
export function parseBytes(text: string): Buffer {
  if (text.startsWith('\\x')) {
    const bytes = Buffer.allocUnsafeSlow((text.length - 2) / 2);
    bytes.write(text.slice(2), 'hex');
    return bytes;
  }
  const plain = text.replace(/\\(?:([0-7]{3})|\\)/g, (_, octal?: string) =>
    octal === undefined ? '\\' : String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return copyBytes(Buffer.from(plain, 'latin1'));
}
