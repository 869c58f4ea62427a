import { isIPv6 } from 'node:net';
import { InvalidArgumentError } from '../protocol/errors.js';

/** Where a server listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export const DEFAULT_HOST = '127.0.0.1';
export const DEFAULT_PORT = 11300;

const PARTS = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(\[[^\]]*\]|[^:/?#@[\]\s]+)(?::([^/?#]*))?\/?$/i;
const ALLOWED = 'beanstalkd://host[:port] or host[:port], an IPv6 address in brackets';

/**
 * Reads `beanstalkd://host[:port]` or `host[:port]`; the port defaults to 11300.
 * @throws InvalidArgumentError naming the part that is wrong
 */
export function parseAddress(text: string): Address {
  const parts = PARTS.exec(text);
  if (!parts) throw malformed(text, 'it does not have the form of an address');
  const [, scheme, rawHost = '', port] = parts;
  if (scheme !== undefined && scheme.toLowerCase() !== 'beanstalkd') throw malformed(text, `the scheme is "${scheme}"`);
  const bracketed = rawHost.startsWith('[');
  const host = bracketed ? rawHost.slice(1, -1) : rawHost;
  if (bracketed && !isIPv6(host)) throw malformed(text, `"${host}" is not an IPv6 address`);
  return { host, port: port === undefined ? DEFAULT_PORT : parsePort(port, text) };
}

function parsePort(port: string, text: string): number {
  if (/^[0-9]{1,5}$/.test(port) && isPort(Number(port))) return Number(port);
  throw malformed(text, `the port is "${port}", not a number from 1 to 65535`);
}

export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535;
}

/** The address as a URL, for messages. */
export function formatAddress({ host, port }: Address): string {
  return `beanstalkd://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

function malformed(text: string, why: string): InvalidArgumentError {
  return new InvalidArgumentError(`${JSON.stringify(text)} is no address of a beanstalkd: ${why}; write ${ALLOWED}`);
}
