import { text as readAll } from 'node:stream/consumers';
import { type Command, InvalidArgumentError } from 'commander';
import type { Duration } from '../queue/duration.js';
import { InvalidOptionError } from '../queue/errors.js';
import { defineMessage } from '../queue/message.js';
import { onNewQueue } from './engine.js';
import type { GlobalOptions } from './global-options.js';
import { parseCount, parseDuration, parseHeader } from './options.js';
import { type Output, print } from './output.js';

interface PublishCommandOptions extends GlobalOptions {
  readonly delay?: Duration;
  readonly priority?: number;
  readonly ttr?: Duration;
  readonly header?: Record<string, string>;
}

/** Where data is read from that is no argument. */
type Input = NodeJS.ReadableStream & { readonly isTTY?: boolean };

export function definePublish(command: Command, output: Output, input: Input = process.stdin): void {
  command
    .description('Publishes one message and prints its id. Its data is JSON: the argument, or else standard input.')
    .argument('<queue>', 'the queue')
    .argument('<type>', 'the type of the message, to which slots are connected: mail.send')
    .argument('[json]', 'the data; without it, standard input is read')
    .option('--delay <time>', 'deliver it no earlier than in so long: 30s, 5m (default: at once)', parseDuration)
    .option('--priority <n>', 'the lowest is delivered first (default: 1024)', parsePriority)
    .option('--ttr <time>', 'how long a worker may hold it without a sign of life (default: 60s)', parseDuration)
    .option('--header <name=value>', 'a header; may be given several times', parseHeader)
    .addHelpText(
      'after',
      `
Examples:
  haricot publish mail mail.send '{"to":"a@b.example"}' --delay 30s
  haricot publish mail mail.send < data.json`,
    )
    .action(async (name: string, type: string, json: string | undefined) => {
      const { header: headers, ...options } = command.optsWithGlobals<PublishCommandOptions>();
      const data = parseData(json ?? (await readData(input)));
      const { url: _, json: asJson = false, ...publishOptions } = options;
      const id = await onNewQueue(options, output, name, (queue) => {
        return queue.publish(defineMessage(type), data, { ...publishOptions, headers });
      });
      print(output, asJson, id, { queue: name, type, id });
    });
}

function parsePriority(text: string): number {
  const priority = parseCount(text);
  if (priority <= 4_294_967_295) return priority;
  throw new InvalidArgumentError('Allowed is a whole number from 0 to 4294967295.');
}

function readData(input: Input): Promise<string> {
  // It would wait for somebody to type, without a word.
  if (input.isTTY) {
    throw new InvalidOptionError(
      `the data must be given as the last argument, such as '{"to":"a@b.example"}', or on standard input, got none`,
    );
  }
  return readAll(input);
}

function parseData(json: string): unknown {
  if (json.trim() === '') throw new InvalidOptionError('the data must be JSON, got nothing');
  try {
    return JSON.parse(json);
  } catch (cause) {
    const { message } = cause as Error;
    throw new InvalidOptionError(
      `the data must be JSON, got something else: ${message}; a string needs its quotes: '"text"'`,
      { cause },
    );
  }
}
