import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The package's code, compiled as `npm run build` does, for the tests of one `describe`. @returns gives its folder */
export function onBuild(): () => string {
  let folder: string;
  before(async function () {
    this.timeout('2m');
    // Inside the project, so that its dependencies are found.
    const cache = join(ROOT, 'node_modules/.cache');
    await mkdir(cache, { recursive: true });
    folder = await mkdtemp(join(cache, 'haricot-'));
    await copyFile(join(ROOT, 'package.json'), join(folder, 'package.json'));
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const options = ['-p', 'src/tsconfig.js.json', '--outDir', join(folder, 'dist')];
    await promisify(execFile)(process.execPath, [tsc, ...options], { cwd: ROOT });
  });
  after(() => rm(folder, { recursive: true, force: true }));
  return () => join(folder, 'dist');
}
