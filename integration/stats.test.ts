import { expect } from 'chai';
import { onOwnServer, onSharedServer } from './support/fixture.js';
import type { RawConnection } from './support/raw.js';

const SERVER_TEXTS = ['version', 'id', 'hostname', 'os', 'platform'];
const SERVER_COUNTERS = {
  cmdPut: 4,
  cmdPeek: 1,
  cmdPeekReady: 1,
  cmdPeekDelayed: 1,
  cmdPeekBuried: 1,
  // The client sends no reserve without a timeout.
  cmdReserve: 0,
  cmdReserveWithTimeout: 3,
  cmdDelete: 1,
  cmdRelease: 1,
  // One by the caller, and one with which a client that connects makes the server answer.
  cmdUse: 2,
  cmdWatch: 1,
  cmdIgnore: 1,
  cmdBury: 1,
  cmdKick: 1,
  cmdTouch: 1,
  cmdStatsJob: 1,
  cmdStatsTube: 1,
  cmdListTubes: 1,
  cmdListTubeUsed: 1,
  cmdListTubesWatched: 1,
  cmdPauseTube: 1,
};
const SERVER_NUMBERS = [
  ...Object.keys(SERVER_COUNTERS),
  'currentJobsUrgent',
  'currentJobsReady',
  'currentJobsReserved',
  'currentJobsDelayed',
  'currentJobsBuried',
  'cmdStats',
  'jobTimeouts',
  'totalJobs',
  'maxJobSize',
  'currentTubes',
  'currentConnections',
  'currentProducers',
  'currentWorkers',
  'currentWaiting',
  'totalConnections',
  'pid',
  'rusageUtime',
  'rusageStime',
  'uptime',
  'binlogOldestIndex',
  'binlogCurrentIndex',
  'binlogRecordsMigrated',
  'binlogRecordsWritten',
  'binlogMaxSize',
];
const TUBE_NUMBERS = [
  'currentJobsUrgent',
  'currentJobsReady',
  'currentJobsReserved',
  'currentJobsDelayed',
  'currentJobsBuried',
  'totalJobs',
  'currentUsing',
  'currentWatching',
  'currentWaiting',
  'cmdDelete',
  'cmdPauseTube',
  'pause',
  'pauseTimeLeft',
];
const JOB_TEXTS = ['id', 'tube', 'state'];
const JOB_NUMBERS = [
  'pri',
  'age',
  'delay',
  'ttr',
  'timeLeft',
  'file',
  'reserves',
  'timeouts',
  'releases',
  'buries',
  'kicks',
];

describe('the statistics of the server', () => {
  const fixture = onOwnServer();

  it('have a number or a text under every key', async () => {
    const stats = await (await fixture.connect()).stats();
    expectTypes(stats, SERVER_NUMBERS, SERVER_TEXTS);
    expect(stats.version).to.match(/^1\.\d+/);
    expect(stats.id).to.match(/^[0-9a-f]{16}$/);
    expect(stats).to.include({ maxJobSize: 65_535, draining: false, totalJobs: 0, binlogMaxSize: 10_485_760 });
  });

  it('have every key the server sends, with its text as it is', async () => {
    const [raw, client] = [await fixture.connectRaw(), await fixture.connect()];
    const [sent, stats] = [await lines(raw, 'stats'), await client.stats()];
    expect(Object.keys(stats)).to.have.length(sent.size);
    for (const key of SERVER_TEXTS) expect(stats[key]).to.equal(sent.get(key)?.replace(/^"(.*)"$/, '$1'));
    for (const key of ['maxJobSize', 'pid']) expect(`${stats[key]}`).to.equal(sent.get(kebab(key)));
  });

  it('count every command', async () => {
    const client = await fixture.connect();
    const [, kicked, buried, held] = [
      await client.put('', { priority: 9999 }),
      await client.put('', { delay: 300 }),
      await client.put(''),
      await client.put(''),
    ];
    await client.reserve();
    await client.bury(buried);
    await client.reserve();
    await client.touch(held);
    await client.release(held);
    await client.reserve({ timeout: 0 });
    await client.delete(held);
    await client.kick(1);
    await Promise.all([client.peek(kicked), client.peekReady(), client.peekDelayed(), client.peekBuried()]);
    await Promise.all([client.use('a'), client.watch('a'), client.ignore('a'), client.pauseTube('a', 1)]);
    await Promise.all([client.listTubes(), client.listTubeUsed(), client.listTubesWatched()]);
    await Promise.all([client.statsJob(1), client.statsTube('a')]);
    const stats = await client.stats();
    expect(stats).to.include(SERVER_COUNTERS);
    expect(await client.stats()).to.include({ cmdStats: stats.cmdStats + 1 });
  });

  it('do not count reserve-job and kick-job', async () => {
    const client = await fixture.connect();
    const id = await client.put('', { delay: 300 });
    const before = await client.stats();
    await client.kickJob(id);
    await client.reserveJob(id);
    expect(await client.stats()).to.include({ cmdReserve: before.cmdReserve, cmdKick: before.cmdKick });
  });

  it('tell how many jobs, tubes and connections there are', async () => {
    const [client, worker] = [await fixture.connect(), await fixture.connect()];
    await client.put('urgent', { priority: 1023 });
    await client.put('not urgent', { priority: 1024 });
    await client.put('delayed', { delay: 300 });
    await client.put('reserved', { priority: 0 });
    await worker.reserve();
    await client.use('another');
    const stats = await client.stats();
    expect(stats).to.include({ currentJobsReady: 2, currentJobsUrgent: 1, currentJobsDelayed: 1, totalJobs: 4 });
    expect(stats).to.include({ currentJobsReserved: 1, currentJobsBuried: 0, currentTubes: 2 });
    expect(stats).to.include({ currentProducers: 1, currentWorkers: 1, currentWaiting: 0, currentConnections: 2 });
  });
});

