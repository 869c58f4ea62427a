import { testDriver } from '../src/testing/conformance/suite.js';
import open from './fixtures/open-beanstalkd.js';
import { startServer, type TestServer } from './support/server.js';

describe('The conformance suite', () => {
  let server: TestServer;

  before(async () => {
    // Its own limit is 65,535 bytes a body.
    server = await startServer({ flags: ['-z', '1048576'] });
    process.env['HARICOT_CONFORMANCE_URL'] = server.url;
  });

  after(async () => {
    delete process.env['HARICOT_CONFORMANCE_URL'];
    await server.stop();
  });

  testDriver('beanstalkd', { open, processModule: new URL('./fixtures/open-beanstalkd.ts', import.meta.url) });
});
