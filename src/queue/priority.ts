import { InvalidOptionError } from './errors.js';

const MAX_PRIORITY = 4_294_967_295;

/** The lowest is delivered first. @throws InvalidOptionError */
export function checkPriority(priority: number): number {
  if (Number.isInteger(priority) && priority >= 0 && priority <= MAX_PRIORITY) return priority;
  throw new InvalidOptionError(`priority is an integer from 0 to ${MAX_PRIORITY}, got ${String(priority)}`);
}
