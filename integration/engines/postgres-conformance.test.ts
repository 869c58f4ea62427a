import { testDriver } from '../../src/testing/conformance/suite.js';
import { type PostgresServer, startPostgres } from '../support/postgres-server.js';
import open from './open-postgres.js';

describe('The conformance suite', () => {
  let server: PostgresServer;

  before(async () => {
    server = await startPostgres();
    process.env['HARICOT_CONFORMANCE_URL'] = server.url;
  });

  after(async () => {
    delete process.env['HARICOT_CONFORMANCE_URL'];
    await server.stop();
  });

  testDriver('postgresql', { open, processModule: new URL('./open-postgres.ts', import.meta.url) });
});
