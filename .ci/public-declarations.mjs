// Removes the declarations that nobody can reach from the package's exports: they are a quarter of the tarball.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

const { exports } = JSON.parse(readFileSync('package.json', 'utf8'));
const reached = new Set();

function reach(file) {
  if (reached.has(file)) return;
  reached.add(file);
  const text = readFileSync(file, 'utf8');
  for (const [, path] of text.matchAll(/(?:from |import\()'(\.[^']+)\.js'/g))
    reach(join(dirname(file), `${path}.d.ts`));
}

for (const { types } of Object.values(exports)) if (types) reach(join(types));
for (const file of readdirSync('dist', { recursive: true })) {
  if (file.endsWith('.d.ts') && !reached.has(join('dist', file))) rmSync(join('dist', file));
}
