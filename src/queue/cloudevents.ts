import type { Codec } from './codec.js';
import { DecodeError, EncodeError } from './errors.js';
import type { Message } from './message.js';

/** The attributes of CloudEvents 1.0 itself; every other one is an extension, and to us a header. */
const ATTRIBUTES = new Set([
  'specversion',
  'id',
  'source',
  'type',
  'time',
  'subject',
  'datacontenttype',
  'dataschema',
  'data',
  'data_base64',
]);

/** The names that CloudEvents allows for extension attributes. */
const EXTENSION_NAME = /^[a-z0-9]{1,20}$/;

/** The extension attribute that carries, as JSON text, the headers whose names CloudEvents does not allow. */
const OTHER_HEADERS = 'headers';

/**
 * CloudEvents 1.0, structured JSON: what any language's CloudEvents library reads. Headers travel as extension
 * attributes; bytes (`Uint8Array`) as `data_base64`.
 */
export const cloudEvents: Codec = {
  encode(message: Message): Uint8Array {
    const { id, source, type, time, data, headers } = message;
    const event = {
      specversion: '1.0',
      id,
      source,
      type,
      time: time.toISOString(),
      ...dataMembers(type, data),
      ...extensions(headers),
    };
    try {
      return Buffer.from(JSON.stringify(event));
    } catch (cause) {
      throw new EncodeError(`the data of a "${type}" message is not JSON: ${(cause as Error).message}`, { cause });
    }
  },

  decode(body: Uint8Array): Message {
    const event = parse(body);
    const { id, source, type, time } = event;
    if (event['specversion'] !== '1.0') {
      throw new DecodeError(`not a CloudEvents 1.0 event: its specversion is ${JSON.stringify(event['specversion'])}`);
    }
    for (const [name, value] of Object.entries({ id, source, type })) {
      if (typeof value !== 'string' || value === '') {
        throw new DecodeError(`not a CloudEvents event: its ${name} is ${JSON.stringify(value)}, not a text`);
      }
    }
    return {
      id: id as string,
      type: type as string,
      source: source as string,
      time: timeOf(time),
      data: dataOf(event),
      headers: headersOf(event),
    };
  },
};

function dataMembers(type: string, data: unknown): object {
  if (data === undefined) return {};
  // JSON.stringify would leave them out without a word.
  if (typeof data === 'function' || typeof data === 'symbol') {
    throw new EncodeError(`the data of a "${type}" message is not JSON: it is a ${typeof data}`);
  }
  if (!(data instanceof Uint8Array)) return { datacontenttype: 'application/json', data };
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return { datacontenttype: 'application/octet-stream', data_base64: bytes.toString('base64') };
}

function extensions(headers: Message['headers']): object {
  const attributes: [string, string][] = [];
  const others: [string, string][] = [];
  for (const header of Object.entries(headers)) {
    const [name] = header;
    const allowed = EXTENSION_NAME.test(name) && !ATTRIBUTES.has(name) && name !== OTHER_HEADERS;
    (allowed ? attributes : others).push(header);
  }
  if (others.length > 0) attributes.push([OTHER_HEADERS, JSON.stringify(Object.fromEntries(others))]);
  return Object.fromEntries(attributes);
}

function parse(body: Uint8Array): Record<string, unknown> {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  let event: unknown;
  try {
    event = JSON.parse(text);
  } catch {
    // The parser's own message quotes the body, and messages end up in logs.
    throw new DecodeError(`the body is not JSON (${body.length} bytes)`);
  }
  if (typeof event === 'object' && event !== null && !Array.isArray(event)) return event as Record<string, unknown>;
  throw new DecodeError('not a CloudEvents event: the body is not a JSON object');
}

function timeOf(time: unknown): Date {
  // The attribute is optional in the specification.
  if (time === undefined || time === null) return new Date(0);
  const date = new Date(typeof time === 'string' ? time : Number.NaN);
  if (!Number.isNaN(date.getTime())) return date;
  throw new DecodeError(`not a CloudEvents event: its time is ${JSON.stringify(time)}`);
}

function dataOf(event: Record<string, unknown>): unknown {
  const { data, data_base64: base64 } = event;
  if (base64 === undefined) return data;
  if (typeof base64 === 'string') return Buffer.from(base64, 'base64');
  throw new DecodeError('not a CloudEvents event: its data_base64 is not a text');
}

function headersOf(event: Record<string, unknown>): Record<string, string> {
  const headers: [string, string][] = [];
  for (const [name, value] of Object.entries(event)) {
    if (ATTRIBUTES.has(name) || value === null) continue;
    const others = name === OTHER_HEADERS ? otherHeaders(value) : undefined;
    if (others) headers.push(...others);
    else headers.push([name, typeof value === 'string' ? value : JSON.stringify(value)]);
  }
  // Not by assignment, which would lose a header called __proto__.
  return Object.fromEntries(headers);
}

/** Nothing where it is an extension of somebody else's that only has the same name. */
function otherHeaders(json: unknown): [string, string][] | undefined {
  let parsed: unknown;
  try {
    parsed = typeof json === 'string' ? JSON.parse(json) : undefined;
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined;
  const entries = Object.entries(parsed);
  return entries.every(isHeader) ? entries : undefined;
}

function isHeader(entry: [string, unknown]): entry is [string, string] {
  return typeof entry[1] === 'string';
}
