import { preview } from '../shared/text.js';

/** What a value is, without a word of what it says: the content of messages never stands in an error. */
export function kindOf(value: unknown): string {
  switch (typeof value) {
    case 'object':
      return preview(value);
    case 'undefined':
      return 'undefined';
    case 'string':
      return value === '' ? 'an empty string' : 'a string';
    case 'bigint':
      return 'a BigInt';
    default:
      return `a ${typeof value}`;
  }
}
