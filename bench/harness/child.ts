/*
 * The process of one contender: it has its own heap, its own compiled code and its own CPU time, and keeps them from round to
 * round. Arguments: the contender's module, whose `open(options)` gives the methods that can be called, and the options.
 */
import type { Service } from './contender.js';

export interface Call {
  readonly method: string;
  readonly args: readonly unknown[];
}

export type Answer = { readonly value: unknown } | { readonly error: string };

const [module = '', options = '{}'] = process.argv.slice(2);
const { open } = (await import(module)) as { open: (options: unknown) => Promise<Service> };
const opening = open(JSON.parse(options));

process.on('message', async ({ method, args }: Call) => {
  let answer: Answer;
  try {
    const service = await opening;
    answer = { value: await service[method]?.(...args) };
  } catch (error) {
    answer = { error: error instanceof Error ? error.message : String(error) };
  }
  process.send?.(answer);
});
// By itself, and not by a signal: only then a profile is written.
process.on('disconnect', () => process.exit(0));
opening.catch(() => {});
