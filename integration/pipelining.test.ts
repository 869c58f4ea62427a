import { createHash, randomFillSync, randomInt } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { onOwnServer, onSharedServer } from './support/fixture.js';
import { until, untilWaitedFor } from './support/until.js';

const JOBS = 10_000;
const LARGEST_BODY = 60_000;

describe('pipelined commands', () => {
  const fixture = onSharedServer();

  it('are answered in the order of the calls, each with its own reply', async () => {
    const tube = fixture.tube();
    const client = await fixture.connectTo(tube);
    const calls = Array.from({ length: 200 }, async (_, number) => {
      const body = `job ${number}`;
      const [id, used, missing] = await Promise.all([client.put(body), client.listTubeUsed(), client.peek(0)]);
      expect([used, missing]).to.deep.equal([tube, null]);
      expect((await client.peek(id))?.text()).to.equal(body);
      return id;
    });
    const ids = await Promise.all(calls);
    expect(ids).to.deep.equal([...ids].sort(byNumber));
  });

  it('are read wherever they are split: here every byte is a packet of its own', async () => {
    const tube = fixture.tube();
    const raw = await fixture.connectRaw();
    await raw.sendByteByByte(`use ${tube}\r\nput 5 0 60 7\r\na\r\nb\r\nc\r\n`);
    await raw.receives(`USING ${tube}\r\n`);
    const [, id] = await raw.matches(/^INSERTED (\d+)\r\n/);
    await raw.sendByteByByte(`peek-ready\r\ndelete ${id}\r\npeek-ready\r\n`);
    await raw.receives(`FOUND ${id} 7\r\na\r\nb\r\nc\r\nDELETED\r\nNOT_FOUND\r\n`);
  });

  it('may depend on each other in one write: put, reserve and delete', async () => {
    const tube = fixture.tube();
    const raw = await fixture.connectRaw();
    raw.send(`use ${tube}\r\nwatch ${tube}\r\nignore default\r\nput 0 0 60 2\r\nhi\r\nreserve\r\n`);
    await raw.receives(`USING ${tube}\r\nWATCHING 2\r\nWATCHING 1\r\n`);
    const [, put, reserved] = await raw.matches(/^INSERTED (\d+)\r\nRESERVED (\d+) 2\r\nhi\r\n/);
    expect(reserved).to.equal(put);
    await raw.exchanges(`delete ${put}\r\ndelete ${put}\r\n`, 'DELETED\r\nNOT_FOUND\r\n');
  });
});

describe(`${JOBS} puts that are called at once`, () => {
  const fixture = onOwnServer();

  it('come back with ids in ascending order, and their bodies are reserved again byte for byte', async () => {
    // Some 300 MB, of which the client would hold 64 MiB at once otherwise.
    const client = await fixture.connect({ maxPendingBytes: 512 * 1024 * 1024 });
    const bodies = randomBodies();
    const hashes = bodies.map(hash);

    const ids = await Promise.all(bodies.map((body) => client.put(body)));
    expect(ids).to.have.length(JOBS);
    expect(isAscending(ids)).to.equal(true);

    // In turns, because a delete costs the server the more the more jobs the connection holds.
    const TURN = 100;
    for (let turn = 0; turn < JOBS; turn += TURN) {
      const jobs = await Promise.all(Array.from({ length: TURN }, () => client.reserve({ timeout: 0 })));
      for (const [index, job] of jobs.entries()) {
        // Equal priorities are served in the order of the ids.
        expect(job?.id).to.equal(ids[turn + index]);
        expect(job && hash(job.body)).to.equal(hashes[turn + index]);
      }
      await Promise.all(jobs.map((job) => job?.delete()));
    }
    expect(await client.stats()).to.include({ currentJobsReady: 0, currentJobsReserved: 0, cmdDelete: JOBS });
  });
});

