import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The package's code, compiled as `npm run build` does. */
export class HaricotBuild {
  readonly #folder: string;

  static async make(): Promise<HaricotBuild> {
    // Inside the project, so that its dependencies are found.
    const cache = join(ROOT, 'node_modules/.cache');
    await mkdir(cache, { recursive: true });
    const build = new HaricotBuild(await mkdtemp(join(cache, 'haricot-')));
    await copyFile(join(ROOT, 'package.json'), join(build.#folder, 'package.json'));
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    await promisify(execFile)(process.execPath, [tsc, '-p', 'src/tsconfig.js.json', '--outDir', build.folder], {
      cwd: ROOT,
    });
    return build;
  }

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Where the compiled code is. */
  get folder(): string {
    return join(this.#folder, 'dist');
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** A {@link HaricotBuild} for the tests of one `describe`. @returns gives its folder */
export function onBuild(): () => string {
  let build: HaricotBuild | undefined;
  before(async () => {
    build = await HaricotBuild.make();
  });
  after(() => build?.remove());
  return () => {
    if (build === undefined) throw new Error('the build is there once the tests run');
    return build.folder;
  };
}
