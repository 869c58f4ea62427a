import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

const MOST = 20;
/** The other thread compiles TypeScript. */
const MAIN_THREAD = /\.0\.[0-9]+\.cpuprofile$/;

/** Prints for each contender in which functions its time was spent, themselves alone, without what they call. */
export async function printProfiles(folder: string): Promise<void> {
  for (const contender of await readdir(folder)) {
    for (const file of await readdir(join(folder, contender))) {
      if (!MAIN_THREAD.test(file)) continue;
      console.log(`\n${contender}: ${file}`);
      for (const line of top(JSON.parse(await readFile(join(folder, contender, file), 'utf8')) as Profile))
        console.log(line);
    }
  }
}

function top({ nodes, samples, timeDeltas }: Profile): string[] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, title(callFrame)]));
  const times = new Map<string, number>();
  let busy = 0;
  samples.forEach((id, index) => {
    const name = names.get(id) ?? '';
    if (name === '(idle)') return;
    const time = timeDeltas[index] ?? 0;
    busy += time;
    times.set(name, (times.get(name) ?? 0) + time);
  });
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .slice(0, MOST)
    .map(([name, time]) => `  ${((time / busy) * 100).toFixed(1).padStart(5)} %  ${name}`);
}

function title({ functionName, url, lineNumber }: ProfileNode['callFrame']): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  return url === '' ? name : `${name} ${url.split('/').slice(-2).join('/')}:${lineNumber + 1}`;
}
