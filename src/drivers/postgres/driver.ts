import type { Driver } from '../../queue/driver.js';
import { checkPrefix } from '../../queue/name.js';
import { SqlDriver } from '../sql/driver.js';
import { loadPg } from './client.js';
import { Database } from './database.js';
import { PostgresStore } from './store.js';
import { parseUrl } from './url.js';

/**
 * Opens a PostgreSQL database. It is connected when it is first used, which also makes its tables.
 * @param url `postgres://user:password@host:5432,standby:5432/database?schema=haricot&poolSize=4&prepare=true`
 * @throws InvalidOptionError for what is no such URL, EngineError where the package `pg` is missing
 */
export async function openPostgres(url: string, { prefix }: { readonly prefix: string }): Promise<Driver> {
  const address = parseUrl(url);
  checkPrefix(prefix);
  return new SqlDriver(new PostgresStore(new Database(await loadPg(), address), address), prefix);
}
