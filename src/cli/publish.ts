import { isUtf8 } from 'node:buffer';
import { createReadStream, statSync } from 'node:fs';
import { buffer as readAll } from 'node:stream/consumers';
import type { Command } from 'commander';
import type { Duration } from '../queue/duration.js';
import { EngineError, InvalidOptionError } from '../queue/errors.js';
import { defineMessage, type MessageType } from '../queue/message.js';
import type { PublishManyOptions } from '../queue/publishing.js';
import type { Queue } from '../queue/queue.js';
import { isA } from '../shared/is-a.js';
import { preview } from '../shared/text.js';
import { onNewQueue } from './engine.js';
import { CommandFailedError, EXIT, exitCodeOf, UsageError } from './errors.js';
import {
  addCodec,
  type CodecOptions,
  type GlobalOptions,
  parseDuration,
  parseHeader,
  parsePriority,
} from './options.js';
import { type Output, print } from './output/output.js';
import { Progress } from './output/terminal-line.js';
import { describeError, pluralize } from './output/text.js';

interface PublishCommandOptions extends GlobalOptions, Pick<CodecOptions, 'codec'> {
  readonly delay?: Duration;
  readonly priority?: number;
  readonly ttr?: Duration;
  readonly header?: Record<string, string>;
  readonly lines?: boolean;
}

/** Standard input. */
type Input = NodeJS.ReadableStream & { readonly isTTY?: boolean };

/** How many lines, and how many bytes of them, are published in one call. */
const BATCH_LINES = 500;
const BATCH_BYTES = 1_000_000;

export function definePublish(command: Command, output: Output, input: Input = process.stdin): void {
  command
    .description(
      'Publishes one message and prints its id. Its data is JSON: the argument, or else standard input. With --lines each ' +
        'line of a file or of standard input is the data of a message.',
    )
    .argument('<queue>', 'the queue')
    .argument('<type>', 'the type of the message, to which slots are connected: mail.send')
    .argument('[json]', 'the data, or with --lines the name of a file (default: standard input)')
    .option('--lines', 'publish a message for each line that is not empty')
    .option('--delay <time>', 'deliver it no earlier than after this time: 30s, 5m (default: 0)', parseDuration)
    .option('--priority <n>', 'the lowest is delivered first (default: 1024)', parsePriority)
    .option('--ttr <time>', 'how long a worker may hold it without renewing its lease (default: 60s)', parseDuration)
    .option('--header <name=value>', 'a header; may be given several times', parseHeader);
  addCodec(command);
  command
    .addHelpText(
      'after',
      `
Examples:
  haricot publish mail mail.send '{"to":"a@b.example"}' --delay 30s
  haricot publish mail mail.send < data.json
  haricot publish mail mail.send --lines mails.jsonl

With --codec raw the data is the bytes as they are, not JSON.`,
    )
    .action(async (name: string, type: string, given: string | undefined) => {
      const {
        url,
        json = false,
        codec,
        lines = false,
        header,
        ...delivery
      } = command.optsWithGlobals<PublishCommandOptions>();
      const options = { ...delivery, ...(header !== undefined && { headers: header }) };
      const place = { json, ...(url !== undefined && { url }), ...(codec !== undefined && { codec, type }) };
      const parse = codec === 'raw' ? (bytes: Buffer) => bytes : parseJson;
      if (lines) {
        const source = given === undefined ? checkInput(input) : createReadStream(checkFile(given));
        const publishing = new LinePublishing(type, options, parse, new Progress(output, json));
        const published = await onNewQueue(place, output, name, (queue) => publishing.run(queue, source));
        print(output, json, `published ${pluralize(published, 'message')}`, { queue: name, type, published });
      } else {
        const data = parse(given === undefined ? await readAll(checkInput(input)) : Buffer.from(given));
        const jobId = await onNewQueue(place, output, name, (queue) =>
          queue.publish(defineMessage(type), data, options),
        );
        print(output, json, jobId, { queue: name, type, jobId });
      }
    });
}

/** Where the input could not be read on. */
interface UnreadableLine {
  readonly number: number;
  readonly readError: unknown;
}

/** A line of the input, counted from 1. */
interface Line {
  readonly number: number;
  readonly bytes: Buffer;
}

const LINE_FEED = 0x0a;

/** Those that are not empty. */
async function* linesIn(source: NodeJS.ReadableStream): AsyncGenerator<Line | UnreadableLine> {
  let number = 0;
  let begun: Buffer[] = [];
  const lineOf = (end: Buffer): Line => {
    const bytes = begun.length === 0 ? end : Buffer.concat([...begun, end]);
    begun = [];
    number++;
    return { number, bytes };
  };
  try {
    for await (const part of source) {
      let chunk = Buffer.from(part);
      for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED)) {
        const line = lineOf(chunk.subarray(0, end));
        if (!isBlank(line)) yield line;
        chunk = chunk.subarray(end + 1);
      }
      if (chunk.length > 0) begun.push(chunk);
    }
  } catch (cause) {
    yield { number: number + 1, readError: cause };
    return;
  }
  const last = lineOf(Buffer.alloc(0));
  if (!isBlank(last)) yield last;
}

