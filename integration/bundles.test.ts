import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { build, type Format } from 'esbuild';
import { onSharedServer } from './support/fixture.js';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));

const POOL = `
  import { NotFoundError, Pool } from 'haricot/client';
  async function main() {
    const pool = new Pool(process.argv[2]);
    const tube = 'bundle-' + process.pid;
    console.log(await pool.use(async (client) => {
      await client.watch(tube);
      await client.use(tube);
      await client.put('hello');
      const job = await client.reserve();
      await job.delete();
      const error = await job.delete().catch((error) => error);
      return [String(job.body), error.name, error instanceof NotFoundError, error.stack.split(':')[0]].join(' ');
    }));
    console.log(typeof globalThis.require);
    await pool.drain();
  }
  void main();`;

const SQLITE = `
  import { defineMessage, openDriver, Queue, SignalDispatcher, Worker } from 'haricot';
  const Hello = defineMessage('hello');
  async function main() {
    try {
      const queue = new Queue(await openDriver('sqlite:' + process.argv[2]), 'greetings');
      await queue.publish(Hello, { to: 'you' });
      const signals = new SignalDispatcher();
      const worker = new Worker(queue, signals);
      signals.connect(Hello, ({ data }) => { console.log('hello', data.to); void worker.stop(); });
      await worker.run();
      await queue.close();
    } catch (error) {
      console.log(error.name + ': ' + error.message);
    }
  }
  void main();`;

for (const format of ['esm', 'cjs'] as const satisfies readonly Format[]) {
  for (const minify of [false, true]) {
    describe(`a ${minify ? 'minified ' : ''}bundle as ${format} with no packages beside it`, function () {
      this.timeout(60_000);
      const fixture = onSharedServer();
      let folder: string;

      before(async () => {
        folder = await mkdtemp(join(tmpdir(), 'haricot-bundle-'));
      });

      after(() => rm(folder, { recursive: true, force: true }));

      /** @param external packages that are left out of the bundle */
      async function bundle(contents: string, external: readonly string[] = []): Promise<string> {
        const outfile = join(folder, `program.${format === 'esm' ? 'mjs' : 'cjs'}`);
        await build({
          stdin: { contents, resolveDir: root },
          absWorkingDir: root,
          tsconfig: join(root, 'tsconfig.json'),
          bundle: true,
          platform: 'node',
          target: 'node20',
          format,
          minify,
          external: [...external],
          outfile,
          logLevel: 'silent',
        });
        return outfile;
      }

      async function start(file: string, argument: string, env: NodeJS.ProcessEnv = {}) {
        const { stdout, stderr } = await run(process.execPath, [file, argument], {
          cwd: folder,
          env: { ...process.env, NODE_OPTIONS: undefined, DEBUG: undefined, ...env },
        });
        return { lines: stdout.split('\n').slice(0, -1), stderr };
      }

      it('has a pool, errors that bear their names, and debug output', async () => {
        const file = await bundle(POOL);
        const quiet = await start(file, fixture.server.url);
        const loud = await start(file, fixture.server.url, { DEBUG: 'haricot:*' });
        expect(quiet).to.deep.equal({
          lines: ['hello NotFoundError true NotFoundError', 'undefined'],
          stderr: '',
        });
        expect(loud.lines).to.deep.equal(quiet.lines);
        expect(loud.stderr).to.match(/haricot:connection beanstalkd:\/\/\S+ connected/);
      });

      it('has the SQLite driver, or says in one sentence what it lacks', async () => {
        const file = await bundle(SQLITE, ['libsql']);
        const { lines, stderr } = await start(file, join(folder, 'queue.db'));
        expect(stderr).to.equal('');
        expect(lines).to.deep.equal([
          process.getBuiltinModule('node:sqlite')
            ? 'hello you'
            : `EngineError: cannot open an SQLite file: Node ${process.version} has no SQLite of its own and the package libsql cannot be loaded; npm install libsql, or use Node 22.13 or later`,
        ]);
      });

      it('has the SQLite driver with libsql where that stands beside it', async () => {
        const file = await bundle(SQLITE, ['libsql']);
        const packages = join(folder, 'node_modules');
        await mkdir(packages);
        await symlink(join(root, 'node_modules/libsql'), join(packages, 'libsql'));
        try {
          expect((await start(file, join(folder, 'other.db'))).lines).to.deep.equal(['hello you']);
        } finally {
          await rm(packages, { recursive: true });
        }
      });
    });
  }
}
