import type { Driver } from '../../queue/driver.js';
import { InvalidOptionError } from '../../queue/errors.js';
import { checkPrefix } from '../../queue/name.js';
import { preview } from '../../shared/text.js';
import { SqlDriver } from '../sql/driver.js';
import { isPool, loadPg } from './client.js';
import { Database } from './database.js';
import { PostgresStore } from './store.js';
import { parseUrl } from './url.js';

/**
 * Opens a PostgreSQL database. It is connected when it is first used, which also makes its tables.
 * @param url `postgres://user:password@host:5432,standby:5432/database?schema=haricot&poolSize=4&prepare=true`
 * @throws InvalidOptionError for what is no such URL or pool, EngineError where the package `pg` is missing
 */
export async function openPostgres(
  url: string,
  { prefix, pool }: { readonly prefix: string; readonly pool?: object | undefined },
): Promise<Driver> {
  const address = parseUrl(url);
  checkPrefix(prefix);
  if (pool !== undefined && !isPool(pool)) {
    throw new InvalidOptionError(`pool must be a pool of pg, got ${preview(pool)}`);
  }
  if (pool !== undefined && address.hasHost) {
    throw new InvalidOptionError(
      'the URL must be "postgres:", with options at most, where a pool is given, got one with a host',
    );
  }
  return new SqlDriver(new PostgresStore(new Database(await loadPg(), address, pool), address), prefix);
}
