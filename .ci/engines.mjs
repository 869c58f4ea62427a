// Runs the tests of further engines: `npm run test:engines`, or `npm run test:engines postgres`. What is the same on every engine
// is in tests of workers, which otherwise run on SQLite and beanstalkd.
import { spawnSync } from 'node:child_process';

const ENGINES = ['postgres'];
const WORKERS = ['worker', 'worker-crashes', 'worker-deploys', 'worker-faults', 'worker-processes', 'worker-queues'];
const TRANSACTIONS = ['worker-transactions', 'kill-workers', 'kill-transactions'];

const names = process.argv.slice(2);
const unknown = names.find((name) => !ENGINES.includes(name));
if (unknown !== undefined) {
  console.error(`test:engines runs ${ENGINES.join(', ')}, got ${JSON.stringify(unknown)}`);
  process.exit(2);
}

for (const name of names.length > 0 ? names : ENGINES) {
  const shared = [...WORKERS, ...TRANSACTIONS].map((test) => `integration/${test}.test.ts`);
  const args = ['mocha', '--config', 'integration/.mocharc.json', `integration/engines/${name}*.test.ts`, ...shared];
  const env = { ...process.env, HARICOT_TEST_ENGINES: name };
  const { status } = spawnSync('npx', args, { stdio: 'inherit', env });
  if (status !== 0) process.exit(status ?? 1);
}
