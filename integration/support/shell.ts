import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HANG_MS } from './until.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A folder in which `haricot` and the package of that name are installed, and a shell. */
export class ShellFolder {
  readonly path: string;

  /** @param build the folder of the compiled package */
  static async make(build: string): Promise<ShellFolder> {
    const folder = new ShellFolder(await mkdtemp(join(tmpdir(), 'haricot-shell-')));
    await mkdir(join(folder.path, 'node_modules/.bin'), { recursive: true });
    await symlink(dirname(build), join(folder.path, 'node_modules/haricot'));
    await symlink(join(ROOT, 'node_modules/zod'), join(folder.path, 'node_modules/zod'));
    await folder.write('package.json', '{ "type": "module" }');
    const program = join(folder.path, 'node_modules/.bin/haricot');
    await writeFile(program, `#!/bin/sh\nexec "${process.execPath}" "${build}/cli/main.js" "$@"\n`);
    await chmod(program, 0o755);
    return folder;
  }

  private constructor(path: string) {
    this.path = path;
  }

  write(name: string, text: string): Promise<void> {
    return writeFile(join(this.path, name), text);
  }

  /** Runs a script as it stands. @returns what it writes, standard error too */
  async run(
    script: string,
    env: NodeJS.ProcessEnv = {},
  ): Promise<{ readonly code: number | null; readonly output: string }> {
    const child: ChildProcess = spawn('sh', ['-c', `exec 2>&1\n${script}`], {
      cwd: this.path,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: {
        ...process.env,
        ...{ HARICOT_URL: undefined, NODE_OPTIONS: undefined, FORCE_COLOR: undefined, NO_COLOR: undefined },
        PATH: `${join(this.path, 'node_modules/.bin')}:${dirname(process.execPath)}:${process.env['PATH']}`,
        ...env,
      },
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), HANG_MS);
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    await once(child, 'close');
    clearTimeout(timer);
    return { code: child.exitCode, output };
  }

  remove(): Promise<void> {
    return rm(this.path, { recursive: true, force: true });
  }
}

/** A block of code in a page. */
export interface Code {
  readonly language: string;
  readonly code: string;
}

/** The blocks of code in a page of the documentation, in order. */
export async function codeIn(page: string): Promise<Code[]> {
  const text = await readFile(join(ROOT, 'docs', page), 'utf8');
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = '', code = '']) => ({ language, code }));
}

/** A command of a transcript, and what it writes. */
export interface Typed {
  readonly command: string;
  readonly output: string;
}

/** The commands of a transcript: lines that begin with `$ `, continued behind a backslash. */
export function commandsIn(transcript: string): Typed[] {
  return transcript
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [, command = '', output = ''] = /^((?:.*\\\n)*.*\n)([\s\S]*)$/.exec(part) ?? [];
      return { command, output };
    });
}
