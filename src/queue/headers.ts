import { preview } from '../shared/text.js';
import { InvalidOptionError } from './errors.js';

type Headers = Readonly<Record<string, string>>;

const NONE: Headers = Object.freeze({});

/** @throws InvalidOptionError */
export function checkHeaders(headers: Headers | undefined): Headers {
  if (headers === undefined) return NONE;
  // A Map has no properties: what is in it would be lost.
  if (typeof headers !== 'object' || headers === null || Symbol.iterator in headers) {
    throw new InvalidOptionError(`headers must be an object of strings, got ${preview(headers)}`);
  }
  for (const name of Object.keys(headers)) {
    const value: unknown = headers[name];
    if (typeof value !== 'string') {
      throw new InvalidOptionError(`the header ${preview(name)} must be a string, got ${preview(value)}`);
    }
  }
  return headers;
}
