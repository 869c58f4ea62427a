// The package as its users get it. A loader that compiles TypeScript on the fly adds calls of its own to the code.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { PACKAGE, ROOT } from './folders.js';

const run = promisify(execFile);
/** What npm packs besides `dist`. */
const FILES = ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md'];
/** What `npm run build` compiles: the declarations, then the code. */
const PROJECTS = ['src', 'src/tsconfig.js.json'];

/** Compiles the sources as they are now, into a folder that no test or build uses. */
export async function buildPackage(): Promise<void> {
  await rm(PACKAGE, { recursive: true, force: true });
  await mkdir(PACKAGE, { recursive: true });
  for (const file of FILES) if (existsSync(join(ROOT, file))) await cp(join(ROOT, file), join(PACKAGE, file));
  for (const project of PROJECTS) await compile(project);
}

async function compile(project: string): Promise<void> {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  try {
    await run(process.execPath, [tsc, '-p', project, '--outDir', join(PACKAGE, 'dist')], { cwd: ROOT });
  } catch (error) {
    if (!existsSync(join(PACKAGE, 'dist/index.d.ts'))) throw error;
    process.stderr.write(`bench: the sources have type errors\n${(error as { stdout?: string }).stdout ?? ''}`);
  }
}

function load(file: string): Promise<unknown> {
  return import(pathToFileURL(join(PACKAGE, 'dist', file)).href);
}

export const loadHaricot = (): Promise<typeof import('../../src/index.js')> =>
  load('index.js') as Promise<typeof import('../../src/index.js')>;

export const loadClient = (): Promise<typeof import('../../src/client/index.js')> =>
  load('client/index.js') as Promise<typeof import('../../src/client/index.js')>;

export const loadParser = (): Promise<typeof import('../../src/protocol/parser.js')> =>
  load('protocol/parser.js') as Promise<typeof import('../../src/protocol/parser.js')>;
