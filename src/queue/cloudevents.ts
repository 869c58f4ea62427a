import { isUint8Array } from 'node:util/types';
import { kindOf } from './checks.js';
import type { SelfDescribingCodec } from './codec.js';
import { DecodeError } from './errors.js';
import { asBuffer, jsonOf, readJson } from './json.js';
import type { Message } from './message.js';
import { parseTimestamp } from './timestamp.js';

/** The names that CloudEvents allows for extension attributes. */
const EXTENSION_NAME = /^[a-z0-9]{1,20}$/;

/** What a CloudEvents string must not contain: controls, halves of surrogate pairs, code points that are no characters. */
const NOT_IN_TEXT = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;

/** The extension attribute that carries, as JSON text, the headers that CloudEvents does not allow as attributes. */
const OTHER_HEADERS = 'headers';

/** The attributes that are fields of a message, or say how its data is written. */
const FIELDS = new Set(['specversion', 'id', 'source', 'type', 'time', 'datacontenttype', 'data', 'data_base64']);

/** No header is written as one of these: they have a meaning of their own, the last two in CloudEvents 0.3. */
const RESERVED = new Set([...FIELDS, OTHER_HEADERS, 'dataschema', 'schemaurl', 'datacontentencoding']);

/** Most ids, sources and types. */
const NEEDS_NO_ESCAPE = /^[\w./:-]*$/;

const JSON_DATA = 'application/json';
const BYTES_DATA = 'application/octet-stream';

type Event = Record<string, unknown>;

/**
 * CloudEvents 1.0, structured JSON: what any language's CloudEvents library reads. Headers travel as extension
 * attributes; bytes (`Uint8Array`) as `data_base64`, and come back as a `Buffer`.
 */
export const cloudEvents: SelfDescribingCodec = {
  // Put together by hand: every message passes here, and JSON.stringify of the whole takes half as long again or more.
  encode({ id, source, type, time, data, headers }: Message): Uint8Array {
    const attributes = `"specversion":"1.0","id":${quoted(id)},"source":${quoted(source)},"type":${quoted(type)}`;
    return Buffer.from(
      `{${attributes},"time":"${timestamp(time)}"${dataMembers(type, data)}${headerMembers(headers)}}`,
    );
  },

  decode(body: Uint8Array): Message {
    const event = readJson(body);
    if (!isObject(event))
      throw new DecodeError(`the body must be a CloudEvents event (a JSON object), got ${kindOf(event)}`);
    if (event['specversion'] !== '1.0') throw invalid('specversion', '"1.0"', event['specversion']);
    return {
      id: textIn(event, 'id'),
      type: textIn(event, 'type'),
      data: dataIn(event),
      time: timeIn(event),
      headers: headersIn(event),
      source: textIn(event, 'source'),
    };
  },
};

function quoted(text: string): string {
  return NEEDS_NO_ESCAPE.test(text) ? `"${text}"` : JSON.stringify(text);
}

let lastTime = 0;
let lastTimestamp = new Date(0).toISOString();

/** Messages come many to a millisecond. */
function timestamp(date: Date): string {
  const time = date.getTime();
  if (time !== lastTime) {
    lastTimestamp = date.toISOString();
    lastTime = time;
  }
  return lastTimestamp;
}

function dataMembers(type: string, data: unknown): string {
  if (data === undefined) return '';
  if (!isUint8Array(data)) return `,"datacontenttype":"${JSON_DATA}","data":${jsonOf(type, data)}`;
  return `,"datacontenttype":"${BYTES_DATA}","data_base64":"${asBuffer(data).toString('base64')}"`;
}

function headerMembers(headers: Message['headers']): string {
  let members = '';
  const others: [string, string][] = [];
  for (const name of Object.keys(headers)) {
    const value = headers[name] ?? '';
    if (isAttribute(name, value)) members += `,"${name}":${JSON.stringify(value)}`;
    else others.push([name, value]);
  }
  if (others.length === 0) return members;
  return `${members},"${OTHER_HEADERS}":${JSON.stringify(asciiJson(Object.fromEntries(others)))}`;
}

function isAttribute(name: string, value: string): boolean {
  return (
    EXTENSION_NAME.test(name) &&
    !RESERVED.has(name) &&
    !NOT_IN_TEXT.test(value) &&
    // The one attribute of CloudEvents itself that is but a text, and must not be empty.
    !(name === 'subject' && value === '')
  );
}

/** JSON that is a valid CloudEvents text, whatever is in it. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function isObject(value: unknown): value is Event {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(name: string, rule: string, value: unknown): DecodeError {
  return new DecodeError(`the ${name} of a CloudEvents event must be ${rule}, got ${kindOf(value)}`);
}

function textIn(event: Event, name: string): string {
  const value = event[name];
  if (typeof value === 'string' && value !== '') return value;
  throw invalid(name, 'a string that is not empty', value);
}

/** The timestamp that was read last: messages come many to a millisecond, and reading one takes a fifth of reading an event. */
let lastRead: { readonly text: unknown; readonly time: number } = { text: new Date(0).toISOString(), time: 0 };

function timeIn({ time }: Event): Date {
  // The attribute is optional in the specification.
  if (time === undefined || time === null) return new Date(0);
  if (time === lastRead.text) return new Date(lastRead.time);
  const date = typeof time === 'string' ? parseTimestamp(time) : undefined;
  if (date === undefined) throw invalid('time', 'a date and time as in RFC 3339', time);
  lastRead = { text: time, time: date.getTime() };
  return date;
}

function dataIn({ data, data_base64: base64 }: Event): unknown {
  // To the specification, null is an attribute that is not set.
  if (base64 === undefined || base64 === null) return data;
  const bytes = typeof base64 === 'string' ? bytesOf(base64) : undefined;
  // What is not base64 is skipped when it is read.
  if (bytes?.toString('base64') === base64) return bytes;
  throw invalid('data_base64', 'base64 as in RFC 4648, with padding', base64);
}

/** In memory of their own: they are the user's. */
function bytesOf(base64: string): Buffer {
  const bytes = Buffer.alloc(Buffer.byteLength(base64, 'base64'));
  bytes.write(base64, 'base64');
  return bytes;
}

function headersIn(event: Event): Record<string, string> {
  const headers: [string, string][] = [];
  for (const name of Object.keys(event)) {
    if (FIELDS.has(name) && !(name === 'datacontenttype' && isForeignContent(event))) continue;
    const value = event[name];
    if (value === null) continue;
    const others = name === OTHER_HEADERS ? otherHeaders(value) : undefined;
    if (others) headers.push(...others);
    else headers.push([name, typeof value === 'string' ? value : JSON.stringify(value)]);
  }
  // Not by assignment, which would lose a header called __proto__.
  return headers.length === 0 ? {} : Object.fromEntries(headers);
}

/** Whether the data is something else than what we write ourselves, which a slot may need to know. */
function isForeignContent({ datacontenttype, data_base64: base64 }: Event): boolean {
  return datacontenttype !== (base64 === undefined || base64 === null ? JSON_DATA : BYTES_DATA);
}

/** Nothing where it is an extension of somebody else's that only has the same name. */
function otherHeaders(text: unknown): [string, string][] | undefined {
  let parsed: unknown;
  try {
    parsed = typeof text === 'string' ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
  if (!isObject(parsed)) return undefined;
  const entries = Object.entries(parsed);
  return entries.every(isHeader) ? entries : undefined;
}

function isHeader(entry: [string, unknown]): entry is [string, string] {
  return typeof entry[1] === 'string';
}
