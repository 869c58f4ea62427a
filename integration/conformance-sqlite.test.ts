import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtinBinding } from '../src/drivers/sqlite/binding.js';
import { testDriver } from '../src/testing/conformance/suite.js';
import open from './fixtures/open-sqlite.js';

const binding = builtinBinding()?.name ?? 'libsql';

describe('The conformance suite', () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'haricot-'));
    process.env['HARICOT_CONFORMANCE_FILE'] = join(folder, 'haricot.db');
  });

  after(async () => {
    delete process.env['HARICOT_CONFORMANCE_FILE'];
    await rm(folder, { recursive: true });
  });

  testDriver(`sqlite (${binding}, Node ${process.version})`, {
    open,
    processModule: new URL('./fixtures/open-sqlite.ts', import.meta.url),
  });
});
