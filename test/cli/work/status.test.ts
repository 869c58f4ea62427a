import { expect } from 'chai';
import { type SinonFakeTimers, useFakeTimers } from 'sinon';
import { statusOf } from '../../../src/cli/work/status.js';
import { FakeOutput } from '../../support/fake-output.js';
import { terminal } from '../harness.js';

describe('The status of a worker', () => {
  let clock: SinonFakeTimers;
  let counts: { inFlight: unknown[]; finished: number; released: number; failed: number };

  beforeEach(() => {
    clock = useFakeTimers({ shouldClearNativeTimers: true, toFake: ['setInterval', 'clearInterval', 'Date'] });
    counts = { inFlight: [], finished: 0, released: 0, failed: 0 };
  });

  afterEach(() => clock.restore());

  /** The last text of the live line. */
  function shown({ err }: FakeOutput): string | undefined {
    return err.split('\r\u001b[2K').at(-1);
  }

  /** Shows the status of a worker with these counts, and no pauses unless they are given. */
  function show(
    output: FakeOutput,
    { json = false, pauses = [] as { queue: string; until: Date }[] } = {},
  ): () => void {
    return statusOf(output, json).show(
      () => counts,
      () => pauses,
    );
  }

  it('is a line on the terminal that shows every second how far it is', () => {
    const output = terminal();
    const end = show(output);
    counts = { inFlight: [1, 2], finished: 12, released: 2, failed: 1 };
    clock.tick(1000);
    expect(shown(output)).to.equal('12 finished (12/s), 2 in progress, 2 retried, 1 buried');
    counts = { ...counts, inFlight: [], finished: 15 };
    clock.tick(1000);
    expect(shown(output)).to.equal('15 finished (3/s), 0 in progress, 2 retried, 1 buried');
    end();
    expect([output.out, shown(output), clock.countTimers()]).to.deep.equal(['', '', 0]);
  });

  it('says which queues are paused', () => {
    const output = terminal();
    const until = new Date('2026-01-01T00:01:30Z');
    const pauses = [{ queue: 'mail', until }];
    const end = show(output, { pauses });
    clock.tick(1000);
    expect(shown(output)).to.match(/^mail is paused until 2026-01-01 00:01:30Z; 0 finished/);
    pauses.push({ queue: 'sms', until });
    clock.tick(1000);
    expect(shown(output)).to.match(/^2 queues are paused; 0 finished/);
    end();
  });

  it('stays below what slots print, only where that goes to the same terminal', () => {
    const output = terminal();
    Object.assign(output.stdout, { isTTY: false });
    const end = show(output);
    clock.tick(1000);
    const before = output.err;
    output.stdout.write('to a file\n');
    expect(output.err).to.equal(before);
    end();
  });

  it('is a line for each minute in which something has happened, where there is no terminal', () => {
    const output = new FakeOutput();
    const end = show(output);
    counts = { inFlight: [], finished: 12, released: 2, failed: 1 };
    clock.tick(59_999);
    expect(output.out).to.equal('');
    clock.tick(1);
    clock.tick(120_000);
    counts = { ...counts, finished: 13 };
    clock.tick(60_000);
    expect(output.lines).to.deep.equal([
      '00:01:00Z in the last minute: 12 finished, 2 retried, 1 buried',
      '00:04:00Z in the last minute: 1 finished, 0 retried, 0 buried',
    ]);
    end();
    expect([output.err, clock.countTimers()]).to.deep.equal(['', 0]);
  });

  it('is a record a minute with --json, even on a terminal', () => {
    const output = terminal();
    const end = show(output, { json: true });
    counts = { ...counts, finished: 2 };
    clock.tick(60_000);
    end();
    expect(JSON.parse(output.out)).to.deep.equal({
      time: '1970-01-01T00:01:00.000Z',
      summary: { finished: 2, retried: 0, buried: 0 },
    });
    expect(output.err).to.equal('');
  });
});
