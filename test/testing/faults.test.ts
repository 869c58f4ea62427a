import '../support/unheeded-rejections.js';
import { expect } from 'chai';
import { openMemory } from '../../src/drivers/memory/driver.js';
import type { Driver } from '../../src/queue/driver.js';
import { closing } from './faults/closing.js';
import type { Fault } from './faults/fault.js';
import { leases } from './faults/leases.js';
import { operating } from './faults/operating.js';
import { order } from './faults/order.js';
import { putting } from './faults/putting.js';
import { refusals } from './faults/refusing.js';
import { settling } from './faults/settling.js';
import { times } from './faults/times.js';
import { waits } from './faults/waiting.js';
import { OF_TWO_PROCESSES } from './processes.js';
import { allTitles, messageOf, type Outcome, runFailing } from './run-suite.js';

const FAULTS: readonly Fault[] = [
  ...putting,
  ...order,
  ...leases,
  ...settling,
  ...times,
  ...waits,
  ...operating,
  ...closing,
  ...refusals,
];

/** Most of them wait, most of the time. */
const AT_ONCE = 20;

describe('The conformance suite notices a driver that', function () {
  this.timeout(300_000);
  const runs = new Map<Fault, Promise<Outcome[]>>();

  before(async () => {
    for (const fault of FAULTS.filter(({ isBusy }) => isBusy)) {
      runs.set(fault, runBroken(fault));
      await runs.get(fault);
    }
    const lanes: Promise<unknown>[] = [];
    for (const [index, fault] of FAULTS.filter(({ isBusy }) => !isBusy).entries()) {
      const lane = index % AT_ONCE;
      const run = Promise.resolve(lanes[lane]).then(() => runBroken(fault));
      lanes[lane] = run.catch(() => {});
      runs.set(fault, run);
    }
  });

  for (const fault of FAULTS) {
    it(fault.what, async () => {
      const outcomes = (await runs.get(fault)) ?? [];
      expect(outcomes.map(({ title }) => title)).to.have.members(fault.fails);
      for (const { title, state } of outcomes) expect(state, title).to.equal('failed');
      const first = outcomes.find(({ title }) => title === fault.fails[0]);
      expect(first && messageOf(first)).to.match(fault.because);
    });
  }

  it('breaks any one of the promises that can be seen in one process', () => {
    const noticed = new Set(FAULTS.flatMap(({ fails }) => fails));
    const titles = allTitles().filter((title) => !OF_TWO_PROCESSES.has(title));
    expect(titles.filter((title) => !noticed.has(title))).to.deep.equal([]);
  });
});

async function runBroken({ what, breaks, fails, because }: Fault): Promise<Outcome[]> {
  const opened: Driver[] = [];
  const open = async () => {
    const driver = openMemory(`memory:${what.replaceAll(/\W/g, '-')}`, { prefix: '' });
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
