// The rules of .dependency-cruiser.cjs: each is broken once, in a tree of files that only import each other.
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));

/** The rule that refuses an import, or undefined where it is allowed. */
type Case = readonly [rule: string | undefined, from: string, to: string, kind?: 'type' | 'dynamic'];

const CASES: readonly Case[] = [
  ['no-cycles', 'queue/cycle', 'queue/cycle'],
  ['protocol-imports-no-other-folder', 'protocol/a', 'client/b'],
  ['client-imports-protocol', 'client/a', 'queue/b', 'type'],
  [undefined, 'client/a', 'protocol/b'],
  ['queue-imports-signals-and-operate', 'queue/a', 'worker/b'],
  [undefined, 'queue/a', 'operate/b'],
  ['signals-import-queue', 'signals/a', 'drivers/memory/b'],
  ['signals-import-queue', 'signals/a', 'operate/b'],
  ['queue-and-signals-share-types-only', 'queue/a', 'signals/b'],
  [undefined, 'signals/a', 'queue/b', 'type'],
  [undefined, 'signals/a', 'queue/errors'],
  ['drivers-import-queue', 'drivers/memory/a', 'client/b'],
  ['drivers-import-queue', 'drivers/nats/a', 'drivers/sql/b'],
  ['drivers-import-queue', 'drivers/shard/a', 'drivers/beanstalkd/b'],
  ['drivers-import-queue', 'drivers/sql/a', 'drivers/sqlite/b'],
  ['drivers-import-queue', 'drivers/anew/a', 'worker/b'],
  [undefined, 'drivers/anew/a', 'queue/b'],
  ['sql-drivers-share-sql', 'drivers/sqlite/a', 'drivers/postgres/b'],
  ['sql-drivers-share-sql', 'drivers/mysql/a', 'signals/b'],
  [undefined, 'drivers/postgres/a', 'drivers/sql/b'],
  ['beanstalkd-driver-imports-client', 'drivers/beanstalkd/a', 'drivers/sql/b'],
  ['beanstalkd-driver-imports-client', 'drivers/beanstalkd/a', 'protocol/b'],
  [undefined, 'drivers/beanstalkd/a', 'client/b'],
  ['worker-imports-queue-and-signals', 'worker/a', 'drivers/memory/b'],
  [undefined, 'worker/a', 'signals/b'],
  ['operate-imports-queue', 'operate/a', 'worker/b'],
  [undefined, 'operate/a', 'queue/b'],
  ['console-and-telemetry-operate', 'console/a', 'drivers/memory/b'],
  ['console-and-telemetry-know-the-worker-by-its-types', 'telemetry/a', 'worker/b'],
  [undefined, 'console/a', 'worker/b', 'type'],
  [undefined, 'console/a', 'operate/b'],
  ['protocol-does-no-io', 'protocol/a', 'node:net'],
  ['shared-knows-nobody', 'shared/a', 'queue/b'],
  ['protocol-shares-pure-functions-only', 'protocol/a', 'shared/deadline'],
  [undefined, 'protocol/a', 'shared/text'],
  ['protocol-writes-no-lines', 'protocol/a', 'debug'],
  ['packages-that-load-lazily', 'client/a', 'generic-pool'],
  [undefined, 'client/b', 'generic-pool', 'dynamic'],
  ['no-barrel-imports-inside-src', 'worker/a', 'client/index'],
  ['engines-load-lazily', 'drivers/open', 'drivers/memory/b'],
  [undefined, 'drivers/open', 'drivers/sql/b', 'dynamic'],
  ['tops-are-imported-by-nobody', 'worker/a', 'cli/b'],
  ['tops-are-imported-by-nobody', 'testing/a', 'testcontainers/b'],
  [undefined, 'cli/a', 'console/b', 'dynamic'],
  [undefined, 'testing/a', 'drivers/memory/b'],
  ['doors-export-no-tops', 'index', 'testing/b'],
  ['runtime-dependencies-only', 'cli/a', 'chai'],
];

const isOurs = (to: string): boolean => to !== 'chai' && /^[a-z]+(\/|$)/.test(to);

function importOf(from: string, to: string, kind: Case[3]): string {
  const path = isOurs(to) ? `${'../'.repeat(from.split('/').length - 1) || './'}${to}.js` : to;
  if (kind === 'dynamic') return `await import('${path}');\n`;
  return kind === 'type' ? `import type * as x from '${path}';\nexport type { x };\n` : `import '${path}';\n`;
}

interface Violation {
  readonly rule: { readonly name: string };
  readonly from: string;
  readonly to: string;
}

describe('The import rules', () => {
  let folder: string;
  let broken: Violation[];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'haricot-import-rules-'));
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const file of ['package.json', 'tsconfig.json']) await copyFile(join(root, file), join(folder, file));
    const files = new Map<string, string>();
    for (const [, from, to, kind] of CASES) {
      files.set(from, (files.get(from) ?? '') + importOf(from, to, kind));
      if (isOurs(to) && !files.has(to)) files.set(to, '');
    }
    for (const [file, code] of files) {
      const path = join(folder, 'src', `${file}.ts`);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, `${code}export const value = 1;\n`);
    }
    const args = ['--config', join(root, '.dependency-cruiser.cjs'), '--output-type', 'json', 'src'];
    const result = await run(join(root, 'node_modules/.bin/depcruise'), args, { cwd: folder, maxBuffer: 64 << 20 });
    broken = (JSON.parse(result.stdout) as { summary: { violations: Violation[] } }).summary.violations;
  });

  after(() => rm(folder, { recursive: true, force: true }));

  for (const [rule, from, to, kind] of CASES) {
    const what = [kind, 'import of', to].filter((word) => word !== undefined).join(' ');
    it(rule === undefined ? `allow ${from} its ${what}` : `refuse ${from} its ${what}: ${rule}`, () => {
      const target = isOurs(to) ? `src/${to}.ts` : to.replace('node:', '');
      const rules = broken
        .filter((one) => one.from === `src/${from}.ts` && one.to.includes(target))
        .map((one) => one.rule.name);
      if (rule === undefined) expect(rules).to.deep.equal([]);
      else expect(rules).to.include(rule);
    });
  }
});
