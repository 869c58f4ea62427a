// npm run bench: haricot beside the floor and its peers. `npm run bench -- --help` tells the options.
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { stopAllServers } from '../integration/support/server.js';
import { profileInto } from './harness/contender.js';
import { RESULTS } from './harness/folders.js';
import { describeMachine, machineLine } from './harness/machine.js';
import { type BenchOptions, parseOptions, usage } from './harness/options.js';
import { buildPackage } from './harness/package.js';
import { installPeers } from './harness/peers.js';
import { printProfiles } from './harness/profile.js';
import { print } from './harness/report.js';
import type { SavedResult, Workload } from './harness/workload.js';

const WORKLOADS: Readonly<Record<string, () => Promise<Workload>>> = {
  client: () => import('./workloads/client.js'),
  bodies: () => import('./workloads/bodies.js'),
  worker: () => import('./workloads/worker.js'),
  sqlite: () => import('./workloads/sqlite.js'),
  latency: () => import('./workloads/latency.js'),
  parser: () => import('./workloads/parser.js'),
  dispatch: () => import('./workloads/dispatch.js'),
  memory: () => import('./workloads/memory.js'),
  start: () => import('./workloads/start.js'),
};

const names = Object.keys(WORKLOADS);
let options: BenchOptions | undefined;
try {
  options = parseOptions(names);
  if (options === undefined) console.log(usage(names));
} catch (error) {
  console.error(`bench: ${(error as Error).message}\n\n${usage(names)}`);
  process.exitCode = 2;
}
if (options?.names.includes('chart')) await chart();
else if (options !== undefined) await measureAll(options);

async function chart(): Promise<void> {
  await installPeers();
  const { drawChart } = await import('./chart.js');
  await drawChart();
}

async function measureAll(options: BenchOptions): Promise<void> {
  const { effort, profile, isJson } = options;
  if (profile !== undefined) profileInto(profile);
  await buildPackage();
  const hasPeers = !options.isAlone && (await installPeers());
  const machine = await describeMachine();
  const results: Record<string, SavedResult> = {};
  if (!isJson) console.log(`${machineLine(machine)}\n${hasPeers ? machine.peers : 'without peers'}`);
  try {
    for (const name of options.names) {
      process.stderr.write(`bench: ${name}\n`);
      const workload = await WORKLOADS[name]?.();
      const result = await workload?.run({ effort, hasPeers });
      if (result === undefined) continue;
      results[name] = { ...result, rounds: effort.rounds, machine };
      if (!isJson) console.log(print(result));
    }
  } finally {
    await stopAllServers();
  }
  if (isJson) console.log(JSON.stringify(results, undefined, 2));
  if (options.isSaved) await save(results);
  if (profile !== undefined) await printProfiles(profile);
}

/** What was not measured this time stays as it was. */
async function save(results: Record<string, SavedResult>): Promise<void> {
  const before = existsSync(RESULTS) ? JSON.parse(await readFile(RESULTS, 'utf8')) : {};
  await writeFile(RESULTS, `${JSON.stringify({ ...before, ...results }, undefined, 2)}\n`);
}
