import { checkOneOf } from '../../queue/checks.js';
import { InvalidOptionError } from '../../queue/errors.js';
import { listOf } from '../../shared/options.js';
import { maskUrl, preview } from '../../shared/text.js';

/** What a URL says. */
export interface PostgresAddress {
  /** A URL for each host, as `pg` takes it. They are tried in turn. */
  readonly hosts: readonly string[];
  /** Whether it names a host or a database. */
  readonly hasHost: boolean;
  /** Where the tables are. */
  readonly schema: string;
  /** Whether statements are prepared on the server: a pooler that gives each transaction another connection may not allow it. */
  readonly isPrepared: boolean;
  /** How many connections there are at most, besides the one that listens. */
  readonly poolSize: number;
}

const OWN_OPTIONS = ['schema', 'prepare', 'poolSize', 'target_session_attrs'];
/** Handed on to `pg`. */
const PG_OPTIONS = [
  ...['sslmode', 'sslcert', 'sslkey', 'sslrootcert', 'uselibpqcompat'],
  ...['application_name', 'connect_timeout', 'host', 'port', 'user', 'password', 'dbname'],
];
export const OPTIONS: readonly string[] = [...OWN_OPTIONS, ...PG_OPTIONS];

const FORM = 'postgres://user:password@host:5432/database, with several hosts separated by commas';
const DEFAULT_SCHEMA = 'haricot';
const DEFAULT_POOL_SIZE = 4;
const MAX_POOL_SIZE = 1000;
/** PostgreSQL cuts longer ones without a word. */
const MAX_SCHEMA_BYTES = 63;

/**
 * Reads `postgres://user:password@host:5432,standby:5432/database?schema=haricot`.
 * @throws InvalidOptionError, with the password masked
 */
export function parseUrl(url: string): PostgresAddress {
  const [, scheme, authority = '', path = '', query = ''] =
    /^(postgres(?:ql)?:)(?:\/\/([^/?#]*))?(\/[^?#]*)?(?:\?([^#]*))?$/i.exec(url) ?? [];
  if (scheme === undefined) {
    throw new InvalidOptionError(`a URL of PostgreSQL must be ${FORM}, got ${preview(maskUrl(url), 200)}`);
  }
  const options = new URLSearchParams(query);
  for (const name of options.keys()) checkOneOf('an option of a postgres: URL', name, [...OPTIONS, 'prefix']);
  const own = (name: string): string | undefined => {
    const value = options.get(name) ?? undefined;
    options.delete(name);
    return value;
  };
  const address = {
    schema: schemaOf(own('schema')),
    isPrepared: isPrepared(own('prepare')),
    poolSize: poolSizeOf(own('poolSize')),
  };
  checkSession(own('target_session_attrs'));
  const at = authority.lastIndexOf('@') + 1;
  const [user, hosts] = [authority.slice(0, at), authority.slice(at).split(',')];
  const rest = options.size > 0 ? `?${options}` : '';
  return {
    ...address,
    hasHost: authority !== '' || path !== '',
    hosts: hosts.map((host) => {
      const one = `postgres://${user}${host}${path || '/'}${rest}`;
      // An error of `pg` would show it with its password.
      if (URL.canParse(one)) return one;
      throw new InvalidOptionError(`a URL of PostgreSQL must be ${FORM}, got ${preview(maskUrl(url), 200)}`);
    }),
  };
}

function schemaOf(value: string | undefined): string {
  if (value === undefined) return DEFAULT_SCHEMA;
  const bytes = Buffer.byteLength(value);
  if (bytes >= 1 && bytes <= MAX_SCHEMA_BYTES && !value.includes('\0') && !value.startsWith('pg_')) return value;
  throw new InvalidOptionError(
    `schema must be 1 to ${MAX_SCHEMA_BYTES} bytes and not begin with "pg_", got ${preview(value)}`,
  );
}

function isPrepared(value: string | undefined): boolean {
  if (value === undefined || value === 'true' || value === 'false') return value !== 'false';
  throw new InvalidOptionError(`prepare must be "true" or "false", got ${preview(value)}`);
}

function poolSizeOf(value: string | undefined): number {
  if (value === undefined) return DEFAULT_POOL_SIZE;
  const size = /^[0-9]{1,4}$/.test(value) ? Number(value) : Number.NaN;
  if (size >= 1 && size <= MAX_POOL_SIZE) return size;
  throw new InvalidOptionError(`poolSize must be a whole number from 1 to ${MAX_POOL_SIZE}, got ${preview(value)}`);
}

/** A server that cannot be written to is of no use here, whatever is said. */
function checkSession(value: string | undefined): void {
  const allowed = ['read-write', 'primary'];
  if (value === undefined || allowed.includes(value)) return;
  throw new InvalidOptionError(`target_session_attrs must be ${listOf(allowed)}, got ${preview(value)}`);
}