function isBlank({ bytes }: Line): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

/** Publishes each line, many in one call. */
class LinePublishing {
  readonly #type: MessageType;
  readonly #options: PublishManyOptions;
  readonly #parse: (bytes: Buffer) => unknown;
  readonly #progress: Progress;
  #stored = 0;

  constructor(type: string, options: PublishManyOptions, parse: (bytes: Buffer) => unknown, progress: Progress) {
    this.#type = defineMessage(type);
    this.#options = options;
    this.#parse = parse;
    this.#progress = progress;
  }

  /** @returns how many @throws CommandFailedError that says what is stored */
  async run(queue: Queue, source: NodeJS.ReadableStream): Promise<number> {
    let batch: Line[] = [];
    let length = 0;
    try {
      for await (const line of linesIn(source)) {
        if ('readError' in line) {
          await this.#publish(queue, batch);
          throw this.#failure(`line ${line.number}`, line.readError);
        }
        batch.push(line);
        length += line.bytes.length;
        if (batch.length < BATCH_LINES && length < BATCH_BYTES) continue;
        await this.#publish(queue, batch);
        this.#progress.show(`published ${this.#stored}`);
        [batch, length] = [[], 0];
      }
      await this.#publish(queue, batch);
    } finally {
      this.#progress.end();
    }
    return this.#stored;
  }

  /** Publishes all lines before the first that is wrong. */
  async #publish(queue: Queue, lines: readonly Line[]): Promise<void> {
    const data: unknown[] = [];
    let wrong: { readonly line: Line; readonly error: unknown } | undefined;
    for (const line of lines) {
      try {
        data.push(this.#parse(line.bytes));
      } catch (error) {
        wrong = { line, error };
        break;
      }
    }
    await this.#publishData(queue, lines.slice(0, data.length), data);
    if (wrong !== undefined) throw this.#failure(`line ${wrong.line.number}`, wrong.error);
  }

  async #publishData(queue: Queue, lines: readonly Line[], data: readonly unknown[]): Promise<void> {
    const [first] = lines;
    if (first === undefined) return;
    try {
      this.#stored += (await queue.publishMany(this.#type, data, this.#options)).length;
    } catch (error) {
      if (isA(EngineError, error)) throw this.#engineFailure(lines, error);
      // One of them is wrong, and nothing is stored: one by one, it is known which.
      if (lines.length === 1) throw this.#failure(`line ${first.number}`, error);
      for (const [index, line] of lines.entries()) await this.#publishData(queue, [line], [data[index]]);
    }
  }

  #engineFailure(lines: readonly Line[], error: EngineError): Error {
    const numbers = lines.map(({ number }) => number);
    const { outcome, storedIds = [], unknownAt } = error;
    this.#stored += storedIds.filter((id) => id !== undefined).length;
    const unknown = unknownAt?.map((index) => numbers[index] ?? 0) ?? numbers;
    const missing = numbers.filter((_, index) => storedIds[index] === undefined);
    return this.#failure(linesOf(missing), error, outcome === 'unknown' ? `, and possibly ${linesOf(unknown)}` : '');
  }

  #failure(lines: string, error: unknown, more = ''): Error {
    const count =
      this.#stored === 0
        ? 'no message is'
        : `${pluralize(this.#stored, 'message')} ${this.#stored === 1 ? 'is' : 'are'}`;
    const message = `cannot publish ${lines}: ${describeError(error)}; ${count} stored${more}`;
    if (this.#stored === 0 && exitCodeOf(error) === EXIT.wrongUsage) return new UsageError(message);
    return new CommandFailedError('INVALID_LINE', message);
  }
}

/** `line 3`, `lines 3 to 7`: those in between may be missing. */
function linesOf(numbers: readonly number[]): string {
  const [first, last] = [numbers[0] ?? 0, numbers.at(-1) ?? 0];
  if (first === last) return `line ${first}`;
  return last - first + 1 === numbers.length
    ? `lines ${first} to ${last}`
    : `${pluralize(numbers.length, 'line')} from ${first} to ${last}`;
}

/** @throws UsageError */
function checkFile(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === false) return path;
  throw new UsageError(
    `the argument after <type> must be the name of a file where --lines is given, got ${preview(path)}`,
  );
}

/** @throws InvalidOptionError where nothing comes but what somebody types */
function checkInput(input: Input): Input {
  // It would wait for somebody to type, without a word.
  if (input.isTTY) {
    throw new InvalidOptionError(
      `the data must be given as the last argument, such as '{"to":"a@b.example"}', or on standard input, got none`,
    );
  }
  return input;
}

/** @throws InvalidOptionError */
function parseJson(bytes: Buffer): unknown {
  // What is not UTF-8 would be changed without a word.
  if (!isUtf8(bytes))
    throw new InvalidOptionError(`the data must be JSON in UTF-8, got ${bytes.length} bytes that are not`);
  const text = bytes.toString();
  if (text.trim() === '') throw new InvalidOptionError('the data must be JSON, got nothing');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InvalidOptionError(
      `the data must be JSON, got something else: ${describeError(cause)}; a string needs its quotes: '"text"'`,
    );
  }
}
