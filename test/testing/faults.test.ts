import assert from 'node:assert/strict';
import { expect } from 'chai';
import { openMemory } from '../../src/drivers/memory/driver.js';
import type { Driver } from '../../src/queue/driver.js';
import { FAULTS, type Fault } from './faults.js';
import { messageOf, type Outcome, runFailing } from './run-suite.js';

/** Most of them wait, most of the time. */
const AT_ONCE = 12;

describe('The conformance suite notices a driver that', function () {
  this.timeout(300_000);
  const runs = new Map<Fault, Promise<Outcome[]>>();

  before(() => {
    const lanes: Promise<unknown>[] = [];
    for (const [index, fault] of FAULTS.entries()) {
      const lane = index % AT_ONCE;
      const run = Promise.resolve(lanes[lane]).then(() => runBroken(fault));
      lanes[lane] = run.catch(() => {});
      runs.set(fault, run);
    }
  });

  for (const fault of FAULTS) {
    it(fault.what, async () => {
      const outcomes = (await runs.get(fault)) ?? [];
      expect(outcomes.map(({ title }) => title)).to.include.members(fault.fails);
      for (const outcome of outcomes) {
        expect(outcome.state, outcome.title).to.equal('failed');
        expect(outcome.error, messageOf(outcome)).to.be.instanceOf(assert.AssertionError);
      }
    });
  }
});

async function runBroken({ what, breaks, fails }: Fault): Promise<Outcome[]> {
  const opened: Driver[] = [];
  const open = async (): Promise<Driver> => {
    const driver = openMemory(`memory:${what.replaceAll(/\W/g, '-')}`, { prefix: '' });
    opened.push(driver);
    return breaks(driver);
  };
  const outcomes = await runFailing({ open }, fails, (found) => found.every(({ state }) => state === 'failed'));
  // Those that cannot be closed would keep the process alive.
  await Promise.all(opened.map((driver) => driver.close()));
  return outcomes;
}
