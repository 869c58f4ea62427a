import { randomUUID } from 'node:crypto';

/** The name of a tube that no other test, process or run has. */
export function uniqueTube(): string {
  return `haricot-test-${randomUUID()}`;
}
