import { spawnSync } from 'node:child_process';

/** How long parsing may take, in milliseconds. */
const LIMIT_MS = 10_000;

/**
 * Where the syntax error in a module, or in a file that it imports, is: `/app/slots.js:3`. Node tells it only for an ES module
 * that nobody catches, so the files are parsed once more, in a process of their own. Nothing in them is run.
 * @param target what was imported
 * @param message of the error
 */
export function placeOfSyntaxError(target: string, message: string): string | undefined {
  const args = ['--experimental-vm-modules', '--no-warnings', '--input-type=module', '--eval', PARSE];
  const env = { ...process.env, NODE_OPTIONS: '', HARICOT_PARSE: JSON.stringify({ target, message }) };
  const { stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: LIMIT_MS, env });
  return placeIn(stderr);
}

/** The first line of what Node writes about a syntax error: `file:///app/slots.js:3`. */
export function placeIn(text: string): string | undefined {
  return /^(?:file:\/\/)?((?:[a-zA-Z]:)?[\\/].*:\d+)\r?\n/.exec(text)?.[1];
}

/**
 * Parses the module, then those that it names by relative paths, and so on; ends with the first error that has the message. A `.js` file may be either kind of module: it is at fault when it is neither.
 */
const PARSE = `
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compileFunction, SourceTextModule } from 'node:vm';

const { target, message } = JSON.parse(process.env.HARICOT_PARSE);
const queue = [target.startsWith('file:') ? target : import.meta.resolve(target)];
const seen = new Set();
const hasMessage = (error) => error.message === message;
let doubtful;

for (let url = queue.shift(); url !== undefined && seen.size < 1000; url = queue.shift()) {
  const path = url.startsWith('file:') ? fileURLToPath(url) : '';
  if (seen.has(url) || !/\\.[cm]?js$/.test(path) || !existsSync(path)) continue;
  seen.add(url);
  const source = readFileSync(path, 'utf8').replace(/^#!.*/, '');
  const errors = [];
  let specifiers = Array.from(source.matchAll(/\\b(?:require|import)\\(["'](\\.{1,2}\\/[^"'\\n]{1,500})["']\\)/g), ([, found]) => found);
  if (!path.endsWith('.cjs')) {
    try {
      const { dependencySpecifiers, moduleRequests } = new SourceTextModule(source, { identifier: path });
      specifiers = specifiers.concat(dependencySpecifiers ?? moduleRequests.map(({ specifier }) => specifier));
    } catch (error) {
      errors.push(error);
    }
  }
  if (path.endsWith('.cjs') || errors.length > 0) {
    try {
      compileFunction(source, ['exports', 'require', 'module', '__filename', '__dirname'], { filename: path });
      doubtful ??= errors.find(hasMessage);
      errors.length = 0;
    } catch (error) {
      if (!path.endsWith('.mjs')) errors.push(error);
    }
  }
  const error = errors.find(hasMessage);
  // Node prints the place of an error that nobody catches.
  if (error !== undefined) throw error;
  for (const specifier of specifiers) {
    if (!/^(?:\\.{1,2}\\/|\\/|file:)/.test(specifier)) continue;
    const named = new URL(specifier, url).href;
    queue.push(...['', '.js', '.cjs', '/index.js'].map((end) => named + end));
  }
}
// It can be run as CommonJS only, but its package may say that it is an ES module.
if (doubtful !== undefined) throw doubtful;
`;
