import { text as readAll } from 'node:stream/consumers';
import { type Command, InvalidArgumentError } from 'commander';
import type { Duration } from '../queue/duration.js';
import { InvalidOptionError } from '../queue/errors.js';
import { defineMessage } from '../queue/message.js';
import { Queue } from '../queue/queue.js';
import { type GlobalOptions, openEngine, parseCount, parseDuration, parseHeader } from './options.js';
import { type Output, print } from './output.js';

interface PublishCommandOptions {
  readonly delay?: Duration;
  readonly priority?: number;
  readonly ttr?: Duration;
  readonly header?: Record<string, string>;
}

export function addPublish(program: Command, output: Output): void {
  program
    .command('publish')
    .summary('publish one message')
    .description('Publishes one message. Its data is JSON: the argument, or else standard input.')
    .argument('<queue>', 'the queue')
    .argument('<type>', 'the type of the message, to which slots are connected: mail.send')
    .argument('[json]', 'the data; without it, standard input is read')
    .option('--delay <time>', 'deliver it no earlier than in so long: 30s, 5m', parseDuration)
    .option('--priority <n>', 'the lowest is delivered first; 1024 unless given', parsePriority)
    .option('--ttr <time>', 'how long a worker may hold it without a sign of life; 60s unless given', parseDuration)
    .option('--header <name=value>', 'a header; may be given several times', parseHeader)
    .addHelpText('after', `\nExample:\n  haricot publish mail mail.send '{"to":"a@b.example"}' --delay 30s\n`)
    .action(async (name: string, type: string, json: string | undefined, options: PublishCommandOptions) => {
      const global = program.opts<GlobalOptions>();
      const driver = await openEngine(global);
      try {
        const queue = new Queue(driver, name);
        const data = parseData(json ?? (await readAll(process.stdin)));
        const { header: headers, ...rest } = options;
        const id = await queue.publish(defineMessage(type), data, { ...rest, headers });
        print(output, global.json === true, id, { queue: name, type, id });
      } finally {
        await driver.close();
      }
    });
}

function parsePriority(text: string): number {
  const priority = parseCount(text);
  if (priority <= 4_294_967_295) return priority;
  throw new InvalidArgumentError('Allowed is a whole number from 0 to 4294967295.');
}

function parseData(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new InvalidOptionError(
      `the data is not JSON: ${(cause as Error).message}; a text needs its quotes: '"text"'`,
      {
        cause,
      },
    );
  }
}
