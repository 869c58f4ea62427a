// What is typed: the options that commands share, and the values that they take.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { cloudEvents } from '../queue/cloudevents.js';
import type { Codec } from '../queue/codec.js';
import { type Duration, toMs } from '../queue/duration.js';
import { InvalidOptionError } from '../queue/errors.js';
import { json } from '../queue/json.js';
import type { QueueOptions } from '../queue/queue.js';
import { raw } from '../queue/raw.js';

/** The options of every command. */
export interface GlobalOptions {
  readonly url?: string;
  readonly json?: boolean;
}

/** The embedded engine: a file in the folder where the command runs. */
export const DEFAULT_URL = 'sqlite:./haricot.db';

/** The engine that `--url` or HARICOT_URL names, or else the default. @throws InvalidOptionError */
export function urlOf({ url = process.env['HARICOT_URL'] || DEFAULT_URL }: GlobalOptions): string {
  if (url !== '') return url;
  // A variable that is not set, most likely: the default would surprise.
  throw new InvalidOptionError('--url must name an engine, such as beanstalkd://127.0.0.1:11300, got ""');
}

const CODECS: Readonly<Record<'cloudevents' | 'json' | 'raw', Codec>> = { cloudevents: cloudEvents, json, raw };

/** How the messages of a queue are written, where it is not the default. */
export interface CodecOptions {
  readonly codec?: keyof typeof CODECS;
  readonly type?: string;
}

/** Adds `--codec`, and `--type` unless the command uses that otherwise as well. */
export function addCodec(command: Command, type?: string): void {
  command.addOption(
    new Option('--codec <codec>', 'how bodies are written: the data alone, or (default) as CloudEvents').choices(
      Object.keys(CODECS),
    ),
  );
  if (type !== undefined) command.option('--type <type>', type);
}

/** @throws InvalidOptionError for a codec that writes nothing but the data, where nothing says what that is */
export function checkCodec({ codec, type }: CodecOptions): void {
  if (codec === undefined || type !== undefined || !('dataOnly' in CODECS[codec])) return;
  throw new InvalidOptionError(`--type must be given where --codec is ${codec}, got none: the bodies do not tell it`);
}

/** The options of a queue, where they were given. */
export function queueOptionsOf({ codec, type }: CodecOptions): QueueOptions {
  return { ...(codec !== undefined && { codec: CODECS[codec] }), ...(type !== undefined && { type }) };
}

// The parsers below throw InvalidArgumentError with the rule: `<option> must be <rule>, got <value>` is what is shown.

/**
 * A duration with its unit: a bare number is milliseconds in the API, and seconds to most who type one. 0 needs no unit.
 */
export function parseDuration(text: string): number {
  try {
    return toMs(/^0+$/.test(text) ? 0 : text, 'it');
  } catch {
    throw new InvalidArgumentError('a duration with its unit, such as 500ms, 30s, 5m, 2h or 1d');
  }
}

/** One duration, or two for delays that grow from the first to the second. */
export function parseBackoff(text: string): Duration | { readonly initial: Duration; readonly max: Duration } {
  const [first = '', last, ...more] = text.split('..');
  try {
    if (last === undefined) return parseDuration(first);
    const [initial, max] = [parseDuration(first), parseDuration(last)];
    if (more.length === 0 && initial <= max) return { initial, max };
  } catch {
    // Said below, with what else is allowed.
  }
  throw new InvalidArgumentError('a duration with its unit, such as 30s, or two for growing delays, such as 1s..5m');
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (/^[0-9]+$/.test(text) && Number.isSafeInteger(count)) return count;
  throw new InvalidArgumentError('a whole number of at least 0');
}

export function parseExitCode(text: string): number {
  return parseUpTo(255, text);
}

export function parsePriority(text: string): number {
  return parseUpTo(4_294_967_295, text);
}

function parseUpTo(max: number, text: string): number {
  const number = Number(text);
  if (/^[0-9]+$/.test(text) && number <= max) return number;
  throw new InvalidArgumentError(`a whole number from 0 to ${max}`);
}

const BYTE_UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** A size with its unit: of a bare number nobody can tell whether bytes or megabytes are meant. */
export function parseBytes(text: string): number {
  const [, amount, unit = ''] = /^([0-9]+)([KMG])(?:i?B)?$/i.exec(text) ?? [];
  if (amount !== undefined) return Number(amount) * (BYTE_UNITS[unit.toUpperCase()] ?? 1);
  throw new InvalidArgumentError('a size with its unit, such as 256MB or 1GB');
}

/** Collects `--header k=v` given several times. */
export function parseHeader(text: string, headers: Record<string, string> = {}): Record<string, string> {
  const equals = text.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('name=value');
  return { ...headers, [text.slice(0, equals)]: text.slice(equals + 1) };
}

/** Parses states separated by commas, each of which must be one of `allowed`. */
export function parseStates<State extends string>(allowed: readonly State[]): (text: string) => readonly State[] {
  return (text) => {
    const names = new Set(text.split(','));
    const states = allowed.filter((state) => names.delete(state));
    if (names.size === 0) return states;
    throw new InvalidArgumentError(`one or several of ${allowed.join(', ')}, separated by commas`);
  };
}
