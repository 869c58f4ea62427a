import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { openMemory } from '../../src/drivers/memory/driver.js';
import type { Capabilities } from '../../src/queue/capabilities.js';
import type { Driver } from '../../src/queue/driver.js';
import { urlOf } from '../../src/testing/conformance/other-process.js';
import { testDriver } from '../../src/testing/conformance/suite.js';
import { countsOf } from '../support/counts.js';
import { thrown } from '../support/failures.js';
import { alterConsumers, alterDriver } from './altered.js';
import open from './fixtures/open-memory.js';
import { OF_TWO_PROCESSES } from './processes.js';
import { allTitles, messageOf, runFailing, runSuite } from './run-suite.js';

const [PUTS = ''] = OF_TWO_PROCESSES;
const ENDS = 'ends by itself when its driver is closed while a reserve waits';
const SUITE = new URL('../../src/testing/conformance/index.ts', import.meta.url).href;
const ALL_BURIED = 'shows all buried messages in order, by pages, without loss or repetition while others put and take';
const DENIED: Capabilities = { failures: 'none', uncountedRelease: false, list: { buried: 'none' }, shared: false };
/** As short as that of the broken drivers, with patience for what hangs only. */
const PATIENT = { secondMs: 500, patienceMs: 60_000, tries: 5, atOnce: 8 };
const PLAIN = { priority: 1024, delayMs: 0, ttrMs: 60_000 };

const fixture = (name: string): URL => new URL(`./fixtures/${name}.ts`, import.meta.url);

/** Says that processes can share it, and that it notices when one is gone, which is not true. */
const openShared = async (): Promise<Driver> =>
  alterDriver(await open(), ({ capabilities }) => ({
    capabilities: { ...capabilities, shared: true, returnsOnDisconnect: true },
  }));

