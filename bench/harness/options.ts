import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { Effort } from './rounds.js';

export interface BenchOptions {
  /** Workloads by name, or `chart`. */
  readonly names: readonly string[];
  readonly effort: Effort;
  /** Without the peers. */
  readonly isAlone: boolean;
  readonly isJson: boolean;
  readonly isSaved: boolean;
  /** Folder for CPU profiles. */
  readonly profile: string | undefined;
}

const OPTIONS = {
  rounds: { type: 'string' },
  slice: { type: 'string' },
  quick: { type: 'boolean', default: false },
  alone: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  save: { type: 'boolean', default: false },
  profile: { type: 'string' },
  help: { type: 'boolean', default: false },
} satisfies ParseArgsConfig['options'];

export function usage(workloads: readonly string[]): string {
  return `usage: npm run bench -- [${workloads.join('|')}]… [options], npm run bench -- chart
  no name             everything, several minutes
  chart               draws bench/chart.svg from bench/results.json, and writes its table into the README
  --rounds <n>        counted rounds of the interleaved contenders, default 9
  --slice <ms>        how long a contender works at a row in a round, default 200
  --quick             three short rounds: a look, no figure
  --alone             without the peers
  --json              one object on standard output instead of tables
  --save              keeps the results in bench/results.json
  --profile <folder>  takes a CPU profile of each contender's process and prints where its time goes`;
}

/** @returns undefined where help is asked for @throws Error for what nobody understands */
export function parseOptions(workloads: readonly string[]): BenchOptions | undefined {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: OPTIONS });
  if (values.help) return undefined;
  const unknown = positionals.find((name) => name !== 'chart' && !workloads.includes(name));
  if (unknown !== undefined) throw new Error(`there is no workload "${unknown}"`);
  return {
    names: positionals.length > 0 ? positionals : workloads,
    effort: {
      rounds: atLeastOne('--rounds', values.rounds ?? (values.quick ? '3' : '9')),
      sliceMs: atLeastOne('--slice', values.slice ?? (values.quick ? '100' : '200')),
      quick: values.quick,
    },
    isAlone: values.alone,
    isJson: values.json,
    isSaved: values.save,
    profile: values.profile,
  };
}

function atLeastOne(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new Error(`${name} is an integer of at least 1, got "${text}"`);
}
