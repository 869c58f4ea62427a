/*
 * Rows of the command table whose failure needs a binlog that can no longer grow; the words stand in the test titles.
 *
 * put      OUT_OF_MEMORY
 * release  OUT_OF_MEMORY
 * bury     INTERNAL_ERROR
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Client, InternalError, NotFoundError, OutOfMemoryError } from '../src/client/index.js';
import { onOwnServer } from './support/fixture.js';
import { rejects } from './support/rejects.js';
import { startServer, type TestServer } from './support/server.js';

describe('a server whose binlog is full', () => {
  const fixture = onOwnServer();
  let directory: string | undefined;
  let client: Client;
  let stored: string[];

  beforeEach(async () => {
    // Where the server comes from tells how its binlog can be filled.
    const { source } = fixture.server;
    await fixture.server.stop();
    fixture.server = await startServer({ control: true, flags: await flagsFor(source) });
    client = await fixture.connect();
    // The server makes a file at its start; that there will be no second one shows when this one is full.
    if (directory !== undefined) await rm(directory, { recursive: true });
    stored = await fill(client);
  });

  afterEach(async () => {
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
    directory = undefined;
  });

  async function flagsFor(source: TestServer['source']): Promise<string[]> {
    if (source === 'binary') {
      directory = await mkdtemp(join(tmpdir(), 'haricot-full-binlog-'));
      return ['-b', directory];
    }
    // In a container /dev/shm holds 64 MiB: one such file, not two.
    return ['-b', '/dev/shm', '-s', '40000000', '-z', '20000000'];
  }

  it('answers OUT_OF_MEMORY to a put, and the stream stays in step', async () => {
    const [error, used] = await Promise.all([rejects(client.put('body'), OutOfMemoryError), client.listTubeUsed()]);
    expect(error).to.include({ code: 'OUT_OF_MEMORY', command: 'put' });
    expect(used).to.equal('default');
    expect(client.isOpen).to.equal(true);
  });

  it('answers INTERNAL_ERROR to a bury, and nobody can get at the job any more', async () => {
    const id = await buryUntilRefused();
    expect(await client.statsJob(id)).to.include({ state: 'reserved' });
    const other = await fixture.connect();
    for (const call of [client.delete(id), client.release(id), client.touch(id)]) await rejects(call, NotFoundError);
    for (const call of [other.delete(id), other.reserveJob(id), other.kickJob(id)]) await rejects(call, NotFoundError);
  });

  it('answers OUT_OF_MEMORY to a release with a delay, and RELEASED to one without, which is not logged', async () => {
    await buryUntilRefused();
    const [delayed, plain] = [await client.reserve({ timeout: 0 }), await client.reserve({ timeout: 0 })];
    await plain?.release();
    const error = await rejects(delayed?.release({ delay: 1 }) ?? Promise.resolve(), OutOfMemoryError);
    expect(error).to.include({ code: 'OUT_OF_MEMORY', command: 'release', jobId: delayed?.id });
  });

  /** A bury needs less room than a put: the first ones may still succeed. Answers the job whose bury failed. */
  async function buryUntilRefused(): Promise<string> {
    for (let count = 0; count < stored.length; count++) {
      const job = await client.reserve({ timeout: 0 });
      const error = await job?.bury().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (error === undefined) continue;
      expect(error).to.be.instanceOf(InternalError).and.include({ code: 'INTERNAL_ERROR', command: 'bury' });
      return job?.id ?? '';
    }
    throw new Error('every job could be buried');
  }
});

/** Puts ever smaller jobs until not even an empty one has room. Answers the ids of those that had. */
async function fill(client: Client): Promise<string[]> {
  const { maxJobSize } = await client.stats();
  const ids: string[] = [];
  for (let size = maxJobSize; size > 0; size = Math.floor(size / 16)) {
    const body = Buffer.alloc(size);
    for (;;) {
      const outcome = await client.put(body).catch((error: unknown) => error);
      if (typeof outcome !== 'string') {
        expect(outcome).to.be.instanceOf(OutOfMemoryError);
        break;
      }
      ids.push(outcome);
    }
  }
  return ids;
}
