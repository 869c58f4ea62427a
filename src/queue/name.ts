import { preview } from '../shared/text.js';
import { InvalidOptionError } from './errors.js';

const MAX_LENGTH = 200;

// beanstalkd's rule for tube names, which holds on every engine so that an application can move.
const QUEUE_NAME = /^[A-Za-z0-9+/;.$_()][A-Za-z0-9\-+/;.$_()]{0,199}$/;

export function isQueueName(name: string): boolean {
  return QUEUE_NAME.test(name);
}

/** @throws InvalidOptionError */
export function checkQueueName(name: string): string {
  if (typeof name === 'string' && isQueueName(name)) return name;
  throw new InvalidOptionError(
    `a queue name must be 1 to 200 of A-Z a-z 0-9 - + / ; . $ _ ( ) and not begin with "-", got ${preview(name)}`,
  );
}

/** Checks what stands before the names of all queues of an installation; empty where there is nothing. @throws InvalidOptionError */
export function checkPrefix(prefix: string): string {
  if (prefix === '' || (isQueueName(prefix) && prefix.length < MAX_LENGTH)) return prefix;
  throw new InvalidOptionError(
    `a prefix must be less than 200 of A-Z a-z 0-9 - + / ; . $ _ ( ) and not begin with "-", got ${preview(prefix)}`,
  );
}

/** The name of a queue on its engine: behind the prefix. @throws InvalidOptionError */
export function checkPrefixedName(prefix: string, name: string): string {
  const whole = prefix + checkQueueName(name);
  if (whole.length <= MAX_LENGTH) return whole;
  throw new InvalidOptionError(
    `a queue name must be at most ${MAX_LENGTH - prefix.length} characters behind the prefix ${preview(prefix)}, got ${preview(name)} (${name.length} characters)`,
  );
}

/** Which of the names on an engine are queues of the installation, without the prefix. Those of others may begin alike. */
export function queuesBehind(prefix: string, names: readonly string[]): string[] {
  return names
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter(isQueueName);
}
