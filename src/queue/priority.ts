import { checkInteger } from './options.js';

const MAX_PRIORITY = 4_294_967_295;

/** The lowest is delivered first. @throws InvalidOptionError */
export function checkPriority(priority: number): number {
  return checkInteger('priority', priority, 0, MAX_PRIORITY);
}