describe('the statistics of a server with a binlog', () => {
  const fixture = onOwnServer({ binlog: true, flags: ['-s', '65536'] });

  it('tell of its files, and those of a job in which of them it is', async () => {
    const client = await fixture.connect();
    const id = await client.put('');
    const stats = await client.stats();
    expect(stats).to.include({ binlogOldestIndex: 1, binlogCurrentIndex: 1, binlogMaxSize: 65_536 });
    expect(stats.binlogRecordsWritten).to.equal(1);
    expect(await client.statsJob(id)).to.include({ file: 1 });
  });

  it('have the same id until a restart, and another one after it', async () => {
    const { id } = await (await fixture.connect()).stats();
    expect(await (await fixture.connect()).stats()).to.include({ id });
    await fixture.server.restart();
    expect((await (await fixture.connect()).stats()).id).to.not.equal(id);
  });
});

describe('the statistics of a tube', () => {
  const fixture = onSharedServer();

  it('have a number under every key but the name', async () => {
    const tube = fixture.tube();
    const stats = await (await fixture.connectTo(tube)).statsTube(tube);
    expectTypes(stats ?? {}, TUBE_NUMBERS, ['name']);
    expect(stats?.name).to.equal(tube);
  });

  it('tell of its jobs, of who uses it and of its pause', async () => {
    const tube = fixture.tube();
    const [client, worker] = await Promise.all([fixture.connectTo(tube), fixture.connectTo(tube)]);
    await client.put('', { priority: 0 });
    await client.delete(await client.put('', { delay: 300 }));
    await client.pauseTube(tube, 300);
    const stats = await worker.statsTube(tube);
    expect(stats).to.include({ totalJobs: 2, currentJobsReady: 1, currentJobsUrgent: 1, cmdDelete: 1 });
    expect(stats).to.include({ currentUsing: 2, currentWatching: 2, cmdPauseTube: 1, pause: 300 });
    expect(stats?.pauseTimeLeft).to.be.within(100, 300);
  });
});

describe('the statistics of a job', () => {
  const fixture = onSharedServer();

  it('have a number under every key but the id, the tube and the state', async () => {
    const client = await fixture.connectTo(fixture.tube());
    const id = await client.put('');
    const stats = await client.statsJob(id);
    expectTypes(stats ?? {}, JOB_NUMBERS, JOB_TEXTS);
    expect(stats?.id).to.equal(id);
  });

  it('count what has happened to it', async () => {
    const tube = fixture.tube();
    const client = await fixture.connectTo(tube);
    const id = await client.put('', { ttr: 100 });
    await (await client.reserve())?.release();
    await (await client.reserve())?.bury();
    await client.kick(1);
    const job = await client.reserve();
    const stats = await job?.stats();
    expect(stats).to.include({ reserves: 3, releases: 1, buries: 1, kicks: 1, timeouts: 0, state: 'reserved' });
    expect(stats?.timeLeft).to.be.within(10, 100);
    expect(await client.statsJob(id)).to.include({ tube, ttr: 100 });
  });
});

describe('a tube whose name could be mistaken for something else', () => {
  const fixture = onOwnServer();

  it('keeps its name everywhere', async () => {
    const client = await fixture.connect();
    const names = ['null', '123', '1e3', 'true', '0x1F', '1.0', '007', '.5', '+1', 'NaN', '0'];
    for (const name of names) {
      expect(await client.use(name)).to.equal(name);
      await client.watch(name);
      const id = await client.put('');
      expect(await client.statsTube(name)).to.include({ name });
      expect(await client.statsJob(id)).to.include({ tube: name });
      expect(await client.listTubeUsed()).to.equal(name);
    }
    expect(await client.listTubes()).to.have.members(['default', ...names]);
    expect(await client.listTubesWatched()).to.have.members(['default', ...names]);
  });
});

function expectTypes(stats: object, numbers: readonly string[], texts: readonly string[]): void {
  const types = Object.fromEntries(Object.entries(stats).map(([key, value]) => [key, typeof value]));
  for (const key of numbers) expect(types).to.have.property(key, 'number');
  for (const key of texts) expect(types).to.have.property(key, 'string');
}

/** What the server sends, by its own keys. */
async function lines(raw: RawConnection, command: string): Promise<Map<string, string>> {
  raw.send(`${command}\r\n`);
  const [, data = ''] = await raw.matches(/^OK \d+\r\n---\n([\s\S]*)\n\r\n/);
  return new Map(data.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.replace(/^[^:]*: /, '')]));
}

function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
