import '../support/unheeded-rejections.js';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Driver } from '../../src/queue/driver.js';
import { urlOf } from '../../src/testing/peer.js';
import { testDriver } from '../../src/testing/suite.js';
import { countsOf } from '../support/counts.js';
import { thrown } from '../support/failures.js';
import { alterConsumers, alterDriver } from './altered.js';
import open from './fixtures/open-memory.js';
import { OF_TWO_PROCESSES } from './processes.js';
import { allTitles, messageOf, runFailing, runSuite } from './run-suite.js';

const [PUTS = '', , , ENDS = ''] = OF_TWO_PROCESSES;
const PLAIN = { priority: 1024, delayMs: 0, ttrMs: 60_000 };

const fixture = (name: string): URL => new URL(`./fixtures/${name}.ts`, import.meta.url);

/** Says that processes can share it, which is not true. */
const openShared = async (): Promise<Driver> =>
  alterDriver(await open(), ({ capabilities }) => ({ capabilities: { ...capabilities, shared: true } }));

describe('The conformance suite', function () {
  // Processes are started, which takes long on a busy machine.
  this.timeout(300_000);

  it('is passed by a driver that does all right, at the same pace as the broken ones fail it', async () => {
    const outcomes = await runSuite({ open }, { pace: { secondMs: 500, patienceMs: 60_000, tries: 5, atOnce: 8 } });
    expect(outcomes.filter(({ state }) => state === 'failed')).to.deep.equal([]);
    expect(outcomes).to.have.length(allTitles().length);
  });

  it('reports as pending what the capabilities say no to, and which of them, and nothing else', async () => {
    const incapable = async (): Promise<Driver> =>
      alterDriver(await open(), () => ({ capabilities: { peekMany: false, failures: 'none', shared: false } }));
    expect(await pendingOf(incapable)).to.deep.equal([
      'keeps the failure of a message that is buried (the engine lacks failures)',
      'shows several messages of a state (the engine lacks peekMany)',
      ...[...OF_TWO_PROCESSES].map((title) => `${title} (the engine lacks shared)`),
    ]);
    expect(await pendingOf(openShared)).to.deep.equal([
      'refuses to bury with a failure that it cannot keep, and the message is still held (the engine has failures)',
      'refuses to show several messages of a state (the engine has peekMany)',
    ]);
  });

  it('works beside other users of the engine, and leaves nothing behind', async () => {
    const witness = await open();
    await witness.put('mine', Buffer.from('a'), PLAIN);
    const titles = allTitles().filter((title) => /^(delivers and shows|shows|leaves|a consumer|list)/.test(title));
    await runSuite({ open }, { only: titles });
    expect(await witness.queues()).to.deep.equal(['mine']);
    expect(countsOf(await witness.stats('mine'))).to.deep.equal({ ready: 1, delayed: 0, reserved: 0, buried: 0 });
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
    const pace = { secondMs: 50, patienceMs: 60_000, tries: 5, atOnce: 0 };
    const [late] = await runSuite({ open: slowReserves(9) }, { only: [WAKES], pace });
    expect(late?.state, late && messageOf(late)).to.equal('passed');
    const [slow] = await runSuite(
      { open: slowReserves(Number.POSITIVE_INFINITY) },
      { only: [WAKES], pace: { ...pace, tries: 2 } },
    );
    expect(slow?.state).to.equal('failed');
    expect(slow && messageOf(slow)).to.match(/^half of the messages came later than \d+ ms/);
  });

  it('says that there is no mocha', () => {
    const globals = globalThis as { describe?: unknown };
    const { describe } = globals;
    delete globals.describe;
    try {
      expect(thrown(() => testDriver('memory', { open }), Error).message).to.match(
        /^testDriver\(\) declares its tests with the global functions describe, it and after: call it in a test file/,
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

async function pendingOf(openDriver: () => Promise<Driver>): Promise<string[]> {
  const conditional = allTitles().filter((title) => /failure of a|with a failure|several messages/.test(title));
  const outcomes = await runSuite({ open: openDriver }, { only: [...conditional, ...OF_TWO_PROCESSES] });
  return outcomes.filter(({ state }) => state === 'pending').map(({ title }) => title);
}

/** Checks that the test fails, and why, for an engine that says it is shared. */
async function fails(processModule: string | URL | undefined, title: string, why: RegExp): Promise<void> {
  const outcomes = await runFailing({ open: openShared, processModule }, [title], (found) =>
    found.every((outcome) => outcome.state === 'failed' && why.test(messageOf(outcome))),
  );
  expect(outcomes.map((outcome) => [outcome.title, outcome.state])).to.deep.equal([[title, 'failed']]);
  for (const outcome of outcomes) expect(messageOf(outcome)).to.match(why);
}
