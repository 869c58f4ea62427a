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
  const node = (...args: string[]) => run(process.execPath, args, { cwd: project });

  before(async () => {
    project = await mkdtemp(join(tmpdir(), 'haricot-package-'));
    await run('npm', ['pack', '--silent', '--pack-destination', project], { cwd: root });
    const [tarball = ''] = (await readdir(project)).filter((name) => name.endsWith('.tgz'));
    await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
    await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', `./${tarball}`], { cwd: project });
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
