/*
 * Rows of the command table and their replies; the words stand in the test titles.
 *
 * delete       DELETED, NOT_FOUND
 * release      RELEASED, NOT_FOUND; OUT_OF_MEMORY in commands-binlog
 * bury         BURIED, NOT_FOUND; INTERNAL_ERROR in commands-binlog
 * touch        TOUCHED, NOT_FOUND
 * kick-job     KICKED, NOT_FOUND
 * reserve-job  RESERVED, NOT_FOUND
 *
 * Each command meets a job in each state. Not to be provoked from outside, covered in test/ with a scripted server:
 * INTERNAL_ERROR of delete and BURIED of release (the server fails at writing to a binlog that has room).
 */
import { expect } from 'chai';
import { type Client, type Job, type JobStats, NotFoundError } from '../src/client/index.js';
import { onSharedServer } from './support/fixture.js';
import { rejects } from './support/rejects.js';

type State = 'ready' | 'delayed' | 'buried' | 'held' | 'held by another' | 'absent';

interface Row {
  readonly call: (client: Client, id: string) => Promise<unknown>;
  /** The server's word where it does what it is asked. */
  readonly word: string;
  readonly takes: readonly State[];
}

const STATES: readonly State[] = ['ready', 'delayed', 'buried', 'held', 'held by another', 'absent'];

const ROWS: Readonly<Record<string, Row>> = {
  delete: {
    call: (client, id) => client.delete(id),
    word: 'DELETED',
    takes: ['ready', 'delayed', 'buried', 'held'],
  },
  release: { call: (client, id) => client.release(id), word: 'RELEASED', takes: ['held'] },
  bury: { call: (client, id) => client.bury(id), word: 'BURIED', takes: ['held'] },
  touch: { call: (client, id) => client.touch(id), word: 'TOUCHED', takes: ['held'] },
  'kick-job': { call: (client, id) => client.kickJob(id), word: 'KICKED', takes: ['delayed', 'buried'] },
  'reserve-job': {
    call: (client, id) => client.reserveJob(id),
    word: 'RESERVED',
    takes: ['ready', 'delayed', 'buried'],
  },
};

describe('a command about one job', () => {
  const fixture = onSharedServer();

  for (const [command, { call, word, takes }] of Object.entries(ROWS)) {
    for (const state of STATES) {
      if (takes.includes(state)) {
        it(`${command} answers ${word} for a job that is ${state}`, async () => {
          const tube = fixture.tube();
          const client = await fixture.connectTo(tube);
          const id = await jobThatIs(state, client, await fixture.connectTo(tube));
          await call(client, id);
        });
      } else {
        it(`${command} answers NOT_FOUND for a job that is ${state}, and changes nothing`, async () => {
          const tube = fixture.tube();
          const client = await fixture.connectTo(tube);
          const id = await jobThatIs(state, client, await fixture.connectTo(tube));
          const before = unchanging(await client.statsJob(id));
          const error = await rejects(call(client, id), NotFoundError);
          expect(error).to.include({ code: 'NOT_FOUND', command, jobId: id });
          expect(unchanging(await client.statsJob(id))).to.deep.equal(before);
        });
      }
    }
  }
});

describe('delete', () => {
  const fixture = onSharedServer();

  it('removes the job for everybody, and answers NOT_FOUND the second time', async () => {
    const client = await fixture.connectTo(fixture.tube());
    const id = await client.put('');
    await client.delete(id);
    expect(await client.peek(id)).to.equal(null);
    await rejects(client.delete(id), NotFoundError);
  });
});

describe('release', () => {
  const fixture = onSharedServer();

  it('gives the job back with a new priority and delay', async () => {
    const { client, job } = await held(fixture);
    await job.release({ priority: 3, delay: 300 });
    expect(await client.statsJob(job.id)).to.include({ state: 'delayed', pri: 3, delay: 300, releases: 1 });
    await rejects(job.release(), NotFoundError);
  });

  it('overwrites the priority with 1024 unless told otherwise', async () => {
    const { client, job } = await held(fixture);
    await job.release();
    expect(await client.statsJob(job.id)).to.include({ state: 'ready', pri: 1024, delay: 0 });
  });

  it('puts the job in front of younger ones of the same priority', async () => {
    const { client, job } = await held(fixture);
    await client.put('younger');
    await job.release();
    expect((await client.reserve())?.id).to.equal(job.id);
  });

  it('returns the job to its own tube, whichever is used', async () => {
    const { client, job, tube } = await held(fixture);
    await client.use(fixture.tube());
    await job.release();
    expect(await client.statsJob(job.id)).to.include({ tube });
  });
});

describe('bury', () => {
  const fixture = onSharedServer();

  it('puts the job aside with a new priority', async () => {
    const { client, job } = await held(fixture);
    await job.bury({ priority: 9 });
    expect(await client.statsJob(job.id)).to.include({ state: 'buried', pri: 9, buries: 1 });
    expect(await client.reserve({ timeout: 0 })).to.equal(null);
  });

  it('overwrites the priority with 1024 unless told otherwise', async () => {
    const { client, job } = await held(fixture);
    await job.bury();
    expect(await client.statsJob(job.id)).to.include({ state: 'buried', pri: 1024 });
  });
});

describe('touch', () => {
  const fixture = onSharedServer();

  it('leaves the job held, and its counters as they were', async () => {
    const { client, job } = await held(fixture);
    await job.touch();
    expect(await client.statsJob(job.id)).to.include({ state: 'reserved', reserves: 1, releases: 0, timeouts: 0 });
  });
});

describe('kick-job', () => {
  const fixture = onSharedServer();

  it('makes the job ready in its own tube, whichever is used, and keeps its priority', async () => {
    const { client, job, tube } = await held(fixture);
    await job.bury({ priority: 5 });
    await client.use(fixture.tube());
    await client.kickJob(job.id);
    expect(await client.statsJob(job.id)).to.include({ tube, state: 'ready', pri: 5, kicks: 1 });
  });
});

/** All but what the passing of time changes. */
function unchanging(stats: JobStats | null): Partial<JobStats> | null {
  if (stats === null) return null;
  const { age: _age, timeLeft: _timeLeft, ...rest } = stats;
  return rest;
}

/** The id of a job in that state, held by `client` or by `another`. */
async function jobThatIs(state: State, client: Client, another: Client): Promise<string> {
  const id = await client.put('', { delay: state === 'delayed' ? 300 : 0 });
  switch (state) {
    case 'ready':
    case 'delayed':
      break;
    case 'buried':
      await (await another.reserveJob(id)).bury();
      break;
    case 'held':
      await client.reserveJob(id);
      break;
    case 'held by another':
      await another.reserveJob(id);
      break;
    case 'absent':
      await client.delete(id);
  }
  return id;
}

/** A job of priority 7 that `client` holds. */
async function held(fixture: ReturnType<typeof onSharedServer>): Promise<{ client: Client; job: Job; tube: string }> {
  const tube = fixture.tube();
  const client = await fixture.connectTo(tube);
  return { client, job: await client.reserveJob(await client.put('', { priority: 7 })), tube };
}
