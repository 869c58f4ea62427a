/*
 * The beanstalkd driver and workers for minutes, through a line that fails at random, while the server and worker processes are
 * killed: `npm run soak -- worker --minutes 10`. Every message that was acknowledged must be handled.
 */
import { parseArgs } from 'node:util';
import { HaricotBuild } from '../../integration/support/haricot-build.js';
import { startServer, stopAllServers } from '../../integration/support/server.js';
import { soakWorkers } from '../../integration/support/worker-soak.js';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '5' }, seed: { type: 'string' } },
  allowPositionals: true,
});
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const MIB = 1024 * 1024;

process.on('warning', (warning) => console.error(String(warning)));
const build = await HaricotBuild.make();
try {
  const server = await startServer({ control: true, binlog: true, flags: ['-s', '50000000'] });
  const began = performance.now();
  const { counts, lost, heap } = await soakWorkers({
    server,
    build: build.folder,
    ms: Number(values.minutes) * 60_000,
    seed,
    workerKillMs: 5000,
    serverKillMs: 20_000,
    onProgress: (told) => console.log(`${((performance.now() - began) / 1000).toFixed(0)} s ${JSON.stringify(told)}`),
  });
  const tenth = Math.max(1, Math.floor(heap.length / 10));
  const [first, last] = [Math.min(...heap.slice(tenth, 2 * tenth)), Math.min(...heap.slice(-tenth))];
  console.log(`seed ${seed}`, JSON.stringify(counts));
  console.log(`heap ${(first / MIB).toFixed(1)} MiB in the second tenth, ${(last / MIB).toFixed(1)} MiB in the last`);
  console.log(`lost ${lost.length}, buried ${counts['buried'] ?? 0}`);
  if (lost.length > 0 || (counts['buried'] ?? 0) > 0) process.exitCode = 1;
} finally {
  await stopAllServers();
  await build.remove();
}
