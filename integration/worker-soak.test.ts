import { expect } from 'chai';
import { onOwnServer } from './support/fixture.js';
import { onBuild } from './support/haricot-build.js';
import { ProcessWatch } from './support/process-watch.js';
import { soakWorkers } from './support/worker-soak.js';

describe('Workers on a beanstalkd behind a line that fails, while the server and worker processes are killed', () => {
  const build = onBuild();
  const fixture = onOwnServer({ binlog: true });

  it('handle every message that was acknowledged', async () => {
    using watch = new ProcessWatch();
    const seed = Number(process.env['HARICOT_TEST_SEED'] ?? Math.floor(Math.random() * 1e9));
    const { counts, lost } = await soakWorkers({
      server: fixture.server,
      build: build(),
      ms: 15_000,
      seed,
      workerKillMs: 2500,
      serverKillMs: 5000,
    });
    const told = `HARICOT_TEST_SEED=${seed} ${JSON.stringify(counts)}`;
    expect(lost, told).to.deep.equal([]);
    expect(counts, told).not.to.have.property('buried');
    for (const what of ['handled', 'workerKills', 'serverKills', 'linkFaults'])
      expect(counts, told).to.have.property(what);
    expect(watch.complaints).to.deep.equal([]);
  });
});
