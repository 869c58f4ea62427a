import { InvalidOptionError } from './errors.js';

type Headers = Readonly<Record<string, string>>;

const NONE: Headers = Object.freeze({});

/** @throws InvalidOptionError */
export function checkHeaders(headers: Headers | undefined): Headers {
  if (headers === undefined) return NONE;
  // A Map has no properties: what is in it would be lost.
  if (typeof headers !== 'object' || headers === null || Symbol.iterator in headers) {
    throw new InvalidOptionError(`headers are an object of texts, got ${shown(headers)}`);
  }
  for (const name of Object.keys(headers)) {
    const value: unknown = headers[name];
    if (typeof value !== 'string') {
      throw new InvalidOptionError(`headers are texts, and ${JSON.stringify(name)} is ${shown(value)}`);
    }
  }
  return headers;
}

function shown(value: unknown): string {
  return typeof value === 'object' ? Object.prototype.toString.call(value) : String(value);
}
