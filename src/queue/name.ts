import { preview } from '../shared/text.js';
import { InvalidOptionError } from './errors.js';

// beanstalkd's rule for tube names, which holds on every engine so that an application can move.
const QUEUE_NAME = /^[A-Za-z0-9+/;.$_()][A-Za-z0-9\-+/;.$_()]{0,199}$/;

/** @throws InvalidOptionError */
export function checkQueueName(name: string): string {
  if (typeof name === 'string' && QUEUE_NAME.test(name)) return name;
  throw new InvalidOptionError(
    `a queue name must be 1 to 200 of A-Z a-z 0-9 - + / ; . $ _ ( ) and not begin with "-", got ${preview(name)}`,
  );
}
