// How long it takes to load haricot in a fresh process, what is loaded, and how large the package is.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PACKAGE } from '../harness/folders.js';
import { atMost, type Goal, OURS, type Result, type Row } from '../harness/report.js';
import { interleave } from '../harness/rounds.js';
import { spreadOf } from '../harness/statistics.js';
import type { Setting } from '../harness/workload.js';

const run_ = promisify(execFile);
const DOORS = ['haricot/client', 'haricot'];
const LEAST_TRIES = 15;
const KIB = 1024;
/** Packages that talk to a database. */
const DATABASE_DRIVERS = /^(libsql|better-sqlite3|sqlite3|pg|mysql2|mysql|@libsql|@nats-io|nats|ioredis|redis)(\/|$)/;

interface Packed {
  readonly size: number;
  readonly unpackedSize: number;
  readonly entryCount: number;
}

export async function run({ effort }: Setting): Promise<Result> {
  const times = new Map<string, number[]>(DOORS.map((door) => [door, []]));
  await interleave(DOORS, Math.max(effort.rounds, LEAST_TRIES), async (door) => {
    times.get(door)?.push(await loadTime(door));
  });
  const [packed, modules] = await Promise.all([pack(), modulesBehind('haricot/client')]);
  const packages = [...new Set(modules.map(packageOf))].sort();
  const drivers = packages.filter((name) => DATABASE_DRIVERS.test(name));
  const rows: Row[] = DOORS.map((door) => ({
    work: `import '${door}'`,
    contender: OURS,
    unit: 'ms',
    value: spreadOf(times.get(door) ?? []),
  }));
  return {
    title: 'start: a fresh process, and the package',
    rows,
    goals: [
      atMost("import 'haricot/client'", rows[0]?.value?.median ?? Number.NaN, 40, 'ms', 1),
      noDriver(drivers),
      atMost('tarball', packed.size / KIB, 150, 'KiB', 1),
      atMost('unpacked', packed.unpackedSize / KIB, 600, 'KiB', 1),
    ],
    notes: `'haricot/client' loads ${modules.length} files of ${packages.join(', ')}.\nThe package has ${packed.entryCount} files.`,
  };
}

function noDriver(drivers: readonly string[]): Goal {
  const measured = drivers.length === 0 ? 'none' : drivers.join(', ');
  return { what: "import 'haricot/client'", wanted: 'no database driver', measured, met: drivers.length === 0 };
}

/** The package imports itself by its name, as its users do. */
async function node(code: string, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const { stdout } = await run_(process.execPath, ['--input-type=module', '-e', code], { cwd: PACKAGE, env });
  return stdout.trim();
}

async function loadTime(door: string): Promise<number> {
  return Number(
    await node(`const began = performance.now(); await import('${door}'); console.log(performance.now() - began);`),
  );
}

/** The files it loads, which Node tells when it is asked for coverage. */
async function modulesBehind(door: string): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'haricot-start-'));
  try {
    await node(`await import('${door}');`, { ...process.env, NODE_V8_COVERAGE: folder });
    const [file = ''] = await readdir(folder);
    const { result } = JSON.parse(await readFile(join(folder, file), 'utf8')) as { result: { url: string }[] };
    return result.map(({ url }) => url).filter((url) => url.startsWith('file:') && !url.includes('[eval'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function packageOf(url: string): string {
  const inside = url.split('/node_modules/').at(-1) ?? '';
  if (inside.startsWith('.cache/')) return 'haricot';
  return inside.split('/', inside.startsWith('@') ? 2 : 1).join('/');
}

async function pack(): Promise<Packed> {
  const { stdout } = await run_('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: PACKAGE });
  const [packed] = JSON.parse(stdout) as Packed[];
  if (packed === undefined) throw new Error('npm pack said nothing');
  return packed;
}
