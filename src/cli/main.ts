#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { InvalidArgumentError } from '../client/errors.js';
import { InvalidOptionError, SchemaError } from '../queue/errors.js';
import { describeError } from './output.js';
import { addPublish } from './publish.js';
import { addWork } from './work.js';

const FAILED = 1;
const WRONG_USAGE = 2;

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('haricot')
  .description('Defer work: publish messages, and run workers that hand them to connected slots.')
  .version(version)
  .option('--url <url>', 'the engine that holds the messages: beanstalkd://host:port (or HARICOT_URL)')
  .option('--json', 'machine-readable lines')
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError('(haricot --help, or haricot <command> --help, says what is allowed)')
  .exitOverride();

// Whoever reads the output may have gone (`haricot work … | head`): the work goes on.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

addPublish(program, process);
addWork(program, process);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
  // Commander has written its own errors.
  if (!(error instanceof CommanderError)) process.stderr.write(`haricot: ${describeError(error)}\n`);
}

// What slots leave open, such as timers and connections of their own, must not keep the process alive.
for (const stream of [process.stdout, process.stderr]) await new Promise((resolve) => stream.write('', resolve));
process.exit();

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_USAGE;
  const wrongUsage = [InvalidOptionError, InvalidArgumentError, SchemaError].some((kind) => error instanceof kind);
  return wrongUsage ? WRONG_USAGE : FAILED;
}
