import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PEERS } from './folders.js';

/** Of what npm complains about; the rest is a trace. */
const REASON_LINES = 4;

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  /** What draws the chart. */
  readonly devDependencies?: Readonly<Record<string, string>>;
}

async function manifestIn(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest;
}

async function isInstalled(name: string, version: string): Promise<boolean> {
  const folder = join(PEERS, 'node_modules', name);
  return existsSync(folder) && (await manifestIn(folder)).version === version;
}

/** Installs what `peers/package.json` pins, where it is not there yet; says why where that fails. @returns whether all is there */
export async function installPeers(): Promise<boolean> {
  const { dependencies, devDependencies } = await manifestIn(PEERS);
  const pinned = Object.entries({ ...dependencies, ...devDependencies });
  const there = await Promise.all(pinned.map(([name, version]) => isInstalled(name, version)));
  if (there.every(Boolean)) return true;
  process.stderr.write('bench: installing the peers with npm\n');
  const flags = ['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error'];
  try {
    await promisify(execFile)('npm', ['install', ...flags], { cwd: PEERS });
    return true;
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    const reason = stderr.split('\n').slice(0, REASON_LINES).join('\n');
    process.stderr.write(`bench: the rows of the peers are left out, npm could not install them:\n${reason}\n`);
    return false;
  }
}

/** For contenders: a peer has no types that the project could see. */
export function requirePeer(name: string): unknown {
  return createRequire(join(PEERS, 'package.json'))(name);
}

/** `jackd 2.2.2` and the like. */
export async function peerTitles(): Promise<string[]> {
  return Object.entries((await manifestIn(PEERS)).dependencies).map(([name, version]) => `${name} ${version}`);
}
