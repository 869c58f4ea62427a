#!/usr/bin/env node
import { CommandFailedError, EXIT, errorLine } from './errors.js';
import { run } from './program.js';

// Whoever reads the output may have gone (`haricot work … | head`): the work goes on.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

const args = process.argv.slice(2);

// Something waits that nothing can end any more: slots that never answer while they are connected, for example.
process.once('beforeExit', () => {
  const message = 'ended before it was done: something that it waited for can no longer happen';
  process.stderr.write(`${errorLine(new CommandFailedError('UNFINISHED', message), args.includes('--json'))}\n`);
  process.exit(EXIT.failed);
});

const code = await run(args, process);

// What slots leave open, such as timers and connections of their own, must not keep the process alive.
for (const stream of [process.stdout, process.stderr]) await new Promise((resolve) => stream.write('', resolve));
process.exit(code === EXIT.ok ? process.exitCode : code);
