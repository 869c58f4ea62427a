import { isIP, isIPv6 } from 'node:net';
import type { ConnectionOptions as NodeTlsOptions } from 'node:tls';
import { InvalidArgumentError } from '../protocol/errors.js';
import type { OptionNames } from '../shared/options.js';
import { maskUrl, preview } from '../shared/text.js';
import { checkInteger, checkOptions } from './arguments.js';

/** TLS options for a terminator in front of beanstalkd, with the meaning they have in Node's `tls.connect`. */
export type TlsOptions = Pick<
  NodeTlsOptions,
  'ca' | 'cert' | 'key' | 'passphrase' | 'pfx' | 'servername' | 'minVersion' | 'ciphers' | 'checkServerIdentity'
>;

/** The address of a server. */
export type Address =
  | { readonly host: string; readonly port: number; readonly tls?: TlsOptions | undefined }
  /** A Unix socket. */
  | { readonly path: string };

/** An address as callers give it: a URL, or a host and a port. */
export interface AddressOptions {
  /**
   * `beanstalkd://host[:port]`, `beanstalkds://host[:port]` for TLS, `beanstalkd+unix:///path` or `host[:port]`.
   * Excludes `host` and `port`.
   */
  readonly url?: string | undefined;
  /** The server's host name or IP address. Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** The server's port. Default 11300. */
  readonly port?: number | undefined;
  /** TLS options for `beanstalkds://`. With `host` and `port` they enable TLS. The certificate is always verified. */
  readonly tls?: TlsOptions | undefined;
}

const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORT = 11300;
const MAX_PORT = 65_535;

/** @internal */
export const ADDRESS_OPTIONS: OptionNames<AddressOptions> = { url: true, host: true, port: true, tls: true };

const TLS_OPTIONS: OptionNames<TlsOptions> = {
  ca: true,
  cert: true,
  key: true,
  passphrase: true,
  pfx: true,
  servername: true,
  minVersion: true,
  ciphers: true,
  checkServerIdentity: true,
};

/** The longest name that DNS allows. */
const MAX_HOST = 253;

/**
 * Characters that no host has. The system would cut a name off at a NUL, and the others separate the parts of a URL.
 */
const NOT_IN_HOST = /[\s\p{C}:/?#@[\]\\%]/u;

/** The longest path that the server accepts for `-l unix:PATH`. */
const MAX_SOCKET_PATH = 107;

const UNIX = /^beanstalkd\+unix:\/\//i;
const PARTS = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(\[[^\]]*\]|[^:/?#@[\]\s]+)(?::([^/?#]*))?\/?$/i;
const ALLOWED =
  'beanstalkd://host[:port], beanstalkds://host[:port], beanstalkd+unix:///path or host[:port], an IPv6 address in brackets';

/**
 * @internal
 * Parses an address string. The port defaults to 11300.
 * @throws InvalidArgumentError naming the part that is wrong
 */
export function parseAddress(text: string, tls?: TlsOptions): Address {
  if (typeof text !== 'string') throw new InvalidArgumentError(`url must be a string, got ${preview(text)}`);
  if (UNIX.test(text)) return unixAddress(text, tls);
  if (text.includes('@')) throw malformed(text, 'beanstalkd knows no users and no passwords');
  const parts = PARTS.exec(text);
  if (!parts) throw malformed(text, 'it does not have the form of an address');
  const [, scheme = 'beanstalkd', rawHost = '', port] = parts;
  const secure = scheme.toLowerCase() === 'beanstalkds';
  if (!secure && scheme.toLowerCase() !== 'beanstalkd') throw malformed(text, `the scheme is ${preview(scheme)}`);
  if (!secure && tls) throw malformed(text, 'there are options for TLS, but the scheme is not beanstalkds');
  const bracketed = rawHost.startsWith('[');
  const host = bracketed ? rawHost.slice(1, -1) : rawHost;
  if (bracketed && !isIPv6(host)) throw malformed(text, `${preview(host)} is not an IPv6 address`);
  if (!isHost(host)) throw malformed(text, `${preview(host)} is not a host`);
  return {
    host,
    port: port === undefined ? DEFAULT_PORT : parsePort(port, text),
    ...(secure && { tls: tls ?? {} }),
  };
}

/** @internal The address that the options describe. @throws InvalidArgumentError */
export function addressOf({ url, host, port, tls }: AddressOptions): Address {
  checkOptions('tls', tls, TLS_OPTIONS);
  if (url !== undefined) {
    if (host === undefined && port === undefined) return parseAddress(url, tls);
    throw new InvalidArgumentError('an address must be given as url, or as host and port, not as both');
  }
  if (host !== undefined && !isHost(host)) {
    throw new InvalidArgumentError(
      `host must be a name or an address of 1 to ${MAX_HOST} characters, got ${preview(typeof host === 'string' ? masked(host) : host)}`,
    );
  }
  return {
    host: host ?? DEFAULT_HOST,
    port: port === undefined ? DEFAULT_PORT : checkInteger('port', port, 1, MAX_PORT),
    ...(tls && { tls }),
  };
}

/** @internal Formats an address as a URL, for messages. */
export function formatAddress(address: Address): string {
  if ('path' in address) return `beanstalkd+unix://${address.path}`;
  const { host, port, tls } = address;
  return `${tls ? 'beanstalkds' : 'beanstalkd'}://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/**
 * @internal The name that the certificate must match; undefined for an IP address, which TLS cannot request by name.
 */
export function serverNameOf({ host, tls }: { readonly host: string; readonly tls: TlsOptions }): string | undefined {
  return tls.servername ?? (isIP(host) ? undefined : host);
}

function unixAddress(text: string, tls: TlsOptions | undefined): Address {
  const path = text.replace(UNIX, '');
  if (tls) throw malformed(text, 'a Unix socket has no TLS');
  if (!path.startsWith('/')) throw malformed(text, 'the path of a Unix socket begins with "/"');
  const length = Buffer.byteLength(path);
  if (path.includes('\0')) throw malformed(text, 'the path of a Unix socket has no NUL');
  if (length > MAX_SOCKET_PATH)
    throw malformed(text, `the path is ${length} bytes long, ${MAX_SOCKET_PATH} are allowed`);
  return { path };
}

function parsePort(port: string, text: string): number {
  const number = /^[0-9]{1,5}$/.test(port) ? Number(port) : 0;
  if (number >= 1 && number <= MAX_PORT) return number;
  throw malformed(text, `the port is ${preview(port)}, not a number from 1 to ${MAX_PORT}`);
}

function isHost(host: unknown): host is string {
  if (typeof host !== 'string' || host === '' || host.length > MAX_HOST) return false;
  return isIPv6(host) || !NOT_IN_HOST.test(host);
}

function malformed(text: string, why: string): InvalidArgumentError {
  const shown = preview(masked(text), 120);
  return new InvalidArgumentError(`an address must be ${ALLOWED}, got ${shown}: ${why}`);
}

/**
 * Masks a password in an address, with or without a scheme. An address has no path, so that everything before the last
 * `@` may be part of a password.
 */
function masked(text: string): string {
  const scheme = /^[a-z][a-z0-9+.-]{0,29}:\/\//i.exec(text)?.[0] ?? '//';
  const rest = scheme === '//' ? text : text.slice(scheme.length);
  const at = Math.max(0, rest.lastIndexOf('@'));
  const url = maskUrl(`${scheme}${rest.slice(0, at).replace(/[/?#]/g, '_')}${rest.slice(at)}`);
  return scheme === '//' ? url.slice(2) : url;
}
