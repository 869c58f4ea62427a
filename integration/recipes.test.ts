// The code of docs/recipes.md, compiled and run as it stands there. Each recipe has a program in fixtures/recipes that
// declares what it uses and checks what it does; the recipe takes the place of the line `// <recipe>`.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PROGRAMS = join(ROOT, 'integration/fixtures/recipes');
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');

const text = await readFile(join(ROOT, 'docs/recipes.md'), 'utf8');
const recipes = new Map(
  [...text.matchAll(/<!-- recipe: ([a-z-]+) -->\n```ts\n([\s\S]*?)```/g)].map(([, name = '', code = '']) => [
    name,
    code,
  ]),
);

describe('The recipes of the documentation', () => {
  let folder: string;

  before(async () => {
    // Among the tests, so that packages are found from there, and haricot itself in the sources.
    folder = await mkdtemp(join(ROOT, 'integration/.recipes-'));
    for (const [name, code] of recipes) {
      const program = await readFile(join(PROGRAMS, `${name}.ts`), 'utf8');
      await writeFile(
        join(folder, `${name}.ts`),
        program.replace('// <recipe>', () => code),
      );
    }
  });

  after(() => rm(folder, { recursive: true, force: true }));

  it('are all tested', async () => {
    const programs = (await readdir(PROGRAMS)).map((file) => basename(file, '.ts'));
    expect([...recipes.keys()].sort()).to.deep.equal(programs.sort());
    expect(text.match(/```ts/g), 'blocks of code, of which the first declares the message type').to.have.lengthOf(
      recipes.size + 1,
    );
  });

  it('compile', async () => {
    const config = { extends: join(ROOT, 'tsconfig.json'), include: ['*.ts'] };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const { stdout } = await run(process.execPath, [TSC, '-p', folder], { cwd: ROOT }).catch((error) => error);
    expect(stdout).to.equal('');
  });

  for (const name of recipes.keys()) {
    it(`run: ${name}`, async () => {
      const work = await mkdtemp(join(tmpdir(), 'haricot-recipe-'));
      try {
        const env = { ...process.env, NODE_OPTIONS: '', TSX_TSCONFIG_PATH: join(ROOT, 'tsconfig.json') };
        const program = join(folder, `${name}.ts`);
        const tsx = import.meta.resolve('tsx');
        await run(process.execPath, ['--disable-warning=ExperimentalWarning', '--import', tsx, program], {
          cwd: work,
          env,
        });
      } finally {
        await rm(work, { recursive: true, force: true });
      }
    });
  }
});