describe('The conformance suite', function () {
  // Processes are started, which takes long on a busy machine.
  this.timeout(300_000);

  it('is passed by a driver that does all right, at the same pace as the broken ones fail it', async () => {
    const outcomes = await runSuite({ open }, { timing: PATIENT });
    expect(outcomes.filter(({ state }) => state === 'failed')).to.deep.equal([]);
    expect(outcomes).to.have.length(allTitles().length);
  });

  it('reports as pending what the capabilities deny, with the capability', async () => {
    const incapable = async (): Promise<Driver> =>
      alterDriver(await open(), ({ capabilities }) => ({ capabilities: { ...capabilities, ...DENIED } }));
    const titles = ['are kept with a message that is buried', 'do not count a release that is not counted', ALL_BURIED];
    const outcomes = await runSuite({ open: incapable }, { only: [...titles, ...OF_TWO_PROCESSES] });
    expect(outcomes.filter(({ state }) => state !== 'pending')).to.deep.equal([]);
    const pending = outcomes.map(({ title }) => title);
    expect(pending).to.include.members([
      'are kept with a message that is buried (the capability failures is none)',
      'do not count a release that is not counted (the capability uncountedRelease is false)',
      `${ALL_BURIED} (the capability list.buried is none)`,
      `${PUTS} (the capability shared is false)`,
    ]);
  });

  it('holds a driver to what it does not deny', async () => {
    const title = 'are kept with a message that is buried';
    const silent = async (): Promise<Driver> =>
      alterConsumers(
        alterDriver(await open(), () => ({ capabilities: {} })),
        ({ settle }) => ({
          settle: (settlements) =>
            settle(settlements.map(({ kind, message }) => ({ kind, message }) as (typeof settlements)[number])),
        }),
      );
    const [outcome] = await runSuite({ open: silent }, { only: [title] });
    expect(outcome).to.include({ title, state: 'failed' });
  });

  it('runs under node:test, and under any runner that is handed in', async () => {
    const program = `
      import { after, describe, it } from 'node:test';
      const { testDriver } = await import(${JSON.stringify(SUITE)});
      const { default: open } = await import(${JSON.stringify(fixture('open-memory').href)});
      const only = (title, ...rest) => (title.startsWith('delivers the') ? it(title, ...rest) : undefined);
      testDriver('memory', { open, runner: { describe, it: only, after } });`;
    const args = ['--import', 'tsx', '--input-type=module', '--test-reporter=tap', '-e', program];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(stdout)
      .to.match(/^# fail 0$/m)
      .and.match(/^# pass [1-9]/m);
  });

  it('runs its quick part many times at once', async () => {
    const titles: string[] = [];
    const tests: (() => Promise<void>)[] = [];
    testDriver('memory', {
      // An engine of its own: the tests that run at once may go on behind the one that is waited for.
      open: async () => openMemory('memory:stressed', { prefix: '' }),
      stress: 3,
      runner: {
        describe: (_title, declare) => declare(),
        it: (title, test) => {
          titles.push(title);
          tests.push(() => test.call({ skip: () => {} }));
        },
        after: () => {},
      },
    });
    const index = titles.findIndex((title) => title.startsWith('delivers the lowest priority first'));
    expect(index).to.be.at.least(0);
    await tests[index]?.();
  });

  it('works beside other users of the engine, and leaves nothing behind', async () => {
    const witness = await open();
    await witness.put([{ queue: 'mine', body: Buffer.from('a'), options: PLAIN }]);
    const titles = allTitles().filter((title) => /^(delivers and shows|shows|leaves|a consumer|list)/.test(title));
    await runSuite({ open }, { only: titles, timing: PATIENT });
    expect(await witness.queues()).to.deep.equal(['mine']);
    expect(countsOf((await witness.stats(['mine']))[0] ?? null)).to.deep.equal({
      ready: 1,
      delayed: 0,
      reserved: 0,
      buried: 0,
    });
    await witness.close();
  });

  it('runs a test again where a busy machine may be to blame, and fails a driver that is slow each time', async () => {
    const WAKES = 'gets a message of the same driver within 100 ms';
    const slowReserves = (count: number) => async () => {
      return alterConsumers(await open(), ({ reserve }) => ({
        reserve: async (options) => {
          const reservation = await reserve(options);
          if (count-- > 0) await sleep(150);
          return reservation;
        },
      }));
    };
    const timing = { secondMs: 50, patienceMs: 60_000, tries: 5, atOnce: 0 };
    const [late] = await runSuite({ open: slowReserves(9) }, { only: [WAKES], timing });
    expect(late?.state, late && messageOf(late)).to.equal('passed');
    const [slow] = await runSuite(
      { open: slowReserves(Number.POSITIVE_INFINITY) },
      { only: [WAKES], timing: { ...timing, tries: 2 } },
    );
    expect(slow?.state).to.equal('failed');
    expect(slow && messageOf(slow)).to.match(/^half of the messages came later than \d+ ms/);
  });

  it('says that there is no runner', () => {
    const globals = globalThis as { describe?: unknown };
    const { describe } = globals;
    delete globals.describe;
    try {
      expect(thrown(() => testDriver('memory', { open }), Error).message).to.match(
        /^testDriver\(\) found no test runner: call it in a test file that mocha loads/,
      );
    } finally {
      globals.describe = describe;
    }
  });

  describe('with a second process', () => {
    it('fails an engine that is not shared though it says so', async () => {
      await Promise.all([...OF_TWO_PROCESSES].map((title) => fails(fixture('open-memory'), title, /./)));
    });

    it('fails an engine that keeps its process alive', async () => {
      await fails(fixture('open-lingering'), ENDS, /^not within \d+ ms: the other process ends/);
    });

    it('asks for the module that opens the engine there, by its URL or its path', () => {
      const url = fixture('open-memory');
      for (const module of [url, url.href, fileURLToPath(url)]) expect(urlOf(module)).to.equal(url.href);
      const asked = /needs `processModule`, the URL or absolute path of a module whose default export opens the engine/;
      expect(thrown(() => urlOf(undefined), Error).message).to.match(asked);
      expect(thrown(() => urlOf('./open.js'), Error).message)
        .to.match(asked)
        .and.match(/, not "\.\/open\.js"$/);
    });

    it('says what is wrong with that module', async () => {
      const notThere = /^the engine is shared by processes, as its capabilities say: testDriver\(\) needs/;
      const absent = /^the other process has ended\n[\s\S]*Cannot find module/;
      const empty =
        /^the other process has ended\n[\s\S]*the default export of .* must be a function that opens the engine, and is undefined/;
      await Promise.all([
        fails(undefined, PUTS, notThere),
        fails(fixture('absent'), PUTS, absent),
        fails(fixture('no-default'), PUTS, empty),
      ]);
    });
  });
});

/** Checks that the test fails, and why, for an engine that says it is shared. */
async function fails(processModule: string | URL | undefined, title: string, why: RegExp): Promise<void> {
  const outcomes = await runFailing({ open: openShared, processModule }, [title], (found) =>
    found.every((outcome) => outcome.state === 'failed' && why.test(messageOf(outcome))),
  );
  expect(outcomes.map((outcome) => [outcome.title, outcome.state])).to.deep.equal([[title, 'failed']]);
  for (const outcome of outcomes) expect(messageOf(outcome)).to.match(why);
}