describe('a reserve that waits', () => {
  const fixture = onSharedServer();

  it('holds up every command behind it until it is answered', async () => {
    const tube = fixture.tube();
    const [client, producer] = await Promise.all([fixture.connectTo(tube), fixture.connectTo(tube)]);
    const settled: string[] = [];
    const reserve = client.reserve().then((job) => settled.push(`job ${job?.id}`));
    const used = client.listTubeUsed().then((name) => settled.push(`used ${name}`));
    await untilWaitedFor(tube, producer);
    expect(settled).to.deep.equal([]);
    const id = await producer.put('');
    await Promise.all([reserve, used]);
    expect(settled).to.deep.equal([`job ${id}`, `used ${tube}`]);
  });

  it('is not served by a put that is called after it on the same connection', async () => {
    const client = await fixture.connectTo(fixture.tube());
    const [job, id] = await Promise.all([client.reserve({ timeout: 1 }), client.put('')]);
    expect(job).to.equal(null);
    expect((await client.reserve({ timeout: 0 }))?.id).to.equal(id);
  });

  it('is served by a put that was called before it, in the same write', async () => {
    const client = await fixture.connectTo(fixture.tube());
    const [id, job] = await Promise.all([client.put(''), client.reserve()]);
    expect(job?.id).to.equal(id);
  });

  it('does not hold up other connections', async () => {
    const tube = fixture.tube();
    const clients = await Promise.all(Array.from({ length: 20 }, () => fixture.connectTo(tube)));
    const waiting = clients.map((client) => client.reserve());
    const producer = await fixture.connectTo(tube);
    const ids = await Promise.all(clients.map(() => producer.put('')));
    const jobs = await Promise.all(waiting);
    expect(jobs.map((job) => job?.id).sort(byNumber)).to.deep.equal(ids);
  });

  it('is given its job even where a quit was sent behind it, and the job goes back with the connection', async () => {
    const tube = fixture.tube();
    const [raw, producer] = [await fixture.connectRaw(), await fixture.connectTo(tube)];
    await raw.exchanges(`watch ${tube}\r\nignore default\r\n`, 'WATCHING 2\r\nWATCHING 1\r\n');
    raw.send('reserve\r\nquit\r\n');
    await untilWaitedFor(tube, producer);
    const id = await producer.put('Q');
    await raw.receives(`RESERVED ${id} 1\r\nQ\r\n`);
    expect(await raw.ends()).to.equal('end of file');
    await until('the job is ready', async () => (await producer.statsJob(id))?.state === 'ready');
    expect(await producer.statsJob(id)).to.include({ reserves: 1, releases: 0, timeouts: 0 });
  });
});

describe('a connection that does not read', () => {
  const fixture = onOwnServer();
  const COMMANDS = 20_000;

  it('has its commands executed only as far as the answers can be sent, and holds up nobody else', async () => {
    const [raw, client] = [await fixture.connectRaw(), await fixture.connect()];
    raw.pauseReading();
    raw.send('stats\r\n'.repeat(COMMANDS));
    const executed = async () => (await client.stats()).cmdStats;
    let count = await executed();
    // Until nothing but this question itself is counted.
    await until('the server waits for the reader', async () => {
      for (let turn = 0; turn < 20; turn++) await nextTurn();
      const [last, now] = [count, await executed()];
      count = now;
      return now === last + 1;
    });
    expect(count).to.be.below(COMMANDS);

    raw.resumeReading();
    await until('the rest is executed', async () => (await executed()) > COMMANDS);
  });
});

/** Slices of one random block, of 0 to LARGEST_BODY bytes; both ends are among them. */
function randomBodies(): Buffer[] {
  const block = randomFillSync(Buffer.alloc(4 * 1024 * 1024));
  return Array.from({ length: JOBS }, (_, index) => {
    const size = index === 0 ? 0 : index === 1 ? LARGEST_BODY : randomInt(LARGEST_BODY + 1);
    const start = randomInt(block.length - size + 1);
    return block.subarray(start, start + size);
  });
}

function hash(body: Buffer): string {
  return createHash('sha1').update(body).digest('base64');
}

function byNumber(one: string | undefined, other: string | undefined): number {
  return Number(one) - Number(other);
}

function isAscending(ids: readonly string[]): boolean {
  return ids.every((id, index) => index === 0 || BigInt(id) > BigInt(ids[index - 1] ?? ''));
}
