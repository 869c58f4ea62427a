// How the conformance tests, in both of their processes, open PostgreSQL.
import { openPostgres } from '../../src/drivers/postgres/driver.js';
import type { Driver } from '../../src/queue/driver.js';

export default async function open(): Promise<Driver> {
  return openPostgres(process.env['HARICOT_CONFORMANCE_URL'] ?? '', { prefix: '' });
}
