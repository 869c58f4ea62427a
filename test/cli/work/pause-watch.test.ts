import { expect } from 'chai';
import { PauseWatch } from '../../../src/cli/work/pause-watch.js';
import { type FakeEngine, fakeEngine } from '../harness.js';

describe('The watch for pauses', () => {
  const SOON = new Date('2126-01-01T00:00:00Z');
  const pausedUntil = new Map<string, Date>();
  let driver: FakeEngine;
  let seen: unknown[];
  let watch: PauseWatch;

  beforeEach(() => {
    pausedUntil.clear();
    driver = fakeEngine();
    driver.stats = async (queues) =>
      queues.map((queue) => ({
        ...{ ready: 0, delayed: 0, reserved: 0, buried: 0 },
        pausedUntil: pausedUntil.get(queue) ?? null,
      }));
    seen = [];
    watch = new PauseWatch(driver, ['mail', 'sms'], (queue, until) => seen.push([queue, until]));
  });

  it('tells when a queue is paused, and when it is so no more', async () => {
    await watch.look();
    pausedUntil.set('sms', SOON);
    await watch.look();
    await watch.look();
    expect(watch.pauses).to.deep.equal([{ queue: 'sms', until: SOON }]);
    pausedUntil.clear();
    await watch.look();
    expect(seen).to.deep.equal([
      ['sms', SOON],
      ['sms', null],
    ]);
    expect(watch.pauses).to.deep.equal([]);
  });

  it('counts no pause that has ended since it looked', async () => {
    pausedUntil.set('mail', new Date(Date.now() - 1));
    await watch.look();
    expect(watch.pauses).to.deep.equal([]);
  });

  it('tells of an end that has moved, but not of one that is rounded differently', async () => {
    const [rounded, moved] = [new Date(SOON.getTime() + 1000), new Date(SOON.getTime() + 60_000)];
    for (const until of [SOON, rounded, moved]) {
      pausedUntil.set('mail', until);
      await watch.look();
    }
    expect(seen).to.deep.equal([
      ['mail', SOON],
      ['mail', moved],
    ]);
  });

  it('knows nothing of a queue that is not there, or of an engine that cannot be asked', async () => {
    pausedUntil.set('mail', SOON);
    const { stats } = driver;
    driver.stats = async () => [null, null];
    await watch.look();
    driver.stats = () => Promise.reject(new Error('no engine'));
    await watch.look();
    expect(seen).to.deep.equal([]);
    driver.stats = stats;
    await watch.look();
    expect(seen).to.deep.equal([['mail', SOON]]);
  });

  it('looks at once when it starts', async () => {
    pausedUntil.set('mail', SOON);
    const end = watch.start(60_000);
    await new Promise((resolve) => setImmediate(resolve));
    end();
    expect(seen).to.deep.equal([['mail', SOON]]);
  });
});
