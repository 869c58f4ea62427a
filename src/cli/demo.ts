import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { maskUrl } from '../shared/text.js';
import { Show } from './demo/show.js';
import { onDriver } from './engine.js';
import { CommandFailedError } from './errors.js';
import type { GlobalOptions } from './options.js';
import type { Output } from './output/output.js';
import { onStopSignal } from './stop-signals.js';

interface Place {
  readonly url: string;
  /** In words. */
  readonly place: string;
}

export function defineDemo(command: Command, output: Output): void {
  command
    .description(
      'Shows in a few seconds how a shop defers its e-mails: one process publishes, another one works; a message fails ' +
        'and is tried again, and a poisonous one is put aside. It uses a temporary SQLite database, whatever HARICOT_URL ' +
        'says, or the engine that --url names, and leaves nothing behind.',
    )
    .addHelpText('after', '\nExamples:\n  haricot demo\n  haricot demo --url beanstalkd://127.0.0.1:11300')
    .action(async () => {
      const { json = false, url } = command.optsWithGlobals<GlobalOptions>();
      await untilSignal(async (signal) => {
        const show = ({ url, place }: Place): Promise<void> => {
          return onDriver(url, (driver) => new Show(output, { url, place, json, signal }).run(driver));
        };
        if (url === undefined) await inTemporaryDatabase(show);
        else await show({ url, place: `on ${maskUrl(url)}` });
      });
    });
}

async function inTemporaryDatabase(use: (place: Place) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'haricot-demo-'));
  try {
    const path = encodeURI(join(folder, 'haricot.db')).replaceAll('?', '%3F');
    await use({ url: `sqlite:${path}`, place: 'in a temporary SQLite database' });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Ends in an orderly way what a signal interrupts. */
async function untilSignal(action: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const interrupt = (name: NodeJS.Signals): void => {
    controller.abort(new CommandFailedError('INTERRUPTED', `cannot finish the demo: it was interrupted by ${name}`));
  };
  const remove = onStopSignal(interrupt);
  try {
    await action(controller.signal);
  } finally {
    remove();
  }
}
