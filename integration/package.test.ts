import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));

const CONSUMER = `
import { defineMessage, openDriver, Queue, SignalDispatcher, Worker } from 'haricot';
import { Client, NotFoundError } from 'haricot/client';

const SendMail = defineMessage<{ to: string }>('mail.send');
const signals = new SignalDispatcher();
signals.connect(SendMail, (message, context) => {
  const to: string = message.data.to;
  const aborted: boolean = context.signal.aborted;
  // @ts-expect-error: the data of SendMail has no such member
  message.data.from;
  return [to, aborted];
});
export async function main(): Promise<void> {
  const queue = new Queue(await openDriver('beanstalkd://127.0.0.1'), 'mail');
  // @ts-expect-error: SendMail needs a text
  await queue.publish(SendMail, { to: 1 });
  await new Worker(queue, signals, { concurrency: 2 }).run();
  const client = await Client.connect('127.0.0.1:11300');
  const id: string = await client.put('hello');
  await client.delete(id).catch((error: unknown) => error instanceof NotFoundError);
}
`;

describe('the packed package, installed in an empty project', function () {
  this.timeout(180_000);
  let project: string;
  let packed: { readonly filename: string; readonly size: number; readonly unpackedSize: number };
  const node = (...args: string[]) => run(process.execPath, args, { cwd: project });

  before(async () => {
    project = await mkdtemp(join(tmpdir(), 'haricot-package-'));
    const { stdout } = await run('npm', ['pack', '--json', '--silent', '--pack-destination', project], { cwd: root });
    // The build talks before.
    [packed] = JSON.parse(stdout.slice(stdout.indexOf('[\n')));
    await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
    await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', `./${packed.filename}`], {
      cwd: project,
    });
  });

  after(() => rm(project, { recursive: true, force: true }));

  for (const [door, name] of [
    ['haricot', 'Worker'],
    ['haricot/client', 'Client'],
  ] as const) {
    it(`gives ${name} to import '${door}' and to require('${door}')`, async () => {
      const imported = await node('--input-type=module', '-e', `console.log(typeof (await import('${door}')).${name})`);
      const required = await node('--input-type=commonjs', '-e', `console.log(typeof require('${door}').${name})`);
      expect([imported.stdout, required.stdout]).to.deep.equal(['function\n', 'function\n']);
    });
  }

  /** The packages of which `code` loads files, which Node tells when it is asked for coverage. */
  async function packagesLoadedBy(code: string): Promise<string[]> {
    const folder = await mkdtemp(join(project, 'coverage-'));
    const env = { ...process.env, DEBUG: '', NODE_V8_COVERAGE: folder };
    await run(process.execPath, ['--input-type=module', '-e', code], { cwd: project, env });
    const [file = ''] = await readdir(folder);
    const { result } = JSON.parse(await readFile(join(folder, file), 'utf8')) as { result: { url: string }[] };
    const names = result.map(({ url }) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]);
    return [...new Set(names.filter((name) => name !== undefined))].sort();
  }

  for (const door of ['haricot', 'haricot/client', 'haricot/testing/conformance']) {
    it(`loads no other package with '${door}', least of all a database driver`, async () => {
      expect(await packagesLoadedBy(`await import('${door}')`)).to.deep.equal(['haricot']);
    });
  }

  it('loads generic-pool with the first pool', async () => {
    const code = `new (await import('haricot/client')).Pool()`;
    expect(await packagesLoadedBy(code)).to.deep.equal(['generic-pool', 'haricot']);
  });

  it('tells with DEBUG=haricot:* what happens', async () => {
    const code = `import('haricot/client').then(({ Client }) => Client.connect({ url: '127.0.0.1:1' })).catch(() => {})`;
    const env = { ...process.env, DEBUG: 'haricot:*' };
    const { stderr } = await run(process.execPath, ['-e', code], { cwd: project, env });
    expect(stderr).to.match(/haricot:connection .*cannot connect to beanstalkd:\/\/127\.0\.0\.1:1/);
  });

  for (const [tool, ...options] of [
    ['publint', '--strict'],
    // It is ESM only, and Node 10 knew no exports.
    ['attw', '--profile', 'esm-only'],
  ] as const) {
    it(`has nothing that ${tool} complains about`, async () => {
      const command = join(root, 'node_modules/.bin', tool);
      await run(command, [join(project, packed.filename), ...options], { cwd: project });
    });
  }

  // Most is code; a seventh are the declarations of what is public, with their comments.
  it('is small: at most 260 KiB packed and 1000 KiB unpacked', () => {
    expect(packed.size).to.be.within(50 * 1024, 260 * 1024);
    expect(packed.unpackedSize).to.be.at.most(1000 * 1024);
  });

  it('has no declarations but those that its exports lead to', async () => {
    const files = await readdir(join(project, 'node_modules/haricot/dist'), { recursive: true });
    const declarations = files.filter((file) => file.endsWith('.d.ts'));
    expect(declarations).to.include.members(['index.d.ts', 'client/client.d.ts', 'testing/conformance/index.d.ts']);
    expect(declarations.join()).to.not.match(
      /client\/(session|connection|writer)|protocol\/parser|drivers\/\w+\/|cli\//,
    );
    // Nor any beside them in the same file.
    const [types = '', commands = ''] = await Promise.all(
      ['queue/duration', 'protocol/commands'].map((file) =>
        readFile(join(project, `node_modules/haricot/dist/${file}.d.ts`), 'utf8'),
      ),
    );
    expect(types).to.contain('type Duration').and.not.contain('toMs');
    expect(commands).to.contain('interface PutOptions').and.not.contain('putLine');
  });

  it('has its comments in the declarations, where editors show them, and not in the code as well', async () => {
    const [types = '', code = ''] = await Promise.all(
      ['d.ts', 'js'].map((kind) => readFile(join(project, `node_modules/haricot/dist/client/client.${kind}`), 'utf8')),
    );
    expect(types).to.contain('A connection to beanstalkd');
    expect(code).to.not.contain('/**').and.not.contain('A connection to beanstalkd');
  });

  it('gives a command that tells its version', async () => {
    const { stdout } = await run('npx', ['--no-install', 'haricot', '--version'], { cwd: project });
    expect(stdout.trim()).to.match(/^[0-9]+\.[0-9]+\.[0-9]+$/);
  });

  /** Compiles TypeScript files as a user's compiler would. @returns its complaints */
  async function complaintsAbout(
    name: string,
    files: Record<string, string>,
    moduleResolution: string,
    module: string,
  ) {
    const folder = join(project, name);
    await mkdir(folder);
    for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
    const compilerOptions = {
      module,
      moduleResolution,
      target: 'es2023',
      lib: ['es2023', 'esnext.disposable'],
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: Object.keys(files) }));
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const { stdout } = await node(compiler, '-p', folder).catch((error) => error);
    return stdout;
  }

  for (const [moduleResolution, module] of [
    ['nodenext', 'nodenext'],
    ['bundler', 'esnext'],
  ] as const) {
    it(`has types that resolve with moduleResolution ${moduleResolution}`, async () => {
      const files = { 'main.ts': CONSUMER };
      expect(await complaintsAbout(moduleResolution, files, moduleResolution, module)).to.equal('');
    });
  }

  it('makes the code in the README compile', async () => {
    const readme = await readFile(join(root, 'README.md'), 'utf8');
    const files: Record<string, string> = {};
    for (const [, code = ''] of readme.matchAll(/```ts\n([\s\S]*?)```/g)) {
      const name = /^\/\/ ([a-z]+\.ts)\n/.exec(code)?.[1] ?? `example-${Object.keys(files).length}.ts`;
      files[name] = code;
    }
    expect(Object.keys(files)).to.include.members(['messages.ts', 'slots.ts']).and.to.have.length.above(4);
    expect(await complaintsAbout('readme', files, 'nodenext', 'nodenext')).to.equal('');
  });
});
