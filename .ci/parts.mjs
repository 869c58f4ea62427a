// Runs npm scripts one after the other, until one fails, and says how long each has taken.
import { spawnSync } from 'node:child_process';

const took = [];
for (const part of process.argv.slice(2)) {
  const began = performance.now();
  const { status } = spawnSync('npm', ['run', part], { stdio: 'inherit' });
  took.push([part, performance.now() - began]);
  process.exitCode = status ?? 1;
  if (status !== 0) break;
}
const all = took.reduce((sum, [, ms]) => sum + ms, 0);
const told = [...took, ['together', all]].map(([part, ms]) => `${part} ${(ms / 1000).toFixed(0)} s`);
console.log(`haricot: ${told.join(', ')}`);
