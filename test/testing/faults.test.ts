import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openMemory } from '../../src/drivers/memory/driver.js';
import { openSqlite } from '../../src/drivers/sqlite/driver.js';
import type { Driver } from '../../src/queue/driver.js';
import type { Fault } from './faults/fault.js';
import { FAULTS } from './faults/index.js';
import { OF_TWO_PROCESSES } from './processes.js';
import { allTitles, messageOf, type Outcome, runFailing } from './run-suite.js';

/** Most of them wait, most of the time. */
const AT_ONCE = 12;

/** What `checkedDriver`, which stands before every driver, does by itself, so that no driver can do it wrong. */
const DONE_ABOVE: readonly string[] = [
  'rejects with the reason when it was aborted before, and takes no message',
  ...['a deduplication key', 'a group', 'an expiry', 'a transaction'],
  ...['a release with a failure', 'a burial with a failure', 'a release that does not count'],
  ...['ready', 'delayed', 'reserved', 'buried'].map(
    (state) => `refuses to show more ${state} messages than the engine can`,
  ),
];

describe('The conformance suite notices a driver that', function () {
  this.timeout(300_000);
  const runs = new Map<Fault, Promise<Outcome[]>>();
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'haricot-faults-'));
    const lanes: Promise<unknown>[] = [];
    for (const [index, fault] of FAULTS.entries()) {
      const lane = index % AT_ONCE;
      const run = Promise.resolve(lanes[lane]).then(() => runBroken(fault, folder));
      lanes[lane] = run.catch(() => {});
      runs.set(fault, run);
    }
  });
  after(async () => {
    await Promise.allSettled(runs.values());
    await rm(folder, { recursive: true, force: true });
  });

  it('breaks any one of the promises that a driver can break in one process', () => {
    const broken = new Set([...FAULTS.flatMap(({ fails }) => fails), ...OF_TWO_PROCESSES, ...DONE_ABOVE]);
    expect(allTitles().filter((title) => !broken.has(title))).to.deep.equal([]);
  });

  for (const fault of FAULTS) {
    it(fault.what, async () => {
      const outcomes = (await runs.get(fault)) ?? [];
      expect(outcomes.map(({ title }) => title)).to.include.members(fault.fails);
      for (const outcome of outcomes) {
        expect(outcome.state, outcome.title).to.equal('failed');
        expect(outcome.error, messageOf(outcome)).to.be.instanceOf(assert.AssertionError);
      }
      const first = outcomes.find(({ title }) => title === fault.fails[0]);
      expect(first && messageOf(first)).to.match(fault.because);
    });
  }
});

async function runBroken({ what, breaks, fails, because, engine }: Fault, folder: string): Promise<Outcome[]> {
  const opened: Driver[] = [];
  const name = what.replaceAll(/\W+/g, '-');
  const open = async (): Promise<Driver> => {
    const driver =
      engine === 'sqlite'
        ? await openSqlite(`sqlite:${join(folder, name)}.db`, { prefix: '' })
        : openMemory(`memory:${name}`, { prefix: '' });
    opened.push(driver);
    return breaks(driver);
  };
  const outcomes = await runFailing({ open }, fails, (found) => {
    const isReason = found.some((outcome) => outcome.title === fails[0] && because.test(messageOf(outcome)));
    return isReason && found.every(({ state }) => state === 'failed');
  });
  // Those that cannot be closed would keep the process alive.
  await Promise.all(opened.map((driver) => driver.close()));
  return outcomes;
}
